/// Room that somebody else has to make.
enum RoomWanted: Sendable {
    /// For one file of new events more, before they need it.
    case ahead
    /// A side log lacks so many bytes, and asks again as long as it does.
    ///
    /// - Parameter isRefused: by the disk, whatever that says it has.
    case sideLog(LogKind, bytes: Int, isRefused: Bool)
}

/// Makes room for the logs that count in one budget.
protocol RoomMaker: AnyObject, Sendable {
    /// Returns at once.
    func makeRoom(for want: RoomWanted)
}
