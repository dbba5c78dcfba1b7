/// Makes room for the logs that count in one budget.
protocol RoomMaker: AnyObject, Sendable {
    /// A log lacks so many bytes, and will ask again. Returns at once.
    func makeRoom(for bytes: Int, of kind: LogKind)
}
