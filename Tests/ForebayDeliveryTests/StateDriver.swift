import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// A state driven by plain calls: what it sends is recorded, reports are given by hand. Its accounts are looked at after every call.
struct Driver {
    var state: DeliveryState
    var sent: [(number: UInt64, slot: ProducerSlot, partition: Int32)] = []
    var now: UInt64 = 100
    var admitted: UInt64 = 0
    /// Off where so many topics are admitted that counting them at every step would take long.
    var verifies = true
    /// What was admitted, by its price.
    private var budget = 0
    private static let zeros: StaticString = "0000000000000000"
    private let spool = SpoolID(characters: UnsafeRawBufferPointer(start: UnsafeRawPointer(Self.zeros.utf8Start), count: 16))

    init(_ way: DeliveryWay = .direct, _ configure: (inout DeliverySettings) -> Void = { _ in }) {
        var configuration = DeliverySettings()
        configure(&configuration)
        self.state = DeliveryState(way: way, settings: configuration, seed: 1)
        self.state.opened(.main)
    }

    mutating func admit(_ samples: [EventFactory.Sample], acceptedAt: Int64 = WallClock.milliseconds) {
        self.admit(EventFactory.batch(samples, spool: self.spool, first: self.admitted, acceptedAt: acceptedAt))
    }

    mutating func admit(_ batch: Batch, partition: Int32? = nil) {
        self.admitted = batch.end
        self.budget += self.state.settings.cost(of: batch)
        self.state.admit(batch, partition: partition, now: self.now)
        self.verify()
    }

    /// Events of a unit of the drain, from a position of its own.
    mutating func admit(_ count: Int, unit: UInt64, pass: UInt32 = 1, from first: UInt64 = 0, topic: String = "t", partition: Int32? = nil)
    {
        let samples = (0..<count).map { _ in EventFactory.Sample(topic, key: "k", value: "v", timestamp: 1) }
        let batch = EventFactory.batch(samples, spool: self.spool, first: first)
        self.admit(
            Batch(
                lane: .unit(unit, pass: pass), origin: nil, first: first, count: count, route: batch.route, acceptedAt: batch.acceptedAt,
                slab: batch.slab, range: batch.range), partition: partition)
    }

    mutating func admit(_ samples: [EventFactory.Sample], unit: UInt64) {
        let batch = EventFactory.batch(samples, spool: self.spool, first: 0)
        self.admit(
            Batch(
                lane: .unit(unit, pass: 1), origin: nil, first: 0, count: batch.count, route: batch.route, acceptedAt: batch.acceptedAt,
                slab: batch.slab, range: batch.range))
    }

    func verify(sourceLocation: SourceLocation = #_sourceLocation) {
        guard self.verifies else { return }
        #expect(self.state.brokenAccounts() == [], sourceLocation: sourceLocation)
        #expect(
            self.state.heldBudget == self.budget - self.state.window.released, "the budget does not balance", sourceLocation: sourceLocation
        )
    }

    /// Events of one partition.
    mutating func admit(_ count: Int, topic: String = "t", partition: Int32 = 0, size: Int = 10) {
        let value = String(repeating: "x", count: size)
        self.admit((0..<count).map { _ in EventFactory.Sample(topic, value: value, partition: partition) })
    }

    /// Answers whatever is asked of the cluster.
    mutating func learn(partitions: Int = 2, limit: Int? = nil, error: KafkaErrorCode = .none) {
        for slot in self.state.producers.toOpen(now: self.now) { self.state.opened(slot) }
        for slot in ProducerSlot.allCases where self.state.producers[slot].isOpen {
            for topic in self.state.takeWanted(by: slot) {
                let leaders = error.isError ? [] : [Int32?](repeating: 1, count: partitions)
                let answer = KafkaMetadata.Topic(name: self.state.topics[topic].name, error: error, leaders: leaders)
                self.state.learned(answer, topic, from: slot, now: self.now)
            }
        }
        for topic in self.state.takeLimitsWanted() { self.state.learnedLimit(limit, topic, now: self.now) }
        self.verify()
    }

    /// The cluster answers for one topic.
    mutating func learn(_ topic: String, leaders: [Int32?], from slot: ProducerSlot = .main) {
        let index = self.index(topic)
        self.state.learned(KafkaMetadata.Topic(name: topic, error: .none, leaders: leaders), index, from: slot, now: self.now)
        self.verify()
    }

    func index(_ topic: String) -> Int {
        self.state.topics.indices.first { self.state.topics[$0].name == topic && self.state.topics.holds($0) }!
    }

    /// The place of a topic's partition.
    func place(_ partition: Int, of topic: String = "t") -> Int { self.state.topics[self.index(topic)].metadata.partitions[partition] }

    func partition(_ number: Int, of topic: String = "t") -> PartitionState { self.state.partitions[self.place(number, of: topic)] }

    func topic(_ name: String = "t") -> TopicState { self.state.topics[self.index(name)] }

    /// - Returns: whether anything still waits for a time.
    @discardableResult
    mutating func wait(_ milliseconds: UInt64) -> Bool {
        self.now += milliseconds
        defer { self.verify() }
        return self.state.tick(now: self.now)
    }

    /// - Parameter answer: what librdkafka says to the n-th event given to it now.
    /// - Returns: the flights sent now.
    @discardableResult
    mutating func pump(_ answer: (Int) -> KafkaErrorCode = { _ in .none }) -> [UInt64] {
        self.introduce()
        var sent = self.sent
        let before = sent.count
        var given = 0
        self.state.pump(now: self.now) { outgoing, _, _ in
            defer { given += 1 }
            let code = answer(given)
            if !code.isError { sent.append((outgoing.flight, outgoing.slot, outgoing.partition)) }
            return code
        }
        self.sent = sent
        self.verify()
        if self.verifies { #expect(self.state.leftBehind(now: self.now) == []) }
        return sent[before...].map(\.number)
    }

    /// All partitions know the producers: ``NewProducerTests`` has those that don't.
    private mutating func introduce() {
        for place in self.state.partitions.places {
            let slot = self.state.topics[self.state.partitions[place].topic].producers.slot
            self.state.partitions[place].producer.known = self.state.producers[slot].number
        }
    }

    /// The cluster answers, and what stands still is looked for.
    mutating func look() {
        self.state.clusterAnswered(now: self.now)
        self.state.checkStalls(now: self.now)
    }

    mutating func report(_ flights: [UInt64], _ code: KafkaErrorCode = .none, from slot: ProducerSlot = .main, mayBeStored: Bool = false) {
        for flight in flights {
            let report = KafkaReport(token: flight, offset: 0, partition: 0, error: code, mayBeStored: mayBeStored)
            let isDelivered = self.state.report(report, from: slot, now: self.now)
            #expect(!isDelivered || !code.isError)
            if isDelivered { self.state.clusterAnswered(now: self.now) }
        }
        self.retire()
        _ = self.state.takeDelivered()
    }

    mutating func retire() {
        self.state.window.retire()
        self.verify()
    }

    /// The producer fails, its reports are missing for good, and its successor is there.
    mutating func replace(_ slot: ProducerSlot) {
        self.state.failed(slot, now: self.now)
        self.state.closed(slot, now: self.now)
        self.verify()
        self.wait(10_000)
        for slot in self.state.producers.toOpen(now: self.now) { self.state.opened(slot) }
    }

    var cursor: UInt64 { self.state.window.commits.last?.number ?? 0 }
}
