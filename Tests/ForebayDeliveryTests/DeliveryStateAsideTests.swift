import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("Forward state: what can't be delivered now")
struct DeliveryStateAsideTests {
    static let forbidden = KafkaFailure(.topicAuthorizationFailed)
    static let silent = KafkaFailure(.timedOut)

    static func keyed(_ count: Int, topic: String = "t") -> [EventFactory.Sample] {
        (0..<count).map { EventFactory.Sample(topic, key: "key-\($0)", value: "v") }
    }

    // MARK: A topic

    @Test("what may have been stored already is a repeat once it is set aside: it goes out again; what was never sent is none")
    func mayBeStored() {
        var driver = Driver()
        driver.admit(3)
        driver.learn()
        let sent = driver.pump()
        driver.admit(2)
        driver.report([sent[0]], .timedOut, mayBeStored: true)
        driver.state.fail(topic: 0, Self.forbidden, byDelivery: true, now: driver.now)
        let groups = driver.state.takeSettingAside()
        #expect(groups.flatMap(\.flights) == [0, 1, 2, 3, 4] && driver.state.totals.redelivered == 0)
        for flight in 0..<5 as Range<UInt64> { driver.state.setAside(flight) }
        driver.retire()
        #expect(
            driver.state.totals == DeliveryState.Totals(delivered: 0, redelivered: 1, deadLetters: 0, setAside: 5) && driver.cursor == 5)
    }

    @Test("a topic is set aside whole: sent, queued and waiting events in their order, with what the log needs to know of them")
    func topic() {
        var driver = Driver { $0.partitionWindow = 1 }
        driver.admit(Self.keyed(4), acceptedAt: 33)
        driver.learn(partitions: 3)
        driver.admit(1, topic: "u")
        driver.learn()
        driver.pump()
        driver.learn("t", leaders: [1, 1, 1, 1])
        driver.admit(Self.keyed(2), acceptedAt: 44)
        #expect(driver.topic().events.waiting.count == 2)
        let held = driver.sent.filter { $0.number < 4 }.map(\.number).sorted()
        let bytes = [0, 1, 2, 3, 5, 6].reduce(0) { $0 + Int(driver.state.window[$1].bytes) }

        driver.state.fail(topic: driver.index("t"), Self.forbidden, byDelivery: false, now: driver.now)
        driver.verify()
        let groups = driver.state.takeSettingAside()
        #expect(groups.map(\.flights) == [[0, 1, 2, 3, 5, 6]] && groups[0].place == nil && groups[0].topic == driver.index("t"))
        let request = groups[0].request
        #expect(request.key == SetAsideKey("t") && request.failure == Self.forbidden && request.partitionCount == 3)
        #expect(request.acceptedAt == 33 && request.count == 6 && request.bytes == bytes)
        #expect(request.unreported.map(\.token) == held && request.unreported.map(\.index) == held.map { Int($0) })
        #expect(
            driver.state.actions.closedTopics == [driver.index("t")] && driver.topic().use.isListedIdle
                && driver.topic().producers.wantedBy == 0)
        #expect(driver.topic().phase == .unknown && driver.topic().producers.knownBy == 0 && driver.topic().metadata.nextCount == nil)
        #expect(
            driver.topic().trouble.failures == 0 && driver.topic().trouble.failure == Self.forbidden && driver.topic().aside.mode == .aside)
        #expect(driver.state.asides == ["t": SetAsideTopic(whole: .aside)])
        #expect(driver.state.takeSettingAside().isEmpty && driver.topic().aside.group == nil)
    }

    @Test("newer events of what is set aside follow it, those of one turn together; the cluster is not asked for it")
    func newerOnes() {
        var driver = Driver()
        driver.admit(2)
        driver.learn()
        driver.state.fail(topic: 0, Self.forbidden, byDelivery: false, now: driver.now)
        #expect(driver.state.takeSettingAside().map(\.flights) == [[0, 1]])
        driver.admit(1)
        driver.admit([EventFactory.Sample("u", value: "v", partition: 0), EventFactory.Sample("t", value: "v")])
        let groups = driver.state.takeSettingAside()
        #expect(groups.map(\.flights) == [[2, 4]] && groups[0].request.count == 2 && groups[0].request.unreported.isEmpty)
        #expect(driver.state.takeWanted(by: .main) == [driver.index("u")])
        driver.state.wantAll()
        #expect(driver.state.takeWanted(by: .main) == [driver.index("u")])
        driver.learn("t", leaders: [1, 1])
        #expect(!driver.topic().isKnown(by: .main), "an answer that comes late opens nothing")
    }

    @Test("events that found no room in the log wait at their topic again, before those that came meanwhile")
    func requeuedAtTopic() {
        var driver = Driver()
        driver.admit(2)
        driver.state.fail(topic: 0, Self.forbidden, byDelivery: false, now: driver.now)
        let left = driver.state.takeSettingAside().flatMap(\.flights)
        #expect(left.count == 2)
        driver.state.see("t", nil, at: driver.now)
        driver.admit(2)
        let topics = driver.state.requeueAtTopics(left)
        #expect(topics == [driver.index("t")])
        driver.state.placeRequeued(topics[0], now: driver.now)
        driver.learn()
        #expect(driver.pump() == (0..<4).map { left[0] + $0 })
    }

    @Test("what is set aside before its question went out is not asked for; when it goes direct again, once")
    func questionsOfOthers() {
        var driver = Driver()
        driver.admit(1)
        driver.admit(1, topic: "u")
        driver.state.fail(topic: 0, Self.forbidden, byDelivery: false, now: driver.now)
        driver.state.see("t", nil, at: driver.now)
        driver.state.see("t", SetAsideTopic(whole: .aside), at: driver.now)
        #expect(driver.state.takeWanted(by: .main) == [1])
        driver.state.see("t", nil, at: driver.now)
        driver.state.see("t", SetAsideTopic(whole: .aside), at: driver.now)
        driver.state.see("t", nil, at: driver.now)
        #expect(driver.state.takeWanted(by: .main) == [0] && driver.state.takeWanted(by: .main).isEmpty)
    }

    @Test("a topic that is perhaps just being created is asked twice; a delivery that fails, or another reason, sets aside at once")
    func twice() {
        let cases: [(KafkaErrorCode, byDelivery: Bool, tries: Int)] = [
            (.unknownTopicOrPartition, false, 2), (.leaderNotAvailable, false, 2), (.unknownTopicOrPartition, true, 1),
            (.topicAuthorizationFailed, false, 1), (.invalidTopic, false, 1),
        ]
        for (code, byDelivery, tries) in cases {
            var driver = Driver()
            driver.admit(1)
            driver.learn()
            for number in 1...tries {
                driver.state.fail(topic: 0, KafkaFailure(code), byDelivery: byDelivery, now: driver.now)
                #expect((driver.topic().aside.mode == .aside) == (number == tries), "\(code)")
                guard number < tries else { continue }
                #expect(driver.topic().phase == .backingOff(until: driver.now + 100) && driver.topic().trouble.needsProbe == byDelivery)
                driver.state.fail(topic: 0, KafkaFailure(code), byDelivery: byDelivery, now: driver.now)
                #expect(driver.topic().trouble.failures == number, "while it backs off nothing counts")
                driver.learn("t", leaders: [1, 1])
                #expect(driver.topic().phase == .backingOff(until: driver.now + 100), "an answer that came meanwhile neither")
                driver.wait(99)
                #expect(driver.state.takeWanted(by: .main).isEmpty)
                driver.wait(1)
                #expect(driver.state.takeWanted(by: .main) == [0] && driver.topic().phase == .unknown)
            }
            #expect(driver.state.takeSettingAside().flatMap(\.flights) == [0])
        }
    }

    @Test("metadata with an error, or without any partition, fails the topic")
    func metadata() {
        for error in [KafkaErrorCode.topicAuthorizationFailed, .none] {
            var driver = Driver()
            driver.admit(1)
            let answer = KafkaMetadata.Topic(name: "t", error: error, leaders: [])
            driver.state.learned(answer, driver.state.takeWanted(by: .main)[0], from: .main, now: driver.now)
            #expect(driver.topic().trouble.failure == KafkaFailure(error.isError ? error : .leaderNotAvailable))
            #expect((driver.topic().aside.mode == .aside) == error.isError)
        }
    }

    @Test("so many topics are set aside at once; of one that is already, more partitions may be")
    func bound() {
        var driver = Driver { $0.setAsideTopics = 2 }
        for topic in ["a", "b", "c"] {
            driver.admit(1, topic: topic)
            driver.admit(1, topic: topic, partition: 1)
        }
        driver.learn()
        driver.state.fail(topic: driver.index("a"), Self.forbidden, byDelivery: false, now: driver.now)
        driver.state.fail(partition: driver.place(0, of: "b"), Self.silent, byDelivery: false, now: driver.now)
        #expect(driver.state.asides.keys.sorted() == ["a", "b"] && driver.state.actions.notes.isEmpty)
        _ = driver.state.takeSettingAside()
        driver.state.fail(partition: driver.place(1, of: "b"), Self.silent, byDelivery: false, now: driver.now)
        #expect(driver.state.takeSettingAside().map(\.request.key) == [SetAsideKey("b", 1)])
        driver.state.fail(topic: driver.index("c"), Self.forbidden, byDelivery: true, now: driver.now)
        #expect(driver.topic("c").phase == .backingOff(until: driver.now + 100) && driver.state.takeSettingAside().isEmpty)
        #expect(
            driver.state.actions.notes == [.backsOff(topic: "c", Self.forbidden)] && driver.topic("c").trouble.told == Self.forbidden.code)
        driver.state.fail(partition: driver.place(0, of: "c"), Self.silent, byDelivery: false, now: driver.now)
        #expect(driver.state.takeSettingAside().isEmpty && driver.partition(0, of: "c").aside.mode == .none)
    }

    @Test("a topic that backs off is told once for each reason: at once, or after three tries if it is perhaps being created")
    func told() {
        for (code, tries) in [(KafkaErrorCode.topicAuthorizationFailed, 1), (.unknownTopicOrPartition, 3), (.leaderNotAvailable, 3)] {
            var driver = Driver { $0.setAsideTopics = 0 }
            driver.admit(1)
            driver.learn()
            for number in 1...5 {
                driver.state.fail(topic: 0, KafkaFailure(code), byDelivery: false, now: driver.now)
                #expect(driver.state.actions.notes.count == (number >= tries ? 1 : 0), "\(code), \(number)")
                driver.wait(5000)
            }
            driver.state.fail(topic: 0, KafkaFailure(.invalidTopic), byDelivery: false, now: driver.now)
            #expect(
                driver.state.actions.notes.last == .backsOff(topic: "t", KafkaFailure(.invalidTopic))
                    && driver.state.actions.notes.count == 2)
            driver.wait(5000)
            driver.learn()
            #expect(
                driver.state.actions.notes.last == .released(topic: "t") && driver.topic().trouble.told == nil
                    && driver.topic().trouble.failure == nil)
            #expect(driver.topic().trouble.failures == 0 && driver.pump() == [0])
        }
    }

    @Test("a topic that backs off is closed unless something of it is in flight, or its deliveries failed")
    func closesBackingOff() {
        for (isSent, byDelivery, closes) in [(false, false, true), (true, false, false), (false, true, false)] {
            var driver = Driver { $0.setAsideTopics = 0 }
            driver.admit(1)
            driver.learn()
            if isSent { driver.pump() }
            driver.state.fail(topic: 0, Self.forbidden, byDelivery: byDelivery, now: driver.now)
            #expect(driver.state.actions.closedTopics == (closes ? [0] : []) && (driver.topic().producers.knownBy == 0) == closes)
        }
    }

    @Test("backoffs end each at its own time, and the first of them is looked at")
    func holds() {
        var driver = Driver { $0.setAsideTopics = 0 }
        for (number, topic) in ["a", "b", "c"].enumerated() {
            driver.admit(1, topic: topic)
            driver.learn()
            driver.now = 100 + UInt64(number) * 30
            driver.state.fail(topic: number, Self.forbidden, byDelivery: false, now: driver.now)
        }
        #expect(driver.state.topics.backingOff.topics == [0, 1, 2] && driver.state.topics.backingOff.nextUntil == 200)
        #expect(driver.wait(39) && driver.state.topics.backingOff.topics.count == 3)  // 199
        #expect(driver.wait(1) && driver.state.topics.backingOff.topics == [1, 2] && driver.state.topics.backingOff.nextUntil == 230)
        #expect(
            driver.wait(60) == false && driver.state.topics.backingOff.topics.isEmpty && driver.state.topics.backingOff.nextUntil == .max)
        #expect(driver.state.takeWanted(by: .main) == [0, 1, 2])
    }
}
