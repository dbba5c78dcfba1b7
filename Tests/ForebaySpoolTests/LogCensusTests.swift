import ForebayCore
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
}
