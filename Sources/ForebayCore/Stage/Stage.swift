/// One part of the system: an actor that moves events, kept alive by the ``Supervisor``.
package protocol Stage: Actor {
    /// Works until its input ends or its task is cancelled.
    ///
    /// - Throws: ``ForebayError``, whose `recovery` tells the supervisor what to do.
    func run() async throws

    /// Stops taking in, and finishes what was accepted. Called before the task is cancelled at shutdown.
    func drain() async

    /// Where the parts of `run()` go that are isolated to nobody; nil: Swift's pool.
    nonisolated var taskExecutor: (any TaskExecutor)? { get }

    /// What `status` shows beside the supervisor's own facts. Must not wait.
    nonisolated var facts: [Fact] { get }
}

extension Stage {
    package func drain() async {}
    package nonisolated var taskExecutor: (any TaskExecutor)? { nil }
    package nonisolated var facts: [Fact] { [] }
}
