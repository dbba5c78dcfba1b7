/// What a producer's coming and going means for topics and partitions.
extension DeliveryState {
    mutating func opened(_ slot: ProducerSlot) {
        self.producers.opened(slot)
        // Those that its predecessor sent to come first: new ones, which may be many, must not hold up what flows.
        for isFirst in [true, false] {
            for topic in self.topics.indices where self.topics.holds(topic) && self.topics[topic].limits.isKnown == isFirst {
                self.topics[topic].setWanted(by: slot, false)
                if self.uses(topic, slot) { self.want(topic, by: slot) }
            }
        }
        self.wakeStalled(slot)
    }

    private func uses(_ topic: Int, _ slot: ProducerSlot) -> Bool {
        switch slot {
        case .main: true
        case .small: self.topics[topic].producers.slot == .small
        case .single: self.topics[topic].events.alone > 0
        }
    }

    /// The side producers are closed when there was nothing for them for a while.
    func isUnused(_ slot: ProducerSlot) -> Bool {
        self.producers[slot].isOpen && self.producers[slot].outstanding == 0
            && !self.topics.indices.contains { self.uses($0, slot) && !self.topics[$0].isIdle }
    }

    /// A producer took a fatal error: nothing more goes to it.
    mutating func failed(_ slot: ProducerSlot, now: UInt64) {
        self.producers.failed(slot, now: now, patience: self.settings.reportPatience)
    }

    /// A producer is to be made anew with other settings, without losing a report.
    mutating func drain(_ slot: ProducerSlot, now: UInt64) {
        self.producers.drain(slot, now: now, patience: self.settings.reportPatience)
    }

    /// A producer is to be made anew, for it has seen too many topics.
    mutating func renew(_ slot: ProducerSlot, now: UInt64) {
        self.producers.renew(slot, now: now, patience: self.settings.reportPatience)
    }

    func knownTopics(by slot: ProducerSlot) -> Int {
        self.topics.indices.reduce(0) { $0 + (self.topics.holds($1) && self.topics[$1].isKnown(by: slot) ? 1 : 0) }
    }

    /// A producer is gone. What it held and did not report is queued again, in its order.
    mutating func closed(_ slot: ProducerSlot, now: UInt64) {
        let (first, limit) = (self.settings.rebuildDelay, self.settings.backoffLimit)
        self.producers.closed(slot, now: now) { DeliverySettings.delay(first, failures: $0, limit: limit) }
        // What came, or was asked for, while it was failing waits for its successor.
        let isAsked = self.topics.indices.contains { self.topics[$0].metadata.isAsked }
        self.producers[slot].isWanted =
            slot == .main && (self.way == .direct || !self.isIdle || isAsked) || !self.producers[slot].stalled.isEmpty
        self.releaseSettledOutstanding(by: slot)
        for topic in self.topics.indices { self.topics[topic].setKnown(by: slot, false) }
        for place in self.partitions.places
        where self.partitions[place].producer.slot == slot && self.partitions[place].events.outstanding > 0 {
            for flight in self.partitions.unsettled(of: place, in: self.window) where self.window[flight].status == .sent {
                self.window[flight].flags.insert(.mayBeStored)
                self.requeue(flight, place, slot)
            }
            self.resumeIfReported(place, now: now)
        }
    }

    // MARK: Partitions that wait for a producer

    /// The partition is looked at again when the producer can be sent to.
    mutating func stall(_ place: Int, at slot: ProducerSlot) {
        self.producers[slot].isWanted = true
        guard self.partitions[place].producer.stalledAt & slot.bit == 0 else { return }
        self.partitions[place].producer.stalledAt |= slot.bit
        self.producers[slot].stalled.append(place)
    }

    mutating func wakeStalled(_ slot: ProducerSlot) {
        for place in self.producers.takeStalled(slot) {
            self.partitions[place].producer.stalledAt &= ~slot.bit
            if self.partitions[place].events.queued > 0 { self.partitions.markReady(place) }
        }
    }
}
