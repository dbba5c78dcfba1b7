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

/// One fact about a stage, for people.
package struct Fact: Sendable, Equatable {
    package enum Value: Sendable, Equatable {
        case number(Int64)
        case text(String)
        case flag(Bool)
    }

    package let name: String
    package let value: Value

    package init(_ name: String, _ value: Value) {
        self.name = name
        self.value = value
    }
}

/// What the supervisor knows of a child.
package struct StageReport: Sendable, Equatable {
    package enum State: String, Sendable {
        case starting, running, waiting, stopped, finished
    }

    package let name: String
    /// `waiting`: it failed, and a restart is due; `stopped`: a restart can't mend it.
    package let state: State
    package let restarts: Int
    package let lastError: String?
    /// Milliseconds since 1970 when it entered the state.
    package let since: Int64
    package let facts: [Fact]

    package init(name: String, state: State, restarts: Int, lastError: String?, since: Int64, facts: [Fact]) {
        self.name = name
        self.state = state
        self.restarts = restarts
        self.lastError = lastError
        self.since = since
        self.facts = facts
    }
}
