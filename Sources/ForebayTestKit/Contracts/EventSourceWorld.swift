package import ForebayCore

/// What the contract of ``EventSource`` needs of one conformer: a source with events, over one lane or several.
package protocol EventSourceWorld: AnyObject {
    var source: any EventSource { get }
    /// Where its tasks run; none: Swift's pool.
    var tasks: (any TaskExecutor)? { get }

    /// Adds events, the oldest first. Those of a lane keep that order.
    func add(_ values: [String]) async throws

    /// A run of the stage begins, as the one before has ended: it reads, and all that there is can be handed out.
    func begin(_ read: () -> AsyncStream<Batch>) -> AsyncStream<Batch>

    /// The process is killed, and the next one has a source of its own.
    ///
    /// - Returns: false: it has no next one.
    func restart() async throws -> Bool

    /// Takes all lanes away.
    ///
    /// - Parameter isLost: they are somebody else's already; otherwise what is in flight may be settled.
    /// - Returns: false: nobody can.
    func takeLanes(isLost: Bool) -> Bool
}

extension EventSourceWorld {
    package var tasks: (any TaskExecutor)? { nil }
    package func begin(_ read: () -> AsyncStream<Batch>) -> AsyncStream<Batch> { read() }
    package func restart() async throws -> Bool { false }
    package func takeLanes(isLost: Bool) -> Bool { false }
}
