import Synchronization

/// What happened, in order, from any thread; a test waits for it instead of sleeping.
package final class Happenings<Element: Sendable>: Sendable {
    private struct State {
        var all: [Element] = []
        var waiting: [(isMet: @Sendable ([Element]) -> Bool, continuation: UnsafeContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())

    package init() {}

    package var all: [Element] { self.state.withLock { $0.all } }
    package var count: Int { self.state.withLock { $0.all.count } }

    package func add(_ element: Element) {
        let met = self.state.withLock { state in
            state.all.append(element)
            let met = state.waiting.filter { $0.isMet(state.all) }
            state.waiting.removeAll { $0.isMet(state.all) }
            return met
        }
        for waiting in met { waiting.continuation.resume() }
    }

    /// Returns when what happened meets the condition. Bound it by the test's `.timeLimit`.
    package func wait(until isMet: @escaping @Sendable ([Element]) -> Bool) async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let isThere = self.state.withLock { state in
                guard !isMet(state.all) else { return true }
                state.waiting.append((isMet, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    package func wait(forCount count: Int) async { await self.wait { $0.count >= count } }
}
