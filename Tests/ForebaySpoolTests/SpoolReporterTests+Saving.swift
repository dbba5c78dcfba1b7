import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

extension SpoolReporterTests {
    /// A reporter on a disk that fails where it is told to.
    private final class Saving {
        let folder = NSTemporaryDirectory() + "forebay-reporter-" + UUID().uuidString
        let disk = FaultDisk(), clock = ManualClock()
        let reporter: SpoolReporter
        var file: AlarmFile { AlarmFile(disk: self.disk, directory: self.folder, log: spoolID("0123456789ABCDEF"), budget: nil) }

        init() throws {
            try FileManager.default.createDirectory(atPath: self.folder, withIntermediateDirectories: true)
            self.reporter = SpoolReporter(directory: self.folder, metrics: SpoolMetrics(MetricsRegistry()), time: self.clock)
            try self.reporter.remember(self.file, passed: 0, firstSegment: 0)
        }

        deinit { try? FileManager.default.removeItem(atPath: self.folder) }  // A temporary folder.

        func fail(_ number: Int32?) {
            self.disk.fail { call, path in call == .write && path.contains("/alarms") ? number : nil }
        }

        func record() throws -> AlarmRecord? { try self.file.read().record }
    }

    private func hole(_ range: Range<UInt64>, unit: UInt64? = nil, segment: UInt64 = 3, isGone: Bool = false) -> MissingRange {
        MissingRange(sequences: range, segment: segment, position: 0, reason: "planted", unit: unit, isGone: isGone)
    }

    private func file(_ name: String) -> SpoolAlarm { SpoolAlarm(file: name, text: "damaged", holdsEvents: true) }

    @Test("what can't be written is warned of once in a row, holds up who would pass it, and is written when somebody tries again")
    func unwritten() throws {
        let world = try Saving(), log = LogCapture()
        defer { log.close() }
        func warnings() -> [LogRecord] {
            log.records.filter { $0["folder"] == world.folder && $0.message.hasPrefix("an alarm could not be written to disk") }
        }
        #expect(world.reporter.isSaved && world.reporter.saveAgain() && world.reporter.mayPass(.max) && world.reporter.mayPass(unit: 7))
        for round in 1...2 as ClosedRange<UInt64> {
            world.fail(ENOSPC)
            world.reporter.report(self.hole(10 * round..<10 * round + 2))
            world.reporter.report([self.hole(0..<1, unit: round), self.hole(0..<1, unit: 70 + round)])
            #expect(!world.reporter.isSaved && !world.reporter.saveAgain())
            #expect(world.reporter.mayPass(10 * round) && !world.reporter.mayPass(10 * round + 1))
            #expect(!world.reporter.mayPass(unit: round) && !world.reporter.mayPass(unit: 70 + round) && world.reporter.mayPass(unit: 9))
            #expect(warnings().count == Int(round) && warnings().last?.level == .warning && warnings().last?["error"]?.isEmpty == false)
            world.fail(nil)
            #expect(world.reporter.saveAgain() && world.reporter.isSaved && world.reporter.mayPass(.max))
            #expect(try world.record()?.missing.count == 3 * Int(round))
        }
    }

    @Test("holes that are told of together are written at once, if any of them is news")
    func together() throws {
        let world = try Saving()
        world.reporter.report([self.hole(5..<7), self.hole(9..<10)])
        #expect(try world.record()?.missing.map(\.sequences) == [5..<7, 9..<10] && world.reporter.isSaved)
        world.reporter.report([self.hole(5..<7), self.hole(12..<13)])
        #expect(try world.record()?.missing.map(\.sequences) == [5..<7, 9..<10, 12..<13] && world.reporter.isSaved)
        let generation = try Data(contentsOf: URL(filePath: world.folder + "/alarms"))
        world.reporter.report([self.hole(5..<7), self.hole(9..<10)])
        #expect(try Data(contentsOf: URL(filePath: world.folder + "/alarms")) == generation)
    }

    @Test("acknowledging writes what could not be written, and nobody waits for it any more", arguments: [false, true], [false, true])
    func acknowledgedUnwritten(hasFile: Bool, hasHole: Bool) throws {
        let world = try Saving()
        world.fail(EIO)
        if hasHole { world.reporter.report(self.hole(5..<7)) }
        if hasFile { world.reporter.report(self.file("/f")) }
        #expect(world.reporter.isSaved == (!hasHole && !hasFile))
        if hasHole || hasFile { #expect(throws: ForebayError.self) { try world.reporter.acknowledge() } }
        #expect(world.reporter.missing.count == (hasHole ? 1 : 0) && world.reporter.alarms.count == (hasFile ? 1 : 0), "nothing was seen")
        world.fail(nil)
        let seen = try world.reporter.acknowledge()
        #expect(seen.missing.count == (hasHole ? 1 : 0) && seen.alarms.count == (hasFile ? 1 : 0))
        #expect(world.reporter.isSaved && world.reporter.mayPass(.max) && world.reporter.missing.isEmpty && world.reporter.alarms.isEmpty)
        #expect(try world.record()?.acknowledged.count ?? 0 == (hasHole ? 1 : 0))
        #expect(try world.record()?.acknowledgedAlarms.map(\.file) ?? [] == (hasFile ? ["/f"] : []))
    }

    @Test("what becomes known while somebody acknowledges the rest stays told, also where it goes on what was there")
    func meanwhile() throws {
        let world = try Saving(), once = Happenings<Void>()
        world.reporter.report(self.hole(5..<10))
        world.reporter.report(self.file("/f"))
        let (reporter, hole, file) = (world.reporter, self.hole(10..<12), self.file("/g"))
        world.disk.fail { call, path in
            guard call == .write, path.contains("/alarms"), once.count == 0 else { return nil }
            once.add(())
            reporter.report(hole)
            reporter.report(file)
            reporter.passed(10..<11, by: [routeA])
            return nil
        }
        let seen = try world.reporter.acknowledge()
        #expect(seen.missing.map(\.sequences) == [5..<10] && seen.alarms.map(\.file) == ["/f"])
        #expect(world.reporter.missing.map(\.sequences) == [10..<12] && world.reporter.alarms.map(\.file) == ["/g"])
        #expect(world.reporter.losses == 4 && world.reporter.isSaved)
        let record = try #require(try world.record())
        #expect(record.missing.map(\.sequences) == [10..<12] && record.acknowledged.map(\.sequences) == [5..<10] && record.losses == 4)
        #expect(record.alarms.map(\.file) == ["/g"] && record.acknowledgedAlarms.map(\.file) == ["/f"])
        #expect(record.passed == [PassedRange(sequences: 10..<11, routes: [routeA])])
    }

    @Test("a start writes what it found before it knew where to, and warns of what was told earlier, be it one hole or one file")
    func single() throws {
        for isHole in [true, false] {
            let world = try Saving(), log = LogCapture()
            defer { log.close() }
            func next() -> SpoolReporter {
                SpoolReporter(directory: world.folder, metrics: SpoolMetrics(MetricsRegistry()), time: world.clock)
            }
            let first = next()
            if isHole { first.report(self.hole(5..<7)) } else { first.report(self.file("/f")) }
            try first.remember(world.file, passed: 0, firstSegment: 0)
            #expect(try world.record()?.missing.count == (isHole ? 1 : 0) && world.record()?.alarms.count == (isHole ? 0 : 1))
            let second = next()
            try second.remember(world.file, passed: 0, firstSegment: 0)
            let told = log.records.filter { $0["folder"] == world.folder && $0["losses"] != nil }
            #expect(told.map { $0["losses"] } == [isHole ? "1" : "0"] && told.map { $0["damaged"] } == [isHole ? "0" : "1"])
        }
    }

    @Test(
        "how far a log came is known by what was told of as gone, acknowledged or not; not by units, nor by what is there and can't be read"
    )
    func reached() throws {
        let world = try Saving()
        #expect(world.reporter.reached == (0, 0))
        world.reporter.report(self.hole(5..<7, segment: 9))
        world.reporter.report(self.hole(0..<90, unit: 2, segment: 8, isGone: true))
        #expect(world.reporter.reached == (0, 0) && world.reporter.damagedSegments == [9])
        world.reporter.report(self.hole(20..<30, segment: 3, isGone: true))
        world.reporter.report(self.hole(8..<9, segment: 4, isGone: true))
        #expect(world.reporter.reached == (4, 30))
        world.reporter.report(SpoolAlarm(file: "/s/" + SegmentFile.path(of: 6, in: "").dropFirst(), text: "t"))
        #expect(world.reporter.reached == (4, 30), "it held no events")
        world.reporter.report(SpoolAlarm(file: SegmentFile.path(of: 5, in: "/s"), text: "t", holdsEvents: true))
        #expect(world.reporter.reached == (5, 30))
        _ = try world.reporter.acknowledge()
        #expect(world.reporter.reached == (5, 30) && world.reporter.damagedSegments == [9])
        world.reporter.report(SpoolAlarm(file: SegmentFile.path(of: 7, in: "/s"), text: "t", holdsEvents: true))
        world.reporter.report(self.hole(30..<41, segment: 2, isGone: true))
        #expect(world.reporter.reached == (7, 41))
    }

    @Test("a log that is gone as a whole says nothing of what was passed in this one; only a file of its own does")
    func passedBesideALog() throws {
        for isLog in [true, false] {
            let world = try Saving()
            world.reporter.passed(5..<6, by: [routeA])
            world.reporter.report(
                SpoolAlarm(file: "/x", text: "gone", holdsEvents: true, log: isLog ? spoolID("AAAAAAAAAAAAAAAA") : nil))
            let next = SpoolReporter(directory: world.folder, metrics: SpoolMetrics(MetricsRegistry()), time: world.clock)
            try next.remember(world.file, passed: 0, firstSegment: 0)
            next.report(self.hole(30..<31))
            #expect(try world.record()?.passed.count == (isLog ? 0 : 1))
        }
    }
}
