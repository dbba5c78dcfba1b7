/// Decides for the ``Supervisor``: what becomes of a child that failed.
///
///     starting -> running -> waiting(backoff) -> starting …
///                    |  `--> stopped     its error said that a restart can't mend it
///                    `-----> finished    it was told to end, or all are
struct SupervisorState {
    struct Child {
        /// Never given twice: a child of the same name that comes later is another one.
        let id: Int
        let name: String
        /// It was told to end.
        var isLeaving = false
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
    private var lastID = 0

    init(policy: RestartPolicy) {
        self.policy = policy
    }

    subscript(id: Int) -> Child? { self.children.first { $0.id == id } }

    /// One of this name that was not told to end.
    func child(_ name: String) -> Child? { self.children.first { $0.name == name && !$0.isLeaving } }

    /// - Parameter other: the child whose place in the order it takes, before it; none: it is the last.
    /// - Returns: its id.
    mutating func add(name: String, before other: Int? = nil, wall: Int64) -> Int {
        self.lastID += 1
        let place = self.children.firstIndex { $0.id == other } ?? self.children.endIndex
        self.children.insert(Child(id: self.lastID, name: name, since: wall), at: place)
        return self.lastID
    }

    mutating func remove(_ id: Int) {
        self.children.removeAll { $0.id == id }
    }

    mutating func leave(_ id: Int) {
        self.change(id) { $0.isLeaving = true }
    }

    /// Whether a child is not to be started again.
    func isEnding(_ id: Int) -> Bool { self.isStopping || self[id]?.isLeaving ?? true }

    mutating func started(_ id: Int, now milliseconds: UInt64, wall: Int64) {
        self.change(id) { $0.runningSince = milliseconds }
        self.enter(.running, id, wall)
    }

    mutating func stop() {
        self.isStopping = true
    }

    /// A child's `run` ended; without an error it ended too early, unless it was told to.
    mutating func ended(
        _ id: Int, error: ForebayError?, now milliseconds: UInt64, wall: Int64, using generator: inout some RandomNumberGenerator
    ) -> Action {
        guard !self.isEnding(id), var child = self[id] else {
            self.enter(.finished, id, wall)
            return .finish
        }
        child.lastError = error?.description ?? "ended before it was told to"
        child.since = wall
        if error?.recovery == .stop {
            child.state = .stopped
            self.change(id) { $0 = child }
            return .stayDown
        }
        let wasCalm = child.state == .running && milliseconds - child.runningSince >= UInt64(self.policy.calmAfter)
        child.failuresInARow = wasCalm ? 1 : child.failuresInARow + 1
        child.restarts += 1
        child.state = .waiting
        self.change(id) { $0 = child }
        let delay = self.policy.delay(failures: child.failuresInARow, using: &generator)
        return error?.recovery == .retry ? .runAgain(after: delay) : .replace(after: delay)
    }

    mutating func starting(_ id: Int, wall: Int64) {
        self.enter(.starting, id, wall)
    }

    mutating func finished(_ id: Int, wall: Int64) {
        self.enter(.finished, id, wall)
    }

    private mutating func enter(_ state: StageReport.State, _ id: Int, _ wall: Int64) {
        self.change(id) { ($0.state, $0.since) = (state, wall) }
    }

    private mutating func change(_ id: Int, _ body: (inout Child) -> Void) {
        guard let index = self.children.firstIndex(where: { $0.id == id }) else { return }
        body(&self.children[index])
    }
}
