import ForebayCore
import Foundation
import Testing

@testable import ForebaySpool

extension SetAsideHoleTests {
    @Test(
        "what an earlier hole took is not the share of a later one: a unit's last events in that are told, too",
        arguments: [0, 1], [false, true])
    func oneAfterTheOther(first: Int, isAcknowledged: Bool) async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        var log = try fixture.open()
        // The second unit is in the fourth segment alone.
        let owners = [UInt64](repeating: 1, count: 18) + [UInt64](repeating: 2, count: 6) + [UInt64](repeating: 1, count: 5)
        for owner in owners {
            let value = String(repeating: "s", count: 9_000)
            try await log.append(new: log.unit(owner) == nil ? [unit(owner, "topic \(owner)")] : [], [aside(owner, [value])])
        }
        await log.close()
        let files = try fixture.segmentFiles()
        #expect(files.count == 5)
        func told() -> Int { Int(log.missing.reduce(0) { $0 + $1.events }) }
        try FileManager.default.removeItem(atPath: files[first])
        log = try fixture.open()
        #expect(told() == 6, "\(log.missing)")
        if isAcknowledged { _ = try await log.acknowledgeAlarms() }
        await log.close()
        for _ in 0..<2 {
            log = try fixture.open()
            #expect(told() == (isAcknowledged ? 0 : 6))
            await log.close()
        }
        try FileManager.default.removeItem(atPath: files[3])
        for _ in 0..<2 {
            log = try fixture.open()
            #expect(told() == (isAcknowledged ? 6 : 12), "\(log.missing)")
            await log.close()
        }
    }
}
