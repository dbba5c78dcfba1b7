import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("Forward state")
struct DeliveryStateTests {
    @Test("nothing is sent before the topic and its limit are known")
    func waitsForTheTopic() {
        var driver = Driver()
        driver.admit(3)
        #expect(driver.pump().isEmpty)
        driver.learn()
        #expect(driver.pump() == [0, 1, 2])
    }

    @Test("the cursor follows only the unbroken run, and batches let go of their budget when they are settled whole")
    func prefix() {
        var driver = Driver()
        driver.learn()
        driver.admit(3)
        driver.admit(3)
        driver.learn()
        driver.pump()

        driver.report([1, 2, 4])
        #expect(driver.cursor == 0 && driver.state.window.released == 0)
        driver.report([0])
        #expect(driver.cursor == 3 && driver.state.window.released > 0)
        driver.report([3])
        #expect(driver.cursor == 5)
        driver.report([5])
        #expect(driver.cursor == 6 && driver.state.isIdle)
    }

    @Test("a partition's window bounds what is in flight; an event larger than it goes all the same")
    func window() {
        var driver = Driver { $0.partitionWindow = 500 }
        driver.admit(20, size: 80)
        driver.learn()
        let first = driver.pump()
        #expect(first.count > 1 && first.count < 6)
        driver.report([first[0]])
        #expect(driver.pump().count == 1)
        driver.admit(1, partition: 1, size: 5000)
        #expect(driver.pump() == [20])
    }

    @Test("after a failed report nothing of the partition is sent until all reports are in; then from the oldest, in order")
    func halts() {
        var driver = Driver()
        driver.admit(6)
        driver.admit(2, partition: 1)
        driver.learn()
        driver.pump()
        driver.report([2, 3], .timedOut)
        driver.admit(1)
        driver.admit(1, partition: 1)
        #expect(driver.pump() == [9], "the other partition goes on")
        driver.now += 5000
        _ = driver.state.tick(now: driver.now)
        #expect(driver.pump().isEmpty, "reports are missing: no time makes up for them")
        driver.report([0, 1])
        driver.now += 5000
        _ = driver.state.tick(now: driver.now)
        #expect(driver.pump().isEmpty)
        driver.report([4, 5], .purgedInQueue)
        driver.now += 200
        _ = driver.state.tick(now: driver.now)
        #expect(driver.pump() == [2, 3, 4, 5, 8])
    }

    @Test("refused together, they go one at a time through the single producer; refused alone is dead; the rest goes on in order")
    func suspects() {
        var driver = Driver()
        driver.admit((0..<5).map { _ in EventFactory.Sample("t", value: "v", partition: 0, timestamp: 1) })
        driver.learn()
        driver.pump()
        driver.report([0, 1, 2], .invalidTimestamp)
        driver.state.failed(.main, now: driver.now)
        driver.report([3, 4], .purgedInQueue)
        #expect(driver.state.producers.toClose(now: driver.now) == [.main])
        driver.state.closed(.main, now: driver.now)
        driver.pump()  // The suspects ask for the single producer.
        driver.learn()

        #expect(driver.pump() == [0])
        driver.report([0], from: .single)
        #expect(driver.pump() == [1])
        driver.report([1], .invalidTimestamp, from: .single)
        #expect(driver.state.actions.deadLetters.map(\.flight) == [1])
        #expect(driver.pump() == [2])
        driver.report([2], from: .single)
        #expect(driver.pump() == [3, 4], "by the main producer's successor, which came at once")
        #expect(driver.sent.suffix(2).allSatisfy { $0.slot == .main })
        driver.report([3, 4])
        #expect(driver.cursor == 1, "the dead letter is not durable")
        driver.state.deadLetterWritten(1)
        driver.state.window.retire()
        #expect(driver.cursor == 5)
    }

    @Test("a producer that dies with reports missing: after the patience its events are sent again, and counted")
    func missingReports() {
        var driver = Driver()
        driver.admit(3)
        driver.learn()
        driver.pump()
        driver.report([0])
        driver.state.failed(.main, now: driver.now)
        #expect(driver.state.producers.toClose(now: driver.now).isEmpty)
        driver.now += 1000
        #expect(driver.state.producers.toClose(now: driver.now) == [.main])
        driver.state.closed(.main, now: driver.now)
        #expect(driver.state.producers.toOpen(now: driver.now).isEmpty)
        driver.now += 500
        driver.learn()
        #expect(driver.pump() == [1, 2])
        #expect(driver.state.totals.redelivered == 2)
        driver.report([1, 2])
        #expect(driver.state.isIdle)
    }

    @Test("what is settled beyond the cursor, and below what something may have been sent all the same")
    func settledAhead() {
        var driver = Driver()
        driver.admit(6)
        #expect(driver.state.window.settledAhead == SettledAhead(), "nothing was sent")
        driver.learn()
        driver.pump()
        driver.report([1, 2, 4])
        driver.admit(2)
        #expect(driver.state.window.settledAhead == SettledAhead(ranges: [1..<3, 4..<5], sentBelow: 6))
        driver.report([0])
        #expect(driver.cursor == 3 && driver.state.window.settledAhead == SettledAhead(ranges: [4..<5], sentBelow: 6))
        // Its reports are missing for good: perhaps they were stored.
        driver.replace(.main)
        #expect(driver.state.window.settledAhead == SettledAhead(ranges: [4..<5], sentBelow: 6))
        driver.learn()
        driver.report(driver.pump())
        #expect(driver.cursor == 8 && driver.state.window.settledAhead == SettledAhead())
    }

    @Test("rebuilds wait longer each time until something is delivered")
    func rebuildBackoff() {
        var driver = Driver()
        var delays: [UInt64] = []
        for _ in 0..<9 {
            driver.state.failed(.main, now: driver.now)
            driver.state.closed(.main, now: driver.now)
            guard case .closed(let until) = driver.state.producers[.main].phase else { return }
            delays.append(until - driver.now)
            driver.now = until
            driver.state.opened(.main)
        }
        #expect(delays == [500, 1000, 2000, 4000, 5000, 5000, 5000, 5000, 5000])
    }

    @Test(
        "while too many topics are set aside, a missing one is asked for with growing delays, its handles closed meanwhile; other topics flow"
    )
    func missingTopic() {
        var driver = Driver { $0.setAsideTopics = 0 }
        driver.admit(2, topic: "absent")
        driver.learn(error: .unknownTopicOrPartition)
        #expect(driver.state.actions.closedTopics == [0])
        #expect(driver.state.actions.notes.isEmpty, "it may be on its way")
        driver.admit(1)
        driver.learn()
        #expect(driver.pump() == [2])
        driver.now += 100
        _ = driver.state.tick(now: driver.now)
        driver.learn(error: .unknownTopicOrPartition)
        driver.now += 100
        _ = driver.state.tick(now: driver.now)
        driver.learn()
        #expect(driver.pump().isEmpty, "the second delay is longer")
        driver.now += 100
        _ = driver.state.tick(now: driver.now)
        driver.learn(error: .unknownTopicOrPartition)
        #expect(driver.state.actions.notes == [.backsOff(topic: "absent", KafkaFailure(.unknownTopicOrPartition))])
        driver.now += 400
        _ = driver.state.tick(now: driver.now)
        driver.learn()
        #expect(driver.pump() == [0, 1])
        #expect(driver.state.actions.notes.last == .released(topic: "absent"))
    }

    @Test(
        "while too many topics are set aside, one forbidden to write: one event alone asks whether it is allowed again, then the rest follow"
    )
    func probes() {
        var driver = Driver { $0.setAsideTopics = 0 }
        driver.admit(2)
        driver.admit(2, partition: 1)
        driver.learn()
        driver.pump()
        driver.report([0, 1], .topicAuthorizationFailed)
        driver.state.failed(.main, now: driver.now)
        driver.report([2, 3], .purgedInQueue)
        driver.state.closed(.main, now: driver.now)
        driver.now += 600
        _ = driver.state.tick(now: driver.now)
        driver.learn()
        driver.pump()
        driver.learn()
        #expect(driver.pump() == [0] && driver.sent.last?.slot == .single)
        driver.report([0], .topicAuthorizationFailed, from: .single)
        #expect(driver.pump().isEmpty)
        driver.now += 200
        _ = driver.state.tick(now: driver.now)
        driver.learn()
        #expect(driver.pump() == [0])
        driver.report([0], from: .single)
        #expect(Set(driver.pump()) == [1, 2, 3] && driver.sent.suffix(3).allSatisfy { $0.slot == .main })
        #expect(driver.state.actions.deadLetters.isEmpty)
    }

    @Test("more partitions: events in their old places are settled before a key may move")
    func growth() {
        var driver = Driver()
        driver.admit(2)
        driver.learn(partitions: 2)
        driver.pump()
        driver.state.wantAll()
        driver.learn(partitions: 3)
        driver.admit([EventFactory.Sample("t", key: "k", value: "v")])
        #expect(driver.pump().isEmpty)
        driver.report([0, 1])
        #expect(driver.pump() == [2])
        #expect(driver.sent.last?.partition == Array("k".utf8).withUnsafeBytes { KafkaPartitioner.partition(of: $0, among: 3) })
    }

    @Test("fewer partitions (the topic was made anew): events leave the places that are gone")
    func recall() {
        var driver = Driver { $0.setAsideTopics = 0 }
        driver.admit((0..<6).map { EventFactory.Sample("t", key: "key-\($0)", value: "v") })
        driver.learn(partitions: 4)
        let first = driver.pump()
        driver.report(first, .unknownPartition)
        driver.now += 200
        _ = driver.state.tick(now: driver.now)
        driver.learn(partitions: 1)
        driver.now += 200
        _ = driver.state.tick(now: driver.now)
        driver.sent = []
        for _ in 0..<20 where !driver.state.isIdle {
            driver.learn(partitions: 1)
            let sent = driver.pump()
            driver.report(sent, from: driver.sent.last?.slot ?? .main)
        }
        #expect(driver.state.isIdle)
        #expect(driver.sent.map(\.number) == [0, 1, 2, 3, 4, 5] && driver.sent.allSatisfy { $0.partition == 0 })
    }

    @Test("pulling stops when too much can't be sent")
    func wantsMore() {
        var driver = Driver { $0.queueLimit = 1000 }
        #expect(driver.state.wantsMore)
        driver.admit(20, size: 100)
        #expect(!driver.state.wantsMore)
        driver.learn()
        driver.pump()
        #expect(driver.state.wantsMore)
    }

    @Test("the ring of flights grows and wraps without mixing events up")
    func ring() {
        var driver = Driver()
        driver.admit(1)
        driver.learn()
        driver.report(driver.pump())
        for round in 0..<50 {
            driver.admit(Int(97 + round * 13))
            let sent = driver.pump()
            driver.report(sent.reversed())
            #expect(driver.state.isIdle && driver.cursor == driver.admitted)
        }
    }
}
