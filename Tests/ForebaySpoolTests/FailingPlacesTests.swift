import Testing

@testable import ForebaySpool

@Suite("Spool: where a device fails")
struct FailingPlacesTests {
    private let one = ReadCache.Segment(number: 1, salt: 1), other = ReadCache.Segment(number: 1, salt: 2)

    @Test("known is what failed, in that segment alone, until it is given; of a place that is given in part the rest stays known")
    func known() {
        var places = FailingPlaces()
        #expect(!places.has(self.one, 0..<100))
        places.asked(self.one, 10..<20, failed: [10..<20])
        #expect(places.has(self.one, 0..<11) && places.has(self.one, 19..<30) && places.has(self.one, 12..<13))
        #expect(!places.has(self.one, 0..<10) && !places.has(self.one, 20..<30) && !places.has(self.other, 0..<100))
        places.asked(self.other, 0..<100, failed: [])
        places.asked(self.one, 12..<14, failed: [])
        #expect(places.has(self.one, 11..<12) && !places.has(self.one, 12..<14) && places.has(self.one, 14..<15))
        // All of it was asked for again, and one block of it failed.
        places.asked(self.one, 0..<30, failed: [16..<17])
        #expect(!places.has(self.one, 0..<16) && places.has(self.one, 16..<17) && !places.has(self.one, 17..<30))
        places.asked(self.one, 16..<17, failed: [])
        #expect(!places.has(self.one, 0..<30))
    }

    @Test("a dead zone is one place, however many blocks it has and in whatever order they are met; of many, the newest are known")
    func bounded() {
        var places = FailingPlaces()
        places.asked(self.other, 0..<1, failed: [0..<1])
        for block in [4, 2, 3, 9, 8] + Array(10..<2000) + [5, 6, 7] {
            places.asked(self.one, block..<block + 1, failed: [block..<block + 1])
        }
        #expect(places.has(self.other, 0..<1), "nothing was forgotten for it")
        for block in 2..<2000 { #expect(places.has(self.one, block..<block + 1)) }
        for place in 0..<1000 {
            places.asked(self.one, 10_000 + 2 * place..<10_001 + 2 * place, failed: [10_000 + 2 * place..<10_001 + 2 * place])
        }
        #expect(!places.has(self.other, 0..<1) && !places.has(self.one, 0..<2000))
        #expect((0..<1000).filter { places.has(self.one, 10_000 + 2 * $0..<10_001 + 2 * $0) } == Array(744..<1000))
    }
}
