import ForebayCore
import ForebayKafka
import ForebayTestKit

@testable import ForebayDelivery

/// A cluster of which parts fail, and the producers of a route's two stages, driven by a seed.
///
/// A bulk producer behaves as with the gapless guarantee: the first permanent failure is fatal, and what is queued is purged.
struct SimulatedCluster {
    struct Message {
        let token: UInt64
        /// The event's own number, wherever it was sent from.
        let event: Int
        let topic: String
        let partition: Int32

        var place: String { "\(self.topic)/\(self.partition)" }
    }

    struct Producer {
        /// Per partition what was sent and not answered.
        var queues: [[Message]] = []
        var isFatal = false
    }

    var random: SplitMix
    var producers: [DeliveryWay: [Producer]] = [:]
    /// Every append in order, with repeats.
    var log: [Message] = []
    var stored: Set<Int> = []
    /// Events that no broker ever takes.
    var poison: Set<Int> = []
    var partitionCounts: [String: Int] = [:]
    // What is wrong with it now.
    var missing: Set<String> = []
    var forbidden: Set<String> = []
    var frozen: Set<String> = []
    var leaderless: Set<String> = []
    var isAway = false

    init(seed: UInt64) {
        self.random = SplitMix(seed: seed)
        for way in [DeliveryWay.direct, .aside] { self.producers[way] = [Producer](repeating: Producer(), count: 3) }
    }

    mutating func heal() {
        (self.missing, self.forbidden, self.frozen, self.leaderless, self.isAway) = ([], [], [], [], false)
    }

    /// A topic is deleted, and made again with fewer partitions.
    mutating func remake(_ topic: String, partitions: Int) {
        self.partitionCounts[topic] = partitions
        for partition in partitions..<9 {
            self.frozen.remove("\(topic)/\(partition)")
            self.leaderless.remove("\(topic)/\(partition)")
        }
    }

    /// Whether a producer of a way was given the same event for the same partition, and has not reported it.
    func holds(_ message: Message, _ way: DeliveryWay) -> Bool {
        self.producers[way]!.contains { producer in
            producer.queues.contains { $0[0].place == message.place && $0.contains { $0.event == message.event } }
        }
    }

    mutating func send(_ message: Message, _ way: DeliveryWay, _ slot: ProducerSlot) -> KafkaErrorCode {
        if self.producers[way]![slot.rawValue].isFatal { return .fatal }
        if let queue = self.producers[way]![slot.rawValue].queues.firstIndex(where: { $0[0].place == message.place }) {
            self.producers[way]![slot.rawValue].queues[queue].append(message)
        } else {
            self.producers[way]![slot.rawValue].queues.append([message])
        }
        return .none
    }

    func metadata(of topic: String) -> KafkaMetadata.Topic {
        if self.missing.contains(topic) { return KafkaMetadata.Topic(name: topic, error: .unknownTopicOrPartition, leaders: []) }
        let leaders = (0..<self.partitionCounts[topic]!).map { self.leaderless.contains("\(topic)/\($0)") ? nil : Int32(1) }
        return KafkaMetadata.Topic(name: topic, error: .none, leaders: leaders)
    }

    /// Lets one producer of a way handle one batch.
    mutating func step(_ way: DeliveryWay, _ state: inout DeliveryState, now: UInt64) {
        guard !self.isAway else { return }
        let work = self.producers[way]!.indices.flatMap { slot in
            self.producers[way]![slot].queues.indices.filter { queue in
                let message = self.producers[way]![slot].queues[queue][0]
                return !self.frozen.contains(message.place) && !self.leaderless.contains(message.place)
            }.map { (slot, $0) }
        }
        guard let (slot, queue) = work.randomElement(using: &self.random) else { return }
        let first = self.producers[way]![slot].queues[queue][0]
        guard Int(first.partition) < self.partitionCounts[first.topic]! else {
            // Made anew with fewer partitions: all that is queued for one that is gone comes back, and that is not fatal.
            let lost = self.producers[way]![slot].queues.remove(at: queue)
            for message in lost { self.report(message, .unknownPartition, ProducerSlot(rawValue: slot)!, &state, now: now) }
            return
        }
        let limit = slot == ProducerSlot.single.rawValue ? 1 : Int.random(in: 1...20, using: &self.random)
        let batch = Array(self.producers[way]![slot].queues[queue].prefix(limit))
        self.producers[way]![slot].queues[queue].removeFirst(batch.count)
        if self.producers[way]![slot].queues[queue].isEmpty { self.producers[way]![slot].queues.remove(at: queue) }
        self.handle(batch, way, ProducerSlot(rawValue: slot)!, &state, now: now)
        state.reportsTaken(from: ProducerSlot(rawValue: slot)!)
    }

    private mutating func handle(_ batch: [Message], _ way: DeliveryWay, _ slot: ProducerSlot, _ state: inout DeliveryState, now: UInt64) {
        if self.missing.contains(batch[0].topic) {
            return self.refuse(batch, .unknownTopicOrPartition, way, slot, &state, now: now)
        }
        if self.forbidden.contains(batch[0].topic) {
            return self.refuse(batch, .topicAuthorizationFailed, way, slot, &state, now: now)
        }
        if batch.contains(where: { self.poison.contains($0.event) }) {
            return self.refuse(batch, .invalidTimestamp, way, slot, &state, now: now)
        }
        if Int.random(in: 0..<300, using: &self.random) == 0 {
            return self.refuse(batch, .notEnoughReplicas, way, slot, &state, now: now)
        }
        self.store(batch)
        for message in batch { self.report(message, .none, slot, &state, now: now) }
    }

    private mutating func store(_ batch: [Message]) {
        self.log += batch
        self.stored.formUnion(batch.map(\.event))
    }

    private mutating func refuse(
        _ batch: [Message], _ code: KafkaErrorCode, _ way: DeliveryWay, _ slot: ProducerSlot, _ state: inout DeliveryState, now: UInt64
    ) {
        for message in batch { self.report(message, code, slot, &state, now: now) }
        guard slot != .single else { return }
        self.producers[way]![slot.rawValue].isFatal = true
        state.failed(slot, now: now)
        let queues = self.producers[way]![slot.rawValue].queues
        self.producers[way]![slot.rawValue].queues = []
        for queue in queues {
            // What is in flight to a broker that does not answer gets no report, and may be stored later.
            let isStuck = self.frozen.contains(queue[0].place)
            let inFlight = isStuck ? queue.count : Int.random(in: 0...min(3, queue.count), using: &self.random)
            let isBehindGap = queue[0].place == batch[0].place
            if inFlight > 0, !isStuck, !isBehindGap, Int.random(in: 0..<2, using: &self.random) == 0 {
                self.store(queue.prefix(inFlight).filter { !self.poison.contains($0.event) })  // Stored, and nobody will tell.
            }
            for message in queue.dropFirst(inFlight) { self.report(message, .purgedInQueue, slot, &state, now: now) }
        }
    }

    private func report(_ message: Message, _ code: KafkaErrorCode, _ slot: ProducerSlot, _ state: inout DeliveryState, now: UInt64) {
        _ = state.report(
            KafkaReport(token: message.token, offset: 0, partition: message.partition, error: code, mayBeStored: false), from: slot,
            now: now)
    }
}
