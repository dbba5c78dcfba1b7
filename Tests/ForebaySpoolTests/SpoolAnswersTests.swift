import ForebayCore
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

/// What a log says of itself when it is asked.
@Suite("Spool: what it answers")
struct SpoolAnswersTests {
    private func filled(_ fixture: SpoolFixture, on disk: any Disk = SystemDisk()) async throws -> Spool {
        let spool = try fixture.open(on: disk, cursorSyncInterval: 600_000)
        // Two events a segment, in turn of both routes.
        for number in 0..<6 { try await spool.append(number % 2 == 0 ? "a" : "b", ["\(number)" + String(repeating: "v", count: 40_000)]) }
        #expect(spool.view.read { $0.segments.map(\.end) } == [2, 4, 6])
        return spool
    }

    @Test("what is there from a sequence on: all of each segment, but what was told of as lost")
    func wholeRanges() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try await self.filled(fixture)
        for (from, expected) in [
            (0, [0..<2, 2..<4, 4..<6]), (1, [1..<2, 2..<4, 4..<6]), (2, [2..<4, 4..<6]), (3, [3..<4, 4..<6]), (5, [5..<6]), (6, []),
            (9, []),
        ] as [(UInt64, [Range<UInt64>])] { #expect(spool.wholeRanges(from: from) == expected, "from \(from)") }
        spool.report(MissingRange(sequences: 2..<3, segment: 2, position: 8192, reason: "planted", events: 1))
        spool.report(MissingRange(sequences: 5..<6, segment: 3, position: 8192, reason: "planted", events: 1))
        for (from, expected) in [(0, [0..<2, 3..<4, 4..<5]), (2, [3..<4, 4..<5]), (3, [3..<4, 4..<5]), (5, [])]
            as [(UInt64, [Range<UInt64>])]
        {
            #expect(spool.wholeRanges(from: from) == expected, "from \(from)")
        }
        _ = try await spool.acknowledgeAlarms()
        #expect(spool.missing.isEmpty && spool.wholeRanges(from: 0) == [0..<2, 3..<4, 4..<5], "acknowledged it is not there either")
        await spool.close()
    }

    @Test("events of a cursor's routes are counted as of an end, and of no other; what is behind it lags")
    func counts() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try await self.filled(fixture)
        let a = try await spool.forward("a"), c = try await spool.forward("c")
        #expect([5, 6, 7].map { spool.count(of: a, ifEndIs: $0) } == [nil, 3, nil] && spool.count(of: c, ifEndIs: 6) == 0)
        #expect(spool.lag(of: a) == 3 && spool.lag(of: c) == 0 && spool.sequenceCount == 6)
        a.move(to: 3, settled: 2)
        #expect(spool.lag(of: a) == 1 && spool.count(of: a, ifEndIs: 6) == 3)
        await spool.close()
    }

    @Test("how many events a loss had is told as it was counted; what was not is counted by what stands beside it")
    func lossesCounted() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try await self.filled(fixture)
        _ = try await spool.forward("a")
        spool.report(MissingRange(sequences: 0..<2, segment: 1, position: 8192, reason: "planted", events: 1))
        spool.report(MissingRange(sequences: 2..<4, segment: 2, position: 8192, reason: "planted"))
        #expect(spool.missing.map(\.events) == [1, 2])
        await spool.close()
    }
}
