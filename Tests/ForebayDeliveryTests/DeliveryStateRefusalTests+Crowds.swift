import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// Long runs of events that go alone.
extension DeliveryStateRefusalTests {
    @Test("events that go alone and fill the queue from one look to the next make room for those behind; what flows never does")
    func crowd() throws {
        var driver = Driver { $0.queueLimit = 2000 }
        driver.admit(40, size: 40)
        driver.admit(5, topic: "other")
        driver.learn()
        driver.pump()
        self.refuse(&driver, [0])
        driver.admit(60, topic: "other")
        driver.admit(1, partition: 1)
        #expect(driver.pump().contains(105) && driver.partition(1).producer.isAlone, "nothing stands behind it")
        driver.admit(60, topic: "other")
        #expect(!driver.state.wantsMore && driver.partition(0).events.queued == 39)
        driver.look()
        #expect(driver.partition(0).aside.mode == .none)
        driver.wait(1000)
        driver.look()
        driver.verify()
        #expect(driver.partition(0).aside.mode == .aside && driver.partition(0, of: "other").aside.mode == .none)
        let groups = driver.state.takeSettingAside()
        try #require(groups.count == 1)
        #expect(groups.map(\.request.key) == [SetAsideKey("t", 0)] && groups[0].flights == Array(0..<40))
        #expect(groups[0].request.failure.code == .invalidRecord && groups[0].request.unreported.map(\.token) == [0])
        #expect(driver.topic().events.assigned == 1 && driver.partition(1).aside.mode == .none)
    }

    @Test("half of the queue is a crowd, one byte less is none", arguments: [0, 1])
    func halfOfTheQueue(more: Int) {
        var sizes = Driver()
        sizes.admit(1, size: 40)
        let size = Int(sizes.state.window[0].bytes)
        var driver = Driver { $0.queueLimit = 2 * (11 * size + more) }
        driver.admit(11, size: 40)
        driver.learn()
        driver.pump()
        self.refuse(&driver, [0])
        driver.admit(100, topic: "other", size: 40)
        for _ in 0..<2 { driver.look() }
        #expect(!driver.state.wantsMore && driver.state.takeSettingAside().map(\.request.key) == (more == 0 ? [SetAsideKey("t", 0)] : []))
    }

    @Test("after a crowd has given way it takes two more looks until the next does; what closes is left alone", arguments: [true, false])
    func nextCrowd(isClosing: Bool) {
        var driver = Driver { $0.queueLimit = 2000 }
        driver.admit(20, size: 40)
        if isClosing { driver.admit(20, partition: 1, size: 40) }
        driver.learn()
        driver.pump()
        self.refuse(&driver, [0])
        if isClosing { driver.state.partitions[driver.place(1)].aside.mode = .closing }
        driver.admit(60, topic: "other")
        var left: [[Int32?]] = []
        for look in 0..<4 {
            #expect(driver.state.producers[.single].outstanding > 0)
            driver.look()
            left.append(driver.state.takeSettingAside().map(\.request.key.partition))
            guard look == 1, !isClosing else { continue }
            driver.admit(20, partition: 1, size: 40)
            driver.pump()
            driver.admit(60, topic: "other")
        }
        #expect(left == [[], [0], [], isClosing ? [] : [1]])
    }

    @Test("so do those whose next event is to go alone and waits for room in its producer")
    func crowdThatWaits() {
        var driver = Driver { $0.queueLimit = 4000 }
        driver.admit(2)
        driver.admit(40, partition: 1, size: 40)
        driver.learn()
        driver.pump()
        driver.report([0], .invalidRecord)
        driver.state.failed(.main, now: driver.now)
        driver.report(Array(1..<42), .purgedInQueue)
        for slot in driver.state.producers.toClose(now: driver.now) { driver.state.closed(slot, now: driver.now) }
        driver.pump()
        driver.learn()
        #expect(driver.pump { $0 == 0 ? .none : .queueFull } == [0])
        #expect(driver.partition(0).producer.isAlone && !driver.partition(1).producer.isAlone && driver.partition(1).caution.aloneLeft == 1)
        driver.admit(60, topic: "other", size: 30)
        #expect(!driver.state.wantsMore)
        for _ in 0..<2 { driver.look() }
        driver.verify()
        let groups = driver.state.takeSettingAside()
        #expect(groups.map(\.request.key) == [SetAsideKey("t", 0), SetAsideKey("t", 1)])
        #expect(groups.map(\.flights) == [[0, 1], Array(2..<42)])
    }

    @Test("the reason is the topic's: a batch too large is no event's fault, and its neighbours' refusal is theirs too")
    func crowdOfNeighbours() throws {
        for (batch, single, told, words) in [
            (.messageTooLarge, nil, .batchTooLarge, "no batch that large"),
            (.messageTooLarge, .messageTooLarge, .messageTooLarge, "refused for good"),
            (.invalidRecord, nil, .invalidRecord, "a batch was refused"), (.invalidRecord, .invalidRecord, .invalidRecord, "for good"),
            (.invalidTimestamp, nil, .invalidTimestamp, "a batch was refused"),
        ] as [(KafkaErrorCode, KafkaErrorCode?, KafkaErrorCode, String)] {
            var driver = Driver { $0.queueLimit = 2000 }
            driver.admit(40, partition: 1, size: 40)
            driver.admit(3, partition: 0)
            driver.learn()
            driver.pump()
            self.refuse(&driver, [40], batch)  // Of partition 0: partition 1 was never refused anything.
            if let single { driver.report([40], single, from: .single) } else { driver.report([40], from: .single) }
            driver.admit(60, topic: "other")
            driver.look()
            driver.wait(1000)
            driver.look()
            let failure = try #require(driver.state.takeSettingAside().first { $0.request.key == SetAsideKey("t", 1) }).request.failure
            #expect(failure.code == told && failure.reason.contains(words), "\(batch): \(failure)")
        }
    }

    @Test("a look in between at which none is on its way, the drain: nothing gives way")
    func noCrowd() {
        for (way, isFull) in [(DeliveryWay.direct, false), (.aside, true)] {
            var driver = Driver(way) { $0.queueLimit = 2000 }
            if way == .direct { driver.admit(40, size: 40) } else { driver.admit(200, unit: 1, partition: 0) }
            driver.learn()
            driver.pump()
            self.refuse(&driver, [0])
            driver.look()
            driver.wait(1000)
            if !isFull {
                driver.report([0], .invalidRecord, from: .single)
                driver.look()  // Nothing is on its way.
                driver.pump()
            }
            driver.look()
            #expect(
                driver.partition(0).aside.mode == .none && driver.state.takeSettingAside().isEmpty && driver.state.actions.refusals.isEmpty)
        }
    }
}
