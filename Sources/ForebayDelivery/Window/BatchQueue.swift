import ForebayCore

/// The batches whose events are in flight, oldest first, linked within their lanes. They keep the bytes alive that librdkafka was given.
struct BatchQueue {
    struct Entry {
        let batch: Batch
        /// The number of its first flight.
        let firstFlight: UInt64
        /// What it holds of the budget.
        let cost: Int
        let base: UnsafeRawPointer
        /// What a flight's number and its place in the lane differ by, if there are no holes.
        let shift: UInt64
        let hasHoles: Bool
        /// Of a partition that was set aside as a unit: where its events go, whatever their keys say.
        let partition: Int32?
        /// The batch behind it in its lane.
        var next: UInt32?

        var endFlight: UInt64 { self.firstFlight + UInt64(self.batch.count) }

        func place(of flight: UInt64) -> UInt64 { self.batch.place(of: Int(flight - self.firstFlight)) }
    }

    private var entries: [Entry?] = Array(repeating: nil, count: 64)
    private var head: UInt32 = 0
    private var tail: UInt32 = 0

    var isEmpty: Bool { self.head == self.tail }
    var count: Int { Int(self.tail &- self.head) }
    /// All of them: what a producer that is closed may still read.
    var all: [Batch] { (0..<UInt32(self.count)).compactMap { self.entries[Int(self.head &+ $0) & (self.entries.count - 1)]?.batch } }

    subscript(number: UInt32) -> Entry { self.entries[Int(number) & (self.entries.count - 1)]! }

    /// Where the bytes of a batch begin. Valid while it is in the queue.
    @inline(__always)
    func base(_ number: UInt32) -> UnsafeRawPointer {
        self.entries[Int(number) & (self.entries.count - 1)].unsafelyUnwrapped.base
    }

    /// Where the event of a flight stands in its lane.
    @inline(__always)
    func place(of flight: UInt64, in number: UInt32) -> UInt64 {
        let index = Int(number) & (self.entries.count - 1)
        guard self.entries[index].unsafelyUnwrapped.hasHoles else { return flight &+ self.entries[index].unsafelyUnwrapped.shift }
        return self[number].place(of: flight)
    }

    @inline(__always)
    func origin(_ number: UInt32) -> SpoolID? {
        self.entries[Int(number) & (self.entries.count - 1)].unsafelyUnwrapped.batch.origin
    }

    @inline(__always)
    func acceptedAt(_ number: UInt32) -> Int64 {
        self.entries[Int(number) & (self.entries.count - 1)].unsafelyUnwrapped.batch.acceptedAt
    }

    func partition(_ number: UInt32) -> Int32? { self[number].partition }

    /// - Returns: the batch's number.
    mutating func append(_ batch: Batch, firstFlight: UInt64, cost: Int, partition: Int32?) -> UInt32 {
        if self.count == self.entries.count { self.grow() }
        let base = UnsafeRawPointer(batch.slab.base + batch.range.lowerBound)
        self.entries[Int(self.tail) & (self.entries.count - 1)] = Entry(
            batch: batch, firstFlight: firstFlight, cost: cost, base: base, shift: batch.first &- firstFlight,
            hasHoles: batch.holes != nil, partition: partition)
        self.tail &+= 1
        return self.tail &- 1
    }

    mutating func link(_ number: UInt32, to next: UInt32) {
        self.entries[Int(number) & (self.entries.count - 1)]?.next = next
    }

    /// Lets go of a batch that is settled whole; others may stand before it.
    mutating func remove(_ number: UInt32) {
        self.entries[Int(number) & (self.entries.count - 1)] = nil
        while self.head != self.tail, self.entries[Int(self.head) & (self.entries.count - 1)] == nil { self.head &+= 1 }
    }

    private mutating func grow() {
        let old = self
        self.entries = Array(repeating: nil, count: old.entries.count * 2)
        var number = old.head
        while number != old.tail {
            self.entries[Int(number) & (self.entries.count - 1)] = old.entries[Int(number) & (old.entries.count - 1)]
            number &+= 1
        }
    }
}
