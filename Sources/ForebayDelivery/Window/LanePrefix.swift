import ForebayCore

/// The settled prefix of one lane: its batches in flight, in order, and the first of their events that is not settled.
///
/// Each lane has its own, so that one that stands still delays nobody else's cursor, nor holds the bytes of others.
struct LanePrefix {
    let lane: Lane
    /// Its oldest batch in flight, and its newest.
    private(set) var first: UInt32
    private(set) var last: UInt32
    /// The first flight that is not settled.
    private(set) var head: UInt64
    /// All of it is settled: it has no batch in flight.
    private(set) var isEmpty = false
    /// The first flight that is not to be settled here any more: the cursor goes no further.
    private(set) var stop: UInt64 = .max

    init(_ lane: Lane, batch: UInt32, in batches: BatchQueue) {
        self.lane = lane
        (self.first, self.last) = (batch, batch)
        self.head = batches[batch].firstFlight
    }

    mutating func append(_ batch: UInt32, in batches: inout BatchQueue) {
        batches.link(self.last, to: batch)
        self.last = batch
    }

    /// Its cursor goes no further than a flight, or where it stands.
    mutating func stop(at flight: UInt64) {
        self.stop = min(self.stop, max(self.head, flight))
    }

    /// Moves over what is settled.
    ///
    /// - Parameter whole: called with each batch that is settled whole; it is let go of afterwards.
    /// - Returns: the end of what is settled, if it moved.
    mutating func advance(_ flights: FlightRing, _ batches: inout BatchQueue, whole: (BatchQueue.Entry) -> Void) -> UInt64? {
        var end: UInt64?
        while !self.isEmpty {
            let entry = batches[self.first]
            let before = self.head
            while self.head < entry.endFlight, flights[UInt32(truncatingIfNeeded: self.head)].status == .settled { self.head += 1 }
            end = self.end(of: entry, from: before) ?? end
            guard self.head == entry.endFlight else { return end }
            whole(entry)
            batches.remove(self.first)
            guard let next = entry.next else {
                self.isEmpty = true
                return end
            }
            self.first = next
            self.head = batches[next].firstFlight
        }
        return end
    }

    /// One past the last event that the cursor may pass in a batch, if it passes any.
    private func end(of entry: BatchQueue.Entry, from before: UInt64) -> UInt64? {
        let reached = min(self.head, self.stop)
        guard reached > before else { return nil }
        return reached == entry.endFlight ? entry.batch.end : entry.place(of: reached)
    }
}
