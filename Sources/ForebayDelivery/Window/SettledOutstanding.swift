import ForebayCore

/// What producers were given, and was settled otherwise before its report: librdkafka can't take it back, so it may still be delivered.
///
/// Its bytes stay in memory until the report comes or the producer ends, and whoever shares its unit waits for the same.
struct SettledOutstanding {
    private struct Entry {
        let slot: ProducerSlot
        let batch: UInt32
    }

    private var entries: [UInt64: Entry] = [:]
    /// The batches that live for it, by their numbers.
    private var pinned: [UInt32: (batch: Batch, count: Int)] = [:]

    var isEmpty: Bool { self.entries.isEmpty }
    /// The numbers of the flights.
    var tokens: Set<UInt64> { Set(self.entries.keys) }
    var batches: [Batch] { self.pinned.values.map(\.batch) }
    var byteCount: Int { self.pinned.values.reduce(0) { $0 + $1.batch.byteCount } }
    /// The producers that hold something.
    var slots: Set<ProducerSlot> { Set(self.entries.values.map(\.slot)) }

    func contains(_ token: UInt64) -> Bool { self.entries[token] != nil }

    func count(of slot: ProducerSlot) -> Int { self.entries.values.reduce(0) { $0 + ($1.slot == slot ? 1 : 0) } }

    /// - Parameter number: of the batch that the event lies in.
    mutating func add(_ token: UInt64, by slot: ProducerSlot, in batch: Batch, _ number: UInt32) {
        self.entries[token] = Entry(slot: slot, batch: number)
        self.pinned[number] = (batch, (self.pinned[number]?.count ?? 0) + 1)
    }

    /// A report came.
    ///
    /// - Returns: who held it, and when it was accepted, in ms since 1970; none: nobody did.
    mutating func reported(_ token: UInt64) -> (slot: ProducerSlot, acceptedAt: Int64)? {
        guard let entry = self.entries.removeValue(forKey: token), let pinned = self.pinned[entry.batch] else { return nil }
        self.unpin(entry.batch)
        return (entry.slot, pinned.batch.acceptedAt)
    }

    /// A producer is gone, and with it what it held.
    ///
    /// - Returns: the tokens of that.
    mutating func release(by slot: ProducerSlot) -> [UInt64] {
        var released: [UInt64] = []
        for (token, entry) in self.entries where entry.slot == slot {
            self.entries[token] = nil
            self.unpin(entry.batch)
            released.append(token)
        }
        return released
    }

    private mutating func unpin(_ number: UInt32) {
        guard let pinned = self.pinned[number] else { return }
        self.pinned[number] = pinned.count == 1 ? nil : (pinned.batch, pinned.count - 1)
    }
}
