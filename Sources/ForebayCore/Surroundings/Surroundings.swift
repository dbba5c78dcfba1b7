/// What a node takes from outside and can't repeat: time, chance, and whose threads its actors and tasks run on.
///
/// The process has one, ``real``. A simulation brings its own and decides all of it from a seed; so whatever keeps events safe takes
/// these from here, and never from Swift's runtime directly.
package struct Surroundings: Sendable {
    package var time: any TimeSource
    package var chance: any ChanceSource
    package var executors: any ExecutorSource

    package init(time: any TimeSource, chance: any ChanceSource, executors: any ExecutorSource) {
        self.time = time
        self.chance = chance
        self.executors = executors
    }

    package static let real = Surroundings(time: SystemTime(), chance: SystemChance(), executors: SystemExecutors())

    /// For tasks that belong to no actor with an executor of its own: `Task(preferring: surroundings.tasks) { … }`. None: Swift's
    /// pool.
    package var tasks: (any TaskExecutor)? { self.executors.tasks }
}

// Swift looks a task's preference up under a lock at each of its steps, even where it is none: 850 of the 27,000
// instructions of a single POST.

extension Task where Failure == Never {
    /// - Parameter executor: where it runs while it is isolated to nobody; none: Swift's pool.
    @discardableResult
    package init(
        preferring executor: (any TaskExecutor)?, operation: sending @escaping @isolated(any) () async -> Success
    ) {
        if let executor {
            self.init(executorPreference: executor, operation: operation)
        } else {
            self.init(operation: operation)
        }
    }
}

extension Task where Failure == any Error {
    /// - Parameter executor: where it runs while it is isolated to nobody; none: Swift's pool.
    @discardableResult
    package init(
        preferring executor: (any TaskExecutor)?, operation: sending @escaping @isolated(any) () async throws -> Success
    ) {
        if let executor {
            self.init(executorPreference: executor, operation: operation)
        } else {
            self.init(operation: operation)
        }
    }
}

package protocol TimeSource: Sendable {
    /// The time of day in ms since 1970, for what users see. It may jump, so it never decides order, expiry or recovery.
    var wallMilliseconds: Int64 { get }

    /// Time that only moves forward, for measuring and waiting.
    var monotonicNanoseconds: UInt64 { get }

    /// - Throws: `CancellationError`, as soon as the task is cancelled.
    func sleep(milliseconds: Int) async throws
}

package protocol ChanceSource: Sendable {
    func next() -> UInt64
}

extension ChanceSource {
    /// As a generator, for `random(in:using:)`.
    package var generator: ChanceGenerator { ChanceGenerator(source: self) }
}

package struct ChanceGenerator: RandomNumberGenerator {
    fileprivate let source: any ChanceSource

    package mutating func next() -> UInt64 { self.source.next() }
}

package protocol ExecutorSource: Sendable {
    /// Where tasks go that are isolated to nobody; none: Swift's pool.
    var tasks: (any TaskExecutor)? { get }

    /// A thread of its own for calls that may wait.
    ///
    /// - Parameter label: the thread's name as `top -H` shows it, at most 15 characters.
    func thread(label: String) -> any WorkThread
}

/// A thread for the actors that make calls that may wait: the disk, a C library.
package protocol WorkThread: Sendable {
    /// The executor for one actor. Actors of the same thread may get the same one.
    func executor() -> any SerialExecutor

    /// The ``ThreadID`` as the system knows it; 0 if it has none (yet).
    var threadID: Int32 { get }

    /// After the actors on it have been closed.
    func end()
}

// MARK: - The process's own

private struct SystemTime: TimeSource {
    var wallMilliseconds: Int64 { WallClock.milliseconds }
    var monotonicNanoseconds: UInt64 { MonotonicClock.nanoseconds }

    func sleep(milliseconds: Int) async throws {
        try await Task.sleep(for: .milliseconds(milliseconds))
    }
}

private struct SystemChance: ChanceSource {
    func next() -> UInt64 {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }
}

private struct SystemExecutors: ExecutorSource {
    var tasks: (any TaskExecutor)? { nil }

    func thread(label: String) -> any WorkThread { ThreadExecutor(label: label) }
}

extension ThreadExecutor: WorkThread {
    package func executor() -> any SerialExecutor { self }

    package var threadID: Int32 { self.thread }
}
