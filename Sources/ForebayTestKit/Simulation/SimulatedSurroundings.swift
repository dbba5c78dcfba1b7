import ForebayCore

/// One actor's executor: a queue of jobs in order. Two actors never share one, for a hop between them would not be seen.
package final class SimulatedExecutor: SerialExecutor, Sendable {
    private let process: SimulatedProcess
    let queue: JobQueue

    init(process: SimulatedProcess, queue: JobQueue) {
        self.process = process
        self.queue = queue
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        self.process.push(UnownedJob(job), on: self)
    }

    package func checkIsolated() { precondition(self.process.isCurrent, "not on the simulation's thread") }

    package func isIsolatingCurrentContext() -> Bool? { self.process.isCurrent }
}

final class SimulatedTaskExecutor: TaskExecutor, @unchecked Sendable {  // Safe because: set once, before anything runs.
    unowned var process: SimulatedProcess!

    func enqueue(_ job: consuming ExecutorJob) {
        self.process.push(UnownedJob(job), on: nil)
    }
}

struct SimulatedExecutors: ExecutorSource {
    let process: SimulatedProcess

    var tasks: (any TaskExecutor)? { self.process.tasks }

    func thread(label: String) -> any WorkThread { SimulatedThread(process: self.process, thread: self.process.newThread()) }
}

struct SimulatedThread: WorkThread {
    let process: SimulatedProcess
    let thread: Int

    func executor() -> any SerialExecutor { self.process.executor(thread: self.thread) }

    var threadID: Int32 { 0 }

    func end() {}
}

final class SimulatedChance: ChanceSource, @unchecked Sendable {  // Safe because: only used on the simulation's thread.
    private var generator: SplitMix

    init(seed: UInt64) { self.generator = SplitMix(seed: seed) }

    func next() -> UInt64 { self.generator.next() }
}

struct SimulatedTime: TimeSource {
    let process: SimulatedProcess

    var wallMilliseconds: Int64 { self.process.machine.wallMilliseconds }
    var monotonicNanoseconds: UInt64 { self.process.machine.now }

    func sleep(milliseconds: Int) async throws {
        let due = self.monotonicNanoseconds + UInt64(max(0, milliseconds)) * 1_000_000
        let sleeper = Sleeper()
        try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { (continuation: UnsafeContinuation<Void, any Error>) in
                if Task.isCancelled { return continuation.resume(throwing: CancellationError()) }
                sleeper.continuation = continuation
                sleeper.timer = self.process.addTimer(due: due) { continuation.resume() }
            }
        } onCancel: {
            guard let continuation = sleeper.continuation, self.process.removeTimer(sleeper.timer) else { return }
            continuation.resume(throwing: CancellationError())
        }
    }

    private final class Sleeper: @unchecked Sendable {  // Safe because: only used on the simulation's thread.
        var continuation: UnsafeContinuation<Void, any Error>?
        var timer: UInt64 = 0
    }
}
