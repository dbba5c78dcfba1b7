import ForebayCore

/// The time of day, asked once in a turn of the loop.
struct TurnClock {
    private let clock: @Sendable () -> Int64
    private var turn: UInt64 = 0
    private var time: Int64 = 0

    /// - Parameter clock: the time of day, in milliseconds since 1970.
    init(_ clock: @escaping @Sendable () -> Int64) {
        self.clock = clock
    }

    /// The same for all of a turn.
    ///
    /// - Parameter turn: the loop's milliseconds, which stand still in a turn.
    mutating func milliseconds(in turn: UInt64) -> Int64 {
        if self.turn != turn { (self.turn, self.time) = (turn, self.clock()) }
        return self.time
    }

    /// The time now. None: it can't be right.
    var acceptedAt: Int64? {
        let now = self.clock()
        return ClockRule.fault(at: now) == nil ? now : nil
    }
}
