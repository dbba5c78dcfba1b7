import ForebayKafka

/// How many partitions topics have, and what it means when that changes.
extension DeliveryState {
    /// The cluster named a number of partitions. Another one than before counts once no event is in its old place: until then
    /// the topic's newer events wait, so that a key's events do not overtake each other.
    mutating func setPartitionCount(_ topic: Int, _ count: Int, now: UInt64) {
        let old = self.topics[topic].metadata.partitions.count
        let isSame = count == old && self.keyCount(topic, among: count) == self.topics[topic].metadata.keyCount
        self.topics[topic].metadata.nextCount = isSame ? nil : count
        if count < old { self.recallIfSettled(topic) }
        self.applyCount(topic, now: now)
    }

    /// Called when the last event of a topic was settled, too.
    mutating func applyCount(_ topic: Int, now: UInt64) {
        guard let count = self.topics[topic].metadata.nextCount else { return }
        let isPlaced = !self.topics[topic].metadata.partitions.isEmpty && !self.topics[topic].isIdle
        if self.way == .direct || isPlaced, self.isNarrowed(topic, to: count) { return self.giveWay(topic) }
        guard self.topics[topic].events.assigned == 0 else { return }
        self.partitions.remove(self.topics[topic].metadata.partitions)
        let aside = self.asides[self.topics[topic].name]?.partitions ?? [:]
        self.topics[topic].metadata.partitions = (0..<Int32(count)).map { number in
            var partition = PartitionState(topic: topic, number: number)
            partition.aside.mode = aside[number] ?? .none
            partition.isLeaderless = self.topics[topic].metadata.leaderless.contains(number)
            return self.partitions.add(partition)
        }
        self.topics[topic].metadata.keyCount = self.keyCount(topic, among: count)
        self.topics[topic].metadata.nextCount = nil
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
        let count = self.topics[topic].metadata.partitions.count
        guard self.topics[topic].metadata.nextCount == nil, self.keyCount(topic, among: count) != self.topics[topic].metadata.keyCount
        else { return }
        self.setPartitionCount(topic, count, now: now)
    }

    /// Fewer partitions: the topic was made anew. Its events leave their old places, for some are gone.
    mutating func recallIfSettled(_ topic: Int) {
        let places = self.topics[topic].metadata.partitions
        guard let count = self.topics[topic].metadata.nextCount, count < places.count,
            places.allSatisfy({ self.partitions[$0].events.outstanding == 0 })
        else { return }
        var recalled: [UInt64] = []
        for place in places {
            recalled += self.partitions.unsettled(of: place, in: self.window).map(self.window.number)
            self.partitions[place] = PartitionState(topic: topic, number: self.partitions[place].number)
        }
        let newer = self.topics[topic].events.waiting.removeAll(in: self.window)
        var waiting = FlightQueue()
        for number in recalled.sorted() { waiting.append(UInt32(truncatingIfNeeded: number), in: &self.window) }
        for flight in newer { waiting.append(flight, in: &self.window) }
        self.topics[topic].events.waiting = waiting
        self.topics[topic].events.assigned = 0
    }

    mutating func refreshLive(_ topic: Int) {
        self.topics[topic].metadata.live = self.topics[topic].metadata.partitions.filter {
            !self.partitions[$0].isLeaderless && self.partitions[$0].aside.mode == .none
        }.map { self.partitions[$0].number }
        self.topics[topic].events.sticky = (0, 0)
    }
}
