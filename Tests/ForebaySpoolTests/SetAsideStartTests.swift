import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What a start makes of a set-aside log, and what a scan meets when segments go under it.
@Suite("Set aside: starts and scans")
struct SetAsideStartTests {
    private static let large = String(repeating: "s", count: 40_000)

    /// Two events a segment: unit 1 in the first and the third, unit 2 in the second and the last.
    private func made(_ fixture: SetAsideFixture) async throws -> SetAsideLog {
        let log = try fixture.open()
        try await log.append(new: [unit(1, "one"), unit(2, "two")], [])
        for number in [1, 1, 2, 2, 1, 1, 2] as [UInt64] { try await log.append(new: [], [aside(number, [Self.large])]) }
        #expect(try fixture.segmentFiles().count == 4)
        return log
    }

    /// Breaks both slots of a unit, or both copies of what is known of it.
    private func damage(_ fixture: SetAsideFixture, _ number: UInt64, at offset: Int) throws {
        try fixture.change(fixture.tablePath) { bytes in
            for place in stride(from: 0, to: bytes.count, by: 4096) {
                let owner = bytes[place + 48..<place + 56].enumerated().reduce(0 as UInt64) {
                    $0 | UInt64($1.element) << (8 * UInt64($1.offset))
                }
                if owner == number { bytes[place + offset] ^= 1 }
            }
        }
    }

    @Test("what was settled when the process was killed goes with the next start")
    func sweptAtStart() async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let log = try await self.made(fixture)
        log.settle(1, through: 4, oldestAcceptedAt: nil)
        log.settle(2, through: 2, oldestAcceptedAt: nil)
        let copy = try fixture.crashed()
        #expect(try copy.segmentFiles().count == 4)
        let again = try copy.open()
        #expect(try copy.segmentFiles().count == 1, "before anything else is asked of it")
        #expect(again.units.map(\.settled) == [4, 2] && again.units.map(\.end) == [4, 3] && again.damage == SpoolDamage())
        #expect(try again.scan([1: 4, 2: 2]).all().mapValues { $0.map(\.0) } == [2: [2]])
        await again.close()
        await log.close()
    }

    @Test(
        "a unit whose entry is damaged is taken from its frames, from the first on; one whose cursor is sound, from there",
        arguments: [false, true])
    func orphan(hasCursor: Bool) async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        var log = try await self.made(fixture)
        log.settle(1, through: 1, oldestAcceptedAt: nil)
        await log.close()
        try self.damage(fixture, 1, at: hasCursor ? 530 : 9)
        log = try fixture.open()
        #expect(log.damage.alarms.map(\.file) == [fixture.directory + "/units"])
        #expect(
            log.damage.alarms.first?.text == "the entry of unit 1 (topic topic) is damaged; its events are taken from the first one on disk"
        )
        let found = try #require(log.unit(1))
        #expect(found.settled == (hasCursor ? 1 : 0) && found.end == 4 && found.topic == "topic" && found.partition == nil)
        #expect((found.code, found.since, found.oldestAcceptedAt, found.partitionCount) == ("UNKNOWN", 1000, 1000, 0))
        #expect(try log.scan([1: found.settled]).all()[1]?.map(\.0) == Array(found.settled..<4))
        #expect(log.missing.isEmpty && log.nextNumber == 3)
        await log.close()
        let again = try fixture.open()
        #expect(again.damage == SpoolDamage() && again.unit(1)?.settled == found.settled)
        await again.close()
    }

    @Test("a unit of which nothing can be read is named as lost, and its number is not used again")
    func lost() async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        var log = try fixture.open()
        try await log.append(new: [unit(1)], [aside(1, ["0", "1", "2"])])
        await log.close()
        try self.damage(fixture, 1, at: 9)
        try fixture.change(try fixture.segmentFiles()[0]) { $0[8192 + 70] ^= 1 }
        log = try fixture.open()
        #expect(log.units.isEmpty && log.nextNumber == 2)
        let missing = try #require(log.missing.first)
        #expect(log.missing.count == 1 && missing.sequences == 0..<3 && missing.unit == 1 && missing.segment == 1 && missing.position == 0)
        #expect(missing.reason == "no frame of a set-aside unit can be read" && missing.events == 3)
        // What is known of it from now on is nothing but that it is over.
        let pair = Array(try Data(contentsOf: URL(filePath: fixture.tablePath)).prefix(8192))
        let id = try #require(try SpoolInspection(directory: fixture.directory).id)
        let known = try #require(pair.withUnsafeBytes { UnitPair(decoding: $0, of: id) })
        #expect(known.slot.isEnded && known.slot.ordinal == 0 && known.identity?.since == 0 && known.identity?.partitionCount == 0)
        try await log.append(new: [unit(2)], [aside(2, ["x"])])
        await log.syncCursors()
        #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.directory + "/quarantine").count == 1)
        #expect(log.units.map(\.number) == [2] && log.units.map(\.end) == [1])
        await log.close()
    }

    @Test("a scan whose segment goes under it passes to the next that has something left")
    func passes() async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let log = try await self.made(fixture)
        let scan = log.scan([2: 0])
        #expect(try scan.read(upTo: 1).map(\.first) == [0] && scan.position(of: 2) == 1)
        log.settle(2, through: 2, oldestAcceptedAt: nil)
        await log.syncCursors()
        #expect(try scan.all()[2]?.map(\.0) == [2] && scan.position(of: 2) == 3 && log.missing.isEmpty)
        try await log.append(new: [], [aside(2, ["more"])])
        #expect(try scan.all()[2]?.map(\.0) == [3])
        await log.close()
    }

    @Test("a scan that waits in the newest segment goes on behind it where that goes under it, with all that was in it")
    func newestGoes() async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let log = try fixture.open()
        try await log.append(new: [unit(1), unit(2)], [aside(1, ["first"])])
        let scan = log.scan([1: 0])
        #expect(try scan.values(of: 1) == ["first"])
        for _ in 0..<5 { try await log.append(new: [], [aside(2, [Self.large])]) }
        log.settle(1, through: 1, oldestAcceptedAt: nil)
        log.settle(2, through: 4, oldestAcceptedAt: nil)
        await log.syncCursors()
        #expect(try fixture.segmentFiles().first?.hasSuffix("1.segment") == false)
        try await log.append(new: [], [aside(1, ["new"])])
        #expect(try scan.values(of: 1) == ["new"] && log.missing.isEmpty)
        await log.close()
    }

    @Test("the only segment, and it can't be opened: what is in it is missing, unless that passes", arguments: [EIO, ENOENT, EMFILE])
    func notOpened(number: Int32) async throws {
        let watched = WatchedDisk()
        let threads = SpoolThreads()
        defer { threads.end() }
        let budget = try SpoolBudget(capacity: 1 << 30, directory: watched.directory)
        let disk = watched.disk
        let log = try SetAsideLog(directory: watched.directory + "/log", disk: disk) { folder throws(ForebayError) in
            var configuration = SpoolConfiguration(directory: folder, kind: .setAside, segmentSize: 64 << 10) { fatalError("\($0)") }
            configuration.disk = disk
            return try Spool.open(configuration, budget: budget, threads: threads, metrics: SpoolMetrics(MetricsRegistry()))
        }
        try await log.append(new: [unit(1)], [aside(1, ["0", "1"])])
        watched.fail { $0.hasPrefix("open log/segments/0") ? number : nil }
        let scan = log.scan([1: 0])
        if number == EMFILE {
            #expect(throws: ForebayError.self) { try scan.read(upTo: 1) }
            #expect(log.missing.isEmpty && scan.position(of: 1) == 0)
            watched.fail(nil)
            #expect(try scan.all()[1]?.count == 2)
        } else {
            #expect(try scan.read(upTo: 1).isEmpty && scan.position(of: 1) == 2)
            #expect(log.missing.map(\.sequences) == [0..<2] && log.missing.map(\.reason) == ["frames are missing"])
            // The log goes on in it: what comes is missing, too, until it can be opened.
            try await log.append(new: [], [aside(1, ["2"])])
            #expect(try scan.read(upTo: 1).isEmpty && scan.position(of: 1) == 3 && log.missing.map(\.sequences) == [0..<3])
            watched.fail(nil)
            try await log.append(new: [], [aside(1, ["3"])])
            #expect(try scan.all()[1]?.map(\.0) == [3])
        }
        watched.fail(nil)
        await log.close()
    }
}
