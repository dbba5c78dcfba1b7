import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("Forward state: topics and times")
struct DeliveryStateTopicTests {
    @Test("an event for a partition that was added a moment ago is delivered; one for none is given up once the cluster was asked for it")
    func unknownPartition() {
        var driver = Driver()
        driver.admit(1)
        driver.learn(partitions: 2)
        driver.report(driver.pump())
        driver.admit(1, partition: 7)
        driver.admit(1, partition: 1)
        #expect(driver.pump().isEmpty && driver.state.actions.deadLetters.isEmpty, "the cluster was asked before it came")
        driver.learn(partitions: 8)
        #expect(Set(driver.pump()) == [1, 2])
        driver.report([1, 2])
        #expect(driver.cursor == 3)

        driver.admit(1, partition: 8)
        driver.admit(1, partition: 8)
        #expect(driver.state.actions.deadLetters.isEmpty)
        driver.learn(partitions: 8)
        #expect(driver.state.actions.deadLetters.map(\.code) == [.unknownPartition, .unknownPartition])
        driver.admit(1, partition: -1)
        #expect(driver.state.actions.deadLetters.count == 3, "no cluster has that one")
    }

    @Test("an answer to a question that was asked before an event came does not judge it")
    func overtakenAnswer() {
        var driver = Driver()
        driver.admit(1)
        driver.learn(partitions: 2)
        driver.report(driver.pump())
        driver.state.wantAll()
        let asked = driver.state.takeWanted(by: .main)
        driver.admit(1, partition: 2)
        let leaders = [Int32?](repeating: 1, count: 2)
        for topic in asked {
            driver.state.learned(KafkaMetadata.Topic(name: "t", error: .none, leaders: leaders), topic, from: .main, now: driver.now)
        }
        #expect(driver.state.actions.deadLetters.isEmpty)
        driver.learn(partitions: 3)
        #expect(driver.pump() == [1])
    }

    @Test("an answer that comes late, after its topic backed off, does not judge what came meanwhile either")
    func overtakenByHold() {
        var driver = Driver { $0.setAsideTopics = 0 }
        driver.admit(1)
        driver.learn(partitions: 2)
        driver.report(driver.pump())
        driver.state.wantAll()
        #expect(driver.state.takeWanted(by: .main) == [0])
        driver.admit(1, partition: 2)
        driver.state.fail(topic: 0, KafkaFailure(.leaderNotAvailable), byDelivery: false, now: driver.now)
        driver.state.wantAll()
        #expect(driver.state.takeWanted(by: .main).isEmpty, "its time will ask for it")
        driver.verify()
        driver.wait(100)
        driver.learn("t", leaders: [1, 1])  // The first answer.
        #expect(driver.state.actions.deadLetters.isEmpty && driver.state.takeWanted(by: .main) == [0])
        driver.learn("t", leaders: [1, 1, 1])
        #expect(driver.pump() == [1])
    }

    @Test("many new topics are those beyond one request that wait, are not known and not set aside; the drain's are none")
    func manyNew() {
        for (way, count, isMany) in [(DeliveryWay.direct, 3, false), (.direct, 4, true), (.aside, 4, false)] {
            var driver = Driver(way) { $0.topicsPerRequest = 3 }
            driver.admit((0..<count).map { EventFactory.Sample("t\($0)", value: "v") })
            #expect(driver.state.manyNew() == (isMany ? [0, 1, 2, 3] : []))
        }
        for change in 0..<4 {
            var driver = Driver { $0.topicsPerRequest = 3 }
            driver.admit((0..<5).map { EventFactory.Sample("t\($0)", value: "v") })
            switch change {
            case 0: driver.state.topics[1].metadata.learnedAt = 1
            case 1: driver.state.topics[1].phase = .ready
            case 2: driver.state.see("t1", SetAsideTopic(whole: .aside), at: driver.now)
            default: driver.state.topics[1].producers.wantedBy = 0
            }
            #expect(driver.state.manyNew() == [0, 2, 3, 4])
            driver.state.topics[0].metadata.learnedAt = 1
            #expect(driver.state.manyNew().isEmpty, "three are as many as one request is for")
            driver.state.notListed(1, now: driver.now)
            #expect(driver.topic("t1").trouble.failure == nil && driver.topic("t1").trouble.failures == 0, "it is not new")
        }
    }

    @Test(
        "a new topic that the cluster does not list backs off, then set aside, and not asked for meanwhile; where no more may be, it is asked for"
    )
    func notListed() {
        for isFull in [false, true] {
            var driver = Driver { $0.setAsideTopics = isFull ? 0 : 10 }
            driver.admit(1)
            driver.state.notListed(0, now: driver.now)
            driver.verify()
            #expect(driver.topic().phase == (isFull ? .unknown : .backingOff(until: driver.now + 100)))
            #expect(driver.state.takeWanted(by: .main) == (isFull ? [0] : []))
            guard !isFull else { continue }
            driver.wait(100)
            #expect(driver.topic().phase == .unknown)
            driver.state.notListed(0, now: driver.now)
            #expect(driver.topic().aside.mode == .aside && driver.state.takeSettingAside().flatMap(\.flights) == [0])
            #expect(driver.state.takeWanted(by: .main).isEmpty)
            driver.state.see("t", nil, at: driver.now)
            #expect(driver.state.takeWanted(by: .main) == [0])
        }
    }

    @Test("however many topics one batch names: some are asked for at once, in their order, and topics out of use go meanwhile")
    func manyTopics() {
        var driver = Driver {
            $0.topicsPerRequest = 100
            $0.idleTopics = 200
            $0.queueLimit = 1 << 30
        }
        driver.verifies = false
        driver.admit((0..<5000).map { EventFactory.Sample("topic-\($0)", value: "v") })
        var most = 0, rounds = 0
        while !driver.state.isIdle, rounds < 500 {
            rounds += 1
            let asked = driver.state.takeWanted(by: .main)
            #expect(asked.count <= 100)
            for topic in asked {
                let answer = KafkaMetadata.Topic(name: driver.state.topics[topic].name, error: .none, leaders: [1])
                driver.state.learned(answer, topic, from: .main, now: driver.now)
            }
            for topic in driver.state.takeLimitsWanted() { driver.state.learnedLimit(nil, topic, now: driver.now) }
            driver.report(driver.pump())
            most = max(most, driver.state.knownTopics(by: .main))
        }
        #expect(driver.state.isIdle && driver.sent.map(\.number) == Array(0..<5000))
        #expect(most < 1000 && driver.state.topics.count < 1000, "those that were done with were forgotten")
    }

    @Test("however often a topic is wanted before it is asked for, it is asked for once, by each producer that needs it")
    func wantedOnce() {
        var driver = Driver { $0.topicsPerRequest = 10 }
        for topic in ["t", "u"] { driver.admit(1, topic: topic) }
        for _ in 0..<1000 {
            driver.state.wantAll()
            driver.state.want(1, by: .single)
        }
        #expect(driver.state.producers[.main].wanted.all == [0, 1] && driver.state.producers[.single].wanted.all == [1])
        #expect(driver.state.manyNew().isEmpty, "two are not many")
        #expect(driver.state.takeWanted(by: .single) == [1] && driver.state.takeWanted(by: .main) == [0, 1])
        driver.state.wantAll()
        #expect(driver.state.takeWanted(by: .main) == [0, 1])
    }

    @Test(
        "a topic that backed off, is set aside when there is room, and delivered from there, is told to take events again; held anew, that is told"
    )
    func heldThenAside() {
        var driver = Driver { $0.setAsideTopics = 1 }
        let forbidden = KafkaFailure(.topicAuthorizationFailed)
        for topic in ["u", "t"] { driver.admit(1, topic: topic) }
        driver.learn()
        for (round, isAnew) in [(1, false), (2, true)] {
            driver.state.fail(topic: driver.index("u"), forbidden, byDelivery: false, now: driver.now)
            driver.state.fail(topic: driver.index("t"), forbidden, byDelivery: false, now: driver.now)
            #expect(
                driver.state.actions.notes == [.backsOff(topic: "t", forbidden)] && driver.topic("u").aside.mode == .aside, "round \(round)"
            )
            driver.state.actions.notes = []
            driver.state.see("u", nil, at: driver.now)
            driver.wait(10_000)
            let asked = driver.state.takeWanted(by: .main)
            #expect(Set(asked) == Set([driver.index("t"), driver.index("u")]))
            driver.state.fail(topic: driver.index("t"), forbidden, byDelivery: false, now: driver.now)
            #expect(driver.topic("t").aside.mode == .aside && driver.state.actions.notes.isEmpty)
            driver.state.see("t", nil, at: driver.now)
            #expect(
                driver.state.actions.notes == [.released(topic: "t")] && driver.topic("t").trouble.failure == nil
                    && driver.topic("t").trouble.failures == 0)
            driver.state.actions.notes = []
            driver.state.see("t", nil, at: driver.now)
            #expect(driver.state.actions.notes.isEmpty, "once")
            if !isAnew { for topic in ["u", "t"] { driver.learn(topic, leaders: [1, 1]) } }
        }
    }

    @Test(
        "a time of ours that the broker refuses: its topic is set aside, there is no dead letter, other topics flow; a producer's own is dead"
    )
    func refusedTimes() {
        for isOurs in [true, false] {
            var driver = Driver()
            let time: Int64 = isOurs ? WallClock.milliseconds - 20 : WallClock.milliseconds + 7_200_000
            driver.admit([EventFactory.Sample("t", value: "v", timestamp: time), EventFactory.Sample("t", value: "w", timestamp: time)])
            driver.admit(1, topic: "other")
            driver.learn(partitions: 1)
            driver.pump()
            driver.report([2])
            driver.report([0, 1], .invalidTimestamp)
            driver.state.failed(.main, now: driver.now)
            driver.state.closed(.main, now: driver.now)
            driver.pump()
            driver.learn(partitions: 1)
            #expect(driver.pump() == [0])
            driver.report([0], .invalidTimestamp, from: .single)
            #expect(driver.state.actions.deadLetters.map(\.flight) == (isOurs ? [] : [0]))
            #expect(driver.state.actions.notes.contains { if case .timeRefused("t", _) = $0 { true } else { false } } == isOurs)
            #expect(driver.state.takeSettingAside().flatMap(\.flights) == (isOurs ? [0, 1] : []))
        }
    }

    @Test("the backoffs of partitions are short, those of topics and rebuilds a little longer, whatever the retry of units is")
    func limitsOfDelays() {
        var driver = Driver {
            $0.retryLimit = 3_600_000
            $0.setAsideTopics = 0
        }
        driver.admit(1)
        driver.admit(1, topic: "absent")
        driver.learn()
        for _ in 0..<12 {
            driver.report(driver.pump(), .timedOut)
            #expect(driver.state.partitions.all.allSatisfy { $0.retry.retryAt <= driver.now + 2000 })
            driver.now += 2000
            _ = driver.state.tick(now: driver.now)
        }
        let absent = driver.state.topics.all.firstIndex { $0.name == "absent" }!
        for _ in 0..<12 {
            driver.state.fail(topic: absent, KafkaFailure(.unknownTopicOrPartition), byDelivery: false, now: driver.now)
            guard case .backingOff(let until) = driver.state.topics[absent].phase else { continue }
            #expect(until <= driver.now + 5000)
            driver.now = until
            _ = driver.state.tick(now: driver.now)
        }
    }

    @Test("topics out of use are forgotten beyond a number; their places are used again")
    func evicts() {
        var driver = Driver { $0.idleTopics = 4 }
        for number in 0..<12 {
            driver.admit(1, topic: "topic-\(number)")
            driver.learn()
            driver.report(driver.pump())
        }
        #expect(driver.state.topics.indices.count <= 5)
        #expect(!driver.state.actions.closedTopics.isEmpty)
        #expect(driver.state.isIdle && driver.cursor == 12)
        driver.admit(1, topic: "topic-0")
        driver.learn()
        #expect(driver.pump() == [12])
    }
}
