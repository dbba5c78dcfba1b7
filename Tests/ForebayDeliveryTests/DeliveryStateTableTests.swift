import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("Forward state: what is known of topics")
struct DeliveryStateTableTests {
    // MARK: Questions

    @Test("topics are asked for in the order in which they came, so many at once, and each once")
    func order() {
        var driver = Driver { $0.topicsPerRequest = 3 }
        driver.admit((0..<7).map { EventFactory.Sample("topic-\($0 % 5)", value: "v") })
        driver.state.wantAll()
        #expect(driver.state.takeWanted(by: .main) == [0, 1, 2] && driver.state.producers[.main].wantsMetadata)
        #expect(driver.state.takeWanted(by: .main) == [3, 4] && !driver.state.producers[.main].wantsMetadata)
        driver.state.notLearned([1, 3], from: .main)
        driver.state.notLearned([1], from: .main)
        #expect(driver.state.takeWanted(by: .main) == [1, 3])
        driver.state.notLearned([2], from: .small)
        #expect(driver.state.takeWanted(by: .main).isEmpty && driver.state.takeWanted(by: .small) == [2])
    }

    @Test("limits are asked for once a topic is known, so many at once; those that are known are asked for again with the rest")
    func limits() {
        var driver = Driver { $0.topicsPerRequest = 2 }
        driver.admit((0..<3).map { EventFactory.Sample("topic-\($0)", value: "v") })
        #expect(driver.state.topics.limitsWanted.isEmpty)
        for _ in 0..<2 {
            for topic in driver.state.takeWanted(by: .main) { driver.learn("topic-\(topic)", leaders: [1]) }
        }
        #expect(!driver.state.topics.limitsWanted.isEmpty && driver.state.takeLimitsWanted() == [0, 1])
        driver.learn("topic-0", leaders: [1])
        #expect(driver.state.takeLimitsWanted() == [2, 0], "its answer is not there yet")
        for topic in 0..<3 { driver.state.learnedLimit(5000, topic, now: driver.now) }
        #expect(driver.state.topics.limitsWanted.isEmpty)
        driver.learn("topic-1", leaders: [1])
        #expect(driver.state.topics.limitsWanted.isEmpty, "it is known")
        driver.state.wantAll()
        driver.learn("topic-1", leaders: [1])
        #expect(driver.state.takeLimitsWanted() == [1])
        driver.state.learnedLimit(nil, 1, now: driver.now)
        #expect(
            driver.topic("topic-1").limits.bytes == 5000 && driver.topic("topic-1").limits.isTold && !driver.topic("topic-1").limits.isStale
        )
        driver.state.learnedLimit(nil, 2, now: driver.now)
        driver.state.topics.wantLimit(of: 2)
        driver.state.topics.wantLimit(of: 2)
        #expect(
            driver.state.topics.limitsWanted.all == [2] && driver.state.takeLimitsWanted().isEmpty
                && !driver.topic("topic-2").limits.isWanted,
            "nothing has changed")
    }

    @Test("limits are asked for by the producer that knows the topic, and only of topics that there are")
    func limitsOfUnknown() {
        var driver = Self.used(5)
        driver.state.wantAll()
        for topic in [0, 4] { driver.state.topics.wantLimit(of: topic) }
        _ = driver.state.takeWanted(by: .main)
        #expect(!driver.state.topics.holds(0) && driver.state.takeLimitsWanted() == [4], "the first was forgotten")
        driver.state.topics.wantLimit(of: 4)
        driver.replace(.main)
        #expect(driver.state.takeLimitsWanted().isEmpty && driver.state.topics.limitsWanted.isEmpty)
        driver.learn("topic-4", leaders: [1, 1])
        #expect(driver.state.takeLimitsWanted() == [4])
    }

    @Test("an answer to a side producer tells it of the topic, and nothing else")
    func sideAnswers() {
        var driver = Driver()
        driver.admit(1)
        driver.learn("t", leaders: [1, 1], from: .small)
        #expect(driver.topic().isKnown(by: .small) && !driver.topic().isKnown(by: .main))
        #expect(
            driver.topic().metadata.partitions.isEmpty && driver.topic().metadata.learnedAt == 0 && driver.state.topics.limitsWanted.isEmpty
        )
        driver.state.learnedLimit(nil, 0, now: driver.now)
        #expect(driver.topic().phase == .unknown)
        driver.learn("t", leaders: [1, 1])
        #expect(driver.topic().phase == .ready && driver.topic().metadata.learnedAt == driver.now)
    }

    @Test("a limit that comes before the partitions, or behind them, lets the events go all the same")
    func eitherFirst() {
        for isLimitFirst in [true, false] {
            var driver = Driver()
            driver.admit(2)
            if isLimitFirst { driver.state.learnedLimit(nil, 0, now: driver.now) }
            driver.learn("t", leaders: [1])
            #expect(driver.pump().count == (isLimitFirst ? 2 : 0))
            if !isLimitFirst { driver.state.learnedLimit(nil, 0, now: driver.now) }
            #expect(driver.pump().count == (isLimitFirst ? 0 : 2))
        }
    }

    // MARK: Batches that were too large

    @Test("where nobody tells limits, each size refusal makes batches a quarter as large, down to a floor")
    func guesses() {
        var driver = Driver()
        driver.admit(1)
        driver.learn()
        var limits: [Int?] = []
        for _ in 0..<7 {
            driver.state.tooLarge(0, from: driver.topic().producers.slot)
            #expect(driver.state.takeLimitsWanted() == [0] && driver.topic().limits.isStale)
            driver.state.tooLarge(0, from: driver.topic().producers.slot)
            #expect(driver.state.takeLimitsWanted().isEmpty, "one refusal of many batches in flight")
            limits.append(driver.topic().limits.bytes)
            driver.state.learnedLimit(nil, 0, now: driver.now)
        }
        #expect(limits == [250_000, 62_468, 15_585, 3864, 1024, 1024, 1024])
        #expect(driver.topic().producers.slot == .small)
    }

    @Test("what was refused alone, or by a topic that tells its limit, teaches no limit; the latter is asked again")
    func teachesNothing() {
        var driver = Driver()
        driver.admit(1)
        driver.learn()
        driver.state.tooLarge(0, from: .single)
        #expect(driver.topic().limits.bytes == nil && !driver.topic().limits.isStale && driver.state.topics.limitsWanted.isEmpty)
        driver.state.learnedLimit(900_000, 0, now: driver.now)
        driver.state.tooLarge(0, from: .small)
        #expect(driver.topic().limits.bytes == 900_000 && driver.topic().limits.isStale && driver.state.takeLimitsWanted() == [0])
        driver.state.learnedLimit(50_000, 0, now: driver.now)
        #expect(driver.topic().limits.bytes == 50_000 && driver.state.topics.smallBatchSize == 49_872)
    }

    @Test("a guess is never larger than what the small topics' producer sends already")
    func guessesBySize() {
        var driver = Driver()
        driver.admit(1, topic: "told")
        driver.learn(limit: 10_128)
        driver.admit(1, topic: "untold")
        driver.learn()
        driver.state.topics[1].producers.slot = .small
        driver.state.tooLarge(1, from: .small)
        #expect(driver.topic("untold").limits.bytes == 2500)
    }

    // MARK: Topics out of use

    /// `idleTopics` is 4 here: beyond it all but the last two go.
    private static func used(_ topics: Int) -> Driver {
        var driver = Driver { $0.idleTopics = 4 }
        for number in 0..<topics { Self.use(number, &driver) }
        return driver
    }

    private static func use(_ number: Int, _ driver: inout Driver) {
        driver.admit(1, topic: "topic-\(number)")
        driver.learn()
        driver.report(driver.pump())
    }

    private static func names(_ driver: Driver) -> [String] {
        driver.state.topics.indices.filter(driver.state.topics.holds).map { driver.state.topics[$0].name }.sorted()
    }

    @Test("beyond their number, topics without events are forgotten, the longest unused first, until half of them are left")
    func evicts() {
        var driver = Self.used(5)
        #expect(Self.names(driver).count == 5 && driver.state.actions.closedTopics.isEmpty)
        let places = driver.state.topics[0].metadata.partitions
        _ = driver.state.takeWanted(by: .main)
        #expect(Self.names(driver) == ["topic-3", "topic-4"] && driver.state.actions.closedTopics == [0, 1, 2])
        #expect(Set(driver.state.topics.free) == [0, 1, 2] && Set(places).isSubset(of: driver.state.partitions.free))
        #expect(
            driver.state.topics[0].metadata.partitions.isEmpty && driver.state.topics.count == 2 && driver.state.topics.idle.all == [3, 4])
        Self.use(9, &driver)
        #expect(driver.state.topics.indices.count == 5 && driver.state.partitions.places.count == 10 && driver.cursor == 6)
        #expect(Self.names(driver) == ["topic-3", "topic-4", "topic-9"])
        var few = Self.used(4)
        _ = few.state.takeWanted(by: .main)
        #expect(Self.names(few).count == 4)
    }

    @Test("topics that have events, are asked for, were used again, or were not counted yet stay, and may go later")
    func stays() {
        var driver = Self.used(5)
        driver.admit(1, topic: "topic-0")
        driver.state.topics[1].metadata.isAsked = true
        driver.state.topics[2].events.delivered = 1
        _ = driver.state.takeWanted(by: .main)
        #expect(Self.names(driver) == ["topic-0", "topic-1", "topic-2", "topic-3", "topic-4"])
        driver.report(driver.pump())
        driver.state.topics[1].metadata.isAsked = false
        for number in 5..<8 { Self.use(number, &driver) }
        _ = driver.state.takeWanted(by: .main)
        #expect(Self.names(driver).count < 5, "all of them had been listed again: \(Self.names(driver))")

        var again = Self.used(4)
        Self.use(0, &again)
        Self.use(4, &again)
        _ = again.state.takeWanted(by: .main)
        #expect(Self.names(again) == ["topic-0", "topic-3", "topic-4"], "the first was used again meanwhile")
    }

    @Test("while a batch is taken in, none of its own topics is forgotten; and a topic that comes back is a new one")
    func withinABatch() {
        var driver = Self.used(5)
        driver.admit(["topic-3", "new", "topic-3", "topic-0"].map { EventFactory.Sample($0, value: "v") })
        #expect(
            Self.names(driver).contains("topic-3")
                && driver.topic("topic-3").events.waiting.count + driver.topic("topic-3").events.assigned == 2)
        #expect(driver.topic("topic-0").metadata.partitions.isEmpty && driver.topic("topic-0").phase == .unknown, "it is asked for anew")
        driver.learn()
        driver.report(driver.pump())
        #expect(driver.state.isIdle)
    }

    @Test("what is set aside is forgotten like others, and remembered as set aside; also if its events only ever passed through")
    func aside() {
        var driver = Driver { $0.idleTopics = 4 }
        for round in 0..<3 {
            for number in 0..<20 {
                driver.state.see("bad-\(number)", SetAsideTopic(whole: .aside), at: driver.now)
                driver.admit(1, topic: "bad-\(number)")
                #expect(driver.state.takeSettingAside().map(\.request.key.topic) == ["bad-\(number)"])
                for flight in driver.state.window.head..<driver.state.window.tail { driver.state.setAside(flight) }
                driver.retire()
            }
            #expect(driver.state.topics.count <= 6, "in round \(round)")
        }
        #expect(driver.state.topics.count <= 6)
    }

    @Test("a small topic that is forgotten no longer makes batches small")
    func smallIsForgotten() {
        var driver = Driver { $0.idleTopics = 4 }
        driver.admit(1, topic: "small")
        driver.learn(limit: 5000)
        driver.pump()
        driver.learn(limit: 5000)
        driver.report(driver.pump(), from: .small)
        #expect(driver.state.topics.smallBatchSize == 4872)
        for number in 0..<4 { Self.use(number, &driver) }
        _ = driver.state.takeWanted(by: .main)
        #expect(driver.state.topics.smallBatchSize == nil && driver.state.knownTopics(by: .small) == 0)
    }
}
