import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("Forward state: what is sent when")
struct DeliveryStateSendingTests {
    // MARK: Windows

    @Test("a partition's window counts bytes: one that just fits goes, one byte more waits", arguments: [0, 1])
    func window(more: Int) {
        var sizes = Driver()
        sizes.admit(1)
        let size = Int(sizes.state.window[0].bytes)
        var driver = Driver { $0.partitionWindow = 3 * size }
        driver.admit(2)
        driver.admit(2, size: 10 + more)
        driver.learn()
        #expect(driver.pump().count == (more == 0 ? 3 : 2))
        #expect(driver.partition(0).events.outstandingBytes == (more == 0 ? 3 : 2) * size)
        driver.report([0])
        #expect(driver.pump().count == 1, "as many as were reported")
    }

    @Test("pulling stops at the limit of what can't be sent, to the byte")
    func wantsMore() {
        var sizes = Driver()
        sizes.admit(1)
        let size = Int(sizes.state.window[0].bytes)
        for (limit, wantsMore) in [(2 * size + 1, true), (2 * size, false), (2 * size - 1, false)] {
            var driver = Driver { $0.queueLimit = limit }
            driver.admit(2)
            #expect(driver.state.wantsMore == wantsMore)
        }
    }

    @Test("what an event costs is its bytes and its overhead, given back when it is settled")
    func cost() {
        var driver = Driver { $0.eventOverhead = 1000 }
        driver.admit(3)
        driver.learn()
        let bytes = 3 * Int(driver.state.window[0].bytes)
        driver.report(driver.pump())
        #expect(driver.state.window.released == bytes + 3000)

        var cheap = Driver { $0.eventOverhead = 3 }
        cheap.admit(2)
        cheap.learn()
        cheap.pump()
        cheap.report([1])
        cheap.report([0])
        #expect(cheap.state.window.released == bytes / 3 * 2 + 6)
    }

    @Test("a queue that never empties is sent in its order, however often the ring of flights comes round")
    func neverEmpties() {
        var driver = Driver { $0.partitionWindow = 300 }
        driver.verifies = false
        driver.admit(50)
        driver.learn()
        var reported: UInt64 = 0
        for _ in 0..<2500 {
            if driver.state.window.count < 60 { driver.admit(20) }
            driver.pump()
            driver.report([reported])
            reported += 1
        }
        #expect(driver.sent.map(\.number) == Array(0..<UInt64(driver.sent.count)) && driver.cursor == 2500)
    }

    // MARK: What librdkafka would not take

    @Test("an event that librdkafka refuses is dead by itself; those behind it go on at once")
    func refusedAtOnce() {
        var driver = Driver()
        driver.admit(4)
        driver.learn()
        #expect(driver.pump { $0 == 1 ? .messageTooLarge : .none } == [0, 2, 3])
        #expect(driver.state.actions.deadLetters.map(\.flight) == [1] && driver.state.actions.deadLetters[0].code == .messageTooLarge)
        #expect(
            driver.state.actions.deadLetters[0].reason == KafkaErrorCode.messageTooLarge.text
                && driver.state.producers[.main].outstanding == 3)
        driver.report([0, 2, 3])
        #expect(driver.cursor == 1)
        driver.state.deadLetterWritten(1)
        driver.retire()
        #expect(driver.cursor == 4 && driver.state.totals == DeliveryState.Totals(delivered: 3, redelivered: 0, deadLetters: 1))
    }

    @Test("behind an event that librdkafka refuses one that waits for its producer goes when that is there, wherever the ring is by then")
    func refusedThenStalled() {
        var driver = Driver()
        driver.admit(2)
        driver.learn()
        driver.state.setAlone(1, driver.index("t"))
        #expect(driver.pump { $0 == 0 ? .messageTooLarge : .none }.isEmpty, "the other one waits for a producer of its own")
        driver.state.deadLetterWritten(0)
        driver.retire()
        #expect(driver.partition(0).events.next == 1 && driver.state.window.head == 1)
    }

    @Test("the last event in its old place is refused by librdkafka: those that wait for another number of partitions are placed")
    func refusedBeforeGrowth() {
        var driver = Driver()
        driver.admit(1)
        driver.learn()
        driver.state.setPartitionCount(driver.index("t"), 4, now: driver.now)
        driver.admit(1, partition: 3)
        #expect(driver.topic().events.waiting.count == 1)
        driver.pump { $0 == 0 ? .messageTooLarge : .none }
        #expect(driver.topic().events.waiting.count == 0 && driver.topic().metadata.partitions.count == 4)
        #expect(driver.sent.map(\.number).last == 1 || driver.pump() == [1])
    }

    @Test("librdkafka's own queue is full: nothing more is given to that producer until reports come, to any partition")
    func queueFull() {
        var driver = Driver()
        driver.admit(2)
        driver.admit(2, partition: 1)
        driver.learn()
        var asked = 0
        let sent = driver.pump { number in
            asked += 1
            return number == 1 ? .queueFull : .none
        }
        #expect(sent == [0] && asked == 2 && driver.state.producers[.main].isFull, "the other partition was not even tried")
        #expect(driver.pump().isEmpty)
        driver.state.reportsTaken(from: .small)
        #expect(driver.pump().isEmpty, "another one's reports")
        driver.report([0])
        driver.state.reportsTaken(from: .main)
        #expect(!driver.state.producers[.main].isFull && Set(driver.pump()) == [1, 2, 3])
        driver.state.reportsTaken(from: .main)
        #expect(driver.state.partitions.ready.isEmpty, "nothing to do")
    }

    @Test(
        "with nothing in flight no report tells of room, so the partition backs off; so it does for what may pass",
        arguments: [KafkaErrorCode.queueFull, .timedOut, .unknownServerError, .unknownTopic, .unknownPartition])
    func backsOff(code: KafkaErrorCode) {
        var driver = Driver()
        driver.admit(2)
        driver.learn()
        let isTopics = code == .unknownTopic || code == .unknownPartition
        var delay: UInt64 = 100
        for failures in 1...6 {
            #expect(driver.pump { _ in code }.isEmpty)
            #expect(driver.partition(0).retry.failures == failures && driver.partition(0).retry.retryAt == driver.now + delay)
            #expect(
                driver.topic().isKnown(by: .main) == !isTopics && driver.state.producers[.main].wantsMetadata == isTopics,
                "asked for at once")
            #expect(driver.wait(delay - 1) == true, "it waits for a time")
            #expect(driver.state.partitions.ready.isEmpty)
            driver.wait(1)
            if isTopics {
                #expect(driver.pump().isEmpty, "the topic is asked for again first")
                driver.learn()
            }
            delay = min(2000, delay * 2)
        }
        #expect(driver.pump() == [0, 1])
        #expect(driver.wait(0) == false)
        driver.report([0])
        #expect(driver.partition(0).retry.failures == 0)
    }

    @Test("a producer that has failed gets nothing more; its partitions go on with its successor")
    func fatalAtOnce() {
        var driver = Driver()
        driver.admit(3)
        driver.learn()
        #expect(driver.pump { $0 == 1 ? .fatal : .none } == [0])
        #expect(driver.partition(0).retry.retryAt == 0 && driver.pump().isEmpty, "no time makes up for it")
        driver.report([0])
        driver.replace(.main)
        driver.learn()
        #expect(driver.pump() == [1, 2])
    }

    @Test("a backoff that has begun is not begun anew by the reports of what was sent before it")
    func oneBackoff() {
        var driver = Driver()
        driver.admit(3)
        driver.learn()
        #expect(driver.pump { $0 == 2 ? .timedOut : .none } == [0, 1])
        driver.now += 50
        driver.report([0, 1], .timedOut)
        #expect(driver.partition(0).retry.failures == 1 && driver.partition(0).retry.retryAt == 200)
        driver.wait(50)
        #expect(driver.pump() == [0, 1, 2])
    }

    @Test("a partition that waits for its producer is listed there once, however often it is looked at")
    func stallsOnce() {
        var driver = Driver()
        driver.admit(2)
        driver.learn()
        driver.state.drain(.main, now: driver.now)
        for _ in 0..<3 {
            driver.state.partitions.markReady(driver.place(0))
            #expect(driver.pump().isEmpty && driver.state.producers[.main].stalled == [driver.place(0)])
        }
        driver.state.closed(.main, now: driver.now)
        driver.state.opened(.main)
        #expect(driver.state.producers[.main].stalled.isEmpty && driver.partition(0).producer.stalledAt == 0)
        driver.learn()
        #expect(driver.pump() == [0, 1])
    }

    @Test("what has nothing to send is not looked at")
    func nothingToLookAt() {
        var driver = Driver()
        driver.admit(2)
        driver.admit(1, partition: 1)
        driver.learn()
        driver.pump()
        driver.report([0])
        #expect(driver.state.partitions.ready.isEmpty)
        driver.state.see("t", SetAsideTopic(partitions: [1: .closing], partitionCount: 2), at: driver.now)
        driver.state.see("t", nil, at: driver.now)
        driver.learn("t", leaders: [1, 1])
        #expect(driver.state.partitions.ready.isEmpty)
        driver.report([1, 2])
        #expect(driver.state.partitions.ready.isEmpty)
        driver.admit(1)
        #expect(driver.pump { _ in .queueFull } == [])
        driver.state.setAside(topic: 0, KafkaFailure(.topicAuthorizationFailed))
        driver.pump()
        driver.state.wakeStalled(.main)
        #expect(driver.state.partitions.ready.isEmpty)
    }

    @Test("after failed reports a partition backs off, longer each time, up to its limit; a purge costs no backoff")
    func backsOffAfterReports() {
        var driver = Driver()
        driver.admit(2)
        driver.learn()
        var delays: [UInt64] = []
        for _ in 0..<7 {
            driver.report(driver.pump(), .timedOut)
            delays.append(driver.partition(0).retry.retryAt - driver.now)
            driver.wait(delays.last!)
        }
        #expect(delays == [100, 200, 400, 800, 1600, 2000, 2000])
        driver.report(driver.pump(), .purgedInQueue)
        #expect(driver.pump() == [0, 1])
        driver.report([0, 1], .purgedInFlight)
        #expect(driver.pump() == [0, 1])
        driver.report([0])
        driver.report([1], .timedOut)
        #expect(driver.partition(0).retry.retryAt == driver.now + 100, "a delivery ends the row of failures")
    }
}
