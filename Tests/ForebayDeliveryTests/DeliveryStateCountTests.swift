import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("Forward state: another number of partitions")
struct DeliveryStateCountTests {
    private static func keyed(_ count: Int, topic: String = "t") -> [EventFactory.Sample] {
        (0..<count).map { EventFactory.Sample(topic, key: "key-\($0)", value: "v") }
    }

    @Test("more partitions without leaders: keyless events that waited go where there is one")
    func leaderlessGrowth() {
        var driver = Driver { $0.stickyBytes = 1 }
        driver.admit(1)
        driver.learn(partitions: 1)
        driver.pump()
        driver.learn("t", leaders: [1, nil, nil])
        driver.admit((0..<20).map { _ in EventFactory.Sample("t", value: "v") })
        #expect(driver.topic().events.waiting.count == 20)
        driver.report([0])
        #expect(driver.pump().count == 20 && driver.sent.allSatisfy { $0.partition == 0 })
        #expect(driver.topic().metadata.live == [0] && driver.partition(1).isLeaderless && driver.partition(2).isLeaderless)
    }

    @Test("the same number again changes nothing; another one is taken back when the cluster says so in time")
    func counts() {
        var driver = Driver()
        driver.admit(2)
        driver.learn(partitions: 2)
        driver.pump()
        let places = driver.topic().metadata.partitions
        driver.state.wantAll()
        driver.learn(partitions: 2)
        #expect(driver.topic().metadata.nextCount == nil && driver.topic().metadata.partitions == places)
        driver.state.wantAll()
        driver.learn(partitions: 3)
        driver.admit(1)
        #expect(driver.topic().metadata.nextCount == 3 && driver.pump().isEmpty)
        driver.state.wantAll()
        driver.learn(partitions: 2)
        #expect(driver.topic().metadata.nextCount == nil && driver.topic().metadata.partitions == places)
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
            #expect(driver.topic().metadata.partitions.count == count && driver.state.partitions.places.count == 8)
            #expect(Set(driver.topic().metadata.partitions).isDisjoint(with: driver.state.partitions.free))
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
        #expect(driver.topic().metadata.nextCount == 1 && driver.topic().metadata.partitions.count == 2, "one is in flight")
        driver.report([first[1]], .notLeader)
        #expect(driver.topic().metadata.partitions.count == 1 && driver.topic().events.assigned > 0)
        var order: [UInt64] = []
        for _ in 0..<20 where !driver.state.isIdle {
            driver.wait(100)
            order += driver.pump()
            driver.report(Array(order.suffix(1)))
            driver.learn(partitions: 1)
            for letter in driver.state.actions.deadLetters { driver.state.deadLetterWritten(letter.flight) }
            driver.state.actions.deadLetters = []
            driver.retire()
        }
        #expect(order == [0, 1, 4, 5, 6, 7, 8, 9] && driver.state.totals.deadLetters == 2, "two asked for a partition that is gone")
    }

    @Test("fewer partitions with nothing in flight: at once; suspects stay suspects, also when they are set aside")
    func recallOfSuspects() {
        var driver = Driver()
        driver.admit(Self.keyed(6))
        driver.learn(partitions: 4)
        driver.report(driver.pump(), .invalidRecord)
        #expect(driver.topic().events.alone == 6)
        driver.state.wantAll()
        driver.learn(partitions: 1)
        #expect(driver.topic().metadata.partitions.count == 1 && driver.topic().events.alone == 6 && driver.partition(0).events.queued == 6)

        driver.state.wantAll()
        driver.learn("t", leaders: [1])
        driver.pump()
        var more = Driver()
        more.admit(Self.keyed(6))
        more.learn(partitions: 4)
        more.report(more.pump(), .invalidRecord)
        more.state.topics[0].limits.isKnown = false  // So that they wait at the topic.
        more.learn("t", leaders: [1])
        #expect(more.topic().events.waiting.count == 6)
        more.state.fail(topic: 0, KafkaFailure(.topicAuthorizationFailed), byDelivery: false, now: more.now)
        more.verify()
        #expect(more.state.takeSettingAside().flatMap(\.flights) == [0, 1, 2, 3, 4, 5] && more.topic().events.alone == 0)
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
            #expect(delivered == Set(0..<6) && driver.topic().metadata.partitions.count == count)
        }
    }

    @Test("a topic that is tried with an event when it turns out to have fewer partitions is asked for anew, though the event comes back")
    func probeRecalled() {
        var driver = Driver { $0.setAsideTopics = 0 }
        driver.admit(Self.keyed(6))
        driver.learn(partitions: 3)
        driver.report(driver.pump(), .topicAuthorizationFailed)
        driver.wait(10_000)
        driver.learn(partitions: 3)
        driver.pump()
        driver.learn(partitions: 3)
        let probe = driver.pump()
        #expect(probe.count == 1 && driver.sent.last?.slot == .single)
        driver.learn("t", leaders: [1])
        #expect(driver.topic().metadata.partitions.count == 3 && driver.state.takeWanted(by: .main).isEmpty)
        driver.report(probe, .timedOut, from: .single)
        #expect(driver.topic().metadata.partitions.count == 1 && driver.topic().phase == .unknown)
        #expect(driver.state.takeWanted(by: .main) == [0])
        driver.learn("t", leaders: [1])
        #expect(driver.topic().phase == .probing(partition: driver.place(0)))
    }

    @Test("keyless events that waited for more partitions, and those behind them, stay together")
    func staysAfterGrowth() {
        var driver = Driver()
        driver.admit(1)
        driver.learn(partitions: 1)
        driver.pump()
        driver.learn("t", leaders: [Int32?](repeating: 1, count: 50))
        driver.admit([EventFactory.Sample("t", value: "v")])
        driver.state.setAside(partition: driver.place(0), KafkaFailure(.timedOut), now: driver.now)
        #expect(driver.topic().metadata.partitions.count == 50)
        driver.admit((0..<5).map { _ in EventFactory.Sample("t", value: "v") })
        driver.pump()
        #expect(Set(driver.sent.suffix(6).map(\.partition)).count == 1)
    }
}
