import ForebayCore
import ForebayKafka
import ForebayTestKit

@testable import ForebayDelivery

/// A cluster and librdkafka as ``DeliveryState`` sees them, driven by a seed: producers that refuse, fail and die at any moment.
///
/// A bulk producer behaves as with the gapless guarantee: the first permanent failure is fatal, and what is queued is purged.
struct StateKafka {
    /// Bugs that the checks must catch.
    enum Plant {
        case none
        /// The broker refuses a batch and takes those behind it, as librdkafka without the gapless guarantee does.
        case gaplessOff
        /// Delivery is told when an event is sent, not when it is stored.
        case reportOnSend
    }

    struct Message {
        let token: UInt64
        let sequence: UInt64
        let topic: Int
        let partition: Int32
    }

    /// One producer: per partition what was sent and not answered.
    struct Producer {
        var queues: [[Message]] = []
        var isFatal = false
    }

    var random: SplitMix
    let plant: Plant
    var producers = [Producer](repeating: Producer(), count: 3)
    /// Every append in order, with repeats.
    var log: [(sequence: UInt64, topic: Int, partition: Int32)] = []
    var stored: Set<UInt64> = []
    /// Sequences that no broker ever takes.
    var poison: Set<UInt64> = []
    var isHealing = false
    /// By topic, as the state numbers them.
    var partitionCounts: [Int: Int] = [:]

    init(seed: UInt64, plant: Plant) {
        self.random = SplitMix(seed: seed)
        self.plant = plant
    }

    mutating func send(_ outgoing: DeliveryState.Outgoing, sequence: UInt64) -> KafkaErrorCode {
        let slot = outgoing.slot.rawValue
        if self.producers[slot].isFatal { return .fatal }
        if !self.isHealing, self.chance(1, in: 2000) { return .queueFull }
        let message = Message(token: outgoing.flight, sequence: sequence, topic: outgoing.topic, partition: outgoing.partition)
        if let queue = self.producers[slot].queues.firstIndex(where: {
            $0[0].topic == message.topic && $0[0].partition == message.partition
        }) {
            self.producers[slot].queues[queue].append(message)
        } else {
            self.producers[slot].queues.append([message])
        }
        return .none
    }

    /// Lets one producer handle one batch.
    mutating func step(_ state: inout DeliveryState, now: UInt64) {
        let slots = self.producers.indices.filter { !self.producers[$0].queues.isEmpty }
        guard let slot = slots.randomElement(using: &self.random) else { return }
        let queue = Int.random(in: 0..<self.producers[slot].queues.count, using: &self.random)
        let first = self.producers[slot].queues[queue][0]
        guard Int(first.partition) < self.partitionCounts[first.topic] ?? .max else {
            // Made anew with fewer partitions: all that is queued for one that is gone comes back, and that is not fatal.
            let lost = self.producers[slot].queues.remove(at: queue)
            for message in lost { self.report(message, .unknownPartition, ProducerSlot(rawValue: slot)!, &state, now: now) }
            return
        }
        let limit = slot == ProducerSlot.single.rawValue ? 1 : Int.random(in: 1...20, using: &self.random)
        let batch = Array(self.producers[slot].queues[queue].prefix(limit))
        self.producers[slot].queues[queue].removeFirst(batch.count)
        if self.producers[slot].queues[queue].isEmpty { self.producers[slot].queues.remove(at: queue) }
        self.handle(batch, ProducerSlot(rawValue: slot)!, &state, now: now)
        state.reportsTaken(from: ProducerSlot(rawValue: slot)!)
    }

    private mutating func handle(_ batch: [Message], _ slot: ProducerSlot, _ state: inout DeliveryState, now: UInt64) {
        if self.plant == .reportOnSend, !batch.contains(where: { self.poison.contains($0.sequence) }) {
            for message in batch { self.report(message, .none, slot, &state, now: now) }
            if !self.chance(1, in: 50) { self.store(batch) }
            return
        }
        if batch.contains(where: { self.poison.contains($0.sequence) }) {
            return self.refuse(batch, .invalidTimestamp, slot, &state, now: now)
        }
        guard !self.isHealing else { return self.deliver(batch, slot, &state, now: now) }
        switch Int.random(in: 0..<200, using: &self.random) {
        case 0: self.refuse(batch, .unknownServerError, slot, &state, now: now)
        case 1: self.refuse(batch, .topicAuthorizationFailed, slot, &state, now: now)
        case 2:
            // Stored, but the answer was lost, and the sequence numbers with it.
            self.store(batch)
            self.refuse(batch, .outOfOrderSequence, slot, &state, now: now, mayBeStored: true)
        case 3:
            // No answer will ever come.
            let isStored = self.chance(1, in: 2)
            if isStored { self.store(batch) }
            self.die(slot, gapAt: isStored ? nil : batch[0], &state, now: now)
        default: self.deliver(batch, slot, &state, now: now)
        }
    }

    private mutating func deliver(_ batch: [Message], _ slot: ProducerSlot, _ state: inout DeliveryState, now: UInt64) {
        self.store(batch)
        for message in batch { self.report(message, .none, slot, &state, now: now) }
    }

    private mutating func store(_ batch: [Message]) {
        for message in batch {
            self.log.append((message.sequence, message.topic, message.partition))
            self.stored.insert(message.sequence)
        }
    }

    private mutating func refuse(
        _ batch: [Message], _ code: KafkaErrorCode, _ slot: ProducerSlot, _ state: inout DeliveryState, now: UInt64,
        mayBeStored: Bool = false
    ) {
        for message in batch { self.report(message, code, slot, &state, now: now, mayBeStored: mayBeStored) }
        if slot != .single, self.plant != .gaplessOff { self.die(slot, gapAt: mayBeStored ? nil : batch[0], &state, now: now) }
    }

    /// A fatal error: what is queued is purged, what is in flight may be stored without an answer.
    ///
    /// - Parameter gap: what was not stored: the broker takes nothing that stands behind it in its partition.
    private mutating func die(_ slot: ProducerSlot, gapAt gap: Message?, _ state: inout DeliveryState, now: UInt64) {
        self.producers[slot.rawValue].isFatal = true
        state.failed(slot, now: now)
        let queues = self.producers[slot.rawValue].queues
        self.producers[slot.rawValue].queues = []
        for queue in queues {
            let inFlight = queue.prefix(Int.random(in: 0...min(3, queue.count), using: &self.random))
            let isBehindGap = gap.map { $0.topic == queue[0].topic && $0.partition == queue[0].partition } ?? false
            if !inFlight.isEmpty, !isBehindGap, self.chance(1, in: 2) { self.store(Array(inFlight)) }  // Stored, and nobody will tell.
            for message in queue.dropFirst(inFlight.count) where !self.chance(1, in: 20) {
                self.report(message, .purgedInQueue, slot, &state, now: now)
            }
        }
    }

    private mutating func report(
        _ message: Message, _ code: KafkaErrorCode, _ slot: ProducerSlot, _ state: inout DeliveryState, now: UInt64,
        mayBeStored: Bool = false
    ) {
        _ = state.report(
            KafkaReport(
                token: message.token, offset: 0, partition: message.partition, error: code, mayBeStored: code.isError ? mayBeStored : true),
            from: slot, now: now)
    }

    private mutating func chance(_ part: Int, in whole: Int) -> Bool { Int.random(in: 0..<whole, using: &self.random) < part }
}
