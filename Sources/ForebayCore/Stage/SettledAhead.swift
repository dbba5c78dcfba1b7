/// What of a source is settled beyond its cursor, which an older event holds: not handed out again, in this process or the next.
///
/// Without it each restart would set the same events aside again for as long as the cursor stands, until they fill the disk.
package struct SettledAhead: Sendable, Equatable {
    /// Ascending, apart from each other. Of the source's own events within them each is settled; others may lie between.
    package private(set) var ranges: [Range<UInt64>]
    /// Below it, events that are in no range may have been delivered all the same: they were sent, and nobody reported them.
    package var sentBelow: UInt64
    /// What it stands on: where events are settled by being in a log, that log must still have them.
    package var witnesses: [LogWitness]

    package init(ranges: [Range<UInt64>] = [], sentBelow: UInt64 = 0, witnesses: [LogWitness] = []) {
        self.ranges = []
        self.sentBelow = sentBelow
        self.witnesses = witnesses
        self.add(ranges)
    }

    /// One past the last event that is settled.
    package var end: UInt64 { self.ranges.last?.upperBound ?? 0 }

    /// Takes over what else is known to be settled.
    package mutating func add(_ others: [Range<UInt64>]) {
        var merged: [Range<UInt64>] = []
        for range in (self.ranges + others).sorted(by: { $0.lowerBound < $1.lowerBound }) where !range.isEmpty {
            if let last = merged.last, range.lowerBound <= last.upperBound {
                merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        self.ranges = merged
    }

    /// Leaves only what lies in other ranges, which ascend and do not overlap; and forgets what is beyond so many ranges then.
    package mutating func clamp(to others: [Range<UInt64>], limit: Int) {
        var left: [Range<UInt64>] = []
        var index = 0
        for range in self.ranges {
            while index < others.count, others[index].upperBound <= range.lowerBound { index += 1 }
            for other in others[index...].prefix(while: { $0.lowerBound < range.upperBound }) { left.append(range.clamped(to: other)) }
        }
        self.ranges = []
        self.add(left)
        self.trim(below: 0, limit: limit)
    }

    /// Forgets what a cursor has passed, and what is beyond so many ranges: that may come again.
    package mutating func trim(below sequence: UInt64, limit: Int) {
        self.ranges.removeAll { $0.upperBound <= sequence }
        guard self.ranges.count > limit else { return }
        self.sentBelow = max(self.sentBelow, self.end)
        self.ranges.removeLast(self.ranges.count - limit)
    }

    /// The first range that ends above `sequence`.
    package func firstIndex(above sequence: UInt64) -> Int {
        var (low, high) = (0, self.ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if self.ranges[middle].upperBound <= sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
