/// The simulated threads of a process: whose turn it is, and who is in the middle of a call, in which others go on.
struct SimulatedThreads {
    /// So deep may calls lie in each other, all on one real stack.
    static let deepest = 4

    /// Those that are in a call, the outermost first.
    private(set) var waiting: [Int] = []
    /// Whose turn it is; none: that of a task which is isolated to nobody.
    private var current: Int?
    private var last = 0

    /// For a thread, or for an executor of one.
    mutating func newNumber() -> Int {
        self.last += 1
        return self.last
    }

    mutating func begin(_ thread: Int?) { self.current = thread }

    mutating func end() { self.current = nil }

    /// The one whose turn it is begins a call.
    ///
    /// - Returns: false: nobody can go on meanwhile.
    mutating func enterCall() -> Bool {
        guard self.waiting.count < Self.deepest, let current else { return false }
        self.waiting.append(current)
        return true
    }

    /// The innermost call is over, and it is its thread's turn again.
    mutating func leaveCall() { self.current = self.waiting.removeLast() }
}
