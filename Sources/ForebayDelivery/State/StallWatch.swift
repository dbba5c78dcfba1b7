import ForebayKafka

/// Looks for partitions that stand still, some in each look, and remembers the one that has for longest.
struct StallWatch {
    /// A partition that has stood still for long, and not yet for long enough to be set aside.
    struct Stall: Equatable {
        let topic: String
        let partition: Int32
        /// When it last moved.
        let movedAt: UInt64
        var code = KafkaErrorCode.timedOut
    }

    /// Where the next look begins.
    private(set) var lookedAt = 0
    /// Of the last look that is over, and of the one that goes on.
    private(set) var longest: Stall?
    private var seen: Stall?
    /// At the last look the queue was full of events that go alone.
    private var isCrowded = false

    /// The next look.
    ///
    /// - Parameter most: partitions it covers at most.
    /// - Returns: the places it covers, and whether a new round begins with it.
    mutating func look(among count: Int, atMost most: Int) -> (places: Range<Int>, isFirst: Bool) {
        let first = self.lookedAt < count ? self.lookedAt : 0
        if first == 0 { self.seen = nil }
        self.lookedAt = min(count, first + most)
        return (first..<self.lookedAt, first == 0)
    }

    /// - Returns: whether all of `count` were looked at.
    mutating func endLook(among count: Int) -> Bool {
        guard self.lookedAt == count else { return false }
        self.longest = self.seen
        return true
    }

    mutating func see(_ stall: Stall) {
        if stall.movedAt < self.seen?.movedAt ?? .max { self.seen = stall }
    }

    /// Whether the queue was crowded at two looks that follow each other; it counts anew then.
    mutating func crowded(_ isCrowded: Bool) -> Bool {
        let wasCrowded = self.isCrowded
        self.isCrowded = isCrowded && !wasCrowded
        return isCrowded && wasCrowded
    }
}
