import ForebayKafka
import Testing

@testable import ForebayDelivery

@Suite("What an engine knows of its cluster")
struct TargetWatchTests {
    private static let refused = KafkaFailure(.transport, reason: "broker 1: connection refused")
    private static let login = KafkaFailure(.authentication, reason: "broker 1: wrong password")
    private static let down = KafkaFailure(.allBrokersDown)

    private static func watch(isWatched: Bool = true) -> TargetWatch {
        var target = TargetWatch(isWatched: isWatched)
        target.begin()
        return target
    }

    @Test("only the engine that watches it asks; an answer ends that, and tells for how long it was away")
    func asks() {
        var target = Self.watch(), other = Self.watch(isWatched: false)
        #expect(target.wantsAnswer && !other.wantsAnswer)
        target.failed(Self.refused, at: 1000)
        #expect(target.answered(now: 7, wall: 4000) == 3000 && !target.wantsAnswer && target.health.isUp == true)
        #expect(target.answered(now: 9, wall: 5000) == nil && target.silence(now: 20) == 11 && target.silence(now: 8) == 0)
        target.ask()
        other.ask()
        #expect(target.wantsAnswer && !other.wantsAnswer)
    }

    @Test("a trouble is news once, until it is over or is another one")
    func news() {
        var target = Self.watch()
        #expect(target.takeNews() == nil)
        for _ in 0..<2 { target.failed(Self.refused, at: 1000) }
        #expect(target.takeNews()?.failure == Self.refused && target.takeNews() == nil)
        target.failed(Self.login, at: 2000)
        #expect(target.takeNews()?.failure == Self.login)
        _ = target.answered(now: 0, wall: 3000)
        #expect(target.takeNews() == nil)
        target.failed(Self.login, at: 4000)
        #expect(target.takeNews()?.failure == Self.login, "it came back")
    }

    @Test("a client's failure that is another trouble is to be told and asked about, by who watches", arguments: [true, false])
    func clients(isWatched: Bool) {
        var target = Self.watch(isWatched: isWatched)
        _ = target.answered(now: 0, wall: 0)
        #expect(target.clientFailed(Self.refused, now: 1, wall: 1) == false && !target.wantsAnswer, "one broker's is not the cluster's")
        #expect(target.clientFailed(Self.down, now: 2, wall: 2) == isWatched && target.wantsAnswer == isWatched)
        #expect(target.clientFailed(Self.down, now: 3, wall: 3) == false && target.health.isUp == false)
    }

    @Test("producers that fail keep it down whatever it answers, until one delivers, or lasts and it is asked again")
    func producers() {
        for lasts in [true, false] {
            var target = Self.watch()
            target.producersFail(Self.refused, at: 5)
            #expect(target.answered(now: 1, wall: 6) == nil && target.health.isUp == false)
            if lasts { target.producerLasts() } else { target.producerDelivers() }
            #expect(target.wantsAnswer == lasts)
            #expect(target.answered(now: 2, wall: 9) == 4 && target.health.isUp == true)
            target.producerLasts()
            #expect(!target.wantsAnswer, "there is nothing to be seen")
        }
    }

    @Test("a quota explains that nobody answers")
    func throttled() {
        var target = Self.watch()
        target.throttled(for: 500, by: "broker 1", at: 1000)
        target.failed(KafkaFailure(.timedOut), at: 1400)
        #expect(target.takeNews()?.failure.code == .throttled)
    }

    @Test("brokers are asked in turn")
    func brokers() {
        var target = Self.watch()
        #expect(target.nextBroker() == nil && !target.hasOtherBrokers)
        target.learned([4])
        #expect(!target.hasOtherBrokers)
        target.learned([4, 2, 7])
        #expect(target.hasOtherBrokers && (0..<4).map { _ in target.nextBroker() } == [4, 2, 7, 4])
    }

    @Test("a clock that is set back by more than two seconds matters while the cluster, or a broker of a client's, may be away")
    func clock() {
        var target = Self.watch()
        #expect(target.setBack(ahead: 10_000, now: 0, interval: 100) == nil, "nothing to compare with")
        #expect(target.setBack(ahead: 8000, now: 0, interval: 100) == nil)
        #expect(target.setBack(ahead: 5999, now: 0, interval: 100) == 2001 && target.setBack(ahead: 5999, now: 0, interval: 100) == nil)
        _ = target.answered(now: 0, wall: 0)
        #expect(target.setBack(ahead: 3000, now: 0, interval: 100) == nil, "it is up")
        for (now, milliseconds) in [(149, 3000), (150, nil)] as [(UInt64, Int64?)] {
            _ = target.setBack(ahead: 3000, now: 0, interval: 100)
            _ = target.clientFailed(Self.refused, now: 50, wall: 0)
            #expect(target.setBack(ahead: 0, now: now, interval: 100) == milliseconds)
        }
        target.begin()
        _ = target.setBack(ahead: 3000, now: 0, interval: 100)
        #expect(target.setBack(ahead: 0, now: 51, interval: 100) == nil, "an earlier run's clients are gone")
    }
}
