import ForebayKafka

/// What producers were given, and was settled otherwise before its report.
extension DeliveryState {
    mutating func hold(_ flight: UInt32, by slot: ProducerSlot) {
        self.stale.add(self.window.number(flight), by: slot, in: self.window.batch(of: flight), self.window[flight].batch)
        self.producers[slot].held += 1
    }

    /// A report of an event that was settled otherwise meanwhile.
    mutating func reportHeld(_ report: KafkaReport) {
        guard let (slot, acceptedAt) = self.stale.reported(report.token) else { return }
        self.producers[slot].held -= 1
        if !report.error.isError { self.delivered(acceptedAt: acceptedAt) }
        self.actions.heldReports.append((report.token, !report.error.isError))
    }

    /// A producer is gone, and with it what it held.
    mutating func releaseHeld(by slot: ProducerSlot) {
        for token in self.stale.release(by: slot) {
            self.producers[slot].held -= 1
            self.actions.heldReports.append((token, false))
        }
    }

    /// A producer that holds too much is made anew, which costs repeats: memory has a bound.
    mutating func boundHeld(now: UInt64) {
        guard !self.stale.isEmpty, self.stale.byteCount > self.settings.heldBytes else { return }
        for slot in self.stale.slots { self.producers.giveUp(slot, now: now, patience: self.settings.reportPatience) }
    }
}
