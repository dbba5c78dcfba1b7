import ForebayCore

/// The newest durable batches, still in memory: a reader that keeps up needs neither the disk nor a checksum.
///
/// Bounded in bytes; what falls out of it is read from the disk like any backlog.
struct RecentTail: Sendable {
    private let limit: Int
    /// Those before `head` were let go of, and hold no memory.
    private var batches: [Batch?] = []
    private var head = 0
    private(set) var byteCount = 0

    /// - Parameter limit: bytes of slabs held, at least those of the newest group; 0: nothing is.
    init(limit: Int) {
        self.limit = limit
    }

    /// Everything at or above it, up to the durable mark, is here; none if nothing is.
    private var start: UInt64? { self.head < self.batches.count ? self.batches[self.head]?.first : nil }

    mutating func append(_ group: [Batch]) {
        guard self.limit > 0 else { return }
        for batch in group { self.batches.append(batch) }
        self.byteCount += group.reduce(0) { $0 + Self.weight($1) }
        while self.byteCount > self.limit, self.head < self.batches.count - group.count, let oldest = self.batches[self.head] {
            self.byteCount -= Self.weight(oldest)
            self.batches[self.head] = nil
            self.head += 1
        }
        if self.head > 256, self.head * 2 > self.batches.count {
            self.batches.removeFirst(self.head)
            self.head = 0
        }
    }

    /// The batches that are wanted from a sequence on, about `bytes` in all.
    ///
    /// - Returns: and the sequence below which all has been looked at; nothing if the sequence is not in the tail.
    func read(from sequence: UInt64, routes: RouteFilter, upTo bytes: Int) -> (batches: [Batch], next: UInt64)? {
        guard let start = self.start, start <= sequence else { return nil }
        var found: [Batch] = []
        var weight = 0
        var next = sequence
        for case let batch? in self.batches[self.place(of: sequence)...] {
            if weight >= bytes { break }
            next = batch.end
            guard routes.takes(batch.route) else { continue }
            found.append(batch)
            weight += batch.byteCount
        }
        return (found, next)
    }

    /// The first batch that ends above `sequence`, by halving.
    private func place(of sequence: UInt64) -> Int {
        var (low, high) = (self.head, self.batches.count)
        while low < high {
            let middle = (low + high) / 2
            if let batch = self.batches[middle], batch.end > sequence { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// What is held: a slab counts once, with the piece at its head.
    private static func weight(_ batch: Batch) -> Int { (batch.range.lowerBound == 0 ? batch.slab.capacity : 0) + Batch.overhead }
}
