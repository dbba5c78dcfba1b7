package import ForebayCore
import Synchronization

/// An event source in memory: batches made on demand, a cursor that a test can wait for.
package final class MemorySource: EventSource {
    private struct State {
        var cursor: UInt64
        var next: UInt64
        /// How often it was begun anew; an earlier reading may still be ending, and is nobody's any more.
        var reading = 0
        var commits: [UInt64] = []
        var ahead: (kept: SettledAhead, isFinal: Bool)?
        var waiting: [(end: UInt64, waiter: UnsafeContinuation<Void, Never>)] = []
        var failure: ForebayError?
        var settledAhead: UInt64 = 0
    }

    package let spool: SpoolID
    private let state: Mutex<State>
    private let make: @Sendable (_ from: UInt64) async -> Batch?

    /// - Parameter make: gives the batch that begins at a sequence; none: the source holds nothing beyond, and waits.
    package init(spool: SpoolID, cursor: UInt64 = 0, make: @escaping @Sendable (_ from: UInt64) async -> Batch?) {
        self.spool = spool
        self.state = Mutex(State(cursor: cursor, next: cursor))
        self.make = make
    }

    package func batches() -> AsyncStream<Batch> {
        let reading = self.state.withLock { state in
            state.next = state.cursor
            state.reading += 1
            return state.reading
        }
        return AsyncStream(unfolding: {
            guard let from = self.state.withLock({ $0.reading == reading ? $0.next : nil }) else { return nil }
            guard let batch = await self.make(from) else {
                // Holds nothing more: waits for its cancellation, as an idle spool does.
                let (idle, _) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
                for await _ in idle {}
                return nil
            }
            return self.state.withLock { state in
                guard state.reading == reading else { return nil }
                state.next = batch.end
                return batch
            }
        })
    }

    package func commit(through end: Offset) throws(ForebayError) {
        let (failure, waiters) = self.state.withLock { state -> (ForebayError?, [UnsafeContinuation<Void, Never>]) in
            if let failure = state.failure { return (failure, []) }
            precondition(end.lane == .spool(self.spool) && end.number >= state.cursor, "a cursor never moves back")
            state.cursor = end.number
            state.commits.append(end.number)
            let ready = state.waiting.filter { $0.end <= end.number }
            state.waiting.removeAll { $0.end <= end.number }
            return (nil, ready.map(\.waiter))
        }
        if let failure { throw failure }
        for waiter in waiters { waiter.resume() }
    }

    package func load(_ lane: Lane) -> UInt64? { lane == .spool(self.spool) ? self.cursor.number : nil }

    package func flush() async {}

    package var cursor: Offset { Offset(lane: .spool(self.spool), number: self.state.withLock { $0.cursor }) }
    package var lag: UInt64 { self.state.withLock { $0.next - $0.cursor } }
    package var commits: [UInt64] { self.state.withLock { $0.commits } }

    package var keepsAhead: Bool { true }

    package func keep(_ ahead: SettledAhead, isFinal: Bool) {
        self.state.withLock { $0.ahead = (ahead, isFinal) }
    }

    /// What it was given to remember last, and whether that was at the end of a run.
    package var ahead: (kept: SettledAhead, isFinal: Bool)? { self.state.withLock { $0.ahead } }

    package func settled(ahead count: UInt64) {
        self.state.withLock { $0.settledAhead = count }
    }

    /// How many events are settled beyond the cursor, as it was told last.
    package var settledAhead: UInt64 { self.state.withLock { $0.settledAhead } }

    /// The cursor can't be moved from now on; none: it can again.
    package func failCommits(with failure: ForebayError?) {
        self.state.withLock { $0.failure = failure }
    }

    /// Waits until everything below `end` is settled.
    package func settled(through end: UInt64) async {
        await withUnsafeContinuation { waiter in
            let isDone = self.state.withLock { state in
                if state.cursor >= end { return true }
                state.waiting.append((end, waiter))
                return false
            }
            if isDone { waiter.resume() }
        }
    }
}
