/// What a client sends on after its last answer: read and dropped, for unread bytes at the close would make the system reset the
/// connection, and the client could lose the answer. Bounded in bytes here, and in time by the connection's deadline.
struct LingeringClose {
    enum Verdict { case allowed, needsPlace, tooMuch }

    /// All is sent, and the client is waited for.
    private(set) var hasBegun = false
    /// It has one of the places for those that may send more. See ``LingerPlaces``.
    private(set) var hasPlace = false
    private var dropped = 0

    mutating func begin() { self.hasBegun = true }

    /// More has come, and was dropped.
    mutating func drop(_ count: Int, _ times: HTTPTimes) -> Verdict {
        self.dropped += count
        if self.dropped <= times.lingerBytes { return .allowed }
        guard self.dropped <= times.longLingerBytes else { return .tooMuch }
        return self.hasPlace ? .allowed : .needsPlace
    }

    mutating func gotPlace() { self.hasPlace = true }
}
