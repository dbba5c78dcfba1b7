import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// Events that brokers refuse for good, one after the other.
@Suite("Forward state: runs of refused events")
struct DeliveryStateRefusalTests {
    /// The main producer's batch is refused; what stands behind it comes back, and its successor is there.
    func refuse(_ driver: inout Driver, _ batch: [UInt64], _ code: KafkaErrorCode = .invalidRecord) {
        let behind = Set(driver.sent.filter { $0.slot == .main }.map(\.number)).sorted().filter { flight in
            !batch.contains(flight) && driver.state.window.contains(flight)
                && driver.state.window[UInt32(truncatingIfNeeded: flight)].status == .sent
        }
        driver.report(batch, code)
        driver.state.failed(.main, now: driver.now)
        driver.report(behind, .purgedInQueue)
        for slot in driver.state.producers.toClose(now: driver.now) { driver.state.closed(slot, now: driver.now) }
        driver.pump()
        driver.learn()
        driver.pump()
    }

    func slots(_ driver: Driver, _ flights: [UInt64]) -> [ProducerSlot] {
        flights.map { flight in driver.sent.last { $0.number == flight }!.slot }
    }

    @Test("a run costs one producer: those behind the first go alone, in their order, until one is delivered")
    func run() {
        var driver = Driver()
        driver.admit(8)
        driver.learn()
        driver.pump()
        self.refuse(&driver, [0])
        for flight in 0..<5 as Range<UInt64> {
            #expect(flight == 0 || driver.pump() == [flight])
            #expect(self.slots(driver, [flight]) == [.single])
            driver.report([flight], .invalidRecord, from: .single)
        }
        #expect(driver.state.actions.deadLetters.map(\.flight) == [0, 1, 2, 3, 4] && driver.state.producers[.main].isOpen)
        #expect(driver.pump() == [5] && self.slots(driver, [5]) == [.single])
        driver.report([5], from: .single)
        let rest = driver.pump()
        #expect(rest == [6, 7] && self.slots(driver, rest) == [.main, .main])
    }

    @Test("what goes alone and finds no partition any more, for it is gone or set aside, goes alone no longer", arguments: [true, false])
    func aloneNoLonger(isGone: Bool) {
        var driver = Driver()
        driver.admit(1, partition: 2)
        driver.learn(partitions: 3)
        driver.pump()
        driver.report([0], .invalidRecord)
        #expect(driver.topic().events.alone == 1)
        // Fewer partitions: it leaves its place.
        driver.state.topics[0].metadata.nextCount = 1
        driver.state.recallIfSettled(0)
        #expect(driver.topic().events.waiting.count == 1)
        driver.state.topics[0].metadata.nextCount = nil
        if !isGone { driver.state.see("t", SetAsideTopic(partitions: [2: .aside], partitionCount: 3), at: driver.now) }
        driver.state.wantAll()
        driver.learn(partitions: isGone ? 2 : 3)
        #expect(driver.state.actions.deadLetters.map(\.code) == (isGone ? [.unknownPartition] : []))
        #expect(driver.state.actions.settingAside.map(\.flights) == (isGone ? [] : [[0]]))
        driver.verify()
        #expect(driver.topic().events.alone == 0)
    }

    @Test("a record that is refused does not make its producer's successor come later each time; other fatal errors do")
    func delays() {
        for isRefusal in [true, false] {
            var driver = Driver()
            var delays: [UInt64] = []
            for round in 0..<4 as Range<UInt64> {
                driver.admit(1, topic: "t\(round)")
                driver.learn()
                driver.pump()
                driver.report([round], isRefusal ? .invalidRecord : .outOfOrderSequence)
                driver.state.failed(.main, now: driver.now)
                driver.state.closed(.main, now: driver.now)
                guard case .closed(let until) = driver.state.producers[.main].phase else {
                    Issue.record("it is not closed")
                    return
                }
                delays.append(until - driver.now)
                driver.wait(10_000)
            }
            #expect(delays == (isRefusal ? [0, 0, 0, 0] : [500, 1000, 2000, 4000]))
        }
    }

    @Test("a record that was refused excuses its own producer, and not the next one")
    func nextDelay() {
        var driver = Driver()
        driver.admit(1)
        driver.learn()
        driver.report(driver.pump(), .invalidRecord)
        for delay in [0, 500] as [UInt64] {
            driver.state.failed(.main, now: driver.now)
            driver.state.closed(.main, now: driver.now)
            #expect(driver.state.producers[.main].phase == .closed(until: driver.now + delay))
            driver.state.opened(.main)
        }
    }

    @Test("refused again soon, twice as many go alone; after many that went together, one is enough again")
    func caution() {
        var driver = Driver { $0.partitionWindow = 1 << 30 }
        driver.learn()
        var next: UInt64 = 0
        var left: [Int] = []
        for round in 0..<13 {
            driver.verifies = round < 7  // Counting hundreds at each of as many steps takes long.
            driver.admit(round == 11 ? 3000 : 5)
            driver.learn()
            var sent = driver.pump()
            #expect(self.slots(driver, sent).allSatisfy { $0 == .main }, "round \(round)")
            if round == 11 {
                driver.report(Array(sent.dropLast(2)))
                sent = Array(sent.suffix(2))
            }
            next = sent[0]
            self.refuse(&driver, [next])
            left.append(driver.partition(0).caution.aloneLeft)
            driver.admit(left.last! + 5)
            var first = true
            while driver.partition(0).events.unsettled > 0 {
                let flights = driver.sent.suffix(1).map(\.number).filter {
                    driver.state.window.contains($0) && driver.state.window[UInt32(truncatingIfNeeded: $0)].status == .sent
                }
                let flight = flights.isEmpty ? driver.pump() : flights
                guard let one = flight.first else {
                    Issue.record("it stands still in round \(round)")
                    return
                }
                let slot = self.slots(driver, [one])[0]
                if slot == .main {
                    driver.report(flight)
                } else {
                    driver.report([one], first ? .invalidRecord : .none, from: .single)
                }
                first = false
            }
        }
        #expect(left == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1, 2])
    }

    @Test("the other partitions of its topic begin with one alone; other topics go on together")
    func siblings() {
        var driver = Driver()
        driver.admit(3, partition: 0)
        driver.admit(3, partition: 1)
        driver.admit(3, topic: "other")
        driver.learn()
        driver.pump()
        self.refuse(&driver, [0])
        let again = driver.sent.suffix(5)
        #expect(again.filter { $0.slot == .single }.map(\.number).sorted() == [0, 3])
        #expect(again.filter { $0.slot == .main }.map(\.number) == [6, 7, 8])
        driver.report([3], from: .single)
        #expect(driver.pump() == [4, 5] && driver.sent.suffix(2).allSatisfy { $0.slot == .main }, "one was enough")
    }

    @Test("refused alone, as many go alone anew; each that is delivered is one less")
    func anew() {
        var driver = Driver()
        driver.admit(4)
        driver.learn()
        driver.pump()
        self.refuse(&driver, [0])
        let place = driver.place(0)
        (driver.state.partitions[place].caution.level, driver.state.partitions[place].caution.aloneLeft) = (4, 2)
        driver.report([0], .invalidRecord, from: .single)
        #expect(driver.partition(0).caution.aloneLeft == 4 && driver.pump() == [1])
        driver.report([1], from: .single)
        #expect(driver.partition(0).caution.aloneLeft == 3 && driver.pump() == [2])
    }

    @Test("refused again before 1024 went together it was too soon, and twice as many go alone", arguments: [(1023, 2), (1024, 1)])
    func soon(together: Int, alone: Int) {
        var driver = Driver { $0.partitionWindow = 1 << 30 }
        driver.admit(2)
        driver.learn()
        driver.pump()
        self.refuse(&driver, [0])
        driver.report([0], from: .single)
        #expect(driver.partition(0).caution.level == 1 && driver.partition(0).caution.aloneLeft == 0)
        driver.admit(together)
        let sent = driver.pump()
        #expect(sent.count == together + 1 && self.slots(driver, sent).allSatisfy { $0 == .main })
        driver.report(Array(sent.dropLast()))
        #expect(driver.partition(0).caution.deliveredTogether == together)
        driver.report([sent.last!], .invalidRecord)
        #expect(driver.partition(0).caution.aloneLeft == alone && driver.partition(0).caution.deliveredTogether == 0)
    }
}
