/// What ingest knows of the disk behind the buffer, and tells of it. All of it is cheap, and from any thread.
package struct IngestStorage: Sendable {
    /// Whether the buffer would refuse for want of room.
    let isFull: @Sendable () -> Bool
    /// Why nothing that is stored now could be found again; none if all is well.
    let fault: @Sendable () -> String?
    /// The buffer refused a group, with what it said.
    let refused: @Sendable (String) -> Void
    /// It stores again.
    let stored: @Sendable () -> Void

    package init(
        isFull: @escaping @Sendable () -> Bool = { false }, fault: @escaping @Sendable () -> String? = { nil },
        refused: @escaping @Sendable (String) -> Void = { _ in }, stored: @escaping @Sendable () -> Void = {}
    ) {
        self.isFull = isFull
        self.fault = fault
        self.refused = refused
        self.stored = stored
    }
}
