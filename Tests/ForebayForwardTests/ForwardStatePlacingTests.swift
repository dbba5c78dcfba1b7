import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayForward

@Suite("Forward state: which partition an event goes to")
struct ForwardStatePlacingTests {
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
        #expect(driver.state.deaths.map(\.flight) == [0, 3] && driver.state.deaths.allSatisfy { $0.code == .unknownPartition })
        #expect(driver.state.deaths.map(\.reason) == [-1, 3].map { "the event asks for partition \($0), and the topic has 3" })
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
        #expect(driver.pump() == [4] && driver.topic().waiting.count == 2)
        #expect(driver.state.takeWanted(by: .main) == [driver.index("t")])
        driver.learn("t", leaders: [1, 1])
        #expect(driver.state.deaths.map(\.flight) == [2] && driver.pump() == [3])
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
        #expect(driver.topic().keyCount == 2 && driver.topic().partitions.count == 5)
        driver.admit(Self.keyed(20))
        driver.report(driver.pump())
        #expect(
            driver.sent.suffix(20).sorted { $0.number < $1.number }.map(\.partition)
                == (0..<20).map { Self.partition("key-\($0)", among: 2) })
        driver.state.see("t", nil, at: driver.now)
        #expect(driver.topic().keyCount == 5)
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
        #expect(driver.pump().isEmpty && driver.topic().nextCount == 4)
        driver.report(again)
        #expect(driver.pump().count == 2 && driver.topic().keyCount == 4)
    }

    @Test("a count that was not known when a partition was set aside, or is the topic's own, keeps no key back")
    func keyCounts() {
        for (told, keyCount) in [(0, 4), (4, 4), (3, 3)] as [(Int32, Int)] {
            var driver = Driver()
            driver.state.see("t", SetAsideTopic(partitions: [1: .aside], partitionCount: told), at: driver.now)
            driver.admit(Self.keyed(1))
            driver.learn(partitions: 4)
            #expect(driver.topic().keyCount == keyCount)
            #expect(driver.partition(1).aside == .aside && driver.partition(0).aside == .none && driver.topic().live == [0, 2, 3])
        }
    }

    // MARK: Another number of partitions

    @Test("more partitions without leaders: keyless events that waited go where there is one")
    func leaderlessGrowth() {
        var driver = Driver { $0.stickyBytes = 1 }
        driver.admit(1)
        driver.learn(partitions: 1)
        driver.pump()
        driver.learn("t", leaders: [1, nil, nil])
        driver.admit((0..<20).map { _ in EventFactory.Sample("t", value: "v") })
        #expect(driver.topic().waiting.count == 20)
        driver.report([0])
        #expect(driver.pump().count == 20 && driver.sent.allSatisfy { $0.partition == 0 })
        #expect(driver.topic().live == [0] && driver.partition(1).isLeaderless && driver.partition(2).isLeaderless)
    }

    @Test("the same number again changes nothing; another one is taken back when the cluster says so in time")
    func counts() {
        var driver = Driver()
        driver.admit(2)
        driver.learn(partitions: 2)
        driver.pump()
        let places = driver.topic().partitions
        driver.state.wantAll()
        driver.learn(partitions: 2)
        #expect(driver.topic().nextCount == nil && driver.topic().partitions == places)
        driver.state.wantAll()
        driver.learn(partitions: 3)
        driver.admit(1)
        #expect(driver.topic().nextCount == 3 && driver.pump().isEmpty)
        driver.state.wantAll()
        driver.learn(partitions: 2)
        #expect(driver.topic().nextCount == nil && driver.topic().partitions == places)
        #expect(driver.pump() == [2], "what waited for the new places goes to the old ones")
    }

    @Test("places of partitions that are gone are used again")
    func placesAreReused() {
        var driver = Driver()
        driver.admit(1)
        driver.learn(partitions: 8)
        driver.report(driver.pump())
        for count in [2, 8, 3, 8] {
            driver.state.wantAll()
            driver.learn(partitions: count)
            #expect(driver.topic().partitions.count == count && driver.state.partitions.count == 8)
            #expect(Set(driver.topic().partitions).isDisjoint(with: driver.state.freePartitions))
        }
    }

    @Test("fewer partitions: what is in flight is waited for, then all that is left is placed anew, in its order, before what waited")
    func recall() {
        var driver = Driver { $0.partitionWindow = 1 }
        driver.admit(2, partition: 0)
        driver.admit(2, partition: 1)
        driver.admit(Self.keyed(4))
        driver.learn(partitions: 2)
        let first = driver.pump()
        #expect(first.count == 2)
        driver.learn("t", leaders: [1])
        driver.admit(Self.keyed(2))
        driver.report([first[0]], .notLeader)
        #expect(driver.topic().nextCount == 1 && driver.topic().partitions.count == 2, "one is in flight")
        driver.report([first[1]], .notLeader)
        #expect(driver.topic().partitions.count == 1 && driver.topic().assigned > 0)
        var order: [UInt64] = []
        for _ in 0..<20 where !driver.state.isIdle {
            driver.wait(100)
            order += driver.pump()
            driver.report(Array(order.suffix(1)))
            driver.learn(partitions: 1)
            for death in driver.state.deaths { driver.state.buried(death.flight) }
            driver.state.deaths = []
            driver.retire()
        }
        #expect(order == [0, 1, 4, 5, 6, 7, 8, 9] && driver.state.totals.dead == 2, "two asked for a partition that is gone")
    }

    @Test("fewer partitions with nothing in flight: at once; suspects stay suspects, also when they are set aside")
    func recallOfSuspects() {
        var driver = Driver()
        driver.admit(Self.keyed(6))
        driver.learn(partitions: 4)
        driver.report(driver.pump(), .invalidRecord)
        #expect(driver.topic().alone == 6)
        driver.state.wantAll()
        driver.learn(partitions: 1)
        #expect(driver.topic().partitions.count == 1 && driver.topic().alone == 6 && driver.partition(0).queued == 6)

        driver.state.wantAll()
        driver.learn("t", leaders: [1])
        driver.pump()
        var more = Driver()
        more.admit(Self.keyed(6))
        more.learn(partitions: 4)
        more.report(more.pump(), .invalidRecord)
        more.state.topics[0].limitIsKnown = false  // So that they wait at the topic.
        more.learn("t", leaders: [1])
        #expect(more.topic().waiting.count == 6)
        more.state.fail(topic: 0, KafkaFailure(.topicAuthorizationFailed), byDelivery: false, now: more.now)
        more.verify()
        #expect(more.state.takeLeaving().flatMap(\.flights) == [0, 1, 2, 3, 4, 5] && more.topic().alone == 0)
    }

    @Test("another number of partitions while one of them is tried with an event: another is tried")
    func probedMeanwhile() {
        for count in [1, 5] {
            var driver = Driver { $0.setAsideTopics = 0 }
            driver.admit(Self.keyed(6))
            driver.learn(partitions: 3)
            driver.report(driver.pump(), .topicAuthorizationFailed)
            driver.wait(10_000)
            driver.learn(partitions: 3)
            guard case .probing = driver.topic().phase else {
                Issue.record("it is not tried")
                return
            }
            driver.state.wantAll()
            driver.learn(partitions: count)
            var delivered: Set<UInt64> = []
            for _ in 0..<30 {
                let sent = driver.pump()
                for flight in sent { driver.report([flight], from: driver.sent.last { $0.number == flight }!.slot) }
                delivered.formUnion(sent)
                driver.learn(partitions: count)
                driver.wait(100)
            }
            #expect(delivered == Set(0..<6) && driver.topic().partitions.count == count)
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
        let ofPartition = driver.state.takeLeaving().flatMap(\.flights)
        driver.admit(Self.keyed(2))
        driver.learn("t", leaders: [1, 1, 1])
        #expect(driver.topic().aside == .aside && driver.topic("other").aside == .none)
        let leaving = driver.state.takeLeaving()
        #expect(leaving.map(\.departure.key).contains(SetAsideKey("t")))
        let whole = leaving.filter { $0.departure.key == SetAsideKey("t") }.flatMap(\.flights)
        #expect(whole == whole.sorted() && Set(whole).isDisjoint(with: ofPartition) && !whole.isEmpty)
        #expect(Set(leaving.flatMap(\.flights) + ofPartition) == Set(0..<8).union([10, 11]))
        driver.admit(Self.keyed(1))
        #expect(driver.state.takeLeaving().map(\.departure.key) == [SetAsideKey("t")])

        driver.state.see("t", nil, at: driver.now)
        driver.learn("t", leaders: [1, 1, 1])
        driver.admit(Self.keyed(6))
        driver.learn("t", leaders: [1, 1, 1])
        driver.pump()
        #expect(
            driver.sent.suffix(6).sorted { $0.number < $1.number }.map(\.partition) == (0..<6).map { Self.partition("key-\($0)", among: 3) }
        )
    }

    @Test("known from before a start, it is the same: nothing goes direct before the topic's partitions are drained")
    func givesWayFromTheStart() {
        for (remembered, isAside) in [(4, true), (3, false), (2, false)] as [(Int32, Bool)] {
            var driver = Driver()
            driver.state.see("t", SetAsideTopic(partitions: [1: .aside], partitionCount: remembered), at: driver.now)
            driver.admit(Self.keyed(9))
            driver.learn(partitions: 3)
            #expect((driver.topic().aside == .aside) == isAside)
            #expect(driver.pump().isEmpty == isAside)
        }
    }

    @Test("in the drain, partitions of a topic with fewer now pick theirs anew; learned while they drain, all are given up and begin anew")
    func pickAnew() {
        var driver = Driver(.drain)
        driver.state.see("t", SetAsideTopic(whole: .aside, partitions: [2: .aside, 3: .aside], partitionCount: 4), at: driver.now)
        driver.admit(3, unit: 1, partition: 3)
        driver.learn(partitions: 3)
        let home = Self.partition("k", among: 3)
        #expect(driver.pump().count == 3 && driver.sent.allSatisfy { $0.partition == home })

        var late = Driver(.drain)
        late.state.see("t", SetAsideTopic(whole: .aside, partitions: [2: .aside, 3: .aside], partitionCount: 4), at: late.now)
        late.admit(3, unit: 1, partition: 3)
        late.admit(3, unit: 2, partition: 2)
        late.learn(partitions: 4)
        let sent = late.pump()
        #expect(sent.count == 6 && Set(late.sent.map(\.partition)) == [2, 3])
        late.learn("t", leaders: [1, 1, 1])
        #expect(late.state.refusals.map(\.key) == [SetAsideKey("t")] && late.state.withheld.map(\.token) == sent.sorted())
        #expect(late.state.isIdle || late.state.flights.count == 6, "settled: they stand in the log")
    }

    @Test("a partition that fails while units share it gives up the whole topic, not one of them")
    func sharedPartitionFails() {
        var driver = Driver(.drain)
        driver.state.see("t", SetAsideTopic(partitions: [2: .aside, 3: .aside], partitionCount: 4), at: driver.now)
        driver.admit(2, unit: 1, partition: 3)
        driver.admit(2, unit: 2, partition: 2)
        driver.learn(partitions: 1)
        driver.report(driver.pump(), .notEnoughReplicas)
        #expect(Set(driver.state.refusals.map(\.key)) == [SetAsideKey("t")])
    }

    // MARK: Producers that brokers forget

    @Test("a partition that was silent for more than ten minutes knows no producer any more", arguments: [(600_000, 5), (600_001, 1)])
    func producerMemory(silence: UInt64, sent: Int) {
        var state = ForwardState(configuration: ForwardConfiguration(), seed: 1)
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
        var driver = Driver(.drain)
        driver.learn()
        driver.admit(3, unit: 1, partition: 3)
        driver.learn(partitions: 4)
        #expect(driver.pump().count == 3 && driver.sent.allSatisfy { $0.partition == 3 })

        for unit in [4, -1] as [Int32] {
            var gone = Driver(.drain)
            gone.admit(3, unit: 1, partition: unit)
            gone.learn(partitions: 4)
            #expect(gone.pump().count == 3 && gone.sent.allSatisfy { $0.partition == Self.partition("k", among: 4) })
        }
    }

    @Test("in the drain, what belongs to a partition that is a unit of its own leaves for it, also while that closes")
    func leavesForItsUnit() {
        let home = Self.partition("k", among: 4)
        for mode in [SetAsideMode.aside, .closing] {
            var driver = Driver(.drain)
            driver.admit(1, unit: 1)
            driver.learn(partitions: 4)
            driver.state.see("t", SetAsideTopic(whole: .aside, partitions: [home: mode], partitionCount: 4), at: driver.now)
            driver.admit(2, unit: 1, from: 1)
            let leaving = driver.state.takeLeaving()
            #expect(leaving.map(\.departure.key) == [SetAsideKey("t", home)] && leaving.map(\.flights) == [[1, 2]])
            #expect(driver.state.queuedBytes == Int(driver.state.flights[0].bytes))
        }
        var direct = Driver()
        direct.admit(Self.keyed(1))
        direct.learn(partitions: 4)
        direct.report(direct.pump())
        direct.state.see("t", SetAsideTopic(partitions: [0: .closing, 1: .closing, 2: .closing, 3: .closing]), at: direct.now)
        direct.admit(Self.keyed(2))
        #expect(direct.state.takeLeaving().isEmpty && direct.pump().isEmpty, "they wait a moment, and go direct")
        direct.state.see("t", nil, at: direct.now)
        #expect(direct.pump().count == 2)
    }
}
