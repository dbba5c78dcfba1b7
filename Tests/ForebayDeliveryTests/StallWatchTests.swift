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
        let looks = [true, true, true, true, false, true, false, true].map { isCrowded in
            _ = watch.answered(now: 5, outage: 100)
            return watch.crowded(isCrowded)
        }
        #expect(looks == [false, true, false, true, false, false, false, false])
    }

    @Test("a look that no answer came before tells nothing of a crowd; what came while the cluster was away counts from its return")
    func crowdsOfOutages() {
        var watch = StallWatch()
        let looks =
            [
                (10, true), (nil, true), (nil, true), (90, true), (100, true), (nil, true), (250, true), (260, true), (265, true),
                (nil, false),
                (270, true), (280, true),
            ] as [(UInt64?, Bool)]
        let crowds = looks.map { answered, isCrowded in
            if let answered { _ = watch.answered(now: answered, outage: 100) } else { watch.failed() }
            return watch.crowded(isCrowded)
        }
        #expect(crowds == [false, false, false, true, false, false, false, true, false, false, false, true])
    }

    @Test("the cluster was away when it was asked in vain, and silent for longer than an outage takes to be one")
    func outages() {
        var watch = StallWatch()
        let answers =
            [(1000, true, true), (1100, true, false), (1201, true, true), (1150, true, false), (1301, true, false), (5000, false, false)]
            as [(UInt64, Bool, Bool)]
        for (now, isAsked, isBack) in answers {
            if isAsked { watch.failed() }
            #expect(watch.answered(now: now, outage: 100) == isBack, "\(now)")
        }
        #expect(watch.answeredAt == 5000 && !watch.answered(now: 9000, outage: 100))
    }

    @Test("what has not moved is silent up to the last answer, and a little beyond it")
    func silence() {
        var watch = StallWatch()
        #expect(watch.silence(since: 0, now: 900, lasts: 50) == 50)
        _ = watch.answered(now: 1000, outage: 100)
        let silences = [(400, 900), (400, 1040), (400, 1051), (400, 9000), (1020, 1040), (1060, 9000), (2000, 1000)] as [(UInt64, UInt64)]
        #expect(silences.map { watch.silence(since: $0, now: $1, lasts: 50) } == [500, 640, 650, 650, 20, 0, 0])
    }
}
