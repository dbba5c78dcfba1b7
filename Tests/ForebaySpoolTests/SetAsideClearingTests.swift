import ForebayCore
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebaySpool

/// The same of what is set aside: the sweep of its log.
@Suite("Set-aside log: what is settled gives its room back", .timeLimit(.minutes(5)))
struct SetAsideClearingTests {
    private let large = String(repeating: "x", count: 30_000)

    /// Ten units in five segments, of which the first eight are settled; the sweep comes when the test says so.
    private func filled(_ fixture: SetAsideFixture, _ disk: FaultDisk, isDamaged: Bool = false) async throws -> SetAsideLog {
        let log = try fixture.open(on: disk)
        for number in 1...10 { try await log.append(new: [unit(UInt64(number))], [aside(UInt64(number), [self.large, self.large])]) }
        if isDamaged {
            try fixture.change(try fixture.segmentFiles()[0]) { $0[9000] ^= 1 }
            #expect(try log.scan([1: 0]).values(of: 1).isEmpty && log.missing.count == 1)
        }
        for number in 1...8 {
            log.settle(UInt64(number), through: 2, oldestAcceptedAt: nil)
            log.end(UInt64(number))
        }
        return log
    }

    @Test(
        "a call that fails stops nobody: the others go, an alarm tells, and it is tried again",
        arguments: [FaultDisk.Call.remove, .openFolder, .rename, .makeFolder], [ENOSPC, EIO, EMFILE, ENOENT])
    func callFails(_ call: FaultDisk.Call, _ number: Int32) async throws {
        for isForever in [false, true] {
            let fixture = SetAsideFixture(segmentSize: 64 << 10), disk = FaultDisk()
            let log = try await self.filled(fixture, disk, isDamaged: call == .rename || call == .makeFolder)
            let before = log.byteCount
            let struck = Atomic<Int>(0)
            disk.fail { tried, _ in
                guard tried == call else { return nil }
                return struck.wrappingAdd(1, ordering: .relaxed).newValue == 1 || isForever ? number : nil
            }
            await log.syncCursors()
            #expect(struck.load(ordering: .relaxed) > 0)
            #expect(log.damage.alarms.map(\.kind) == [.stays] && log.byteCount < before * 2 / 3, "\(log.damage.alarms) \(log.byteCount)")
            // A kill: nothing is missed, nothing that was settled comes again.
            let copy = try fixture.crashed().open()
            #expect(copy.damage == SpoolDamage(missing: log.missing) && copy.units.map(\.number) == [9, 10])
            await copy.close()
            disk.fail(nil)
            await log.syncCursors()
            #expect(log.damage.alarms.isEmpty && log.byteCount < before / 2)
            #expect(try fixture.segmentFiles().count <= 3)
            for number in [UInt64(9), 10] { #expect(try log.scan([number: 0]).values(of: number).count == 2) }
            await log.close()
        }
    }

    @Test("a segment in the middle that can't be cut stops no other")
    func cuttingFails() async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10), disk = FaultDisk()
        let log = try fixture.open(on: disk)
        for number in 1...10 { try await log.append(new: [unit(UInt64(number))], [aside(UInt64(number), [self.large, self.large])]) }
        // The first keeps its segment.
        for number in 2...10 { log.settle(UInt64(number), through: 2, oldestAcceptedAt: nil) }
        let second = try fixture.segmentFiles()[1]
        disk.fail { call, path in call == .open && path == second ? EMFILE : nil }
        await log.syncCursors()
        #expect(log.damage.alarms.map(\.file) == [second])
        let left = try fixture.segmentFiles().map { try Data(contentsOf: URL(filePath: $0)).count }
        #expect(left.count == 5 && left.filter { $0 == 12_288 }.count == 2, "\(left)")
        disk.fail(nil)
        await log.syncCursors()
        #expect(log.damage == SpoolDamage())
        #expect(try log.scan([1: 0]).values(of: 1).count == 2)
        await log.close()
    }
}
