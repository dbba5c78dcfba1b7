import ForebayCore
import ForebayKafka

/// What producers were given, and was settled otherwise before its report: librdkafka can't take it back, so it may still be delivered.
///
/// Its bytes stay in memory until the report comes or the producer ends, and whoever shares its unit waits for the same.
extension DeliveryState {
    /// An event that a producer was given, and that was settled otherwise before its report.
    struct Hold {
        let slot: ProducerSlot
        let batch: UInt32
    }

    mutating func hold(_ flight: UInt32, by slot: ProducerSlot) {
        let number = self.flights[flight].batch
        self.holds[self.flights.number(flight)] = Hold(slot: slot, batch: number)
        self[slot].held += 1
        if self.pinned[number] == nil { self.pinned[number] = (self.batches[number].batch, 0) }
        self.pinned[number]!.count += 1
    }

    private mutating func unpin(_ number: UInt32) {
        guard let pinned = self.pinned[number] else { return }
        self.pinned[number] = pinned.count == 1 ? nil : (pinned.batch, pinned.count - 1)
    }

    /// A report of an event that was settled otherwise meanwhile.
    mutating func reportHeld(_ report: KafkaReport) {
        guard let hold = self.holds.removeValue(forKey: report.token) else { return }
        self[hold.slot].held -= 1
        if !report.error.isError, let pinned = self.pinned[hold.batch] { self.delivered(acceptedAt: pinned.batch.acceptedAt) }
        self.unpin(hold.batch)
        self.heldReports.append((report.token, !report.error.isError))
    }

    /// A producer is gone, and with it what it held.
    mutating func releaseHeld(by slot: ProducerSlot) {
        for (token, hold) in self.holds where hold.slot == slot {
            self.holds[token] = nil
            self[slot].held -= 1
            self.unpin(hold.batch)
            self.heldReports.append((token, false))
        }
    }

    /// Batches that are kept for what producers hold alone.
    var pinnedBatches: [Batch] { self.pinned.values.map(\.batch) }

    /// A producer that holds too much is made anew, which costs repeats: memory has a bound.
    mutating func boundHeld(now: UInt64) {
        guard !self.pinned.isEmpty, self.pinned.values.reduce(0, { $0 + $1.batch.byteCount }) > self.configuration.heldBytes else { return }
        for slot in Set(self.holds.values.map(\.slot)) where self[slot].isOpen {
            self[slot].phase = .failing(until: now + UInt64(self.configuration.reportPatience))
        }
    }
}
