/// Decides for the ``Supervisor``: what becomes of a child that failed.
///
///     starting -> running -> waiting(backoff) -> starting …
///                    |  `--> stopped     its error said that a restart can't mend it
///                    `-----> finished    the node shuts down
struct SupervisorState {
    struct Child {
        let name: String
        var state: StageReport.State = .starting
        var restarts = 0
        var failuresInARow = 0
        var lastError: String?
        var since: Int64
        var runningSince: UInt64 = 0
    }

    enum Action: Equatable {
        /// The same stage may run on, after the delay in milliseconds.
        case runAgain(after: Int)
        /// A new stage, after the delay in milliseconds.
        case replace(after: Int)
        case stayDown
        case finish
    }

    private(set) var children: [Child] = []
    private(set) var isStopping = false
    private let policy: RestartPolicy

    init(policy: RestartPolicy) {
        self.policy = policy
    }

    mutating func add(name: String, wall: Int64) -> Int {
        self.children.append(Child(name: name, since: wall))
        return self.children.count - 1
    }

    mutating func started(_ index: Int, now milliseconds: UInt64, wall: Int64) {
        self.children[index].runningSince = milliseconds
        self.enter(.running, index, wall)
    }

    mutating func stop() {
        self.isStopping = true
    }

    /// A child's `run` ended; without an error it ended too early, unless the node is stopping.
    mutating func ended(
        _ index: Int, error: ForebayError?, now milliseconds: UInt64, wall: Int64, using generator: inout some RandomNumberGenerator
    ) -> Action {
        if self.isStopping {
            self.enter(.finished, index, wall)
            return .finish
        }
        self.children[index].lastError = error?.description ?? "ended before it was told to"
        if error?.recovery == .stop {
            self.enter(.stopped, index, wall)
            return .stayDown
        }
        let wasCalm =
            self.children[index].state == .running
            && milliseconds - self.children[index].runningSince >= UInt64(self.policy.calmAfter)
        self.children[index].failuresInARow = wasCalm ? 1 : self.children[index].failuresInARow + 1
        self.children[index].restarts += 1
        self.enter(.waiting, index, wall)
        let delay = self.policy.delay(failures: self.children[index].failuresInARow, using: &generator)
        return error?.recovery == .retry ? .runAgain(after: delay) : .replace(after: delay)
    }

    mutating func starting(_ index: Int, wall: Int64) {
        self.enter(.starting, index, wall)
    }

    mutating func finished(_ index: Int, wall: Int64) {
        self.enter(.finished, index, wall)
    }

    private mutating func enter(_ state: StageReport.State, _ index: Int, _ wall: Int64) {
        self.children[index].state = state
        self.children[index].since = wall
    }
}
