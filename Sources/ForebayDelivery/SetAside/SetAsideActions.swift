import ForebayKafka

/// What a ``SetAsideState`` wants done: it is taken once the state is let go of.
struct SetAsideActions {
    /// What an operator may want to know.
    enum Note: Equatable {
        case entered(SetAsideKey, KafkaFailure)
        /// - Parameters:
        ///   - events: how many were delivered since the start.
        ///   - takenOut: how many were removed, moved or given up.
        case left(SetAsideKey, events: UInt64, takenOut: UInt64 = 0, since: Int64)
    }

    /// Units that are empty: the log is to forget them.
    var gone: [UInt64] = []
    /// Units whose cursor is to be moved.
    var moved: Set<UInt64> = []
    /// Turns that are over: none of their units are left.
    var turnsOver: [SetAsideTurn] = []
    var notes: [Note] = []
}

/// What the reader of the set-aside log is to read, and to stop reading.
struct ReadRequests {
    /// From their settled ends on.
    private(set) var start: [UInt64] = []
    /// The drain gave them up while they were read.
    private(set) var drop: [UInt64] = []

    var isEmpty: Bool { self.start.isEmpty && self.drop.isEmpty }

    mutating func start(_ unit: UInt64) { self.start.append(unit) }

    mutating func drop(_ unit: UInt64) { self.drop.append(unit) }

    mutating func take() -> (start: [UInt64], drop: [UInt64]) {
        defer { self = ReadRequests() }
        return (self.start, self.drop)
    }
}
