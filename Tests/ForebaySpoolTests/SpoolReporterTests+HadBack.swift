import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

extension SpoolReporterTests {
    /// A reporter whose record is in a folder of its own.
    private final class Returning {
        let folder = NSTemporaryDirectory() + "forebay-reporter-" + UUID().uuidString
        let clock = ManualClock()
        let reporter: SpoolReporter
        private var file: AlarmFile { AlarmFile(disk: SystemDisk(), directory: self.folder, log: spoolID("0123456789ABCDEF"), budget: nil) }

        init() throws {
            try FileManager.default.createDirectory(atPath: self.folder, withIntermediateDirectories: true)
            self.reporter = SpoolReporter(directory: self.folder, metrics: SpoolMetrics(MetricsRegistry()), time: self.clock)
            try self.reporter.remember(self.file, passed: 0, firstSegment: 0)
        }

        deinit { try? FileManager.default.removeItem(atPath: self.folder) }  // A temporary folder.

        func record() throws -> AlarmRecord? { try self.file.read().record }

        func gone(_ range: Range<UInt64>, _ segment: UInt64, isGone: Bool = true) {
            self.reporter.report(MissingRange(sequences: range, segment: segment, position: 0, reason: "planted", isGone: isGone))
        }
    }

    /// A segment with events of `a`.
    private func segment(_ number: UInt64, _ range: Range<UInt64>, isHusk: Bool = false, of route: RouteID = routeA) -> SegmentInfo {
        let header = SegmentHeader(log: .none, origin: .none, number: number, base: range.lowerBound, salt: 1, madeAt: 0)
        var info = SegmentInfo(
            header: header, path: "/s/\(number)", end: range.upperBound, dataEnd: isHusk ? header.dataStart : 50_000, size: 60_000)
        info.hasFooter = true
        info.routes = RouteTable([route: 99])
        return info
    }

    private func party(_ sequence: UInt64, _ route: RouteID = routeA) -> LossCount.Party {
        LossCount.Party(stage: "forward", routes: [route], sequence: sequence, ordinal: nil)
    }

    @Test("of a segment that is back nothing is lost, but for what a cursor passed meanwhile and stands behind", arguments: [false, true])
    func hadBackPart(isAcknowledged: Bool) throws {
        for (passed, parties, route, left) in [
            (nil, [self.party(40)], routeA, []), (10..<15, [self.party(15)], routeA, [10..<15]),
            (10..<15, [self.party(40)], routeA, [10..<15]),
            (10..<15, [self.party(12)], routeA, [10..<12]), (10..<15, [self.party(10)], routeA, []), (10..<15, [], routeA, [10..<15]),
            (10..<15, [self.party(12), self.party(14)], routeA, [10..<14]),
            (10..<15, [self.party(12), self.party(0, routeB)], routeA, [10..<12]),
            // It has no events of that cursor.
            (10..<15, [self.party(15)], routeB, []), (0..<90, [self.party(90)], routeA, [10..<20]),
        ] as [(Range<UInt64>?, [LossCount.Party], RouteID, [Range<UInt64>])] {
            let world = try Returning()
            world.gone(10..<20, 2)
            world.gone(30..<40, 4)
            world.gone(22..<23, 3, isGone: false)
            if let passed { world.reporter.passed(passed, by: [routeA]) }
            if isAcknowledged { _ = try world.reporter.acknowledge() }
            let losses = world.reporter.losses
            let kept = world.reporter.hadBack(
                [self.segment(1, 0..<10), self.segment(2, 10..<20, of: route), self.segment(3, 20..<25)], parties)
            #expect(kept == (left.isEmpty ? [3] : [2, 3]), "\(parties)")
            let holes = world.reporter.holes.sorted { $0.lowerBound < $1.lowerBound }
            #expect(holes == left + [22..<23, 30..<40], "\(parties)")
            #expect(world.reporter.missing.isEmpty == isAcknowledged && world.reporter.losses == losses)
            let record = try #require(try world.record())
            #expect(record.holes.sorted { $0.lowerBound < $1.lowerBound } == holes, "it is written")
        }
    }

    @Test("of a file that was told of as gone, and is back, that alarm goes; what was passed of it meanwhile is told of from now on")
    func hadBackFile() throws {
        for (passed, isAcknowledged) in [(nil, false), (nil, true), (10..<15, false), (10..<15, true)] as [(Range<UInt64>?, Bool)] {
            let world = try Returning()
            for (file, holdsEvents) in [("/s/2", true), ("/s/2", false), ("/s/4", true)] {
                world.reporter.report(SpoolAlarm(file: file, text: holdsEvents ? "gone" : "else", holdsEvents: holdsEvents))
            }
            if let passed { world.reporter.passed(passed, by: [routeA]) }
            if isAcknowledged { _ = try world.reporter.acknowledge() }
            let losses = world.reporter.losses
            let kept = world.reporter.hadBack([self.segment(1, 0..<10), self.segment(2, 10..<20)], [self.party(40)])
            #expect(kept == (passed == nil ? [] : [2]))
            #expect(world.reporter.alarms.map(\.text) == (isAcknowledged ? [] : ["else", "gone"]))
            #expect(try world.record()?.acknowledgedAlarms.map(\.file) == (isAcknowledged ? ["/s/4"] : []))
            #expect(world.reporter.losses == losses + (passed == nil ? 0 : 1))
            let missing = world.reporter.missing
            #expect(missing.map(\.sequences) == (passed.map { [$0] } ?? []) && missing.allSatisfy { $0.isGone && $0.segment == 2 })
            #expect(
                missing.allSatisfy {
                    $0.noticedAt == world.clock.wallMilliseconds && $0.reason == "the segment was away when its place was passed"
                        && $0.position == 0
                })
        }
    }

    @Test("what was passed is forgotten with the last that is missed, acknowledged or not", arguments: [false, true])
    func lastIsBack(isAcknowledged: Bool) throws {
        let world = try Returning()
        world.reporter.report(SpoolAlarm(file: "/s/2", text: "gone", holdsEvents: true))
        world.reporter.passed(50..<51, by: [routeA])
        if isAcknowledged { _ = try world.reporter.acknowledge() }
        #expect(try world.record()?.passed.count == 1)
        #expect(world.reporter.hadBack([self.segment(2, 10..<20)], [self.party(60)]).isEmpty)
        #expect(try world.record()?.passed == [])
    }

    @Test(
        "a sequence was told of with the segment that its hole was in, and with no other but where several may be gone, acknowledged or not"
    )
    func toldOf() throws {
        let world = try Returning()
        world.gone(5..<7, 3)
        world.reporter.report(MissingRange(sequences: 30..<32, segment: 3, position: 0, reason: "planted"))
        world.reporter.report(MissingRange(sequences: 20..<22, segment: 3, position: 0, reason: "planted", unit: 1))
        for _ in 0..<2 {
            for (sequence, segment, isTold) in [
                (5, 3, true), (6, 3, true), (4, 3, false), (7, 3, false), (5, 2, true), (6, 4, true), (4, 2, false), (7, 2, false),
                (20, 3, false), (30, 3, true), (31, 3, true), (32, 3, false), (30, 2, false), (30, 4, false),
            ] as [(UInt64, UInt64, Bool)] {
                // The segment's base is 5, but for one behind.
                let header = SegmentHeader(log: .none, origin: .none, number: segment, base: segment == 4 ? 6 : 5, salt: 1, madeAt: 0)
                #expect(world.reporter.isTold(sequence, of: header) == isTold, "\(sequence) of \(segment)")
            }
            _ = try world.reporter.acknowledge()
        }
    }

    @Test("a segment in a hole that stays told is kept, also where nothing of it can be read; one that was cut to its header is not")
    func keptEmpty() throws {
        let world = try Returning()
        world.gone(10..<20, 2, isGone: false)
        for (segment, isKept) in [
            (self.segment(5, 15..<15), true), (self.segment(5, 15..<15, isHusk: true), false), (self.segment(5, 9..<9), false),
            (self.segment(5, 20..<20), false), (self.segment(5, 19..<19), true), (self.segment(5, 8..<11, isHusk: true), true),
            (self.segment(5, 8..<10), false), (self.segment(5, 20..<25), false),
        ] {
            #expect(world.reporter.hadBack([segment], []) == (isKept ? [5] : []), "\(segment.base)..<\(segment.end)")
        }
    }
}
