import ForebayCore
import Synchronization

/// A clock whose time moves only when a test says so.
///
///     let clock = ManualClock()
///     …the code under test sleeps on `clock`…
///     await clock.sleepers(atLeast: 1)   // a signal, not a wait for luck
///     clock.advance(by: .seconds(30))
package final class ManualClock: Clock {
    package struct Instant: InstantProtocol {
        package let offset: Duration

        package func advanced(by duration: Duration) -> Instant { Instant(offset: self.offset + duration) }
        package func duration(to other: Instant) -> Duration { other.offset - self.offset }
        package static func < (left: Self, right: Self) -> Bool { left.offset < right.offset }
    }

    private struct Sleeper {
        let deadline: Instant
        let continuation: UnsafeContinuation<Void, any Error>
    }

    private struct State {
        var now = Instant(offset: .zero)
        var lastID: UInt64 = 0
        var sleepers: [UInt64: Sleeper] = [:]
        var watchers: [(count: Int, continuation: UnsafeContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())

    package init() {}

    package var now: Instant { self.state.withLock { $0.now } }
    package var minimumResolution: Duration { .zero }

    /// How long the sleepers still sleep, the soonest first.
    package var remaining: [Duration] {
        self.state.withLock { state in state.sleepers.values.map { state.now.duration(to: $0.deadline) }.sorted() }
    }

    package func sleep(until deadline: Instant, tolerance: Duration? = nil) async throws {
        let id = self.state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { (continuation: UnsafeContinuation<Void, any Error>) in
                let watchers = self.state.withLock { state -> [UnsafeContinuation<Void, Never>]? in
                    // Asked under the lock: a cancellation from here on finds the sleeper below.
                    if Task.isCancelled { return nil }
                    state.sleepers[id] = Sleeper(deadline: deadline, continuation: continuation)
                    defer { state.watchers.removeAll { $0.count <= state.sleepers.count } }
                    return state.watchers.filter { $0.count <= state.sleepers.count }.map(\.continuation)
                }
                guard let watchers else { return continuation.resume(throwing: CancellationError()) }
                for watcher in watchers { watcher.resume() }
                self.wakeDue()
            }
        } onCancel: {
            let sleeper = self.state.withLock { $0.sleepers.removeValue(forKey: id) }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }

    /// Moves time and wakes those whose time has come.
    package func advance(by duration: Duration) {
        self.state.withLock { $0.now = $0.now.advanced(by: duration) }
        self.wakeDue()
    }

    /// Returns when at least `count` sleep.
    package func sleepers(atLeast count: Int) async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let isThere = self.state.withLock { state in
                guard state.sleepers.count < count else { return true }
                state.watchers.append((count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    private func wakeDue() {
        let due = self.state.withLock { state in
            let due = state.sleepers.filter { $0.value.deadline <= state.now }.sorted {
                ($0.value.deadline, $0.key) < ($1.value.deadline, $1.key)
            }
            for (id, _) in due { state.sleepers[id] = nil }
            return due
        }
        for (_, sleeper) in due { sleeper.continuation.resume() }
    }
}

extension ManualClock: TimeSource {
    package var wallMilliseconds: Int64 { 1_700_000_000_000 + Int64(self.now.offset / .milliseconds(1)) }
    package var monotonicNanoseconds: UInt64 { UInt64(self.now.offset / .nanoseconds(1)) }

    package func sleep(milliseconds: Int) async throws { try await self.sleep(until: self.now.advanced(by: .milliseconds(milliseconds))) }
}
