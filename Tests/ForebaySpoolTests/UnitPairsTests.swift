import Testing

@testable import ForebaySpool

@Suite("Spool: the pairs of slots of units")
struct UnitPairsTests {
    @Test("a pair that is free is used before the file grows, the lowest first")
    func reserve() {
        var pairs = UnitPairs(count: 4, free: [(0, 5), (2, 7)])
        pairs.give(back: [(1, 6)])
        pairs.give(back: [])
        let places = [10, 11, 12, 13, 14].map { pairs.reserve(for: $0) }
        #expect(places.map(\.pair) == [0, 1, 2, 4, 5] && places.map(\.generation) == [5, 6, 7, 0, 0])
        #expect(pairs.count == 6 && pairs.byteCount == 6 * 8192)
    }

    @Test("a unit that could not be written has its pair kept for it, and no other gets that, until it stands there")
    func again() {
        var pairs = UnitPairs()
        #expect(pairs.count == 0)
        var places = [1, 2, 1, 2].map { pairs.reserve(for: $0) }
        #expect(places.map(\.pair) == [0, 1, 0, 1] && pairs.count == 2)
        pairs.take(for: 1)
        pairs.give(back: [(0, 9)])
        places = [2, 3, 4].map { pairs.reserve(for: $0) }
        #expect(places.map(\.pair) == [1, 0, 2] && places.map(\.generation) == [0, 9, 0])
        for unit in [2, 2, 7] as [UInt64] { pairs.release(for: unit) }
        places = [5, 6].map { pairs.reserve(for: $0) }
        #expect(places.map(\.pair) == [1, 3], "it was given up, once")
    }

    @Test("the file's growth is told of once, all of it at first; a pair that is used again is none")
    func growth() {
        var pairs = UnitPairs(count: 2, free: [(1, 3)])
        var growth = [pairs.takeGrowth(), pairs.takeGrowth()]
        #expect(growth == [2 * 8192, 0])
        _ = pairs.reserve(for: 1)
        growth = [pairs.takeGrowth()]
        _ = (pairs.reserve(for: 2), pairs.reserve(for: 3))
        growth += [pairs.takeGrowth(), pairs.takeGrowth()]
        #expect(growth == [0, 2 * 8192, 0])
        pairs.release(for: 3)
        pairs.cut(to: 3)
        growth = [pairs.takeGrowth(), pairs.takeGrowth()]
        #expect(growth == [-8192, 0], "it has shrunk")
    }

    @Test("by how much the file will grow is what units need beside free pairs, and those that are kept for them")
    func growthAhead() {
        var pairs = UnitPairs(count: 3, free: [(1, 3)])
        #expect(pairs.growth(for: []) == 0 && pairs.growth(for: [7]) == 0 && pairs.growth(for: [7, 8, 9]) == 2 * 8192)
        _ = (pairs.reserve(for: 7), pairs.reserve(for: 8))
        #expect(pairs.growth(for: [7, 8]) == 0 && pairs.growth(for: [7, 8, 9]) == 8192)
    }

    @Test("what stands behind free pairs goes before them, and the end is cut where nothing is anybody's")
    func cut() async {
        var pairs = UnitPairs(count: 6, free: [(1, 3), (4, 4), (5, 9)])
        #expect(pairs.end == 4)
        #expect(pairs.takeFree(before: 1) == nil)
        #expect(pairs.takeFree(before: 3)?.generation == 3 && pairs.takeFree(before: 3) == nil)
        pairs.give(back: [(3, 7)])
        #expect(pairs.end == 3)
        pairs.cut(to: 5)
        #expect(pairs.count == 5 && pairs.end == 3)
        pairs.cut(to: 3)
        #expect(pairs.count == 3 && pairs.end == 3 && pairs.takeFree(before: 9) == nil && pairs.reserve(for: 1).pair == 3)
        await #expect(processExitsWith: .failure) {
            var pairs = UnitPairs(count: 3, free: [(2, 1)])
            pairs.cut(to: 1)
        }
        await #expect(processExitsWith: .success) {
            var pairs = UnitPairs(count: 3, free: [(2, 1)])
            pairs.cut(to: 2)
        }
    }

    @Test(
        "it is cut for many free pairs, in bytes and beside those in use",
        arguments: [(7, 0, false), (8, 0, true), (8, 71, true), (8, 72, false), (9, 72, true)])
    func worthCutting(_ free: Int, _ used: Int, _ isWorth: Bool) {
        let pairs = UnitPairs(count: free + used, free: (0..<free).map { ($0, 0) })
        #expect(pairs.isWorthCutting == isWorth)
        #expect(!UnitPairs().isWorthCutting)
    }
}
