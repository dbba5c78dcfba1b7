import Testing

@testable import ForebaySpool

@Suite("Spool: the pairs of slots of units")
struct UnitPairsTests {
    @Test("a pair that is free is used before the file grows, and the one that became free last is the first")
    func reserve() {
        var pairs = UnitPairs(count: 3, free: [(0, 5), (2, 7)])
        let places = [10, 11, 12, 13].map { pairs.reserve(for: $0) }
        #expect(places.map(\.pair) == [2, 0, 3, 4] && places.map(\.generation) == [7, 5, 0, 0])
        #expect(pairs.count == 5 && pairs.byteCount == 5 * 8192)
    }

    @Test("a unit that could not be written has its pair kept for it, and no other gets that, until it stands there")
    func again() {
        var pairs = UnitPairs()
        #expect(pairs.count == 0)
        var places = [1, 2, 1, 2].map { pairs.reserve(for: $0) }
        #expect(places.map(\.pair) == [0, 1, 0, 1] && pairs.count == 2)
        pairs.take(for: 1)
        pairs.give(back: (0, 9))
        places = [2, 3, 4].map { pairs.reserve(for: $0) }
        #expect(places.map(\.pair) == [1, 0, 2] && places.map(\.generation) == [0, 9, 0])
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
    }
}
