/// Where a connection stands.
///
///     open --an answer that closes--> ending --all is sent--> lingering --client ends, or time--> closed
///       `--client gone, or time--------------------------------------------------------------> closed
///
/// `ending` and `lingering` read on and drop what comes, see ``LingeringClose``.
struct ConnectionState {
    enum Phase { case open, ending, lingering, closed }

    private(set) var phase = Phase.open
    private var hasSpoken = false
    private(set) var clientHasEnded = false

    /// Nothing of a request has come, ever.
    var isSilent: Bool { self.phase == .open && !self.hasSpoken }

    mutating func bytesCame() { self.hasSpoken = true }

    /// The client has ended its side; it may still read.
    mutating func clientEnded() { self.clientHasEnded = true }

    /// The answer that was written is the last.
    mutating func answeredLast() {
        precondition(self.phase == .open, "an answer behind the last one")
        self.phase = .ending
    }

    mutating func linger() {
        precondition(self.phase == .ending, "only what was answered lingers")
        self.phase = .lingering
    }

    mutating func close() { self.phase = .closed }
}
