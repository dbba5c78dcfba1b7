import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// Producers that partitions don't know yet, topics that are made again, ids: what is sent first, and where.
@Suite("Forward state: new producers")
struct NewProducerTests {
    private struct Driver {
        var state = DeliveryState(settings: DeliverySettings(), seed: 1)
        var now: UInt64 = 100
        var first: UInt64 = 0
        let spool: SpoolID

        init() {
            var generator = SplitMix(seed: 1)
            self.spool = .random(using: &generator)
            self.state.opened(.main)
        }

        mutating func admit(_ partitions: [Int32?]) {
            let samples = partitions.map { EventFactory.Sample("t", value: "v", partition: $0) }
            let batch = EventFactory.batch(samples, spool: self.spool, first: self.first)
            self.first = batch.end
            self.state.admit(batch, now: self.now)
        }

        mutating func learn(partitions: Int = 2) {
            for slot in self.state.producers.toOpen(now: self.now) { self.state.opened(slot) }
            for topic in self.state.takeWanted(by: .main) {
                let answer = KafkaMetadata.Topic(name: "t", error: .none, leaders: [Int32?](repeating: 1, count: partitions))
                self.state.learned(answer, topic, from: .main, now: self.now)
            }
            for topic in self.state.takeLimitsWanted() { self.state.learnedLimit(nil, topic, now: self.now) }
        }

        mutating func pump() -> [(flight: UInt64, partition: Int32, id: String)] {
            var sent: [(UInt64, Int32, String)] = []
            self.state.pump(now: self.now) { outgoing, _, sequence in
                sent.append(
                    (outgoing.flight, outgoing.partition, outgoing.origin.map { EventID.text(origin: $0, sequence: sequence) } ?? ""))
                return .none
            }
            return sent
        }

        mutating func report(_ flights: [UInt64], _ code: KafkaErrorCode = .none) {
            for flight in flights {
                let report = KafkaReport(token: flight, offset: 0, partition: 0, error: code, mayBeStored: false)
                _ = self.state.report(report, from: .main, now: self.now)
            }
            self.state.window.retire()
        }
    }

    @Test("a partition that does not know the producer gets one event; when it is delivered, all that fit; a new producer begins anew")
    func oneFirst() {
        var driver = Driver()
        driver.admit([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
        driver.learn()
        #expect(driver.pump().map(\.flight) == [0, 5])
        driver.report([0])
        #expect(driver.pump().map(\.flight) == [1, 2, 3, 4])
        driver.report([1, 2, 3, 4, 5])
        #expect(driver.pump().map(\.flight) == [6, 7, 8, 9])

        driver.state.failed(.main, now: driver.now)
        driver.report([6, 7, 8, 9], .purgedInQueue)
        driver.state.closed(.main, now: driver.now)
        driver.now += 10_000
        driver.admit([0, 0])
        driver.learn()
        #expect(Set(driver.pump().map(\.flight)) == [6, 10])
        driver.report([6])
        #expect(driver.pump().map(\.flight) == [7, 8, 9])
    }

    @Test("a producer that was silent for long is new again, and one whose topic failed, too")
    func forgotten() {
        var driver = Driver()
        driver.admit([0])
        driver.learn()
        driver.report(driver.pump().map(\.flight))
        driver.admit([0, 0, 0])
        #expect(driver.pump().count == 3)
        driver.report([1, 2, 3])
        driver.now += 3_600_000
        driver.admit([0, 0, 0])
        #expect(driver.pump().map(\.flight) == [4])
        driver.report([4])
        #expect(driver.pump().map(\.flight) == [5, 6])
    }

    @Test("a topic made again with fewer partitions: what waited is placed on those that there are")
    func fewerPartitions() {
        var driver = Driver()
        driver.admit([0, 1, 2, 3, 4, 5, 6, 7, 8])
        driver.learn(partitions: 9)
        let sent = driver.pump().map(\.flight)
        driver.state.wantAll()
        driver.learn(partitions: 1)
        driver.admit([Int32?](repeating: nil, count: 50))
        driver.report(sent)
        let first = driver.pump()
        #expect(first.map(\.partition) == [0])
        driver.report(first.map(\.flight))
        #expect(driver.pump().map(\.partition) == [Int32](repeating: 0, count: 49))
    }

    @Test("a topic that the drain is to ask for while its producer fails is asked for by the next one")
    func askedWhileFailing() {
        var state = DeliveryState(way: .aside, settings: DeliverySettings(), seed: 1)
        state.ask("t", probe: false)
        state.opened(.main)
        state.failed(.main, now: 0)
        state.ask("u", probe: false)
        state.closed(.main, now: 0)
        #expect(state.producers.toOpen(now: 60_000) == [.main])
    }

    @Test("what comes to the drain when its producer was made anew meanwhile, for there was nothing then, has one made", arguments: 0..<3)
    func comesLater(way: Int) {
        var state = DeliveryState(way: .aside, settings: DeliverySettings(), seed: 1)
        state.ask("t", probe: false)
        state.opened(.main)
        for topic in state.takeWanted(by: .main) {
            state.learned(KafkaMetadata.Topic(name: "t", error: .none, leaders: [1]), topic, from: .main, now: 0)
        }
        switch way {
        case 0: state.renew(.main, now: 0)
        case 1: state.drain(.main, now: 0)
        default: state.failed(.main, now: 0)
        }
        state.closed(.main, now: 0)
        #expect(state.producers.toOpen(now: 60_000).isEmpty, "nobody needs one")
        state.admit(EventFactory.batch([EventFactory.Sample("t", value: "v")], spool: .none, first: 0), now: 0)
        #expect(state.producers.toOpen(now: 60_000) == [.main])
    }

    @Test("an id is derived from the lane and the sequence of its own batch")
    func origins() {
        var driver = Driver()
        var generator = SplitMix(seed: 2)
        let spools = [SpoolID.random(using: &generator), .random(using: &generator)]
        let places = [(spools[0], 40), (spools[1], 0), (spools[0], 42)] as [(SpoolID, UInt64)]
        for (spool, first) in places {
            driver.state.admit(
                EventFactory.batch([EventFactory.Sample("t", value: "v", partition: 0)], spool: spool, first: first), now: driver.now)
        }
        driver.learn()
        for (flight, (spool, first)) in places.enumerated() {
            #expect(driver.pump().map(\.id) == [EventID.text(origin: spool, sequence: first)])
            driver.report([UInt64(flight)])
            driver.state.partitions[0].producer.known = 0
        }
    }
}
