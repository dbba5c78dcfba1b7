import ForebayCore
import ForebayKafka

/// Which partition an event goes to.
extension DeliveryState {
    /// Queues an event at its partition, or at its topic while the partition can't be picked. What belongs behind set-aside events leaves.
    mutating func place(_ flight: UInt32, _ event: Event, _ topic: Int, now: UInt64) {
        if self.way == .direct, self.topics[topic].aside.mode == .aside {
            self.topics.listIfIdle(topic)
            return self.appendToSetAside(flight, topic, place: nil)
        }
        guard self.topics[topic].events.waiting.count == 0, self.assign(flight, event, topic, now: now) else {
            self.topics[topic].events.waiting.append(flight, in: &self.window)
            return
        }
    }

    /// - Returns: false if it must wait until more is known of the topic.
    private mutating func assign(_ flight: UInt32, _ event: Event, _ topic: Int, now: UInt64) -> Bool {
        let count = self.topics[topic].metadata.partitions.count
        guard count > 0, self.topics[topic].limits.isKnown, self.topics[topic].metadata.nextCount == nil else { return false }
        if self.way == .direct, self.topics[topic].aside.mode != .none { return false }
        let unitPartition = self.way == .aside ? self.window.unitPartition(of: flight) : nil
        let partition: Int
        if let unitPartition, unitPartition >= 0, unitPartition < count, !self.isNarrowed(topic, to: count) {
            partition = Int(unitPartition)
        } else if let explicit = event.partition {
            guard explicit >= 0, explicit < count else { return self.refusePartition(flight, explicit, topic) }
            partition = Int(explicit)
        } else if let key = event.key {
            partition = Int(KafkaPartitioner.partition(of: key, among: Int32(self.topics[topic].metadata.keyCount)))
        } else {
            partition = self.keylessPartition(topic, size: event.record.count)
        }
        let place = self.topics[topic].metadata.partitions[partition]
        let mode = self.partitions[place].aside.mode
        // In the drain, also behind a unit whose last events are being delivered: a partition's queue holds one unit's events.
        if mode == .aside || self.way == .aside && mode != .none, unitPartition == nil {
            self.forget(flight, topic)
            self.appendToSetAside(flight, topic, place: place)
            return true
        }
        self.partitions.append(flight, to: place, in: &self.window, now: now)
        self.topics[topic].events.assigned += 1
        self.suspectBySize(flight, event, topic)
        return true
    }

    /// The partition may have come to be since the cluster was last asked, so an event is given up only after an answer to a question that
    /// was asked when the event was there already.
    private mutating func refusePartition(_ flight: UInt32, _ partition: Int32, _ topic: Int) -> Bool {
        guard partition < 0 || self.window.number(flight) < self.topics[topic].metadata.learnedBefore else {
            self.want(topic, by: .main)
            return false
        }
        self.forget(flight, topic)
        let count = self.topics[topic].metadata.partitions.count
        self.becomeDeadLetter(
            flight, topic, .unknownPartition, reason: "the event asks for partition \(partition), and the topic has \(count)")
        return true
    }

    /// A flight that waited for a partition gets none.
    mutating func forget(_ flight: UInt32, _ topic: Int) {
        if self.window[flight].flags.contains(.alone) { self.topics[topic].events.alone -= 1 }
    }

    /// An event that its topic surely won't take goes alone from the start, and spares the others the refusal.
    @inline(__always)
    private mutating func suspectBySize(_ flight: UInt32, _ event: Event, _ topic: Int) {
        guard let limit = self.topics[topic].limits.bytes, !self.settings.isCompressed else { return }
        if event.record.count + Self.wireOverhead > limit { self.setAlone(flight, topic) }
    }

    /// What a batch of one adds to a record, at most: the batch's header, the record's own, the id.
    private static let wireOverhead = 128

    /// Stays with one live partition for a while, so that batches grow; then takes the lighter one of two.
    private mutating func keylessPartition(_ topic: Int, size: Int) -> Int {
        if self.topics[topic].events.sticky.room <= 0 {
            let (live, places) = (self.topics[topic].metadata.live, self.topics[topic].metadata.partitions)
            let first = self.partitions.pick(live, of: places.count), second = self.partitions.pick(live, of: places.count)
            let lighter = self.partitions[places[first]].load <= self.partitions[places[second]].load ? first : second
            self.topics[topic].events.sticky = (lighter, self.settings.stickyBytes)
        }
        self.topics[topic].events.sticky.room -= size
        return self.topics[topic].events.sticky.partition
    }

    /// Picks partitions for what waited at a topic.
    mutating func placeWaiting(_ topic: Int, now: UInt64) {
        while self.topics[topic].events.waiting.count > 0 {
            let flight = self.topics[topic].events.waiting.first
            guard self.assign(flight, self.window.event(of: flight), topic, now: now) else { return }
            _ = self.topics[topic].events.waiting.removeFirst(in: self.window)
        }
    }
}
