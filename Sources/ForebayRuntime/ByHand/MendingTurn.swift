import Synchronization

/// What an operator does with what a node holds: one at a time, of all kinds, and nothing any more once the node stops. Whoever comes
/// meanwhile is told so, and doesn't wait.
package final class MendingTurn: Sendable {
    enum Entry { case entered, busy, stopping }

    private struct State {
        var isTaken = false
        var isStopping = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    package init() {}

    /// - Returns: `entered`: it is the caller's now, until it leaves.
    func enter() -> Entry {
        self.state.withLock { state in
            guard !state.isStopping else { return .stopping }
            guard !state.isTaken else { return .busy }
            state.isTaken = true
            return .entered
        }
    }

    /// Does it, if it is nobody else's just now.
    ///
    /// - Parameters:
    ///   - busy, stopping: what is answered otherwise.
    func perform<Answer>(busy: Answer, stopping: Answer, _ work: () async -> Answer) async -> Answer {
        switch self.enter() {
        case .busy: return busy
        case .stopping: return stopping
        case .entered: break
        }
        defer { self.leave() }
        return await work()
    }

    func leave() {
        let waiting = self.state.withLock { state in
            defer { (state.isTaken, state.waiting) = (false, []) }
            return state.waiting
        }
        for waiter in waiting { waiter.resume() }
    }

    /// Whoever is at it ends as soon as it can.
    var isStopping: Bool { self.state.withLock { $0.isStopping } }

    /// Nobody begins any more.
    func stop() { self.state.withLock { $0.isStopping = true } }

    /// Nobody begins any more; waits for the one who has begun.
    func end() async {
        self.stop()
        await withCheckedContinuation { waiter in
            let isOver = self.state.withLock { state in
                if state.isTaken { state.waiting.append(waiter) }
                return !state.isTaken
            }
            if isOver { waiter.resume() }
        }
    }
}
