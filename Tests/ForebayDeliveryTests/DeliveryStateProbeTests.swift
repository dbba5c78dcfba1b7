import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// Topics that are tried with one event, because the last try failed at a delivery.
@Suite("Forward state: probes")
struct DeliveryStateProbeTests {
    private static let forbidden = KafkaFailure(.topicAuthorizationFailed)
    private static let silent = KafkaFailure(.timedOut)

    @Test("what failed at a delivery is tried with one event of one partition; when that is taken the rest follows")
    func probe() {
        var driver = Driver(.aside)
        driver.state.ask("t", probe: true)
        #expect(driver.state.producers[.main].isWanted && driver.topic().metadata.isAsked && driver.topic().trouble.needsProbe)
        driver.learn(partitions: 2)
        #expect(driver.topic().phase == .unknown && !driver.topic().metadata.isAsked && driver.state.actions.found.map(\.topic) == ["t"])
        driver.admit(2, unit: 1, partition: 0)
        driver.admit(2, unit: 2, partition: 1)
        #expect(driver.topic().phase == .probing(partition: driver.place(0)))
        driver.pump()
        driver.learn(partitions: 2)
        #expect(driver.pump() == [0] && driver.sent.last?.slot == .single)
        #expect(driver.pump().isEmpty)
        driver.learn("t", leaders: [1, 1])
        #expect(driver.topic().phase == .probing(partition: driver.place(0)), "an answer does not end it")
        driver.report([0], from: .single)
        #expect(driver.topic().phase == .ready && !driver.topic().trouble.needsProbe && driver.pump().sorted() == [1, 2, 3])
        #expect(driver.sent.suffix(3).allSatisfy { $0.slot == .main })
    }

    @Test("events that come before the topic's limit is known are tried as soon as it is")
    func probeBeforeLimit() {
        var driver = Driver(.aside)
        driver.state.ask("t", probe: true)
        let asked = driver.state.takeWanted(by: .main)
        #expect(asked == [0])
        driver.learn("t", leaders: [1, 1])
        driver.admit(2, unit: 1, partition: 1)
        #expect(driver.topic().events.waiting.count == 2 && driver.topic().phase == .unknown && driver.pump().isEmpty)
        driver.state.learnedLimit(1 << 20, 0, now: driver.now)
        driver.verify()
        #expect(driver.topic().events.waiting.count == 0 && driver.topic().phase == .probing(partition: driver.place(1)))
        driver.pump()
        driver.learn()
        #expect(driver.pump() == [0] && driver.sent.last?.slot == .single)
    }

    @Test("a probe whose partition is let go of begins anew at another; one that is refused lets the topic go")
    func probeFails() {
        var driver = Driver(.aside)
        driver.state.ask("t", probe: true)
        driver.learn(partitions: 2)
        driver.admit(1, unit: 1, partition: 0)
        driver.admit(1, unit: 2, partition: 1)
        driver.state.fail(partition: driver.place(0), Self.silent, byDelivery: false, now: driver.now)
        #expect(driver.topic().phase == .unknown)
        driver.learn(partitions: 2)
        #expect(driver.topic().phase == .probing(partition: driver.place(1)))
        driver.pump()
        driver.learn(partitions: 2)
        driver.report(driver.pump(), .topicAuthorizationFailed, from: .single)
        #expect(
            driver.state.actions.refusals.map(\.key) == [SetAsideKey("t", 0), SetAsideKey("t")]
                && driver.state.actions.refusals[1].byDelivery)
        #expect(driver.state.isIdle && !driver.topic().trouble.needsProbe)
    }

    @Test("a probe that was refused for its own sake is one that was taken")
    func probeDies() {
        var driver = Driver(.aside)
        driver.state.ask("t", probe: true)
        driver.learn(partitions: 1)
        driver.admit(2, unit: 1)
        driver.pump()
        driver.learn(partitions: 1)
        #expect(driver.pump() == [0])
        driver.report([0], .invalidRecord, from: .single)
        #expect(driver.topic().phase == .ready && driver.pump() == [1] && driver.sent.last?.slot == .main)
    }

    @Test("a probe begins where nothing is in flight, if there is such a partition")
    func probePlace() {
        var driver = Driver { $0.setAsideTopics = 0 }
        driver.admit(2, partition: 0)
        driver.admit(2, partition: 1)
        driver.learn()
        #expect(driver.pump { $0 == 0 ? .none : .timedOut } == [0])
        driver.state.fail(topic: 0, Self.forbidden, byDelivery: true, now: driver.now)
        driver.wait(100)
        driver.learn()
        #expect(driver.topic().phase == .probing(partition: driver.place(1)))
    }

    @Test("a topic that is refused is not asked for any more: its producer is not made anew for it, and it may be forgotten")
    func asksNoMore() {
        var driver = Driver(.aside) { $0.idleTopics = 0 }
        driver.state.ask("t", probe: true)
        driver.learn(error: .unknownTopicOrPartition)
        #expect(
            driver.state.actions.refusals.map(\.key) == [SetAsideKey("t")] && !driver.topic().metadata.isAsked
                && !driver.topic().trouble.needsProbe)
        driver.state.drain(.main, now: driver.now)
        driver.state.closed(.main, now: driver.now)
        #expect(driver.state.producers.toOpen(now: driver.now).isEmpty)
        driver.state.forgetIdleTopics()
        #expect(driver.state.topics.count == 0)
    }

    @Test("a topic that took events, and failed since at a delivery, is tried with the first that comes")
    func readyBefore() {
        var driver = Driver(.aside)
        driver.state.ask("t", probe: false)
        driver.learn(partitions: 2)
        #expect(driver.topic().phase == .ready)
        driver.state.ask("t", probe: true)
        driver.admit(2, unit: 1, partition: 1)
        #expect(driver.topic().phase == .probing(partition: driver.place(1)))
        driver.pump()
        driver.learn(partitions: 2)
        #expect(driver.pump() == [0] && driver.sent.last?.slot == .single)
    }

    @Test("an event of another partition that is delivered meanwhile ends no probe: it may have been sent before the topic failed")
    func others() {
        var driver = Driver { $0.setAsideTopics = 0 }
        driver.admit(2, partition: 0)
        driver.admit(2, partition: 1)
        driver.learn()
        driver.pump()
        driver.report([0, 1], .topicAuthorizationFailed)
        #expect(driver.partition(0).producer.known == 0 && driver.partition(1).producer.known == 0, "it may be made anew")
        driver.report([2])
        #expect(driver.partition(1).producer.known == 1 && driver.topic().trouble.needsProbe)
        driver.report([3], .topicAuthorizationFailed)
        #expect(driver.topic().trouble.failures == 1 && driver.partition(1).producer.known == 1, "while it backs off nothing counts")
        driver.wait(100)
        driver.learn()
        driver.pump()
        driver.learn()
        #expect(driver.topic().phase == .probing(partition: driver.place(0)) && driver.pump() == [0])
        driver.state.recovered(driver.place(1), now: driver.now)
        #expect(driver.topic().phase == .probing(partition: driver.place(0)) && driver.topic().trouble.needsProbe)
        driver.report([0], from: .single)
        #expect(driver.topic().phase == .ready && driver.topic().trouble.failure == nil)
        #expect(driver.pump().sorted() == [1, 3])
    }

    @Test("what the drain is to ask for is asked again for each unit, known or not, and marks no probe that is not one")
    func asks() {
        var driver = Driver(.aside)
        driver.state.ask("t", probe: false)
        driver.learn(partitions: 2)
        #expect(driver.topic().phase == .ready && driver.state.actions.found.map(\.leaderless) == [[]])
        driver.state.ask("t", probe: false)
        #expect(!driver.topic().trouble.needsProbe && driver.topic().metadata.isAsked)
        driver.state.actions.found = []
        let topic = driver.state.takeWanted(by: .main)
        #expect(topic == [0])
        driver.learn("t", leaders: [nil, 1])
        #expect(
            driver.state.actions.found.map(\.topic) == ["t"] && driver.state.actions.found.map(\.leaderless) == [[0]]
                && !driver.topic().metadata.isAsked)
        driver.admit(1, unit: 1, partition: 0)
        driver.admit(1, unit: 2, partition: 1)
        #expect(driver.pump() == [1])
    }
}
