package import ForebayTelemetry
import Synchronization

/// The root actor: keeps the stages alive, one by one, each from its own cursor, and takes them down in order.
///
/// A child that fails is replaced (new actor, new link, rewound to the cursor) after a backoff; its siblings go on. Children come, go, and
/// are exchanged while the others run.
package actor Supervisor {
    package typealias Make = @Sendable () async throws -> any Stage

    private struct Child {
        let make: Make
        /// Children of one group, started one after the other, go down together.
        let group: String?
        let restarts: Counter
        var stage: (any Stage)?
        var task: Task<Void, Never>?
        /// The run in progress, or the last one; cancelled alone to end this run and not the child.
        var run: Task<Void, any Error>?
        /// Made to fail from outside; becomes the reason of the cancellation that follows.
        var injected: ForebayError?
    }

    private let surroundings: Surroundings
    private let logger = Logger(label: "supervisor")
    private let metrics: MetricsRegistry
    private var state: SupervisorState {
        didSet { self.published.withLock { $0 = self.state.children } }
    }
    /// For those who ask often and can't wait.
    private nonisolated let published = Mutex<[SupervisorState.Child]>([])
    /// By their ids.
    private var children: [Int: Child] = [:]

    package init(policy: RestartPolicy = RestartPolicy(), metrics: MetricsRegistry, surroundings: Surroundings) {
        self.state = SupervisorState(policy: policy)
        self.metrics = metrics
        self.surroundings = surroundings
    }

    private var wall: Int64 { self.surroundings.time.wallMilliseconds }
    private var now: UInt64 { self.surroundings.time.monotonicNanoseconds / 1_000_000 }

    /// Starts a child and keeps it alive.
    ///
    /// - Parameters:
    ///   - group: children that go down side by side, so that as many as there are take no longer than one; none: one of its own.
    ///   - make: makes the stage anew, with new links and from the last committed cursor; called for each start but `retry`.
    /// - Returns: false if one of that name is there already, or the node is stopping.
    @discardableResult
    package func start(_ name: String, group: String? = nil, make: @escaping Make) -> Bool {
        guard !self.state.isStopping, !self.state.children.contains(where: { $0.name == name }) else { return false }
        self.start(name, group, before: nil, make)
        return true
    }

    private func start(_ name: String, _ group: String?, before other: Int?, _ make: @escaping Make) {
        let restarts = self.metrics.counter(
            "forebay_stage_restarts_total", help: "Restarts of a stage by the supervisor.", labels: ["stage": name])
        let id = self.state.add(name: name, before: other, wall: self.wall)
        self.children[id] = Child(make: make, group: group, restarts: restarts)
        self.children[id]?.task = Task(preferring: self.surroundings.tasks) { await self.keepAlive(id) }
    }

    /// Takes one child down for good: it is drained, then cancelled. The others go on.
    ///
    /// - Returns: false if there is none of that name, or it has not ended in time: it is still there then, and ends when it does.
    package func stop(_ name: String, within timeout: Duration) async -> Bool {
        guard let id = self.state.child(name)?.id else { return false }
        guard await self.end(id, within: timeout) else { return false }
        self.remove(id)
        return true
    }

    /// Takes one child down, and starts another in its place, under the same name, once it has ended: two never work beside each other.
    ///
    /// - Returns: false as for ``stop(_:within:)``; nothing is started then.
    package func replace(_ name: String, within timeout: Duration, make: @escaping Make) async -> Bool {
        guard let id = self.state.child(name)?.id else { return false }
        guard await self.end(id, within: timeout), !self.state.isStopping else { return false }
        self.start(name, self.children[id]?.group, before: id, make)
        self.remove(id)
        return true
    }

    private func end(_ id: Int, within timeout: Duration) async -> Bool {
        self.state.leave(id)
        let patience = UInt64(max(0, timeout / .milliseconds(1)))
        let deadline = self.now + patience
        if await self.takeDown(id, drained: deadline - min(1000, patience / 10), by: deadline) { return true }
        if let task = self.children[id]?.task {
            Task(preferring: self.surroundings.tasks) {
                await task.value
                await self.remove(id)
            }
        }
        return false
    }

    private func remove(_ id: Int) {
        self.state.remove(id)
        self.children[id] = nil
    }

    /// What is known of every child, in their order.
    package func reports() -> [StageReport] {
        self.state.children.map { known in
            StageReport(
                name: known.name, state: known.state, restarts: known.restarts, lastError: known.lastError, since: known.since,
                facts: self.children[known.id]?.stage?.facts ?? [])
        }
    }

    /// The children that do not run, with their last error; from any thread, without waiting.
    package nonisolated var notRunning: [(name: String, error: String?)] {
        self.published.withLock { $0 }.filter { $0.state != .running }.map { ($0.name, $0.lastError) }
    }

    /// Ends the current run of a child as if it had failed with `error`. For tests: whoever calls this proves the restart.
    ///
    /// - Returns: false if the child does not run now.
    package func fail(_ name: String, with error: ForebayError) -> Bool {
        guard let known = self.state.child(name), known.state == .running, let child = self.children[known.id], child.injected == nil,
            let run = child.run
        else { return false }
        self.children[known.id]?.injected = error
        run.cancel()
        return true
    }

    /// Takes all children down, the last started first, those of a group side by side, each drained before it is cancelled, in at most
    /// `timeout` together.
    package func shutdown(within timeout: Duration) async {
        self.state.stop()
        let patience = UInt64(max(0, timeout / .milliseconds(1)))
        let deadline = self.now + patience
        // Who drains to the end still has to end: what it settled last is to be known.
        let drained = deadline - min(1000, patience / 10)
        for members in self.groups.reversed() {
            await withTaskGroup(of: Void.self) { group in
                for id in members {
                    group.addTask(executorPreference: self.surroundings.tasks) {
                        _ = await self.takeDown(id, drained: drained, by: deadline)
                    }
                }
            }
        }
    }

    /// The ids of the children in their order, by groups.
    private var groups: [[Int]] {
        var groups: [[Int]] = []
        for known in self.state.children {
            let group = self.children[known.id]?.group
            if let group, let last = groups.last?.last, self.children[last]?.group == group {
                groups[groups.count - 1].append(known.id)
            } else {
                groups.append([known.id])
            }
        }
        return groups
    }

    /// - Returns: whether it has ended.
    private func takeDown(_ id: Int, drained: UInt64, by deadline: UInt64) async -> Bool {
        if let stage = self.children[id]?.stage {
            await self.bounded(until: drained) { await stage.drain() }
        }
        self.children[id]?.run?.cancel()
        self.children[id]?.task?.cancel()
        guard let task = self.children[id]?.task else { return true }
        return await self.bounded(until: deadline) { await task.value }
    }

    private func keepAlive(_ id: Int) async {
        while !self.state.isEnding(id) {
            var failure: ForebayError?
            do {
                try await self.runOnce(id)
            } catch let error as ForebayError {
                failure = error
            } catch is CancellationError {
                failure = nil
            } catch {
                failure = ForebayError("stage_failed", recovery: .rewindAndRestart, "\(error)")
            }
            failure = self.children[id]?.injected ?? failure
            self.children[id]?.injected = nil
            var generator = self.surroundings.chance.generator
            let action = self.state.ended(id, error: failure, now: self.now, wall: self.wall, using: &generator)
            guard await self.perform(action, id) else { return }
        }
        // It was told to end, or the node began to stop, while it waited for its restart.
        self.children[id]?.stage = nil
        self.state.finished(id, wall: self.wall)
    }

    private func runOnce(_ id: Int) async throws {
        let stage: any Stage
        if let present = self.children[id]?.stage {
            stage = present
        } else {
            guard let make = self.children[id]?.make else { return }
            stage = try await make()
            self.children[id]?.stage = stage
        }
        if self.state.isEnding(id) { return }
        let run = Task(preferring: stage.taskExecutor ?? self.surroundings.tasks) { try await stage.run() }
        self.children[id]?.run = run
        self.state.started(id, now: self.now, wall: self.wall)
        try await run.value
    }

    /// - Returns: whether the child goes on.
    private func perform(_ action: SupervisorState.Action, _ id: Int) async -> Bool {
        guard let known = self.state[id] else { return false }
        let delay: Int
        switch action {
        case .finish:
            self.children[id]?.stage = nil
            return false
        case .stayDown:
            self.children[id]?.stage = nil
            self.logger.error("stage stopped for good", ["stage": known.name, "error": known.lastError ?? ""])
            return false
        case .runAgain(let after): delay = after
        case .replace(let after):
            self.children[id]?.stage = nil
            delay = after
        }
        self.children[id]?.restarts.increment()
        self.logger.warning(
            "stage failed, it will be restarted",
            ["stage": known.name, "error": known.lastError ?? "", "restarts": "\(known.restarts)", "after_ms": "\(delay)"])
        // Cancelled only where it is to end, which the loop's condition sees.
        try? await self.surroundings.time.sleep(milliseconds: delay)
        self.state.starting(id, wall: self.wall)
        return true
    }

    /// Waits for `body`, but not beyond the deadline: what hangs must not keep the node from ending.
    ///
    /// - Returns: whether it has ended.
    @discardableResult
    private func bounded(until deadline: UInt64, _ body: @escaping @Sendable () async -> Void) async -> Bool {
        let (ended, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let time = self.surroundings.time
        let left = Int(clamping: deadline - min(deadline, self.now))
        let hasEnded = Mutex(false)
        let work = Task(preferring: self.surroundings.tasks) {
            await body()
            hasEnded.withLock { $0 = true }
            signal.finish()
        }
        let timer = Task(preferring: self.surroundings.tasks) {
            // Cancelled when the work has ended in time.
            try? await time.sleep(milliseconds: left)
            signal.finish()
        }
        for await _ in ended {}
        work.cancel()
        timer.cancel()
        return hasEnded.withLock { $0 }
    }
}
