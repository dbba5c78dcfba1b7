import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// A partition that can't be delivered now, and what the other stage changed.
extension DeliveryStateAsideTests {
    @Test("a partition is set aside alone: its events leave, the others stay, keyless events avoid it, and keys keep their places")
    func partition() {
        var driver = Driver { $0.stickyBytes = 1 }
        driver.admit(2, partition: 0)
        driver.admit(2, partition: 1)
        driver.learn()
        driver.pump()
        driver.state.fail(partition: driver.place(1), Self.silent, byDelivery: false, now: driver.now)
        let groups = driver.state.takeSettingAside()
        #expect(
            groups.map(\.flights) == [[2, 3]] && groups[0].request.key == SetAsideKey("t", 1) && groups[0].place == driver.place(1))
        #expect(groups[0].request.failure == Self.silent && groups[0].request.partitionCount == 2)
        #expect(driver.partition(1).aside.mode == .aside && driver.topic().metadata.live == [0] && driver.topic().phase == .ready)
        #expect(driver.state.asides == ["t": SetAsideTopic(partitions: [1: .aside], partitionCount: 2)])
        driver.admit((0..<20).map { _ in EventFactory.Sample("t", value: "v") })
        driver.admit(1, partition: 1)
        #expect(driver.state.takeSettingAside().map(\.flights) == [[24]] && driver.pump().count == 20)
        #expect(driver.sent.suffix(20).allSatisfy { $0.partition == 0 })
        driver.report(driver.sent.map(\.number))
        driver.state.fail(partition: driver.place(0), Self.silent, byDelivery: false, now: driver.now)
        #expect(driver.state.takeSettingAside().isEmpty && driver.partition(0).aside.mode == .none, "it has nothing")
    }

    @Test("the last event of a topic that was to be placed anew leaves with its partition: what waits is placed")
    func makesRoom() {
        var driver = Driver()
        driver.admit(1)
        driver.learn(partitions: 1)
        driver.pump()
        driver.learn("t", leaders: [1, 1, 1])
        driver.admit(1, partition: 2)
        #expect(driver.topic().events.waiting.count == 1)
        driver.state.fail(partition: driver.place(0), Self.silent, byDelivery: false, now: driver.now)
        #expect(driver.topic().metadata.partitions.count == 3 && driver.partition(0).aside.mode == .aside && driver.pump() == [1])
    }

    @Test("what was delivered before those in front of it, or is to be a dead letter, does not leave")
    func gaps() {
        var driver = Driver()
        driver.admit(6)
        driver.learn()
        #expect(driver.pump { $0 == 1 ? .messageTooLarge : .none } == [0, 2, 3, 4, 5])
        driver.report([3])
        driver.state.fail(partition: driver.place(0), Self.silent, byDelivery: false, now: driver.now)
        driver.verify()
        #expect(
            driver.state.takeSettingAside().map(\.flights) == [[0, 2, 4, 5]]
                && driver.state.settledOutstanding.tokens.sorted() == [0, 2, 4, 5])
    }

    @Test("an event that left keeps why its partition failed, also for those that follow it")
    func why() {
        var driver = Driver()
        driver.admit(1)
        driver.learn()
        driver.state.fail(partition: driver.place(0), KafkaFailure(.notEnoughReplicas), byDelivery: false, now: driver.now)
        _ = driver.state.takeSettingAside()
        driver.admit(1)
        #expect(driver.state.takeSettingAside().map(\.request.failure.code) == [.notEnoughReplicas])
        var begun = Driver()
        begun.state.see("t", SetAsideTopic(whole: .aside), at: begun.now)
        begun.admit(1)
        #expect(begun.state.takeSettingAside().map(\.request.failure.code) == [.leaderNotAvailable], "of a run that was not there")
    }

    @Test("seen as set aside, events leave, of the topic or its partition; seen as closing they wait; seen as none they go")
    func see() {
        var driver = Driver { $0.stickyBytes = 1 }
        driver.admit(1, partition: 0)
        driver.admit(1, partition: 1)
        driver.learn()
        driver.pump()
        driver.state.see("t", SetAsideTopic(partitions: [1: .aside], partitionCount: 2), at: 500)
        driver.verify()
        #expect(driver.state.takeSettingAside().map(\.request.key) == [SetAsideKey("t", 1)] && driver.topic().metadata.live == [0])
        #expect(driver.partition(0).movedAt == 100, "nothing happened to the other")
        driver.state.see("t", SetAsideTopic(partitions: [1: .closing], partitionCount: 2), at: 600)
        driver.admit(1, partition: 1)
        #expect(driver.pump().isEmpty && driver.topic().metadata.live == [0])
        driver.state.see("t", nil, at: 700)
        #expect(driver.partition(1).movedAt == 700 && driver.pump() == [2] && driver.topic().metadata.live == [0, 1])

        driver.state.see("t", SetAsideTopic(whole: .aside), at: 800)
        driver.verify()
        #expect(driver.state.takeSettingAside().map(\.flights) == [[0, 2]] && driver.state.actions.closedTopics == [0])
        driver.state.see("t", SetAsideTopic(whole: .closing), at: 900)
        driver.admit(1)
        #expect(
            driver.state.takeSettingAside().isEmpty && driver.topic().events.waiting.count == 1
                && driver.state.takeWanted(by: .main).isEmpty)
        driver.state.topics[0].trouble.failure = Self.forbidden
        driver.state.topics[0].trouble.failures = 3
        driver.state.see("t", nil, at: 1000)
        #expect(driver.topic().trouble.failure == nil && driver.topic().trouble.failures == 0 && driver.state.asides.isEmpty)
        driver.learn()
        #expect(driver.pump() == [3])
        driver.state.see("nobody", nil, at: 1000)
        driver.state.see("later", SetAsideTopic(whole: .aside), at: 1000)
        driver.admit(1, topic: "later")
        #expect(driver.state.takeSettingAside().map(\.request.key) == [SetAsideKey("later")])
    }

    @Test("what leaves of a partition that was set aside, went direct and is set aside again in one turn leaves together")
    func onceMore() {
        var driver = Driver()
        driver.admit(1)
        driver.learn()
        for mode in [SetAsideMode.aside, .closing, .aside] {
            driver.state.see("t", SetAsideTopic(partitions: [0: mode], partitionCount: 2), at: driver.now)
            if mode == .closing { driver.state.see("t", nil, at: driver.now) }
            driver.admit(1)
        }
        driver.verify()
        #expect(driver.state.takeSettingAside().map(\.flights) == [[0, 1, 2, 3]] && driver.state.takeSettingAside().isEmpty)
    }

    @Test("the drain sends what is set aside, whatever it sees; what is drained is closed when it has no events left")
    func drainSees() {
        var driver = Driver(.aside)
        driver.state.see("t", SetAsideTopic(whole: .aside), at: driver.now)
        driver.admit(2, unit: 1)
        driver.learn()
        #expect(driver.topic().aside.mode == .none && driver.pump() == [0, 1] && driver.state.takeSettingAside().isEmpty)
        driver.report([0])
        driver.state.see("t", nil, at: driver.now)
        #expect(driver.state.actions.closedTopics.isEmpty, "an event of it is on its way")
        driver.report([1])
        driver.state.see("t", SetAsideTopic(whole: .closing), at: driver.now)
        #expect(driver.state.actions.closedTopics.isEmpty)
        driver.state.see("t", nil, at: driver.now)
        #expect(driver.state.actions.closedTopics == [0] && driver.topic().producers.knownBy == 0 && driver.topic().use.isListedIdle)
    }

    @Test("a topic that can't be drained now is let go of: nothing of it waits, and what its producers hold is told with its position")
    func withdraws() {
        var driver = Driver(.aside) { $0.partitionWindow = 1 }
        driver.admit(3, unit: 7, from: 40)
        driver.learn(partitions: 1)
        #expect(driver.pump() == [0])
        driver.state.fail(topic: 0, Self.forbidden, byDelivery: true, now: driver.now)
        driver.retire()
        #expect(
            driver.state.actions.refusals == [DeliveryActions.Refusal(key: SetAsideKey("t"), failure: Self.forbidden, byDelivery: true)])
        #expect(driver.state.actions.unreported.map(\.token) == [0])
        #expect(driver.state.actions.unreported.map(\.offset) == [Offset(lane: .unit(7, pass: 1), number: 40)])
        #expect(driver.state.isIdle && driver.state.window.commits.map(\.number) == [43] && driver.state.actions.closedTopics == [0])
        #expect(
            driver.state.takeSettingAside().isEmpty && driver.topic().phase == .unknown && driver.state.topics.backingOff.topics.isEmpty)
    }
}
