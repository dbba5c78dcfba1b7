import ForebayKafka

/// What producers were given, and was settled otherwise before its report.
extension DeliveryState {
    mutating func keepOutstanding(_ flight: UInt32, by slot: ProducerSlot) {
        self.settledOutstanding.add(self.window.number(flight), by: slot, in: self.window.batch(of: flight), self.window[flight].batch)
        self.producers[slot].settledOutstanding += 1
    }

    /// A report of an event that was settled otherwise meanwhile.
    mutating func reportLate(_ report: KafkaReport) {
        guard let (slot, acceptedAt) = self.settledOutstanding.reported(report.token) else { return }
        self.producers[slot].settledOutstanding -= 1
        if !report.error.isError { self.delivered(acceptedAt: acceptedAt) }
        self.actions.lateReports.append((report.token, !report.error.isError))
    }

    /// A producer is gone, and with it what it held.
    mutating func releaseSettledOutstanding(by slot: ProducerSlot) {
        for token in self.settledOutstanding.release(by: slot) {
            self.producers[slot].settledOutstanding -= 1
            self.actions.lateReports.append((token, false))
        }
    }

    /// A producer that holds too much is made anew, which costs repeats: memory has a bound.
    mutating func boundSettledOutstanding(now: UInt64) {
        guard !self.settledOutstanding.isEmpty, self.settledOutstanding.byteCount > self.settings.settledOutstandingBytes else { return }
        for slot in self.settledOutstanding.slots { self.producers.giveUp(slot, now: now, patience: self.settings.reportPatience) }
    }
}
