package import ForebayTelemetry
import Synchronization

/// The root actor: keeps the stages alive, one by one, each from its own cursor, and takes them down in order.
///
/// A child that fails is replaced (new actor, new link, rewound to the cursor) after a backoff; its siblings go on.
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
    private var children: [Child] = []

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
    package func start(_ name: String, group: String? = nil, make: @escaping Make) {
        let restarts = self.metrics.counter(
            "forebay_stage_restarts_total", help: "Restarts of a stage by the supervisor.", labels: ["stage": name])
        let index = self.state.add(name: name, wall: self.wall)
        self.children.append(Child(make: make, group: group, restarts: restarts))
        self.children[index].task = Task(preferring: self.surroundings.tasks) { await self.keepAlive(index) }
    }

    /// What is known of every child, in the order they were started.
    package func reports() -> [StageReport] {
        zip(self.state.children, self.children).map { known, child in
            StageReport(
                name: known.name, state: known.state, restarts: known.restarts, lastError: known.lastError, since: known.since,
                facts: child.stage?.facts ?? [])
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
        guard let index = self.state.children.firstIndex(where: { $0.name == name }), self.state.children[index].state == .running,
            self.children[index].injected == nil, let run = self.children[index].run
        else { return false }
        self.children[index].injected = error
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
                for index in members {
                    group.addTask(executorPreference: self.surroundings.tasks) {
                        await self.takeDown(index, drained: drained, by: deadline)
                    }
                }
            }
        }
    }

    /// The children in the order they were started, by groups.
    private var groups: [[Int]] {
        var groups: [[Int]] = []
        for index in self.children.indices {
            if let group = self.children[index].group, let last = groups.last?.last, self.children[last].group == group {
                groups[groups.count - 1].append(index)
            } else {
                groups.append([index])
            }
        }
        return groups
    }

    private func takeDown(_ index: Int, drained: UInt64, by deadline: UInt64) async {
        if let stage = self.children[index].stage {
            await self.bounded(until: drained) { await stage.drain() }
        }
        self.children[index].run?.cancel()
        self.children[index].task?.cancel()
        if let task = self.children[index].task {
            await self.bounded(until: deadline) { await task.value }
        }
    }

    private func keepAlive(_ index: Int) async {
        while !self.state.isStopping {
            var failure: ForebayError?
            do {
                try await self.runOnce(index)
            } catch let error as ForebayError {
                failure = error
            } catch is CancellationError {
                failure = nil
            } catch {
                failure = ForebayError("stage_failed", recovery: .rewindAndRestart, "\(error)")
            }
            failure = self.children[index].injected ?? failure
            self.children[index].injected = nil
            var generator = self.surroundings.chance.generator
            let action = self.state.ended(index, error: failure, now: self.now, wall: self.wall, using: &generator)
            guard await self.perform(action, index) else { return }
        }
        // The node began to stop while the child waited for its restart.
        self.children[index].stage = nil
        self.state.finished(index, wall: self.wall)
    }

    private func runOnce(_ index: Int) async throws {
        let stage: any Stage
        if let present = self.children[index].stage {
            stage = present
        } else {
            stage = try await self.children[index].make()
            self.children[index].stage = stage
        }
        if self.state.isStopping { return }
        let run = Task(preferring: stage.taskExecutor ?? self.surroundings.tasks) { try await stage.run() }
        self.children[index].run = run
        self.state.started(index, now: self.now, wall: self.wall)
        try await run.value
    }

    /// - Returns: whether the child goes on.
    private func perform(_ action: SupervisorState.Action, _ index: Int) async -> Bool {
        let known = self.state.children[index]
        let delay: Int
        switch action {
        case .finish:
            self.children[index].stage = nil
            return false
        case .stayDown:
            self.children[index].stage = nil
            self.logger.error("stage stopped for good", ["stage": known.name, "error": known.lastError ?? ""])
            return false
        case .runAgain(let after): delay = after
        case .replace(let after):
            self.children[index].stage = nil
            delay = after
        }
        self.children[index].restarts.increment()
        self.logger.warning(
            "stage failed, it will be restarted",
            ["stage": known.name, "error": known.lastError ?? "", "restarts": "\(known.restarts)", "after_ms": "\(delay)"])
        // Cancelled only by shutdown, which the loop's condition sees.
        try? await self.surroundings.time.sleep(milliseconds: delay)
        self.state.starting(index, wall: self.wall)
        return true
    }

    /// Waits for `body`, but not beyond the deadline: what hangs must not keep the node from ending.
    private func bounded(until deadline: UInt64, _ body: @escaping @Sendable () async -> Void) async {
        let (ended, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let time = self.surroundings.time
        let left = Int(clamping: deadline - min(deadline, self.now))
        let work = Task(preferring: self.surroundings.tasks) {
            await body()
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
    }
}
