import ForebayCore

/// What producers were given, and was settled otherwise before its report: librdkafka can't take it back, so it may still be delivered.
///
/// Its bytes stay in memory until the report comes or the producer ends, and whoever shares its unit waits for the same.
struct StaleInFlight {
    private struct Hold {
        let slot: ProducerSlot
        let batch: UInt32
    }

    private var holds: [UInt64: Hold] = [:]
    /// The batches that live for it, by their numbers.
    private var pinned: [UInt32: (batch: Batch, count: Int)] = [:]

    var isEmpty: Bool { self.holds.isEmpty }
    /// The numbers of the flights.
    var tokens: Set<UInt64> { Set(self.holds.keys) }
    var batches: [Batch] { self.pinned.values.map(\.batch) }
    var byteCount: Int { self.pinned.values.reduce(0) { $0 + $1.batch.byteCount } }
    /// The producers that hold something.
    var slots: Set<ProducerSlot> { Set(self.holds.values.map(\.slot)) }

    func contains(_ token: UInt64) -> Bool { self.holds[token] != nil }

    func count(of slot: ProducerSlot) -> Int { self.holds.values.reduce(0) { $0 + ($1.slot == slot ? 1 : 0) } }

    /// - Parameter number: of the batch that the event lies in.
    mutating func add(_ token: UInt64, by slot: ProducerSlot, in batch: Batch, _ number: UInt32) {
        self.holds[token] = Hold(slot: slot, batch: number)
        self.pinned[number] = (batch, (self.pinned[number]?.count ?? 0) + 1)
    }

    /// A report came.
    ///
    /// - Returns: who held it, and when it was accepted, in ms since 1970; none: nobody did.
    mutating func reported(_ token: UInt64) -> (slot: ProducerSlot, acceptedAt: Int64)? {
        guard let hold = self.holds.removeValue(forKey: token), let pinned = self.pinned[hold.batch] else { return nil }
        self.unpin(hold.batch)
        return (hold.slot, pinned.batch.acceptedAt)
    }

    /// A producer is gone, and with it what it held.
    ///
    /// - Returns: the tokens of that.
    mutating func release(by slot: ProducerSlot) -> [UInt64] {
        var released: [UInt64] = []
        for (token, hold) in self.holds where hold.slot == slot {
            self.holds[token] = nil
            self.unpin(hold.batch)
            released.append(token)
        }
        return released
    }

    private mutating func unpin(_ number: UInt32) {
        guard let pinned = self.pinned[number] else { return }
        self.pinned[number] = pinned.count == 1 ? nil : (pinned.batch, pinned.count - 1)
    }
}
