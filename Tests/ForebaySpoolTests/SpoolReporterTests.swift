import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

/// What was lost or damaged is told of once, stays told over restarts until it is acknowledged, and is counted.
@Suite("Spool: what is told of losses")
struct SpoolReporterTests {
    /// A log's folder; each start has a reporter of its own.
    private final class World {
        let folder = NSTemporaryDirectory() + "forebay-reporter-" + UUID().uuidString
        let clock = ManualClock()
        var file: AlarmFile { AlarmFile(disk: SystemDisk(), directory: self.folder, log: spoolID("0123456789ABCDEF"), budget: nil) }

        init() throws { try FileManager.default.createDirectory(atPath: self.folder, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: self.folder) }  // A temporary folder.

        func reporter(_ metrics: MetricsRegistry = MetricsRegistry()) -> SpoolReporter {
            SpoolReporter(directory: self.folder, metrics: SpoolMetrics(metrics), time: self.clock)
        }

        func start(passed: UInt64 = 0, firstSegment: UInt64 = 0) throws -> SpoolReporter {
            let reporter = self.reporter()
            try reporter.remember(self.file, passed: passed, firstSegment: firstSegment)
            return reporter
        }

        func record() throws -> AlarmRecord? { try self.file.read().record }
    }

    private func hole(_ range: Range<UInt64>, segment: UInt64 = 3, unit: UInt64? = nil) -> MissingRange {
        MissingRange(sequences: range, segment: segment, position: 0, reason: "planted", unit: unit)
    }

    @Test("a loss that another comes to while it is counted is told of once, and counts once; what of it only one has, too")
    func countedMeanwhile() throws {
        let world = try World(), metrics = MetricsRegistry(), reporter = world.reporter(metrics)
        try reporter.remember(world.file, passed: 0, firstSegment: 0)
        var counted: [Range<UInt64>] = []
        reporter.report(self.hole(10..<20)) { range in
            // Another, on another thread.
            if counted.isEmpty { reporter.report(self.hole(14..<16)) { $0.upperBound - $0.lowerBound } }
            counted.append(range)
            return range.upperBound - range.lowerBound
        }
        let missing = reporter.missing.sorted { $0.sequences.lowerBound < $1.sequences.lowerBound }
        #expect(missing.map(\.sequences) == [10..<14, 14..<16, 16..<20] && missing.map(\.events) == [4, 2, 4])
        #expect(counted == [10..<20, 10..<14, 16..<20] && reporter.losses == 3)
        reporter.report(self.hole(30..<40)) { range in
            reporter.report(self.hole(30..<40)) { _ in 10 }
            return 10
        }
        #expect(reporter.missing.filter { $0.sequences == 30..<40 }.count == 1 && reporter.losses == 4)
        #expect(metrics.render().contains("forebay_buffer_corruption_total 4"))
        #expect(try world.record()?.losses == 4)
    }

    @Test("what an earlier start told of stays, before what this one found; a second attempt of a start takes up nothing twice")
    func remembers() throws {
        let world = try World(), metrics = MetricsRegistry()
        var reporter = try world.start()
        for range in [5..<7, 9..<10] as [Range<UInt64>] { reporter.report(self.hole(range)) }
        reporter.report(SpoolAlarm(file: "/f", text: "damaged", holdsEvents: true))
        reporter.report(SpoolAlarm(file: "/g", text: "mended"))
        #expect(reporter.losses == 4 && reporter.alarms.count == 2)
        let log = LogCapture()
        defer { log.close() }
        reporter = world.reporter(metrics)
        reporter.report(self.hole(20..<22))
        reporter.report(SpoolAlarm(file: "/h", text: "found now", holdsEvents: true))
        for _ in 0..<2 { try reporter.remember(world.file, passed: 0, firstSegment: 0) }
        #expect(reporter.missing.map(\.sequences) == [5..<7, 9..<10, 20..<22] && reporter.missing.map(\.events) == [2, 1, 2])
        #expect(reporter.alarms.map(\.file) == ["/f", "/h"], "what took no events was mended by the start that found it")
        #expect(reporter.losses == 6 && reporter.holes == [5..<7, 9..<10, 20..<22])
        #expect(metrics.render().contains("forebay_buffer_corruption_total 5"))
        let told = log.records.filter { $0["folder"] == world.folder && $0.message.hasPrefix("what was lost or damaged before this start") }
        #expect(told.count == 1 && told.first?["losses"] == "2" && told.first?["damaged"] == "1" && told.first?.level == .warning)
        let record = try #require(try world.record())
        #expect(record.missing.map(\.sequences) == reporter.missing.map(\.sequences) && record.losses == 6)
        #expect(record.alarms.map(\.file) == ["/f", "/h"])
        // More files than losses, too.
        for file in ["/i", "/j"] { reporter.report(SpoolAlarm(file: file, text: "damaged", holdsEvents: true)) }
        _ = try world.start()
        #expect(log.records.last { $0["folder"] == world.folder && $0["losses"] != nil }?["damaged"] == "4")
        let quiet = LogCapture()
        defer { quiet.close() }
        #expect(try reporter.acknowledge().missing.count == 3)
        #expect(try world.start().missing.isEmpty && quiet.records.filter { $0["folder"] == world.folder }.isEmpty)
    }

    @Test("where no copy of the file can be read, that is told, and the count of losses is one that it never was")
    func unreadable() throws {
        for bad in [AlarmFile.names, [AlarmFile.names[0]], [AlarmFile.names[1]]] {
            let world = try World()
            try world.start().report(self.hole(5..<7))
            for name in bad { try Data("x".utf8).write(to: URL(filePath: "\(world.folder)/\(name)")) }
            let reporter = world.reporter()
            reporter.report(self.hole(8..<9))
            try reporter.remember(world.file, passed: 0, firstSegment: 0)
            if bad.count == 2 {
                #expect(reporter.missing.map(\.sequences) == [8..<9] && reporter.alarms.map(\.file) == [world.folder + "/alarms"])
                #expect(reporter.losses == UInt64(world.clock.wallMilliseconds) + 2, "the hole, and the file itself")
            } else {
                #expect(reporter.missing.map(\.sequences) == [5..<7, 8..<9] && reporter.alarms.isEmpty && reporter.losses == 2)
            }
            let found = try world.file.read()
            #expect(!found.isDamaged && found.record?.missing == reporter.missing.map { self.counted($0) }, "it is written anew")
        }
        let world = try World()
        try world.start().report(self.hole(5..<7))
        try Data("x".utf8).write(to: URL(filePath: world.folder + "/alarms.copy"))
        #expect(try world.start().alarms.isEmpty && !world.file.read().isDamaged, "also where nothing else was found")
    }

    /// As it is read again.
    private func counted(_ missing: MissingRange) -> MissingRange {
        var counted = MissingRange(
            sequences: missing.sequences, segment: missing.segment, position: missing.position, reason: missing.reason, unit: missing.unit,
            events: missing.events, isGone: missing.isGone)
        counted.noticedAt = missing.noticedAt
        return counted
    }

    @Test("what was acknowledged is told of no more, until all of it was passed; of a unit, until its segment is gone")
    func acknowledged() throws {
        let world = try World()
        let reporter = try world.start()
        #expect(try reporter.acknowledge() == SpoolDamage() && world.record() == nil, "there is nothing")
        for hole in [self.hole(5..<7), self.hole(9..<10), self.hole(0..<4, segment: 2, unit: 1), self.hole(0..<4, segment: 3, unit: 2)] {
            reporter.report(hole)
        }
        reporter.report(SpoolAlarm(file: "/f", text: "holds", holdsEvents: true))
        reporter.report(SpoolAlarm(file: "/g", text: "holds nothing"))
        let seen = try reporter.acknowledge()
        #expect(seen.missing.count == 4 && seen.alarms.map(\.file) == ["/f", "/g"])
        #expect(reporter.missing.isEmpty && reporter.alarms.isEmpty && reporter.holes == [5..<7, 9..<10])
        for hole in [self.hole(5..<7), self.hole(6..<10), self.hole(0..<4, segment: 2, unit: 1)] { reporter.report(hole) }
        #expect(reporter.missing.map(\.sequences) == [7..<9], "what is new of it")
        for name in ["/f", "/g"] { reporter.report(SpoolAlarm(file: name, text: "again", holdsEvents: name == "/f")) }
        #expect(reporter.alarms.map(\.file) == ["/g"])
        #expect(try reporter.acknowledge().missing.map(\.sequences) == [7..<9])
        for (passed, first) in [(6, 2), (7, 3), (9, 4), (10, 4)] as [(UInt64, UInt64)] {
            _ = try world.start(passed: passed, firstSegment: first)
            let again = try world.start(passed: passed, firstSegment: first)
            for hole in [
                self.hole(5..<7), self.hole(7..<9), self.hole(9..<10), self.hole(0..<4, segment: 2, unit: 1),
                self.hole(0..<4, segment: 3, unit: 2),
            ] { again.report(hole) }
            let told = again.missing.reduce(0) { $0 + $1.events }
            let all: UInt64 = 2 + 2 + 1 + 4 + 4
            let kept: UInt64 =
                (passed < 7 ? 2 : 0) + (passed < 9 ? 2 : 0) + (passed < 10 ? 1 : 0) + (first <= 2 ? 4 : 0) + (first <= 3 ? 4 : 0)
            #expect(told == all - kept, "passed \(passed), from segment \(first)")
            // As it was, for the next case.
            _ = try again.acknowledge()
        }
    }

    @Test("of a hole as much is lost as nobody had settled; nothing, where all of it was delivered")
    func counts() throws {
        let world = try World(), metrics = MetricsRegistry()
        let reporter = world.reporter(metrics)
        try reporter.remember(world.file, passed: 0, firstSegment: 0)
        let log = LogCapture()
        defer { log.close() }
        reporter.report(self.hole(5..<9)) { _ in 0 }
        #expect(reporter.missing.isEmpty && reporter.losses == 0 && !metrics.render().contains("forebay_buffer_corruption_total 1"))
        let told = log.records.filter { $0["folder"] == world.folder }
        #expect(told.map(\.level) == [.warning] && told[0].message.hasPrefix("events that had been delivered") && told[0]["events"] == "0")
        #expect(try world.record() == nil, "nothing is written for that")
        reporter.report(self.hole(5..<9)) { range in range == 5..<9 ? 3 : 99 }
        #expect(reporter.missing.map(\.events) == [3] && reporter.losses == 1)
        reporter.report(self.hole(4..<10)) { _ in 99 }
        #expect(reporter.missing.map(\.events).reduce(0, +) == 5 && reporter.losses == 3, "no more than there are")
        #expect(metrics.render().contains("forebay_buffer_corruption_total 3"))
    }

    @Test("a log that is gone as a whole is told of by its id, once unless it is news, and no more when it is back; other alarms by file")
    func logs() throws {
        let world = try World()
        var reporter = try world.start()
        let (first, second) = (spoolID("AAAAAAAAAAAAAAAA"), spoolID("BBBBBBBBBBBBBBBB"))
        func gone(_ file: String, _ log: SpoolID) -> SpoolAlarm { SpoolAlarm(file: file, text: "gone", holdsEvents: true, log: log) }
        for log in [first, first, second] { reporter.report(gone("/x", log)) }
        #expect(reporter.alarms.map(\.log) == [first, second] && reporter.losses == 2)
        _ = try reporter.acknowledge()
        for log in [first, second] { reporter.report(gone("/x", log)) }
        #expect(reporter.alarms.isEmpty && reporter.losses == 2, "it was seen")
        reporter.report(gone("/x", first), isNews: true)
        reporter.report(gone("/y", second))
        for _ in 0..<2 { reporter.report(SpoolAlarm(file: "/z", text: "damaged")) }
        reporter.report(SpoolAlarm(file: "/z", text: "otherwise"))
        #expect(reporter.alarms.map(\.file) == ["/x", "/y", "/z", "/z"] && reporter.losses == 6)
        reporter = try world.start()
        reporter.hadBack([spoolID("CCCCCCCCCCCCCCCC")])
        #expect(reporter.alarms.map(\.file) == ["/x", "/y"])
        reporter.hadBack([first])
        #expect(try reporter.alarms.map(\.file) == ["/y"] && world.record()?.alarms.map(\.file) == ["/y"])
        #expect(try world.record()?.acknowledgedAlarms.map(\.log) == [second])
        _ = try reporter.acknowledge()
        #expect(try world.record()?.acknowledgedAlarms.map(\.file) == ["/x", "/y"])
        // A file of this log, seen and not seen: no log's return says anything of it.
        reporter.report(SpoolAlarm(file: "/v", text: "holds", holdsEvents: true))
        _ = try reporter.acknowledge()
        reporter.report(SpoolAlarm(file: "/w", text: "holds", holdsEvents: true))
        reporter.hadBack([second])
        #expect(try world.record()?.acknowledgedAlarms.map(\.file) == ["/v"] && reporter.alarms.map(\.file) == ["/w"])
    }

    @Test("what a cursor passed of a hole is kept once, and as long as the hole is; it stays with what was told of files")
    func passed() throws {
        let world = try World()
        var reporter = try world.start()
        reporter.report(self.hole(5..<9))
        for range in [5..<7, 5..<7, 6..<8] as [Range<UInt64>] { reporter.passed(range, by: [routeA]) }
        reporter.passed(5..<6, by: [routeB])
        #expect(try world.record()?.passed.map(\.sequences) == [5..<7, 7..<8, 5..<6])
        #expect(try world.record()?.passed.map(\.routes) == [[routeA], [routeA], [routeB]])
        _ = try reporter.acknowledge()
        reporter = try world.start(passed: 8)
        reporter.report(self.hole(20..<21))
        #expect(try world.record()?.passed.count == 3, "what was acknowledged is a hole still")
        reporter = try world.start(passed: 9)
        reporter.report(self.hole(30..<31))
        #expect(try world.record()?.passed == [])
        reporter.report(SpoolAlarm(file: "/f", text: "gone", holdsEvents: true))
        reporter.passed(40..<41, by: [routeA])
        reporter = try world.start(passed: 9)
        reporter.report(self.hole(50..<51))
        #expect(try world.record()?.passed.map(\.sequences) == [40..<41], "what the file had nobody knows")
    }

    @Test("of files that can't be removed one alarm stands for all, with how many more there are, until each has gone")
    func stays() throws {
        let world = try World()
        let reporter = try world.start()
        let error = ForebayError.disk("remove", "/b", 30)
        reporter.stays("/b", error)
        world.clock.advance(by: .seconds(1))
        reporter.stays("/b", error)
        #expect(reporter.alarms.count == 1 && reporter.alarms[0].kind == .stays && !reporter.alarms[0].text.hasSuffix("more)"))
        #expect(reporter.alarms[0].noticedAt == world.clock.wallMilliseconds - 1000, "since it was noticed first")
        reporter.stays("/a", error)
        #expect(reporter.alarms.map(\.file) == ["/a"] && reporter.alarms[0].text.hasSuffix(" (and 1 more)"))
        reporter.report(SpoolAlarm(file: "/z", text: "damaged"))
        #expect(reporter.alarms.map(\.file) == ["/z", "/a"])
        #expect(try reporter.losses == 1 && world.record()?.alarms == [], "nothing is lost with them")
        for (file, left) in [("/a", ["/z", "/b"]), ("/c", ["/z", "/b"]), ("/b", ["/z"])] {
            reporter.gone(file)
            #expect(reporter.alarms.map(\.file) == left)
        }
    }
}
