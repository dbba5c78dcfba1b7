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
