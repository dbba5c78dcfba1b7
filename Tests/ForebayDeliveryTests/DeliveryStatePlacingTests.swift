import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("Forward state: which partition an event goes to")
struct DeliveryStatePlacingTests {
    private static func keyed(_ count: Int, topic: String = "t") -> [EventFactory.Sample] {
        (0..<count).map { EventFactory.Sample(topic, key: "key-\($0)", value: "v") }
    }

    private static func partition(_ key: String, among count: Int32) -> Int32 {
        Array(key.utf8).withUnsafeBytes { KafkaPartitioner.partition(of: $0, among: count) }
    }

    // MARK: Partitions that an event asks for

    @Test("the first and the last partition are there; those before and behind are dead letters that say how many there are")
    func explicit() {
        var driver = Driver()
        for partition in [-1, 0, 2, 3] as [Int32] { driver.admit(1, partition: partition) }
        driver.learn(partitions: 3)
        #expect(driver.pump().sorted() == [1, 2])
        #expect(
            driver.state.actions.deadLetters.map(\.flight) == [0, 3]
                && driver.state.actions.deadLetters.allSatisfy { $0.code == .unknownPartition })
        #expect(
            driver.state.actions.deadLetters.map(\.reason) == [-1, 3].map { "the event asks for partition \($0), and the topic has 3" })
    }

    @Test("who asks for a partition that is not known yet holds those behind it in its topic, and nobody else, until the answer")
    func holdsItsTopic() {
        var driver = Driver()
        driver.admit(1, topic: "other")
        driver.admit(1)
        driver.learn()
        driver.report(driver.pump())
        driver.admit(1, partition: 5)
        driver.admit(1, partition: 0)
        driver.admit(1, topic: "other")
        #expect(driver.pump() == [4] && driver.topic().events.waiting.count == 2)
        #expect(driver.state.takeWanted(by: .main) == [driver.index("t")])
        driver.learn("t", leaders: [1, 1])
        #expect(driver.state.actions.deadLetters.map(\.flight) == [2] && driver.pump() == [3])
    }

    // MARK: Keys, while partitions are set aside

    @Test("while a partition is set aside, keys stay among as many partitions as there were; when it is gone, they spread over all")
    func keysStay() {
        var driver = Driver()
        driver.admit(Self.keyed(1))
        driver.learn(partitions: 2)
        driver.report(driver.pump())
        driver.state.see("t", SetAsideTopic(partitions: [7: .aside], partitionCount: 2), at: driver.now)
        driver.state.wantAll()
        driver.learn(partitions: 5)
        #expect(driver.topic().metadata.keyCount == 2 && driver.topic().metadata.partitions.count == 5)
        driver.admit(Self.keyed(20))
        driver.report(driver.pump())
        #expect(
            driver.sent.suffix(20).sorted { $0.number < $1.number }.map(\.partition)
                == (0..<20).map { Self.partition("key-\($0)", among: 2) })
        driver.state.see("t", nil, at: driver.now)
        #expect(driver.topic().metadata.keyCount == 5)
        driver.admit(Self.keyed(20))
        driver.pump()
        #expect(
            driver.sent.suffix(20).sorted { $0.number < $1.number }.map(\.partition)
                == (0..<20).map { Self.partition("key-\($0)", among: 5) })
    }

    @Test("keys that are to spread over more partitions wait until what is in the old places is settled")
    func keysSpreadLater() {
        var driver = Driver()
        driver.admit(Self.keyed(4))
        driver.learn(partitions: 2)
        driver.state.see("t", SetAsideTopic(partitions: [7: .aside], partitionCount: 2), at: driver.now)
        driver.state.wantAll()
        driver.learn(partitions: 4)
        let sent = driver.pump()
        #expect(sent.count == 4)
        driver.report(sent)
        driver.admit(Self.keyed(2))
        let again = driver.pump()
        driver.state.see("t", nil, at: driver.now)
        driver.admit(Self.keyed(2))
        #expect(driver.pump().isEmpty && driver.topic().metadata.nextCount == 4)
        driver.report(again)
        #expect(driver.pump().count == 2 && driver.topic().metadata.keyCount == 4)
    }

    @Test("keys that are to spread anew while a number of partitions is waited for spread over that")
    func keysSpreadOverTheNext() {
        var driver = Driver()
        driver.admit(Self.keyed(1))
        driver.learn(partitions: 2)
        driver.report(driver.pump())
        driver.state.see("t", SetAsideTopic(partitions: [7: .aside], partitionCount: 2), at: driver.now)
        driver.learn("t", leaders: [1, 1, 1, 1])
        driver.admit(1)
        let sent = driver.pump()
        driver.learn("t", leaders: [1, 1, 1, 1, 1, 1])
        #expect(driver.topic().metadata.nextCount == 6 && driver.topic().metadata.keyCount == 2)
        driver.state.see("t", nil, at: driver.now)
        #expect(driver.topic().metadata.nextCount == 6)
        driver.report(sent)
        #expect(driver.topic().metadata.partitions.count == 6 && driver.topic().metadata.keyCount == 6)
    }

    @Test("a count that was not known when a partition was set aside, or is the topic's own, keeps no key back")
    func keyCounts() {
        for (told, keyCount) in [(0, 4), (4, 4), (3, 3), (1, 1)] as [(Int32, Int)] {
            var driver = Driver()
            driver.state.see("t", SetAsideTopic(partitions: [1: .aside], partitionCount: told), at: driver.now)
            driver.admit(Self.keyed(1))
            driver.learn(partitions: 4)
            #expect(driver.topic().metadata.keyCount == keyCount)
            #expect(
                driver.partition(1).aside.mode == .aside && driver.partition(0).aside.mode == .none
                    && driver.topic().metadata.live == [0, 2, 3])
        }
    }

    // MARK: Fewer partitions than set-aside ones remember

    @Test("made anew with fewer partitions than were when some were set aside: all that is newer is set aside behind them, in its order")
    func givesWay() {
        var driver = Driver()
        driver.admit(Self.keyed(8))
        driver.admit(2, topic: "other", partition: 3)
        driver.learn(partitions: 4)
        driver.pump()
        driver.state.see("t", SetAsideTopic(partitions: [1: .aside], partitionCount: 4), at: driver.now)
        let ofPartition = driver.state.takeSettingAside().flatMap(\.flights)
        driver.admit(Self.keyed(2))
        driver.learn("t", leaders: [1, 1, 1])
        #expect(driver.topic().aside.mode == .aside && driver.topic("other").aside.mode == .none)
        let groups = driver.state.takeSettingAside()
        #expect(groups.map(\.request.key).contains(SetAsideKey("t")))
        let whole = groups.filter { $0.request.key == SetAsideKey("t") }.flatMap(\.flights)
        #expect(whole == whole.sorted() && Set(whole).isDisjoint(with: ofPartition) && !whole.isEmpty)
        #expect(Set(groups.flatMap(\.flights) + ofPartition) == Set(0..<8).union([10, 11]))
        driver.admit(Self.keyed(1))
        #expect(driver.state.takeSettingAside().map(\.request.key) == [SetAsideKey("t")])

        driver.state.see("t", nil, at: driver.now)
        driver.learn("t", leaders: [1, 1, 1])
        driver.admit(Self.keyed(6))
        driver.learn("t", leaders: [1, 1, 1])
        driver.pump()
        #expect(
            driver.sent.suffix(6).sorted { $0.number < $1.number }.map(\.partition) == (0..<6).map { Self.partition("key-\($0)", among: 3) }
        )
    }

    @Test("one that gives way because a partition is seen set aside is set aside once, and keeps its places until it is delivered")
    func givesWayOnce() {
        var driver = Driver()
        driver.admit(1, partition: 0)
        driver.learn(partitions: 4)
        driver.pump()
        let places = driver.topic().metadata.partitions
        driver.learn("t", leaders: [1, 1])
        #expect(driver.topic().metadata.nextCount == 2)
        driver.state.see("t", SetAsideTopic(partitions: [3: .aside], partitionCount: 3), at: driver.now)
        driver.verify()
        #expect(driver.topic().aside.mode == .aside && driver.state.actions.closedTopics == [0])
        #expect(driver.topic().metadata.partitions == places && driver.topic().metadata.keyCount == 4)
    }

    @Test("known from before a start, it is the same: nothing goes direct before the topic's partitions are drained")
    func givesWayFromTheStart() {
        for (remembered, isAside) in [(4, true), (3, false), (2, false)] as [(Int32, Bool)] {
            var driver = Driver()
            driver.state.see("t", SetAsideTopic(partitions: [1: .aside], partitionCount: remembered), at: driver.now)
            driver.admit(Self.keyed(9))
            driver.learn(partitions: 3)
            #expect((driver.topic().aside.mode == .aside) == isAside)
            #expect(driver.pump().isEmpty == isAside)
        }
    }

    @Test("in the drain, partitions of a topic with fewer now pick theirs anew; learned while they drain, all are given up and begin anew")
    func pickAnew() {
        var driver = Driver(.aside)
        driver.state.see("t", SetAsideTopic(whole: .aside, partitions: [2: .aside, 3: .aside], partitionCount: 4), at: driver.now)
        driver.admit(3, unit: 1, partition: 3)
        driver.learn(partitions: 3)
        let home = Self.partition("k", among: 3)
        #expect(driver.pump().count == 3 && driver.sent.allSatisfy { $0.partition == home })

        var late = Driver(.aside)
        late.state.see("t", SetAsideTopic(whole: .aside, partitions: [2: .aside, 3: .aside], partitionCount: 4), at: late.now)
        late.admit(3, unit: 1, partition: 3)
        late.admit(3, unit: 2, partition: 2)
        late.learn(partitions: 4)
        let sent = late.pump()
        #expect(sent.count == 6 && Set(late.sent.map(\.partition)) == [2, 3])
        late.learn("t", leaders: [1, 1, 1])
        #expect(late.state.actions.refusals.map(\.key) == [SetAsideKey("t")] && late.state.actions.unreported.map(\.token) == sent.sorted())
        #expect(late.state.isIdle || late.state.window.count == 6, "settled: they stand in the log")
    }

    @Test("a partition that fails while units share it gives up the whole topic, not one of them")
    func sharedPartitionFails() {
        var driver = Driver(.aside)
        driver.state.see("t", SetAsideTopic(partitions: [2: .aside, 3: .aside], partitionCount: 4), at: driver.now)
        driver.admit(2, unit: 1, partition: 3)
        driver.admit(2, unit: 2, partition: 2)
        driver.learn(partitions: 1)
        driver.report(driver.pump(), .notEnoughReplicas)
        #expect(Set(driver.state.actions.refusals.map(\.key)) == [SetAsideKey("t")])
    }

    // MARK: Producers that brokers forget

    @Test("a partition that was silent for more than ten minutes knows no producer any more", arguments: [(600_000, 5), (600_001, 1)])
    func producerMemory(silence: UInt64, sent: Int) {
        var state = DeliveryState(settings: DeliverySettings(), seed: 1)
        state.opened(.main)
        var now: UInt64 = 1000
        func admit(_ count: Int, _ first: UInt64) {
            let samples = (0..<count).map { _ in EventFactory.Sample("t", value: "v", partition: 0) }
            state.admit(EventFactory.batch(samples, spool: .none, first: first), now: now)
            for topic in state.takeWanted(by: .main) {
                state.learned(KafkaMetadata.Topic(name: "t", error: .none, leaders: [1]), topic, from: .main, now: now)
            }
            for topic in state.takeLimitsWanted() { state.learnedLimit(nil, topic, now: now) }
        }
        func pump() -> Int {
            var count = 0
            state.pump(now: now) { _, _, _ in
                count += 1
                return .none
            }
            return count
        }
        admit(1, 0)
        #expect(pump() == 1)
        now += 500
        _ = state.report(KafkaReport(token: 0, offset: 0, partition: 0, error: .none, mayBeStored: true), from: .main, now: now)
        now += silence
        admit(5, 1)
        #expect(pump() == sent)
    }

    // MARK: The drain

    @Test("what was set aside as a partition goes there, whatever its key says; when the partition is gone, where its key says")
    func units() {
        var driver = Driver(.aside)
        driver.learn()
        driver.admit(3, unit: 1, partition: 3)
        driver.learn(partitions: 4)
        #expect(driver.pump().count == 3 && driver.sent.allSatisfy { $0.partition == 3 })

        for unit in [4, -1] as [Int32] {
            var gone = Driver(.aside)
            gone.admit(3, unit: 1, partition: unit)
            gone.learn(partitions: 4)
            #expect(gone.pump().count == 3 && gone.sent.allSatisfy { $0.partition == Self.partition("k", among: 4) })
        }
    }

    @Test("in the drain, what belongs to a partition that is a unit of its own leaves for it, also while that closes")
    func leavesForItsUnit() {
        let home = Self.partition("k", among: 4)
        for mode in [SetAsideMode.aside, .closing] {
            var driver = Driver(.aside)
            driver.admit(1, unit: 1)
            driver.learn(partitions: 4)
            driver.state.see("t", SetAsideTopic(whole: .aside, partitions: [home: mode], partitionCount: 4), at: driver.now)
            driver.admit(2, unit: 1, from: 1)
            let groups = driver.state.takeSettingAside()
            #expect(groups.map(\.request.key) == [SetAsideKey("t", home)] && groups.map(\.flights) == [[1, 2]])
            #expect(driver.state.window.queuedBytes == Int(driver.state.window[0].bytes))
        }
        var direct = Driver()
        direct.admit(Self.keyed(1))
        direct.learn(partitions: 4)
        direct.report(direct.pump())
        direct.state.see("t", SetAsideTopic(partitions: [0: .closing, 1: .closing, 2: .closing, 3: .closing]), at: direct.now)
        direct.admit(Self.keyed(2))
        #expect(direct.state.takeSettingAside().isEmpty && direct.pump().isEmpty, "they wait a moment, and go direct")
        direct.state.see("t", nil, at: direct.now)
        #expect(direct.pump().count == 2)
    }
}
