/// When a connection's answers go out: behind the read that brought their requests, or at the end of the turn.
struct FlushSchedule {
    /// Bytes are being turned into requests: answers to these are sent when that is done.
    private(set) var isReceiving = false
    private var isDue = false

    mutating func beginReceiving() { self.isReceiving = true }

    mutating func endReceiving() { self.isReceiving = false }

    /// True: it was not due at the end of the turn before.
    mutating func becomeDue() -> Bool {
        guard !self.isDue else { return false }
        self.isDue = true
        return true
    }

    /// The end of the turn has come.
    mutating func endTurn() { self.isDue = false }
}
