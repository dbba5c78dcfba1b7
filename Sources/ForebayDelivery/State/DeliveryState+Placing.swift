import ForebayCore
import ForebayKafka

/// Which partition an event goes to.
extension DeliveryState {
    /// Queues an event at its partition, or at its topic while the partition can't be picked. What belongs behind set-aside events leaves.
    mutating func place(_ flight: UInt32, _ event: Event, _ topic: Int, now: UInt64) {
        if self.way == .direct, self.topics[topic].aside == .aside {
            self.queuedBytes -= Int(self.flights[flight].bytes)
            self.listIfIdle(topic)
            return self.leave(flight, topic, place: nil)
        }
        guard self.topics[topic].waiting.count == 0, self.assign(flight, event, topic, now: now) else {
            self.topics[topic].waiting.append(flight, in: &self.flights)
            return
        }
    }

    /// - Returns: false if it must wait until more is known of the topic.
    private mutating func assign(_ flight: UInt32, _ event: Event, _ topic: Int, now: UInt64) -> Bool {
        let count = self.topics[topic].partitions.count
        guard count > 0, self.topics[topic].limitIsKnown, self.topics[topic].nextCount == nil else { return false }
        if self.way == .direct, self.topics[topic].aside != .none { return false }
        let unitPartition = self.way == .aside ? self.batches.partition(self.flights[flight].batch) : nil
        let partition: Int
        if let unitPartition, unitPartition >= 0, unitPartition < count, !self.isNarrowed(topic, to: count) {
            partition = Int(unitPartition)
        } else if let explicit = event.partition {
            guard explicit >= 0, explicit < count else { return self.refusePartition(flight, explicit, topic) }
            partition = Int(explicit)
        } else if let key = event.key {
            partition = Int(KafkaPartitioner.partition(of: key, among: Int32(self.topics[topic].keyCount)))
        } else {
            partition = self.keylessPartition(topic, size: event.record.count)
        }
        let place = self.topics[topic].partitions[partition]
        // In the drain, also behind a unit whose last events are being delivered: a partition's queue holds one unit's events.
        if self.partitions[place].aside == .aside || self.way == .aside && self.partitions[place].aside != .none, unitPartition == nil {
            self.forget(flight, topic)
            self.leave(flight, topic, place: place)
            return true
        }
        self.enqueue(flight, at: place, now: now)
        self.topics[topic].assigned += 1
        self.suspectBySize(flight, event, topic)
        return true
    }

    /// The partition may have come to be since the cluster was last asked, so an event is given up only after an answer to a question that
    /// was asked when the event was there already.
    private mutating func refusePartition(_ flight: UInt32, _ partition: Int32, _ topic: Int) -> Bool {
        guard partition < 0 || self.flights.number(flight) < self.topics[topic].learnedBefore else {
            self.want(topic, by: .main)
            return false
        }
        self.forget(flight, topic)
        let count = self.topics[topic].partitions.count
        self.die(flight, topic, .unknownPartition, reason: "the event asks for partition \(partition), and the topic has \(count)")
        return true
    }

    /// A flight that waited for a partition gets none.
    mutating func forget(_ flight: UInt32, _ topic: Int) {
        self.queuedBytes -= Int(self.flights[flight].bytes)
        if self.flights[flight].flags.contains(.alone) { self.topics[topic].alone -= 1 }
    }

    /// An event that its topic surely won't take goes alone from the start, and spares the others the refusal.
    @inline(__always)
    private mutating func suspectBySize(_ flight: UInt32, _ event: Event, _ topic: Int) {
        guard let limit = self.topics[topic].limit, !self.configuration.isCompressed else { return }
        if event.record.count + Self.wireOverhead > limit { self.setAlone(flight, topic) }
    }

    /// What a batch of one adds to a record, at most: the batch's header, the record's own, the id.
    private static let wireOverhead = 128

    /// Stays with one live partition for a while, so that batches grow; then takes the lighter one of two.
    private mutating func keylessPartition(_ topic: Int, size: Int) -> Int {
        if self.topics[topic].sticky.room <= 0 {
            let first = self.randomPartition(topic), second = self.randomPartition(topic)
            let places = self.topics[topic].partitions
            let lighter = self.partitions[places[first]].load <= self.partitions[places[second]].load ? first : second
            self.topics[topic].sticky = (lighter, self.configuration.stickyBytes)
        }
        self.topics[topic].sticky.room -= size
        return self.topics[topic].sticky.partition
    }

    private mutating func randomPartition(_ topic: Int) -> Int {
        if let live = self.topics[topic].live.randomElement(using: &self.generator) { return Int(live) }
        return Int.random(in: 0..<self.topics[topic].partitions.count, using: &self.generator)
    }

    @inline(__always)
    private mutating func enqueue(_ flight: UInt32, at place: Int, now: UInt64) {
        self.flights[flight].place = UInt32(place)
        if self.partitions[place].unsettled == 0 {
            // Brokers forget a producer that was silent for long (`producer.id.expiration.ms`).
            if now > self.partitions[place].movedAt + Self.producerMemory { self.partitions[place].knownProducer = 0 }
            self.partitions[place].oldest = flight
            self.partitions[place].movedAt = now
        } else {
            self.flights[self.partitions[place].newest].next = flight
        }
        self.partitions[place].newest = flight
        if self.partitions[place].queued == 0 { self.partitions[place].next = flight }
        self.partitions[place].unsettled += 1
        self.partitions[place].queued += 1
        self.markReady(place)
    }

    private static let producerMemory: UInt64 = 600_000

    /// Picks partitions for what waited at a topic.
    mutating func placeWaiting(_ topic: Int, now: UInt64) {
        while self.topics[topic].waiting.count > 0 {
            let flight = self.topics[topic].waiting.first
            guard self.assign(flight, self.event(of: flight), topic, now: now) else { return }
            _ = self.topics[topic].waiting.removeFirst(in: self.flights)
        }
    }

    // MARK: How many partitions there are

    /// The cluster named a number of partitions. Another one than before counts once no event is in its old place: until then
    /// the topic's newer events wait, so that a key's events do not overtake each other.
    mutating func setPartitionCount(_ topic: Int, _ count: Int, now: UInt64) {
        let old = self.topics[topic].partitions.count
        self.topics[topic].nextCount = count == old && self.keyCount(topic, among: count) == self.topics[topic].keyCount ? nil : count
        if count < old { self.recallIfSettled(topic) }
        self.applyCount(topic, now: now)
    }

    /// Called when the last event of a topic was settled, too.
    mutating func applyCount(_ topic: Int, now: UInt64) {
        guard let count = self.topics[topic].nextCount else { return }
        let isPlaced = !self.topics[topic].partitions.isEmpty && !self.topics[topic].isIdle
        if self.way == .direct || isPlaced, self.isNarrowed(topic, to: count) { return self.giveWay(topic) }
        guard self.topics[topic].assigned == 0 else { return }
        self.freePartitions += self.topics[topic].partitions
        let aside = self.asides[self.topics[topic].name]?.partitions ?? [:]
        self.topics[topic].partitions = (0..<Int32(count)).map { number in
            var partition = PartitionState(topic: topic, number: number)
            partition.aside = aside[number] ?? .none
            partition.isLeaderless = self.topics[topic].leaderless.contains(number)
            return self.makePartition(partition)
        }
        self.topics[topic].keyCount = self.keyCount(topic, among: count)
        self.topics[topic].nextCount = nil
        if case .probing = self.topics[topic].phase {
            // The partition that was to be tried has another place now, or is gone.
            self.topics[topic].phase = .unknown
            self.want(topic, by: .main)
        }
        self.refreshLive(topic)
        self.placeWaiting(topic, now: now)
    }

    /// Whether a topic was made anew, with fewer partitions than it had when some of its partitions were set aside. Their keys belong
    /// elsewhere now: all that is newer waits until they are delivered, to where Java's clients would put them.
    func isNarrowed(_ topic: Int, to count: Int) -> Bool {
        guard let aside = self.asides[self.topics[topic].name] else { return false }
        return Int(aside.partitionCount) > count
    }

    /// What a topic has in flight makes room for the older events of its former partitions.
    private mutating func giveWay(_ topic: Int) {
        let failure = KafkaFailure(
            .unknownPartition, reason: "the topic was made anew with fewer partitions: what its former ones hold is delivered first")
        if self.way == .direct { self.setAside(topic: topic, failure) } else { self.withdraw(topic: topic, failure, byDelivery: false) }
    }

    /// While some of its partitions are set aside, a topic's keys stay where they are, also if it got more.
    private func keyCount(_ topic: Int, among count: Int) -> Int {
        guard let aside = self.asides[self.topics[topic].name], aside.partitionCount > 0 else { return count }
        return min(count, Int(aside.partitionCount))
    }

    /// Other partitions are set aside, or none any more: among how many its keys are spread may have changed.
    mutating func spreadKeys(_ topic: Int, now: UInt64) {
        let count = self.topics[topic].partitions.count
        guard self.topics[topic].nextCount == nil, self.keyCount(topic, among: count) != self.topics[topic].keyCount else { return }
        self.setPartitionCount(topic, count, now: now)
    }

    /// Fewer partitions: the topic was made anew. Its events leave their old places, for some are gone.
    mutating func recallIfSettled(_ topic: Int) {
        let places = self.topics[topic].partitions
        guard let count = self.topics[topic].nextCount, count < places.count, places.allSatisfy({ self.partitions[$0].outstanding == 0 })
        else { return }
        var recalled: [UInt64] = []
        for place in places {
            self.forEachUnsettled(of: place) { recalled.append($0.flights.number($1)) }
            self.partitions[place] = PartitionState(topic: topic, number: self.partitions[place].number)
        }
        var waiting = FlightQueue()
        for number in recalled.sorted() { waiting.append(UInt32(truncatingIfNeeded: number), in: &self.flights) }
        while self.topics[topic].waiting.count > 0 {
            waiting.append(self.topics[topic].waiting.removeFirst(in: self.flights), in: &self.flights)
        }
        self.topics[topic].waiting = waiting
        self.topics[topic].assigned = 0
    }

    /// Walks the flights of a partition that are not settled, in order.
    mutating func forEachUnsettled(of place: Int, _ body: (inout DeliveryState, UInt32) -> Void) {
        var flight = self.partitions[place].oldest
        for _ in 0..<self.partitions[place].unsettled {
            while self.flights[flight].status == .settled || self.flights[flight].status == .dying { flight = self.flights[flight].next }
            let next = self.flights[flight].next
            body(&self, flight)
            flight = next
        }
    }

    private mutating func makePartition(_ partition: PartitionState) -> Int {
        if let free = self.freePartitions.popLast() {
            self.partitions[free] = partition
            return free
        }
        self.partitions.append(partition)
        return self.partitions.count - 1
    }
}
