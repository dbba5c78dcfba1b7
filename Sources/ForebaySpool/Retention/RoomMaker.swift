/// Room that a log lacks.
struct RoomWanted: Sendable {
    /// Of the spool: as much as new events will need next.
    let kind: LogKind
    let bytes: Int
    /// The disk has refused it, whatever it says that it has.
    let isRefused: Bool
}

/// Makes room for the logs that count in one budget.
protocol RoomMaker: AnyObject, Sendable {
    /// A log that finds none asks each time. Returns at once.
    func makeRoom(for want: RoomWanted)
}
