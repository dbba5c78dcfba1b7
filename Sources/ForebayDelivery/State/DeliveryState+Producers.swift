/// The lives of the producers.
extension DeliveryState {
    // Inlined: the stage asks at each turn, and would copy the whole state for it.

    @inline(__always)
    func slotsToOpen(now: UInt64) -> [ProducerSlot] { self.slots.toOpen(now: now) }

    @inline(__always)
    func slotsToClose(now: UInt64) -> [ProducerSlot] { self.slots.toClose(now: now) }

    mutating func opened(_ slot: ProducerSlot) {
        self[slot].phase = .open
        self.lastProducer += 1
        self[slot].number = self.lastProducer
        self[slot].isFull = false
        self[slot].hasRefused = false
        self[slot].wanted = WaitingTopics()
        // Those that its predecessor sent to come first: new ones, which may be many, must not hold up what flows.
        for isFirst in [true, false] {
            for topic in self.topics.indices where self.names.holds(topic) && self.topics[topic].limitIsKnown == isFirst {
                self.topics[topic].wantedBy &= ~slot.bit
                if self.uses(topic, slot) { self.want(topic, by: slot) }
            }
        }
        self.wakeStalled(slot)
    }

    private func uses(_ topic: Int, _ slot: ProducerSlot) -> Bool {
        switch slot {
        case .main: true
        case .small: self.topics[topic].slot == .small
        case .single: self.topics[topic].alone > 0
        }
    }

    /// The side producers are closed when there was nothing for them for a while.
    func isUnused(_ slot: ProducerSlot) -> Bool {
        self[slot].isOpen && self[slot].outstanding == 0 && !self.topics.indices.contains { self.uses($0, slot) && !self.topics[$0].isIdle }
    }

    /// A producer took a fatal error: nothing more goes to it.
    mutating func failed(_ slot: ProducerSlot, now: UInt64) {
        switch self[slot].phase {
        case .open, .draining, .renewing:
            self[slot].phase = .failing(until: now + UInt64(self.configuration.reportPatience))
            self[slot].failures += 1
        case .failing, .closed: break
        }
    }

    /// A producer is to be made anew with other settings, without losing a report.
    mutating func drain(_ slot: ProducerSlot, now: UInt64) {
        if self[slot].isOpen { self[slot].phase = .draining(until: now + UInt64(self.configuration.reportPatience)) }
    }

    /// As ``drain(_:now:)``, but it goes on as it is if it has reports missing for long: nobody's events wait for a frozen broker.
    mutating func renew(_ slot: ProducerSlot, now: UInt64) {
        if self[slot].isOpen { self[slot].phase = .renewing(until: now + UInt64(self.configuration.reportPatience)) }
    }

    mutating func endVainRenewals(now: UInt64) {
        for slot in ProducerSlot.allCases {
            guard case .renewing(let until) = self[slot].phase, until <= now, self[slot].outstanding + self[slot].held > 0 else { continue }
            self[slot].phase = .open
            self.wakeStalled(slot)
        }
    }

    func knownTopics(by slot: ProducerSlot) -> Int {
        self.topics.indices.reduce(0) { $0 + (self.names.holds($1) && self.topics[$1].isKnown(by: slot) ? 1 : 0) }
    }

    /// A producer is gone. What it held and did not report is queued again, in its order.
    ///
    /// Its successor comes at once if a record was refused: that record goes alone now, so this can't go on for ever.
    mutating func closed(_ slot: ProducerSlot, now: UInt64) {
        if self[slot].hasRefused { self[slot].failures = 0 }
        let delay =
            self[slot].failures == 0 ? 0 : self.delay(self.configuration.rebuildDelay, self[slot].failures, self.configuration.holdLimit)
        self[slot].phase = .closed(until: now + delay)
        // What came, or was asked for, while it was failing waits for its successor.
        let isAsked = self.topics.contains { $0.isAsked }
        self[slot].isWanted = slot == .main && (self.way == .direct || !self.isIdle || isAsked) || !self[slot].stalled.isEmpty
        self.releaseHeld(by: slot)
        for topic in self.topics.indices { self.topics[topic].setKnown(by: slot, false) }
        for place in self.partitions.indices where self.partitions[place].slot == slot && self.partitions[place].outstanding > 0 {
            self.forEachUnsettled(of: place) { state, flight in
                guard state.flights[flight].status == .sent else { return }
                state.flights[flight].flags.insert(.mayBeStored)
                state.requeue(flight, place, slot)
            }
            self.resumeIfReported(place, now: now)
        }
    }
}
