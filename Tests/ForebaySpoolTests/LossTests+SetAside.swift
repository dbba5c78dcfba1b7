import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

/// What is lost of what is set aside.
extension LossTests {
    /// Two units with twelve events each over several segments; the first has settled some.
    private func aside(_ settled: UInt64) async throws -> SetAsideFixture {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let log = try fixture.open()
        try await log.append(new: [unit(1, "one"), unit(2, "two")], [])
        for number in 0..<12 {
            let value = "\(number)" + String(repeating: "l", count: 9_000)
            try await log.append(new: [], [ForebaySpoolTests.aside(1, [value]), ForebaySpoolTests.aside(2, [value])])
        }
        log.settle(1, through: settled, oldestAcceptedAt: nil)
        await log.close()
        return fixture
    }

    @Test("of what is set aside each event is told of once, by its unit where that is known", arguments: [0, 5, 12] as [UInt64])
    func setAside(settled: UInt64) async throws {
        let pristine = try await self.aside(settled)
        let files = try pristine.segmentFiles()
        for lost in [[0], [1], [files.count - 1], [1, 2], Array(files.indices)] {
            let fixture = try pristine.crashed()
            for place in lost {
                try FileManager.default.removeItem(atPath: fixture.directory + "/segments/" + files[place].split(separator: "/").last!)
            }
            for start in 0..<3 {
                let log = try fixture.open()
                let units = Dictionary(log.units.map { ($0.number, $0.settled) }) { first, _ in first }
                let found = try log.scan(units).all().mapValues { UInt64($0.count) }
                let told = log.missing.reduce(0) { $0 + $1.events }
                let waiting = (12 - settled) + 12
                #expect(found.values.reduce(0, +) + told == waiting, "\(lost), start \(start): \(log.missing)")
                await log.close()
            }
        }
    }

    @Test("of what is set aside also what a unit has behind nothing else: its last events, or all of them, in the segment that is gone")
    func setAsideTails() async throws {
        let pristine = SetAsideFixture(segmentSize: 64 << 10)
        let log = try pristine.open()
        try await log.append(new: [unit(1, "one"), unit(2, "two"), unit(3, "three")], [])
        // The first ends in a middle segment, the third stands in one alone.
        for (number, owner) in [1, 1, 1, 1, 1, 1, 1, 2, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2].enumerated() {
            let value = "\(number)" + String(repeating: "l", count: 9_000)
            try await log.append(new: [], [ForebaySpoolTests.aside(UInt64(owner), [value])])
        }
        await log.close()
        let files = try pristine.segmentFiles()
        #expect(files.count >= 3)
        for lost in files.indices {
            let fixture = try pristine.crashed()
            try FileManager.default.removeItem(atPath: fixture.directory + "/segments/" + files[lost].split(separator: "/").last!)
            #expect(try !SpoolInspection(directory: fixture.directory).verify().problems.isEmpty, "segment \(lost)")
            for start in 0..<2 {
                let log = try fixture.open()
                let units = Dictionary(log.units.map { ($0.number, $0.settled) }) { first, _ in first }
                let found = try log.scan(units).all().mapValues { UInt64($0.count) }
                let told = log.missing.reduce(0) { $0 + $1.events }
                #expect(found.values.reduce(0, +) + told == 20, "segment \(lost), start \(start): \(log.missing)")
                await log.close()
            }
        }
    }
}
