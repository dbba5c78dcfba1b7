/// A run of whole events of one route: contiguous bytes, the same in memory and on disk (``RecordLayout``).
///
/// The batch is what travels: over links, to the disk, to Kafka. Copying it copies a reference.
package struct Batch: Sendable {
    /// What `first` counts in, and so the cursor that passes the events.
    package let lane: Lane
    /// What the ids of those events begin with that came without one (``EventID``). None: each has one, or no log has numbered them yet.
    package let origin: SpoolID?
    /// Where the places begin that it covers, and the first event stands unless there is a hole; 0 until the spool has numbered it.
    package let first: UInt64
    package let count: Int
    /// Where its events stand, if there are holes between them; none: they follow each other from `first` on.
    package let holes: HoledPlaces?
    package let route: RouteID
    /// Milliseconds since 1970.
    package let acceptedAt: Int64
    package let slab: Slab
    /// Where the records lie in the slab.
    package let range: Range<Int>

    package init(
        lane: Lane, origin: SpoolID?, first: UInt64, count: Int, holes: HoledPlaces? = nil, route: RouteID, acceptedAt: Int64, slab: Slab,
        range: Range<Int>
    ) {
        if let holes { precondition(holes.distances.count == count, "as many places as events") }
        self.lane = lane
        self.origin = origin
        self.first = first
        self.count = count
        self.holes = holes
        self.route = route
        self.acceptedAt = acceptedAt
        self.slab = slab
        self.range = range
    }

    package var byteCount: Int { self.range.count }

    /// One past the last place that it covers: where a cursor stands that has passed all of it.
    package var end: UInt64 { self.holes.map { self.first + $0.length } ?? self.first + UInt64(self.count) }

    /// Where one of its events stands in the lane.
    package func place(of index: Int) -> UInt64 {
        self.holes.map { self.first + UInt64($0.distances[index]) } ?? self.first + UInt64(index)
    }

    /// How many of its events stand below a place.
    package func count(below place: UInt64) -> Int {
        guard place > self.first else { return 0 }
        return self.holes.map { $0.count(below: place - self.first) } ?? Int(min(UInt64(self.count), place - self.first))
    }

    package func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(self.slab) {} }
        return try body(UnsafeRawBufferPointer(start: self.slab.base + self.range.lowerBound, count: self.range.count))
    }

    /// Calls `body` with each event in order and its place.
    package func forEachEvent(_ body: (_ event: Event, _ place: UInt64) -> Void) {
        self.withUnsafeBytes { bytes in
            var rest = bytes
            var index = 0
            while let event = Event(at: rest) {
                body(event, self.place(of: index))
                rest = UnsafeRawBufferPointer(rebasing: rest[event.record.count...])
                index += 1
            }
        }
    }

    /// The batch without its events below a place, on the same slab.
    package func dropping(below place: UInt64) -> Batch {
        guard place > self.first else { return self }
        return self.split(at: place).rest
    }

    /// The events below a place, and the others, on the same slab.
    package func split(at place: UInt64) -> (head: Batch, rest: Batch) {
        var start = self.range.lowerBound
        let count = self.count(below: place)
        for _ in 0..<count {
            let rest = UnsafeRawBufferPointer(start: self.slab.base + start, count: self.range.upperBound - start)
            guard let event = Event(at: rest) else { break }
            start += event.record.count
        }
        func part(_ first: UInt64, _ count: Int, _ holes: HoledPlaces?, _ range: Range<Int>) -> Batch {
            Batch(
                lane: self.lane, origin: self.origin, first: first, count: count, holes: holes, route: self.route,
                acceptedAt: self.acceptedAt, slab: self.slab, range: range)
        }
        let middle = self.holes == nil ? self.first + UInt64(count) : min(max(place, self.first), self.end)
        let holes = self.holes?.split(at: middle - self.first, count: count)
        return (
            part(self.first, count, holes?.head, self.range.lowerBound..<start),
            part(middle, self.count - count, holes?.rest, start..<self.range.upperBound)
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
