import ForebayCore
import ForebayKafka
import ForebayTelemetry

/// A producer in use, and the topics it has open by their index in the state.
/// An object: each event that is sent looks one up.
final class OpenProducer {
    let producer: any KafkaProducing
    let kind: KafkaProducer.Kind
    /// In the loop's ms.
    let openedAt: UInt64
    private(set) var topics: [KafkaTopic?] = []
    /// All that it was ever given.
    private var opened: Set<String> = []
    /// When it is looked at again whether it has too many topics: at a time, in the loop's ms, and at a number of them.
    private var reviewAt: UInt64
    private var reviewAtTopics = 0

    init(producer: any KafkaProducing, kind: KafkaProducer.Kind, openedAt: UInt64, reviewAt: UInt64) {
        self.producer = producer
        self.kind = kind
        self.openedAt = openedAt
        self.reviewAt = reviewAt
    }

    /// How many topics it was ever given.
    var openedCount: Int { self.opened.count }

    /// The handle of a topic, opened if need be; none: the client has none for it.
    func open(_ topic: Int, _ name: String) -> KafkaTopic? {
        if topic < self.topics.count, let handle = self.topics[topic] { return handle }
        guard let handle = self.producer.open(topic: name) else { return nil }
        while self.topics.count <= topic { self.topics.append(nil) }
        self.topics[topic] = handle
        self.opened.insert(name)
        return handle
    }

    func close(_ topic: Int) {
        guard topic < self.topics.count, let handle = self.topics[topic] else { return }
        self.topics[topic] = nil
        self.producer.close(topic: handle)
    }

    /// Whether it has seen so many topics that it is to be asked what it has use for. Now and then; at twice as many it does not wait.
    func isToBeReviewed(now: UInt64, _ settings: DeliverySettings) -> Bool {
        guard self.opened.count > settings.openedTopics,
            self.reviewAt <= now || self.opened.count > max(2 * settings.openedTopics, self.reviewAtTopics)
        else { return false }
        self.reviewAt = now + UInt64(settings.renewalInterval)
        self.reviewAtTopics = self.opened.count + self.opened.count / 2
        return true
    }
}

/// An engine's producers that are open, by their slots, and what others are made with.
struct OpenProducers {
    private let source: any KafkaProducerSource
    private let properties: KafkaProperties
    /// For logs: what their clients are called.
    private let name: String
    /// Where the main one counts what its client does.
    private let registry: MetricsRegistry?
    private(set) var all = [OpenProducer?](repeating: nil, count: ProducerSlot.allCases.count)

    init(_ source: any KafkaProducerSource, properties: KafkaProperties, name: String, registry: MetricsRegistry?) {
        self.source = source
        self.properties = properties
        self.name = name
        self.registry = registry
    }

    subscript(slot: ProducerSlot) -> OpenProducer? { self.all[slot.rawValue] }

    var isEmpty: Bool { self.all.allSatisfy { $0 == nil } }

    /// Whether it is still the one that it was before a suspension.
    func isOpen(_ producer: any KafkaProducing, _ slot: ProducerSlot) -> Bool { self[slot]?.producer === producer }

    /// - Parameters:
    ///   - reviewAt: when it may be asked whether it has too many topics, in the loop's ms, as `now`.
    ///   - wake: called on the loop when it has something to tell.
    mutating func open(
        _ slot: ProducerSlot, _ kind: KafkaProducer.Kind, now: UInt64, reviewAt: UInt64, wake: @escaping () -> Void
    ) throws(ForebayError) {
        let producer = try self.source.open(
            name: self.name + (slot == .main ? "" : "/\(slot)"), kind: kind, properties: self.properties,
            metrics: slot == .main ? self.registry : nil, wake: wake)
        self.all[slot.rawValue] = OpenProducer(producer: producer, kind: kind, openedAt: now, reviewAt: reviewAt)
    }

    /// - Parameter batches: those that its client may still read.
    mutating func close(_ slot: ProducerSlot, keeping batches: () -> [Batch]) {
        guard let open = self[slot] else { return }
        self.all[slot.rawValue] = nil
        open.producer.close(keeping: batches())
    }

    /// Indices that mean other topics from now on, or none.
    func close(topics: [Int]) {
        for topic in topics {
            for case let open? in self.all { open.close(topic) }
        }
    }
}
