import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// Events that were on their way into the set-aside log, and for which it has no room.
@Suite("Forward state: no room in the set-aside log")
struct DeliveryStateRoomTests {
    private static let full = KafkaFailure(.criticalSystemResource, reason: "no room")

    private static func home(among count: Int32) -> Int32 {
        Array("k".utf8).withUnsafeBytes { KafkaPartitioner.partition(of: $0, among: count) }
    }

    /// A topic of four partitions in the drain: flight 0 is on its way, of its unit; 1 and 2, of a partition's own, if there are any; two
    /// more of the topic's have left for the unit of their own partition.
    private static func left(withOthers: Bool, others: Int32) -> (driver: Driver, flights: [UInt64]) {
        var driver = Driver(.aside)
        driver.admit(1, unit: 1)
        if withOthers { driver.admit(2, unit: 2, partition: others) }
        driver.learn(partitions: 4)
        driver.pump()
        let modes = [Self.home(among: 4): SetAsideMode.aside, others: .aside]
        driver.state.see("t", SetAsideTopic(whole: .aside, partitions: modes, partitionCount: 4), at: driver.now)
        driver.admit(2, unit: 1, from: 1)
        return (driver, driver.state.takeSettingAside().flatMap(\.flights))
    }

    @Test(
        "what is the topic's as a whole is let go of, and begins anew later; what is a partition's own goes on", arguments: [true, false])
    func wholeUnit(withOthers: Bool) {
        let others = (Self.home(among: 4) + 1) % 4
        var (driver, flights) = Self.left(withOthers: withOthers, others: others)
        #expect(flights == (withOthers ? [3, 4] : [1, 2]))
        driver.state.withdraw(settingAside: flights, delivered: [flights[1]], Self.full, now: driver.now)
        driver.verify()
        #expect(
            driver.state.actions.refusals
                == [DeliveryActions.Refusal(key: SetAsideKey("t"), failure: Self.full, byDelivery: false, sparesPartitions: true)])
        #expect(driver.state.actions.unreported.map(\.token) == [flights[1], 0])
        #expect(driver.state.actions.unreported.map(\.offset) == [2, 0].map { Offset(lane: .unit(1, pass: 1), number: $0) })
        #expect(
            driver.state.actions.lateReports.map(\.token) == [flights[1]] && driver.state.actions.lateReports.map(\.isDelivered) == [true])
        #expect(driver.state.actions.closedTopics == (withOthers ? [] : [0]) && driver.topic().isIdle == !withOthers)
        driver.retire()
        #expect(driver.state.window.commits.filter { $0.lane == .unit(1, pass: 1) }.map(\.number) == [3])
        guard withOthers else { return }
        #expect(driver.topic().phase == .ready && driver.partition(Int(others)).events.outstanding == 2)
        driver.report([1, 2])
        #expect(driver.state.window.commits.filter { $0.lane == .unit(2, pass: 1) }.map(\.number) == [2])
    }

    @Test("what waits at the topic is told apart, too; with its last event another number of partitions counts")
    func waiting() {
        let others = (Self.home(among: 4) + 1) % 4
        var (driver, flights) = Self.left(withOthers: false, others: others)
        driver.learn("t", leaders: [1, 1, 1, 1, 1])
        driver.admit(1, unit: 1, from: 3)
        driver.admit(1, unit: 2, partition: others)
        driver.admit(1, unit: 1, from: 4)
        driver.admit(1, unit: 2, from: 1, partition: others)
        #expect(driver.topic().events.waiting.count == 4 && driver.topic().metadata.nextCount == 5)
        driver.state.withdraw(settingAside: flights, delivered: [], Self.full, now: driver.now)
        driver.verify()
        #expect(
            driver.topic().metadata.partitions.count == 5 && driver.topic().events.waiting.count == 0
                && driver.state.actions.unreported.map(\.token) == [0])
        #expect(driver.pump() == [4, 6] && driver.sent.suffix(2).allSatisfy { $0.partition == others })
    }

    @Test("where units share a partition, for the topic has fewer now, all of them are given up")
    func shared() {
        var driver = Driver(.aside)
        let home = Self.home(among: 3)
        let modes: [Int32: SetAsideMode] = [home: .aside, 3: .aside, (home + 1) % 3: .aside]
        driver.state.see("t", SetAsideTopic(whole: .aside, partitions: modes, partitionCount: 4), at: driver.now)
        driver.admit(1, unit: 2, partition: 3)
        driver.admit(1, unit: 3, partition: (home + 1) % 3)
        driver.learn(partitions: 3)
        driver.admit(1, unit: 1)
        let flights = driver.state.takeSettingAside().flatMap(\.flights)
        #expect(flights == [2] && driver.partition(Int(home)).events.unsettled == 2)
        driver.state.withdraw(settingAside: flights, delivered: [], Self.full, now: driver.now)
        driver.verify()
        #expect(driver.state.actions.refusals.map(\.sparesPartitions) == [true, false])
        #expect(driver.state.actions.refusals.allSatisfy { $0.key == SetAsideKey("t") && $0.failure == Self.full && !$0.byDelivery })
        driver.retire()
        #expect(driver.state.isIdle)
    }

    @Test("… also where the oldest of a shared partition is the topic's as a whole")
    func sharedWithWhole() throws {
        var driver = Driver(.aside)
        let home = Self.home(among: 3)
        let key = try #require(
            (0..<100).map { "key-\($0)" }.first { key in
                Array(key.utf8).withUnsafeBytes { KafkaPartitioner.partition(of: $0, among: 3) } == (home + 1) % 3
            })
        let modes: [Int32: SetAsideMode] = [3: .aside, (home + 1) % 3: .aside]
        driver.state.see("t", SetAsideTopic(whole: .aside, partitions: modes, partitionCount: 4), at: driver.now)
        driver.admit(1, unit: 1)
        driver.admit(1, unit: 2, partition: 3)
        driver.learn(partitions: 3)
        driver.admit([EventFactory.Sample("t", key: key, value: "v")], unit: 4)
        let flights = driver.state.takeSettingAside().flatMap(\.flights)
        #expect(flights == [2] && driver.partition(Int(home)).events.unsettled == 2)
        driver.state.withdraw(settingAside: flights, delivered: [], Self.full, now: driver.now)
        driver.verify()
        #expect(driver.state.actions.refusals.map(\.sparesPartitions) == [true, false])
    }

    @Test("a topic that had nothing else and was forgotten meanwhile is refused all the same; several each once, by name")
    func forgotten() {
        var driver = Driver(.aside) { $0.idleTopics = 1 }
        for topic in ["b", "a"] {
            driver.admit([EventFactory.Sample(topic, key: "k", value: "v")], unit: topic == "a" ? 1 : 2)
            driver.learn(partitions: 1)
            driver.report(driver.pump())
            driver.state.see(topic, SetAsideTopic(whole: .aside, partitions: [0: .aside], partitionCount: 1), at: driver.now)
        }
        for topic in ["b", "a", "b"] { driver.admit([EventFactory.Sample(topic, key: "k", value: "v")], unit: topic == "a" ? 3 : 4) }
        let flights = driver.state.takeSettingAside().flatMap(\.flights).sorted()
        #expect(flights.count == 3)
        for _ in 0..<3 { driver.state.forgetIdleTopics() }
        #expect(driver.state.topics.count == 0)
        driver.state.withdraw(settingAside: flights, delivered: [], Self.full, now: driver.now)
        driver.verify()
        #expect(driver.state.actions.refusals.map(\.key) == [SetAsideKey("a"), SetAsideKey("b")])
        driver.retire()
        #expect(driver.state.isIdle)
    }

    // MARK: Back to their topics

    @Test(
        "events come back to their topics in their order, each by itself if it is to be; topics that were forgotten are asked for by their oldest"
    )
    func requeuedAtTopic() {
        for isAlone in [false, true] {
            var driver = Driver { $0.idleTopics = 0 }
            for topic in ["b", "a"] { driver.state.see(topic, SetAsideTopic(whole: .aside), at: driver.now) }
            for topic in ["b", "a", "b", "a"] { driver.admit(1, topic: topic) }
            let left = driver.state.takeSettingAside().flatMap(\.flights)
            #expect(Set(left) == [0, 1, 2, 3])
            for _ in 0..<3 { driver.state.forgetIdleTopics() }
            for topic in ["b", "a"] { driver.state.see(topic, nil, at: driver.now) }
            _ = driver.state.takeWanted(by: .main)
            #expect(driver.state.topics.count == 0)
            let topics = driver.state.requeueAtTopics(left.sorted(), isAlone: isAlone)
            driver.verify()
            #expect(topics == topics.sorted() && Set(topics) == [driver.index("a"), driver.index("b")])
            #expect(["a", "b"].map { driver.topic($0).events.alone } == (isAlone ? [2, 2] : [0, 0]))
            #expect(driver.state.producers[.main].wanted.all == [driver.index("b"), driver.index("a")])
            for topic in topics { driver.state.placeRequeued(topic, now: driver.now) }
            driver.learn()
            var sent = driver.pump()
            driver.learn()
            sent += driver.pump()
            if isAlone {
                #expect(sent.sorted() == [0, 1] && driver.sent.allSatisfy { $0.slot == .single })
                driver.report(sent, from: .single)
                sent += driver.pump()
            }
            #expect(sent.filter { $0 % 2 == 0 } == [0, 2] && sent.filter { $0 % 2 == 1 } == [1, 3])
        }
    }

    @Test("what came back to a topic that is set aside again leaves once more, with what waited there")
    func leavesOnceMore() {
        var driver = Driver { $0.idleTopics = 0 }
        driver.state.see("t", SetAsideTopic(whole: .aside), at: driver.now)
        driver.admit(2)
        let left = driver.state.takeSettingAside().flatMap(\.flights)
        driver.state.see("t", SetAsideTopic(whole: .closing), at: driver.now)
        driver.admit(1)
        let topics = driver.state.requeueAtTopics(left)
        driver.state.forgetIdleTopics()
        #expect(!driver.topic().use.isListedIdle, "it has events")
        driver.state.topics[topics[0]].aside.mode = .aside
        driver.state.placeRequeued(topics[0], now: driver.now)
        driver.verify()
        #expect(driver.state.takeSettingAside().map(\.flights) == [[0, 1, 2]] && driver.topic().isIdle && driver.topic().use.isListedIdle)
    }
}
