import ForebayKafka

/// Looks for partitions that stand still, some in each look, and remembers the one that has for longest.
///
/// Time counts only while the cluster answers: what it is silent for as a whole is no partition's fault.
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
    /// When the cluster last answered, or took an event, and whether it has since a crowd was last looked for.
    private(set) var answeredAt: UInt64 = 0
    private var hasAnswered = false
    /// It was asked in vain since it last answered.
    private var hasFailed = false

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

    /// The cluster was asked and did not answer.
    mutating func failed() { self.hasFailed = true }

    /// The cluster answered, or took an event.
    ///
    /// - Returns: whether it was away before: asked in vain, and silent for longer than `outage`. One that nobody asked may just have had
    ///   nothing to say. A crowd that came meanwhile counts from now on.
    mutating func answered(now: UInt64, outage: UInt64) -> Bool {
        let isBack = self.hasFailed && now > self.answeredAt + outage
        if isBack { self.isCrowded = false }
        self.hasFailed = false
        self.answeredAt = max(self.answeredAt, now)
        self.hasAnswered = true
        return isBack
    }

    /// For how long something has not moved, as far as the cluster is known to have answered.
    ///
    /// - Parameter lasts: ms that an answer tells of, behind it.
    func silence(since moved: UInt64, now: UInt64, lasts: UInt64) -> UInt64 {
        let known = min(now, self.answeredAt + lasts)
        return known - min(known, moved)
    }

    /// Whether the queue was crowded at two looks that follow each other; it counts anew then. A look that no answer came before says
    /// nothing.
    mutating func crowded(_ isCrowded: Bool) -> Bool {
        guard self.hasAnswered || !isCrowded else { return false }
        self.hasAnswered = false
        let wasCrowded = self.isCrowded
        self.isCrowded = isCrowded && !wasCrowded
        return isCrowded && wasCrowded
    }
}
