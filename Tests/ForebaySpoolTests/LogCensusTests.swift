import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

@Suite("Spool: what is counted by the log itself")
struct LogCensusTests {
    @Test("what is missing between segments, or behind the last, may be a route's that has nothing in those that are there")
    func missing() throws {
        let id = spoolID("0123456789ABCDEF")
        func segment(_ number: UInt64, _ range: Range<UInt64>) -> SegmentInfo {
            var header = SegmentHeader(log: id, origin: id, number: number, base: range.lowerBound, salt: 1, madeAt: 0)
            (header.previousNumber, header.previousEnd) = (number - 1, range.lowerBound)
            return SegmentInfo(header: header, path: "/none", end: range.upperBound, dataEnd: 12_288, size: 16_384)
        }
        for (place, second, end, missing) in [
            (0, 2..<6, 6, 0), (0, 4..<6, 6, 2), (0, 4..<6, 9, 5), (0, 2..<6, 9, 3), (3, 4..<6, 6, 1), (5, 4..<6, 6, 0), (6, 4..<6, 6, 0),
        ] as [(UInt64, Range<UInt64>, UInt64, UInt64)] {
            let view = SpoolView(
                SpoolView.State(
                    segments: [segment(1, 0..<2), segment(2, second)], durableEnd: end, ordinals: [routeA: 10], retention: .cursors,
                    recent: RecentTail(limit: 0)))
            let census = LogCensus(view, SystemDisk())
            #expect(try census.ordinal(of: [routeA], at: place) == 10 - missing, "\(second) up to \(end), from \(place)")
            #expect(try census.hasEvents(of: [routeA], from: place) == (missing > 0))
        }
    }

    private func census(_ log: SpelledLog, durableEnd: UInt64? = nil, on disk: any Disk = SystemDisk()) -> LogCensus {
        let totals = Dictionary(uniqueKeysWithValues: SpelledLog.routes("abc").map { ($0, log.count($0, before: log.end)) })
        return LogCensus(
            SpoolView(
                SpoolView.State(
                    segments: log.segments, durableEnd: durableEnd ?? log.end, ordinals: totals, retention: .cursors,
                    recent: RecentTail(limit: 0))), disk)
    }

    @Test("events of routes before a place, of which those don't count that may stand behind it where something can't be read")
    func ordinals() throws {
        let whole = ["a2 b2", "a1 b3 c2", "b1 c1"], gone = ["a2 b2", "-a1 b3 c2", "b1 c1"], torn = ["a2 !b2 a1", "b1"]
        for (texts, routes, place, count, isLeft) in [
            (whole, "a", 0, 0, true), (whole, "a", 1, 1, true), (whole, "a", 4, 2, true), (whole, "a", 5, 3, false),
            (whole, "a", 12, 3, false), (whole, "b", 2, 0, true), (whole, "b", 3, 1, true), (whole, "b", 6, 3, true),
            (whole, "b", 10, 5, true), (whole, "c", 9, 1, true), (whole, "c", 11, 2, true), (whole, "c", 12, 3, false),
            (whole, "ab", 5, 5, true), (whole, "abc", 7, 7, true), (whole, "", 5, 0, false),
            // One segment is gone: from 4 on six events may have been anyone's.
            (gone, "a", 1, 1, true), (gone, "a", 4, 0, true), (gone, "a", 8, 1, true), (gone, "a", 10, 3, false),
            (gone, "b", 3, 1, true), (gone, "b", 4, 0, true), (gone, "b", 7, 2, true), (gone, "c", 10, 2, true), (gone, "c", 9, 1, true),
            (gone, "ab", 9, 7, true),
            // Two events can't be read.
            (torn, "b", 0, 0, true), (torn, "b", 3, 1, true), (torn, "b", 4, 2, true), (torn, "a", 2, 0, true), (torn, "a", 3, 1, true),
            (torn, "a", 4, 2, true), (torn, "a", 5, 3, false), (["a2 !b2", "c1 b1"], "b", 0, 0, true),
            (["a2 !b2", "c1 b1"], "b", 4, 2, true),
            (["a2 !b2", "c1 a1"], "a", 2, 0, true), (["?a2 !b2", "c1 a1"], "b", 1, 0, true),
            // What lies beyond a segment's end is none of it.
            (["a2 / b1", "a1 b1"], "b", 0, 0, true), (["b2 a1 / b1", "a1 b1"], "b", 2, 2, true), (["a1 / b1", "a1"], "b", 0, 0, false),
        ] as [([String], String, UInt64, UInt64, Bool)] {
            let log = try SpelledLog(texts), routes = SpelledLog.routes(routes)
            #expect(try self.census(log).ordinal(of: routes, at: place) == count, "\(texts): \(routes) at \(place)")
            #expect(try self.census(log).hasEvents(of: routes, from: place) == isLeft, "\(texts): \(routes) from \(place)")
        }
    }

    @Test(
        "a segment that is gone, or that the device does not give, counts as one that can't be read; that it can't be opened just now stops it"
    )
    func unopened() throws {
        let log = try SpelledLog(["a2 b2", "a1 b3 c2", "b1 c1"]), disk = FaultDisk()
        for number in [ENOENT, EIO] {
            disk.fail { call, path in call == .open && path.hasSuffix("/2") ? number : nil }
            let census = self.census(log, on: disk)
            #expect(try census.ordinal(of: SpelledLog.routes("b"), at: 7) == 2 && census.ordinal(of: SpelledLog.routes("a"), at: 4) == 0)
            #expect(try census.hasEvents(of: SpelledLog.routes("a"), from: 4) && !census.hasEvents(of: SpelledLog.routes("a"), from: 10))
        }
        disk.fail { call, _ in call == .open ? EMFILE : nil }
        #expect(throws: ForebayError.self) { try self.census(log, on: disk).ordinal(of: SpelledLog.routes("b"), at: 7) }
    }
}
