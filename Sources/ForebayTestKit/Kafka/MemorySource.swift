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
        /// What of it this reading passes.
        var passed = SettledAhead()
        var waiting: [(end: UInt64, waiter: UnsafeContinuation<Void, Never>)] = []
        var failure: ForebayError?
        var settledAhead: UInt64 = 0

        /// Passes what is settled ahead.
        ///
        /// - Returns: where the next batch begins, and where it ends at the latest.
        mutating func nextPlace() -> (from: UInt64, limit: UInt64) {
            if self.cursor == self.next { self.cursor = self.passed.firstUnsettled(from: self.cursor) }
            self.next = self.passed.firstUnsettled(from: self.next)
            let index = self.passed.firstIndex(above: self.next)
            return (self.next, index < self.passed.ranges.count ? self.passed.ranges[index].lowerBound : .max)
        }
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
            state.passed = state.ahead?.kept ?? SettledAhead()
            state.reading += 1
            return state.reading
        }
        return AsyncStream(unfolding: {
            guard let (from, limit) = self.state.withLock({ $0.reading == reading ? $0.nextPlace() : nil }) else { return nil }
            guard let batch = await self.make(from) else {
                // Holds nothing more: waits for its cancellation, as an idle spool does.
                let (idle, _) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
                for await _ in idle {}
                return nil
            }
            return self.state.withLock { state in
                guard state.reading == reading else { return nil }
                let piece = batch.split(at: limit).head
                state.next = piece.end
                return piece
            }
        })
    }

    package func commit(through end: Offset) throws(ForebayError) {
        let (failure, waiters) = self.state.withLock { state -> (ForebayError?, [UnsafeContinuation<Void, Never>]) in
            if let failure = state.failure { return (failure, []) }
            precondition(end.lane == .spool(self.spool) && end.number >= state.cursor, "a cursor never moves back")
            state.cursor = state.passed.firstUnsettled(from: end.number)
            state.commits.append(end.number)
            let ready = state.waiting.filter { $0.end <= state.cursor }
            state.waiting.removeAll { $0.end <= state.cursor }
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
        self.state.withLock { state in
            var kept = ahead
            kept.add(state.passed.ranges)
            state.ahead = (kept, isFinal)
        }
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

extension SettledAhead {
    fileprivate func firstUnsettled(from place: UInt64) -> UInt64 {
        let index = self.firstIndex(above: place)
        return index < self.ranges.count && self.ranges[index].contains(place) ? self.ranges[index].upperBound : place
    }
}
