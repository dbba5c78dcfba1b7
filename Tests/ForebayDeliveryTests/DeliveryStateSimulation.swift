import ForebayCore
import ForebayKafka
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayDelivery

/// Runs a ``DeliveryState`` against a ``StateKafka`` and keeps the books that the promise is checked by.
struct DeliverySimulation {
    struct Broken: Error, CustomStringConvertible {
        let description: String
    }

    var state: DeliveryState
    var kafka: StateKafka
    var now: UInt64 = 1
    let spool = SpoolID(characters: UnsafeRawBufferPointer(start: UnsafeRawPointer(Self.zeros.utf8Start), count: 16))
    var admitted: UInt64 = 0
    var cursor: UInt64 = 0
    var deadLetters: Set<UInt64> = []
    var unwritten: [(letters: [DeliveryActions.PendingDeadLetter], at: UInt64)] = []
    var keys: [UInt64: String] = [:]
    var partitionCounts = [3, 3, 3]
    /// Producers that were made anew.
    var rebuilds = 0
    /// Whether the accounts are looked at after every step, which takes its time.
    var looks = false
    private static let zeros: StaticString = "0000000000000000"

    init(seed: UInt64, plant: StateKafka.Plant = .none) {
        var configuration = DeliverySettings()
        configuration.partitionWindow = 4000
        configuration.queueLimit = 60_000
        configuration.backoffLimit = 2000
        configuration.setAsideTopics = 0  // ``SetAsideSimulation`` has it.
        self.state = DeliveryState(settings: configuration, seed: seed)
        self.kafka = StateKafka(seed: seed, plant: plant)
    }

    /// - Throws: ``Broken`` when the promise is.
    mutating func run(batches: Int) throws {
        for _ in 0..<batches {
            if self.state.wantsMore { self.admit() }
            for _ in 0..<Int.random(in: 1...40, using: &self.kafka.random) { try self.step() }
            if Int.random(in: 0..<60, using: &self.kafka.random) == 0 { self.growTopic() }
            if Int.random(in: 0..<40, using: &self.kafka.random) == 0 { self.remakeTopic() }
        }
        try self.settle()
        try self.checkTheEnd()
    }

    /// Nothing is wrong any more but what is poison.
    mutating func settle() throws {
        self.kafka.isHealing = true
        var steps = 0
        while !self.state.isIdle {
            try self.step()
            steps += 1
            guard steps < 50_000 else { throw Broken(description: "it never settles: \(self.stuck)") }
        }
    }

    /// What a seed that hangs is judged by.
    private var stuck: String {
        let topics = self.state.topics.all.map {
            "\($0.name) \($0.phase) known \($0.producers.knownBy) wanted \($0.producers.wantedBy) waiting \($0.events.waiting.count) of \($0.events.assigned), next count \(String(describing: $0.metadata.nextCount))"
        }
        let partitions = self.state.partitions.all.filter { $0.events.unsettled > 0 }.map {
            "\($0.topic)/\($0.number): unsettled \($0.events.unsettled) queued \($0.events.queued) out \($0.events.outstanding) halted \($0.producer.isHalted) alone \($0.producer.isAlone) "
                + "stalled \($0.producer.stalledAt) ready \($0.isReady) retries at \($0.retry.retryAt) slot \($0.producer.slot)"
        }
        let slots = self.state.producers.all.map { "\($0.phase) out \($0.outstanding) full \($0.isFull) stalled \($0.stalled)" }
        return "at \(self.now), \(self.state.window.count) flights\n" + (topics + partitions + slots).joined(separator: "\n")
    }

    /// Events of one topic each, which are refused, or not.
    mutating func admit(_ events: [(topic: String, key: String?, isPoison: Bool)]) {
        let samples = events.enumerated().map { index, event in
            let sequence = self.admitted + UInt64(index)
            if event.isPoison { self.kafka.poison.insert(sequence) }
            if let key = event.key { self.keys[sequence] = event.topic + key }
            return EventFactory.Sample(event.topic, key: event.key, value: "v\(sequence)", timestamp: 1)
        }
        let batch = EventFactory.batch(samples, spool: self.spool, first: self.admitted)
        self.admitted = batch.end
        self.state.admit(batch, now: self.now)
    }

    private mutating func admit() {
        let run = Int.random(in: 0..<12, using: &self.kafka.random)  // Of a topic that there is, all of it is refused.
        let count = Int.random(in: 1...60, using: &self.kafka.random)
        let samples = (0..<count).map { index in
            let key =
                Int.random(in: 0..<4, using: &self.kafka.random) == 0 ? nil : "key-\(Int.random(in: 0..<20, using: &self.kafka.random))"
            let topic = "topic-\(Int.random(in: 0..<3, using: &self.kafka.random))"
            let sequence = self.admitted + UInt64(index)
            if topic == "topic-\(run)" || Int.random(in: 0..<150, using: &self.kafka.random) == 0 { self.kafka.poison.insert(sequence) }
            if let key { self.keys[sequence] = topic + key }
            return EventFactory.Sample(topic, key: key, value: "v\(sequence)", timestamp: 1)
        }
        let batch = EventFactory.batch(samples, spool: self.spool, first: self.admitted)
        self.admitted = batch.end
        self.state.admit(batch, now: self.now)
    }

    mutating func step() throws {
        self.now += UInt64.random(in: 1...30, using: &self.kafka.random)
        _ = self.state.tick(now: self.now)
        for topic in self.state.topics.indices {
            self.kafka.partitionCounts[topic] = self.partitionCounts[Int(String(self.state.topics[topic].name.last!))!]
        }
        self.tendProducers()
        self.learn()
        self.state.pump(now: self.now) { self.kafka.send($0, sequence: $2) }
        if self.looks { try self.look(afterSending: true) }
        self.kafka.step(&self.state, now: self.now)
        self.writeLetters()
        self.state.window.retire()
        if self.looks { try self.look() }
        for end in self.state.window.commits { try self.commit(end.number) }
        self.state.window.commit { _ in }
        self.state.actions.notes = []
    }

    private func look(afterSending: Bool = false) throws {
        let broken = self.state.brokenAccounts() + (afterSending ? self.state.leftBehind(now: self.now) : [])
        if let first = broken.first { throw Broken(description: "at \(self.now): \(first), \(broken.count) in all") }
    }

    private mutating func tendProducers() {
        for slot in self.state.producers.toClose(now: self.now) {
            self.kafka.producers[slot.rawValue] = StateKafka.Producer()
            self.rebuilds += 1
            self.state.closed(slot, now: self.now)
        }
        for slot in self.state.producers.toOpen(now: self.now) { self.state.opened(slot) }
    }

    private mutating func learn() {
        for slot in ProducerSlot.allCases where self.state.producers[slot].isOpen && self.state.producers[slot].wantsMetadata {
            for topic in self.state.takeWanted(by: slot) {
                let name = self.state.topics[topic].name
                let count = self.partitionCounts[Int(String(name.last!))!]
                let answer = KafkaMetadata.Topic(name: name, error: .none, leaders: [Int32?](repeating: 1, count: count))
                self.state.learned(answer, topic, from: slot, now: self.now)
            }
        }
        for topic in self.state.takeLimitsWanted() { self.state.learnedLimit(1_048_588, topic, now: self.now) }
    }

    private mutating func growTopic() {
        let topic = Int.random(in: 0..<3, using: &self.kafka.random)
        self.partitionCounts[topic] = min(9, self.partitionCounts[topic] + 1)
        self.state.wantAll()
    }

    private mutating func remakeTopic() {
        let topic = Int.random(in: 0..<3, using: &self.kafka.random)
        self.partitionCounts[topic] = max(1, self.partitionCounts[topic] - Int.random(in: 1...3, using: &self.kafka.random))
    }

    private mutating func writeLetters() {
        if !self.state.actions.deadLetters.isEmpty {
            self.unwritten.append((self.state.actions.deadLetters, self.now + UInt64.random(in: 0...200, using: &self.kafka.random)))
            self.state.actions.deadLetters = []
        }
        for (letters, at) in self.unwritten where at <= self.now {
            for letter in letters {
                self.deadLetters.insert(self.state.window.sequence(of: UInt32(truncatingIfNeeded: letter.flight)))
                self.state.deadLetterWritten(letter.flight)
            }
        }
        self.unwritten.removeAll { $0.at <= self.now }
    }

    /// The cursor may pass only what is stored, or durably dead.
    private mutating func commit(_ end: UInt64) throws {
        guard end >= self.cursor else { throw Broken(description: "the cursor moved back from \(self.cursor) to \(end)") }
        for sequence in self.cursor..<end where !self.kafka.stored.contains(sequence) && !self.deadLetters.contains(sequence) {
            throw Broken(description: "the cursor passed \(sequence), which is neither stored nor dead")
        }
        self.cursor = end
    }

    func checkTheEnd() throws {
        guard self.cursor == self.admitted else { throw Broken(description: "the cursor stands at \(self.cursor) of \(self.admitted)") }
        guard self.deadLetters == self.kafka.poison else {
            throw Broken(description: "dead: \(self.deadLetters.sorted()), poison: \(self.kafka.poison.sorted())")
        }
        var last: [String: UInt64] = [:], seen: Set<UInt64> = []
        for record in self.kafka.log where seen.insert(record.sequence).inserted {
            guard let key = self.keys[record.sequence] else { continue }
            if let before = last[key], before > record.sequence {
                throw Broken(description: "\(record.sequence) of \(key) came first after \(before)")
            }
            last[key] = record.sequence
        }
        guard self.state.window.queuedBytes == 0, self.state.producers.all.allSatisfy({ $0.outstanding == 0 }) else {
            throw Broken(
                description:
                    "accounts do not balance: \(self.state.window.queuedBytes) B queued, \(self.state.producers.all.map(\.outstanding)) outstanding"
            )
        }
    }
}

@Suite("Forward state against a simulated Kafka")
struct DeliveryStateSimulationTests {
    /// A longer run: `FOREBAY_SIMULATION_SEEDS=5000`.
    private static let seeds = ProcessInfo.processInfo.environment["FOREBAY_SIMULATION_SEEDS"].flatMap { Int($0) } ?? 60

    @Test("keeps order and the prefix through refusals, lost answers, dying producers and growing topics", arguments: 0..<4)
    func keepsThePromise(part: Int) async {
        for seed in stride(from: part, to: Self.seeds, by: 4) {
            var simulation = DeliverySimulation(seed: UInt64(seed))
            do { try simulation.run(batches: 60) } catch { Issue.record("seed \(seed): \(error)") }
            await Task.yield()
        }
    }

    @Test("all accounts hold after every step, and whatever waits has something to wait for", arguments: 100..<104)
    func accounts(seed: Int) {
        var simulation = DeliverySimulation(seed: UInt64(seed))
        simulation.looks = true
        do { try simulation.run(batches: 10) } catch { Issue.record("seed \(seed): \(error)") }
    }

    @Test(
        "3,000 refused events in a row cost a few producers, and no more time each, beside a healthy topic; they die in order",
        arguments: [nil, "one", "many"])
    func runs(keys: String?) throws {
        var simulation = DeliverySimulation(seed: 5)
        simulation.kafka.isHealing = true
        for part in 0..<100 {
            simulation.admit(
                (0..<60).map { index in
                    let key = keys.map { $0 == "one" ? $0 : "key-\((part * 60 + index) % 7)" }
                    return index % 2 == 0 ? ("topic-0", key, true) : ("topic-1", "key-\(index)", false)
                })
            for _ in 0..<20 { try simulation.step() }
        }
        try simulation.settle()
        try simulation.checkTheEnd()
        #expect(simulation.deadLetters.count == 3000 && simulation.state.totals.delivered == 3000)
        #expect(simulation.rebuilds <= 4, "one for each partition at most, and one of the side producer")
    }

    @Test("good and refused events by turns: a partition learns to send its events alone", arguments: 0..<3)
    func alternation(seed: Int) throws {
        var simulation = DeliverySimulation(seed: UInt64(seed))
        simulation.kafka.isHealing = true
        for part in 0..<100 {
            simulation.admit((0..<30).map { ("topic-\($0 % 3)", "key-\((part + $0) % 10)", (part + $0) % (seed + 2) == 0) })
            for _ in 0..<20 { try simulation.step() }
        }
        try simulation.settle()
        try simulation.checkTheEnd()
        #expect(simulation.rebuilds <= 60, "of nine partitions")
    }

    @Test("catches the gapless guarantee being off")
    func catchesGaplessOff() {
        let caught = (0..<20).contains { seed in
            var simulation = DeliverySimulation(seed: UInt64(seed), plant: .gaplessOff)
            do { try simulation.run(batches: 60) } catch { return true }
            return false
        }
        #expect(caught)
    }

    @Test("catches delivery being taken for granted when an event is sent")
    func catchesReportOnSend() {
        let caught = (0..<20).contains { seed in
            var simulation = DeliverySimulation(seed: UInt64(seed), plant: .reportOnSend)
            do { try simulation.run(batches: 60) } catch { return true }
            return false
        }
        #expect(caught)
    }
}
