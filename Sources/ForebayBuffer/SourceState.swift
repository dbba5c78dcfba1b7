import ForebayCore

/// Decides where a route's cursor may stand.
///
///     cursor ... settled prefix ... | handed out, not settled ... settled ahead, not handed out ... | position of the reader
///
/// While something is handed out the cursor stands at the end of the settled prefix. When nothing is, it stands where the
/// reader does: events of other routes, and holes, hold nothing back.
///
/// What is given up is below the cursor whatever is settled. What was handed out of it is in memory, and is delivered all the same.
struct SourceState {
    private struct Handed {
        let first: UInt64
        var end: UInt64
        let acceptedAt: Int64
        /// It was settled before this reading, and is not handed out.
        var isSettled = false
    }

    /// Where to move the cursor, and how many events of the route that passes.
    struct Move: Equatable {
        let sequence: UInt64
        let settled: UInt64
    }

    private var handed: [Handed] = []
    private var head = 0
    /// One past the last settled event.
    private var settledEnd: UInt64
    /// Where the reader stands.
    private(set) var position: UInt64
    /// Everything below it is given up; 0: nothing is.
    private(set) var givenUpEnd: UInt64 = 0

    init(cursor: UInt64) {
        self.settledEnd = cursor
        self.position = cursor
    }

    /// When the oldest event that is handed out and not settled was accepted, in ms since 1970.
    var oldestAcceptedAt: Int64? { self.head < self.handed.count ? self.handed[self.head].acceptedAt : nil }

    /// Its sequence, or below it.
    var oldestSequence: UInt64? { self.head < self.handed.count ? max(self.settledEnd, self.handed[self.head].first) : nil }

    mutating func hand(_ batch: Batch) {
        self.handed.append(Handed(first: batch.first, end: batch.end, acceptedAt: batch.acceptedAt))
        self.position = max(self.position, batch.end)
    }

    /// The route's events of a range that are settled already stand between those handed out.
    mutating func pass(_ range: Range<UInt64>) -> Move? {
        self.position = max(self.position, range.upperBound)
        if self.isIdle {
            self.settledEnd = max(self.settledEnd, range.upperBound)
            return Move(sequence: self.position, settled: UInt64(range.count))
        }
        let last = self.handed.count - 1
        if self.handed[last].isSettled, self.handed[last].end == range.lowerBound {
            self.handed[last].end = range.upperBound
        } else {
            self.handed.append(Handed(first: range.lowerBound, end: range.upperBound, acceptedAt: 0, isSettled: true))
        }
        return nil
    }

    /// The reader has looked at everything below `position`.
    mutating func reached(_ position: UInt64) -> Move? {
        self.position = max(self.position, position)
        return self.isIdle ? Move(sequence: self.position, settled: 0) : nil
    }

    /// Everything handed out below `end` is settled. What this reading has not handed out is an earlier one's, whose stage is still ending
    /// after a move that failed: it comes again, and counts then.
    mutating func settle(through end: UInt64) -> Move? {
        let end = min(end, self.handed.last?.end ?? self.settledEnd)
        guard end > self.settledEnd else { return nil }
        var settled: UInt64 = 0
        while self.head < self.handed.count {
            let batch = self.handed[self.head]
            guard batch.first < end else { break }
            settled += self.count(of: batch, from: self.givenUpEnd, below: end)
            guard batch.end <= end else { break }
            self.head += 1
        }
        self.settledEnd = end
        while self.head < self.handed.count, self.handed[self.head].isSettled {
            let passed = self.handed[self.head]
            settled += self.count(of: passed, from: self.givenUpEnd, below: .max)
            self.settledEnd = max(self.settledEnd, passed.end)
            self.head += 1
        }
        if self.head * 2 > self.handed.count {
            self.handed.removeFirst(self.head)
            self.head = 0
        }
        return Move(sequence: max(self.settledEnd, self.isIdle ? self.position : self.givenUpEnd), settled: settled)
    }

    /// Events of one that was handed out, beyond the settled prefix, in a range of places.
    private func count(of batch: Handed, from start: UInt64, below end: UInt64) -> UInt64 {
        let end = min(end, batch.end)
        return end - min(end, max(batch.first, self.settledEnd, start))
    }

    // MARK: Giving up

    /// All below a place is given up: the cursor never stands below it again.
    ///
    /// - Returns: how many of its events, from a place on, are handed out: those are delivered all the same.
    mutating func giveUp(from start: UInt64, below end: UInt64) -> UInt64 {
        self.givenUpEnd = max(self.givenUpEnd, end)
        self.position = max(self.position, end)
        return self.handed[self.head...].reduce(0) { $0 + self.count(of: $1, from: start, below: end) }
    }

    /// Events that are given up and in memory, beyond the settled prefix.
    var givenUp: UInt64 { self.handed[self.head...].reduce(0) { $0 + self.count(of: $1, from: 0, below: self.givenUpEnd) } }

    /// The run is over: what is given up and in memory is delivered no more.
    ///
    /// - Parameter ahead: what of it is settled.
    /// - Returns: how many are not.
    mutating func dropGivenUp(settled ahead: SettledAhead) -> UInt64 {
        var dropped: UInt64 = 0
        while self.head < self.handed.count, self.handed[self.head].first < self.givenUpEnd {
            let batch = self.handed[self.head]
            if !batch.isSettled {
                let settled = ahead.ranges.reduce(0) {
                    $0 + self.count(of: batch, from: $1.lowerBound, below: min($1.upperBound, self.givenUpEnd))
                }
                dropped += self.count(of: batch, from: 0, below: self.givenUpEnd) - settled
            }
            guard batch.end <= self.givenUpEnd else { break }
            self.head += 1
        }
        self.settledEnd = max(self.settledEnd, self.givenUpEnd)
        return dropped
    }

    /// Events beyond the cursor that were settled before this reading.
    var settledAhead: UInt64 { self.handed[self.head...].reduce(0) { $0 + ($1.isSettled ? $1.end - $1.first : 0) } }

    /// Batches in memory: those not settled, and at most as many that are.
    var held: Int { self.handed.count }

    /// Where the reader stands, if everything it handed out is settled.
    var idlePosition: UInt64? { self.isIdle ? self.position : nil }

    private var isIdle: Bool { self.head == self.handed.count }
}
