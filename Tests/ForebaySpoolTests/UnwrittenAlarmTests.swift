import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// An alarm that can't be written: what it tells of is passed durably only when somebody else would tell of it after a kill.
@Suite("Spool: an alarm that can't be written", .timeLimit(.minutes(1)))
struct UnwrittenAlarmTests {
    private let large = String(repeating: "l", count: 12_000)

    /// A log of two routes in several segments, and one of these that is gone.
    private func damaged(events: Int) async throws -> (SpoolFixture, lost: SpoolInspection.Segment) {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open()
        for route in ["a", "b"] { _ = try await spool.forward(route) }
        for number in 0..<events { try await spool.append(number % 2 == 0 ? "a" : "b", ["\(number)" + self.large]) }
        await spool.close()
        let lost = try SpoolInspection(directory: fixture.directory).segments[2]
        try FileManager.default.removeItem(atPath: SegmentFile.path(of: lost.number, in: fixture.segmentsFolder))
        return (fixture, lost)
    }

    private func deliver(_ spool: Spool, _ cursors: [SpoolCursor]) throws {
        for cursor in cursors {
            let count = try spool.waiting(cursor).count
            // Batch by batch, as they are settled.
            for sequence in cursor.sequence...spool.durableEnd { cursor.move(to: sequence, settled: 0) }
            cursor.rest(at: spool.durableEnd, ordinal: cursor.ordinal + UInt64(count))
        }
    }

    @Test(
        "for want of room, or for another reason: no cursor is beyond it, what lies before it is let go of",
        arguments: [ENOSPC, EIO, EMFILE])
    func held(error: Int32) async throws {
        let (fixture, lost) = try await self.damaged(events: 36)
        let disk = FaultDisk(), clock = ManualClock()
        let spool = try fixture.open(on: disk) {
            $0.recentBytes = 0
            $0.surroundings = .manual(clock, seed: 1)
        }
        let cursors = [try await spool.forward("a"), try await spool.forward("b")]
        await spool.releasePassedSegments()
        disk.fail { call, path in call == .open && path.contains("/alarms.") ? error : nil }
        try self.deliver(spool, cursors)
        await spool.syncCursors()
        #expect(spool.missing.map(\.sequences) == [lost.base..<lost.end])
        let left = try SpoolInspection(directory: fixture.directory).segments
        #expect(left.first.map { $0.base > lost.base } ?? false, "those before it make the room that is missing: \(left)")
        func afterKill() async throws -> (missing: [Range<UInt64>], cursors: [UInt64]) {
            let copy = try fixture.crashed()
            defer { withExtendedLifetime(copy) {} }
            let killed = try copy.open { $0.recentBytes = 0 }
            let cursors = [try await killed.forward("a"), try await killed.forward("b")]
            for cursor in cursors { _ = try killed.waiting(cursor) }
            let missing = killed.missing.map(\.sequences)
            await killed.close()
            return (missing, cursors.map(\.sequence))
        }
        var killed = try await afterKill()
        #expect(killed.missing == [lost.base..<lost.end] && killed.cursors.allSatisfy { $0 <= lost.base }, "\(killed)")
        clock.advance(by: .seconds(59))
        await spool.syncCursors()
        killed = try await afterKill()
        #expect(killed.missing == [lost.base..<lost.end], "\(killed)")
        clock.advance(by: .seconds(2))
        await spool.syncCursors()
        killed = try await afterKill()
        // A disk that gives errors is not waited for: this process tells of it.
        #expect(killed.cursors.allSatisfy { $0 == spool.durableEnd } == (error != ENOSPC), "\(killed)")
        disk.fail(nil)
        await spool.syncCursors()
        killed = try await afterKill()
        #expect(killed.missing == [lost.base..<lost.end] && killed.cursors.allSatisfy { $0 == spool.durableEnd }, "\(killed)")
        await spool.close()
    }

    @Test("a set-aside log: the unit that has lost something waits with its segments, and no other", arguments: [ENOSPC, EIO])
    func setAside(error: Int32) async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10), disk = FaultDisk()
        let log = try fixture.open(on: disk)
        try await log.append(new: [unit(1, "one"), unit(2, "two")], [])
        for number in 0..<12 { try await log.append(new: [], [aside(1, ["\(number)" + self.large])]) }
        for number in 0..<24 { try await log.append(new: [], [aside(2, ["\(number)" + self.large])]) }
        // A frame of the first one, while the log is open.
        let path = try fixture.segmentFiles()[0]
        try fixture.change(path) { $0[8192 + 4096 * 5] ^= 1 }
        disk.fail { call, path in call == .open && path.contains("/alarms.") ? error : nil }
        let scan = log.scan([1: 0, 2: 0])
        let found = try scan.all()
        #expect(found[1]?.count == 11 && found[2]?.count == 24)
        for unit in log.units { log.settle(unit.number, through: unit.end, oldestAcceptedAt: nil) }
        log.end(2)
        await log.syncCursors()
        #expect(log.missing.count == 1)
        let killed = try fixture.crashed()
        var again = try killed.open()
        #expect(again.unit(1)?.settled ?? .max <= log.missing[0].sequences.lowerBound, "\(again.units)")
        #expect(again.unit(2) == nil || again.unit(2)!.settled == 24)
        _ = try again.scan([1: 0]).all()
        #expect(again.missing.map(\.sequences) == log.missing.map(\.sequences))
        await again.close()
        disk.fail(nil)
        await log.syncCursors()
        again = try fixture.crashed().open()
        #expect(again.missing.map(\.sequences) == log.missing.map(\.sequences) && again.units.allSatisfy { $0.settled == $0.end })
        await again.close()
        await log.close()
    }
}
