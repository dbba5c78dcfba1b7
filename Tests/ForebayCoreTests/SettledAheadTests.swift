import Testing

@testable import ForebayCore

@Suite("Settled ahead")
struct SettledAheadTests {
    @Test(
        "ranges are joined where they touch or overlap, in whatever order they come",
        arguments: [
            ([3..<5, 5..<7], [3..<7]), ([5..<7, 3..<5, 9..<10], [3..<7, 9..<10]), ([1..<9, 2..<3, 4..<12], [1..<12]),
            ([7..<7, 1..<2], [1..<2]), ([], []),
        ] as [([Range<UInt64>], [Range<UInt64>])])
    func joined(given: [Range<UInt64>], expected: [Range<UInt64>]) {
        #expect(SettledAhead(ranges: given).ranges == expected)
        var ahead = SettledAhead()
        for range in given { ahead.add([range]) }
        #expect(ahead.ranges == expected && ahead.end == expected.last?.upperBound ?? 0)
    }

    @Test("the range that a sequence lies in, or the next one")
    func search() {
        let ahead = SettledAhead(ranges: [2..<4, 6..<7, 9..<12])
        #expect((0..<13).map { ahead.firstIndex(above: $0) } == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 3])
    }

    @Test("what the cursor passed is forgotten; what there are too many of counts as sent, at the end")
    func trimmed() {
        var ahead = SettledAhead(ranges: [2..<4, 6..<7, 9..<12, 20..<30], sentBelow: 3)
        ahead.trim(below: 4, limit: 3)
        #expect(ahead.ranges == [6..<7, 9..<12, 20..<30] && ahead.sentBelow == 3)
        ahead.trim(below: 5, limit: 1)
        #expect(ahead.ranges == [6..<7] && ahead.sentBelow == 30)
        ahead.trim(below: 7, limit: 1)
        #expect(ahead.ranges.isEmpty && ahead.end == 0)
    }

    @Test("clamped, it keeps what lies in other ranges, and those that touch are one")
    func clamp() {
        for (others, expected) in [
            ([], []), ([0..<100], [2..<4, 6..<7, 9..<12]), ([2..<3, 3..<4, 5..<8], [2..<4, 6..<7]), ([0..<2, 4..<6, 12..<20], []),
            ([10..<11], [10..<11]), ([0..<10, 11..<13], [2..<4, 6..<7, 9..<10, 11..<12]),
        ] as [([Range<UInt64>], [Range<UInt64>])] {
            var ahead = SettledAhead(ranges: [2..<4, 6..<7, 9..<12])
            ahead.clamp(to: others, limit: 100)
            #expect(ahead.ranges == expected, "\(others)")
        }
        // Holes make more ranges of it, which count then.
        for (limit, ranges, sentBelow) in [
            (3, [0..<2, 4..<6, 20..<22], 30), (4, [0..<2, 4..<6, 20..<22, 25..<30], 1), (0, [], 30),
        ] as [(Int, [Range<UInt64>], UInt64)] {
            var ahead = SettledAhead(ranges: [0..<10, 20..<30], sentBelow: 1)
            ahead.clamp(to: [0..<2, 4..<6, 20..<22, 25..<40], limit: limit)
            #expect(ahead.ranges == ranges && ahead.sentBelow == sentBelow, "\(limit)")
        }
    }

    @Test("a log vouches for what it holds, not for another's, nor more, nor damaged")
    func witnesses() {
        var generator = SystemRandomNumberGenerator()
        let (log, other) = (SpoolID.random(using: &generator), SpoolID.random(using: &generator))
        let needed = LogWitness(log: log, end: 10, losses: 2)
        #expect(LogWitness(log: log, end: 10, losses: 2).covers(needed) && LogWitness(log: log, end: 11, losses: 2).covers(needed))
        #expect(!LogWitness(log: log, end: 9, losses: 2).covers(needed) && !LogWitness(log: other, end: 10, losses: 2).covers(needed))
        #expect(!LogWitness(log: log, end: 11, losses: 3).covers(needed), "damaged since")
        #expect(!LogWitness(log: log, end: 11, losses: 1).covers(needed), "its record of that was lost")
    }
}
