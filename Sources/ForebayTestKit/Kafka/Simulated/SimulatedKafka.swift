package import ForebayCore
package import ForebayKafka

/// A cluster in memory: brokers, topics, and what stands in each partition. What it does, and when, its seed and the clock of its
/// producers (``SimulatedProducers``) decide; what is wrong with it, whoever runs it.
///
/// It outlives the processes that produce to it. Brokers judge batches as Kafka's do: idempotence by producer and partition, refusals of
/// whole batches, leaders that move.
// Safe because: one thread at a time runs a simulation; a test keeps to its loop.
package final class SimulatedKafka: @unchecked Sendable {
    /// One event as it stands in a partition.
    package struct Record: Sendable, Equatable {
        package let topic: String
        package let partition: Int32
        package internal(set) var offset: Int64
        package let key: [UInt8]?
        /// None: a tombstone.
        package let value: [UInt8]?
        /// The header `forebay-id`.
        package let id: String
        /// The user's, as `RecordLayout` says.
        package let headers: [UInt8]
        package let timestamp: Int64
        /// Which producer appended it.
        package let producer: Int
    }

    package struct Topic: Sendable {
        package internal(set) var partitions: [Partition]
        /// Which topic of this name it is: its id.
        let number: Int
        /// `max.message.bytes`.
        package var limit = 1_048_588
        /// Whether the cluster tells the limit: it needs a permission of its own.
        package var tellsLimit = true
        /// Metadata and deliveries are answered with it.
        package var error = KafkaErrorCode.none
        /// Metadata answers leave it out.
        package var isHidden = false
    }

    package struct Partition: Sendable {
        /// None: nothing can be sent to it now.
        package var leader: Int32?
        package internal(set) var end: Int64 = 0
        /// By producer.
        var sequences: [Int: Sequences] = [:]
    }

    /// What a partition remembers of an idempotent producer.
    struct Sequences {
        var next: Int
        var recent: [(base: Int, offset: Int64)] = []
    }

    package struct Broker: Sendable {
        /// Down: connections break, what is under way is lost or not.
        package var isUp = true
        /// Takes requests, and answers none until it is thawed.
        package var isFrozen = false
    }

    /// What goes wrong by itself, in parts of 10,000 batches.
    package struct Chances: Sendable {
        /// Refused for now: not enough replicas, a leader that has just moved.
        package var retriable = 0
        /// Refused for good, with a code that says nothing of the record.
        package var permanent = 0
        /// Refused with a code that no client knows.
        package var unknown = 0
        /// Stored, and the broker has forgotten that it was: a sequence out of order.
        package var forgotten = 0
        /// The connection breaks before or after the batch is handled.
        package var broken = 0
        /// The producer's own queue is full, in parts of 10,000 events.
        package var queueFull = 0
        /// A report never comes once the producer has failed.
        package var silent = 0

        package init() {}
    }

    package internal(set) var random: SplitMix
    package var brokers: [Int32: Broker] = [:]
    package private(set) var topics: [String: Topic] = [:]
    /// All that was ever appended, in that order, also of topics that are gone.
    package private(set) var log: [Record] = []
    package var chances = Chances()
    /// Milliseconds that a request or an answer takes.
    package var latency = 1...5
    /// What no broker takes of a record, and why.
    package var refusal: (Record) -> KafkaErrorCode = { _ in .none }
    /// Brokers of before idempotence did not.
    package var checksSequences = true
    /// Answers to the next batches, in place of what would have become of them.
    package var nextErrors: [KafkaErrorCode] = []
    private var lastProducer = 0
    private var producers: [SimulatedProducer] = []
    /// Requests of connections that their clients gave up, which a frozen broker still holds.
    private var left: [Int32: [SimulatedBatch]] = [:]

    package init(seed: UInt64, brokers: Int32 = 3) {
        self.random = SplitMix(seed: seed)
        for id in 1...brokers { self.brokers[id] = Broker() }
    }

    // MARK: Topics

    package func create(topic: String, partitions: Int, limit: Int = 1_048_588) {
        self.topics[topic] = Topic(partitions: [], number: self.newNumber(), limit: limit)
        self.grow(topic: topic, to: partitions)
    }

    /// Its partitions come to be empty when it is created again.
    package func delete(topic: String) { self.topics[topic] = nil }

    package func grow(topic: String, to partitions: Int) {
        let ids = self.brokers.keys.sorted()
        while let count = self.topics[topic]?.partitions.count, count < partitions {
            self.topics[topic]!.partitions.append(Partition(leader: ids[count % ids.count]))
        }
    }

    package func change(topic: String, _ body: (inout Topic) -> Void) {
        guard self.topics[topic] != nil else { return }
        body(&self.topics[topic]!)
    }

    package func setLeader(of topic: String, _ partition: Int32, to broker: Int32?) {
        self.change(topic: topic) { $0.partitions[Int(partition)].leader = broker }
    }

    /// What stands in a topic, by partition and offset.
    package func records(of topic: String) -> [Record] {
        self.log.filter { $0.topic == topic }.sorted { ($0.partition, $0.offset) < ($1.partition, $1.offset) }
    }

    // MARK: Brokers

    /// No broker can be reached.
    package var isAway: Bool {
        get { self.brokers.values.allSatisfy { !$0.isUp } }
        set { for id in self.brokers.keys { self.setBroker(id, isUp: !newValue) } }
    }

    package func setBroker(_ id: Int32, isUp: Bool) {
        self.brokers[id]?.isUp = isUp
        self.brokers[id]?.isFrozen = false
        if !isUp { self.left[id] = nil }
    }

    package func setBroker(_ id: Int32, isFrozen: Bool) {
        self.brokers[id]?.isFrozen = isFrozen
        if !isFrozen { self.handleLeft(id) }
    }

    /// All is well again, and will stay so.
    package func heal() {
        self.chances = Chances()
        self.nextErrors = []
        for id in self.brokers.keys.sorted() {
            self.brokers[id]?.isUp = true
            self.setBroker(id, isFrozen: false)
        }
        let ids = self.brokers.keys.sorted()
        for name in self.topics.keys {
            self.change(topic: name) { topic in
                topic.error = .none
                topic.isHidden = false
                for index in topic.partitions.indices where topic.partitions[index].leader == nil {
                    topic.partitions[index].leader = ids[index % ids.count]
                }
            }
        }
    }

    // MARK: What brokers do

    /// The process that held them is dead: what it had written to brokers may still be read, and nobody is told anything.
    package func abandonProducers() {
        for producer in self.producers { producer.abandon() }
        self.producers = []
    }

    func newNumber() -> Int {
        self.lastProducer += 1
        return self.lastProducer
    }

    func opened(_ producer: SimulatedProducer) { self.producers.append(producer) }

    func closed(_ producer: SimulatedProducer) { self.producers.removeAll { $0 === producer } }

    func chance(_ part: Int, in whole: Int = 10_000) -> Bool { part > 0 && Int.random(in: 0..<whole, using: &self.random) < part }

    func delay() -> UInt64 { UInt64(Int.random(in: self.latency, using: &self.random)) }

    /// A client has given up a connection; the broker may still read what was written to it.
    func leave(_ batches: [SimulatedBatch], at broker: Int32) {
        guard self.brokers[broker]?.isUp ?? false else { return }
        self.left[broker, default: []] += batches
        if !self.brokers[broker]!.isFrozen { self.handleLeft(broker) }
    }

    private func handleLeft(_ broker: Int32) {
        for batch in self.left.removeValue(forKey: broker) ?? [] { _ = self.append(batch, at: broker) }
    }

    /// A broker's answer to a batch: the offset of its first record, or why it took none of it.
    func append(_ batch: SimulatedBatch, at broker: Int32) -> Result<Int64, KafkaFailure> {
        if let error = self.refusal(of: batch, at: broker) { return .failure(KafkaFailure(error)) }
        let number = Int(batch.partition)
        var partition = self.topics[batch.topic]!.partitions[number]
        // As Kafka does (since 2.5): a partition that knows nothing of a producer takes it as it comes, also behind a gap.
        var known = partition.sequences[batch.producer] ?? Sequences(next: batch.base)
        if let again = known.recent.first(where: { $0.base == batch.base }) { return .success(again.offset) }
        guard batch.base == known.next || !self.checksSequences else { return .failure(KafkaFailure(.outOfOrderSequence)) }
        known.recent = known.recent.suffix(4) + [(batch.base, partition.end)]
        known.next = batch.base + batch.records.count
        partition.sequences[batch.producer] = known
        let base = partition.end
        for (place, record) in batch.records.enumerated() {
            var stored = record
            stored.offset = base + Int64(place)
            self.log.append(stored)
        }
        partition.end += Int64(batch.records.count)
        if self.chance(self.chances.forgotten) {
            partition.sequences[batch.producer]!.next = -1
            self.topics[batch.topic]!.partitions[number] = partition
            return .failure(KafkaFailure(.outOfOrderSequence))
        }
        self.topics[batch.topic]!.partitions[number] = partition
        return .success(base)
    }

    /// In the order in which brokers look: may it, is it here, is it well formed.
    private func refusal(of batch: SimulatedBatch, at broker: Int32) -> KafkaErrorCode? {
        guard let topic = self.topics[batch.topic], batch.partition < topic.partitions.count else { return .unknownTopicOrPartition }
        if topic.error.isError { return topic.error }
        // What was sent to a topic of that name that is gone. (Before Kafka 4 a request has no topic's id, and is taken.)
        if batch.topicNumber != topic.number { return .unknownTopicOrPartition }
        guard topic.partitions[Int(batch.partition)].leader == broker else { return .notLeader }
        if !self.nextErrors.isEmpty { return self.nextErrors.removeFirst() }
        if batch.size > topic.limit { return .messageTooLarge }
        if let error = batch.records.lazy.map(self.refusal).first(where: \.isError) { return error }
        if self.chance(self.chances.retriable) { return Bool.random(using: &self.random) ? .notEnoughReplicas : .notLeader }
        if self.chance(self.chances.permanent) { return .clusterAuthorizationFailed }
        if self.chance(self.chances.unknown) { return KafkaErrorCode(rawValue: 4711) }
        return nil
    }

    /// What a broker answers to a request for metadata of these topics.
    func metadata(of names: [String]) -> KafkaMetadata {
        let topics = names.compactMap { name -> KafkaMetadata.Topic? in
            guard let topic = self.topics[name] else {
                return KafkaMetadata.Topic(name: name, error: .unknownTopicOrPartition, leaders: [])
            }
            if topic.isHidden { return nil }
            if topic.error.isError { return KafkaMetadata.Topic(name: name, error: topic.error, leaders: []) }
            return KafkaMetadata.Topic(name: name, error: .none, leaders: topic.partitions.map(\.leader))
        }
        return KafkaMetadata(brokers: self.brokers.keys.filter { self.brokers[$0]!.isUp }.sorted(), topics: topics)
    }

    func limit(of name: String) -> KafkaTopicLimit {
        guard let topic = self.topics[name] else {
            return KafkaTopicLimit(topic: name, bytes: nil, error: .unknownTopicOrPartition)
        }
        return topic.tellsLimit
            ? KafkaTopicLimit(topic: name, bytes: topic.limit, error: .none)
            : KafkaTopicLimit(topic: name, bytes: nil, error: .topicAuthorizationFailed)
    }
}

/// What one produce request carries for one partition.
final class SimulatedBatch {
    let producer: Int
    let topic: String
    let partition: Int32
    /// The sequence of its first record.
    let base: Int
    let records: [SimulatedKafka.Record]
    let tokens: [UInt64]
    let size: Int
    /// Of the topic that it was sent to last; none: it was gone already.
    var topicNumber: Int?
    /// Its topic is gone, and with it what was to be sent before it: it is not sent again.
    var isAbandoned = false
    /// It was written to a broker once without an answer that says what became of it.
    var mayBeStored = false

    init(producer: Int, topic: String, partition: Int32, base: Int, records: [SimulatedKafka.Record], tokens: [UInt64], size: Int) {
        (self.producer, self.topic, self.partition, self.base) = (producer, topic, partition, base)
        (self.records, self.tokens, self.size) = (records, tokens, size)
    }
}
