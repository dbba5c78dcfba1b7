import Testing

@testable import ForebayDelivery

@Suite("Stall watch: looks in parts, by itself")
struct StallWatchTests {
    private static func stall(_ partition: Int32, _ movedAt: UInt64) -> StallWatch.Stall {
        StallWatch.Stall(topic: "t", partition: partition, movedAt: movedAt)
    }

    @Test("a round covers all in parts, and tells the longest stall when it is over")
    func rounds() {
        var watch = StallWatch()
        var seen: [Range<Int>] = [], firsts: [Bool] = []
        for stalls in [[Self.stall(1, 50)], [Self.stall(4, 20), Self.stall(5, 30)], []] {
            let (places, isFirst) = watch.look(among: 7, atMost: 3)
            seen.append(places)
            firsts.append(isFirst)
            for stall in stalls { watch.see(stall) }
            #expect(watch.endLook(among: 7) == (places.upperBound == 7))
        }
        #expect(seen == [0..<3, 3..<6, 6..<7] && firsts == [true, false, false])
        #expect(watch.longest == Self.stall(4, 20))
        _ = watch.look(among: 7, atMost: 100)
        #expect(watch.longest == Self.stall(4, 20), "until the next round is over")
        #expect(watch.endLook(among: 7) && watch.longest == nil)
    }

    @Test("with fewer places than before a new round begins; with none it is over at once")
    func fewer() {
        var watch = StallWatch()
        _ = watch.look(among: 10, atMost: 6)
        #expect(watch.look(among: 4, atMost: 6) == (0..<4, true))
        var none = StallWatch()
        #expect(none.look(among: 0, atMost: 5) == (0..<0, true) && none.endLook(among: 0))
    }

    @Test("a crowd counts at two looks that follow each other, then anew")
    func crowds() {
        var watch = StallWatch()
        #expect(
            [true, true, true, true, false, true, false, true].map { watch.crowded($0) } == [
                false, true, false, true, false, false, false, false,
            ])
    }
}
