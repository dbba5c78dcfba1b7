/// A run of whole events of one route: contiguous bytes, the same in memory and on disk (``RecordLayout``).
///
/// The batch is what travels: over links, to the disk, to Kafka. Copying it copies a reference.
package struct Batch: Sendable {
    /// What `first` counts in, and so the cursor that passes the events.
    package let lane: Lane
    /// What the ids of those events begin with that came without one (``EventID``). None: each has one, or no log has numbered them yet.
    package let origin: SpoolID?
    /// The sequence of the first event; 0 until the spool has numbered it.
    package let first: UInt64
    package let count: Int
    package let route: RouteID
    /// Milliseconds since 1970.
    package let acceptedAt: Int64
    package let slab: Slab
    /// Where the records lie in the slab.
    package let range: Range<Int>

    package init(
        lane: Lane, origin: SpoolID?, first: UInt64, count: Int, route: RouteID, acceptedAt: Int64, slab: Slab, range: Range<Int>
    ) {
        self.lane = lane
        self.origin = origin
        self.first = first
        self.count = count
        self.route = route
        self.acceptedAt = acceptedAt
        self.slab = slab
        self.range = range
    }

    package var byteCount: Int { self.range.count }

    /// One past the sequence of the last event.
    package var end: UInt64 { self.first + UInt64(self.count) }

    package func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(self.slab) {} }
        return try body(UnsafeRawBufferPointer(start: self.slab.base + self.range.lowerBound, count: self.range.count))
    }

    /// Calls `body` with each event in order and its sequence.
    package func forEachEvent(_ body: (_ event: Event, _ sequence: UInt64) -> Void) {
        self.withUnsafeBytes { bytes in
            var rest = bytes
            var sequence = self.first
            while let event = Event(at: rest) {
                body(event, sequence)
                rest = UnsafeRawBufferPointer(rebasing: rest[event.record.count...])
                sequence += 1
            }
        }
    }

    /// The batch without its events below `sequence`, on the same slab.
    package func dropping(below sequence: UInt64) -> Batch {
        guard sequence > self.first else { return self }
        return self.split(at: sequence).rest
    }

    /// The events below `sequence`, and the others, on the same slab.
    package func split(at sequence: UInt64) -> (head: Batch, rest: Batch) {
        var start = self.range.lowerBound
        let count = min(UInt64(self.count), max(sequence, self.first) - self.first)
        for _ in 0..<count {
            let rest = UnsafeRawBufferPointer(start: self.slab.base + start, count: self.range.upperBound - start)
            guard let event = Event(at: rest) else { break }
            start += event.record.count
        }
        func part(_ first: UInt64, _ count: Int, _ range: Range<Int>) -> Batch {
            Batch(
                lane: self.lane, origin: self.origin, first: first, count: count, route: self.route, acceptedAt: self.acceptedAt,
                slab: self.slab, range: range)
        }
        return (
            part(self.first, Int(count), self.range.lowerBound..<start),
            part(self.first + count, self.count - Int(count), start..<self.range.upperBound)
        )
    }

    /// Whether the bytes are exactly `count` records, each for some topic. What comes from a disk is asked before it is used.
    package var isWellFormed: Bool {
        self.withUnsafeBytes { bytes in
            var rest = bytes
            var found = 0
            while let shape = RecordShape(at: rest), shape.idStart > shape.topicStart {
                found += 1
                rest = UnsafeRawBufferPointer(rebasing: rest[shape.size...])
            }
            return rest.isEmpty && found == self.count
        }
    }
}

extension Batch: Weighted {
    /// What keeping one takes beside its bytes, about.
    package static let overhead = 256

    package var weight: Int { self.byteCount + Self.overhead }
}
