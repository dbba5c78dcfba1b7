import Glibc

/// What waits to run on a loop: appended from any thread, taken by the loop alone, in the order of appending.
///
/// A pthread mutex and not `Synchronization.Mutex`, which is a fair lock on Linux and slow when two threads want it at once.
// Safe because: `running` is the loop's thread's alone, every other field is read and written under `lock`.
final class LoopQueue: @unchecked Sendable {
    enum Work {
        case job(UnownedJob)
        /// Not isolated, see ``LoopTaskExecutor``.
        case task(UnownedJob, UnownedTaskExecutor)
        case body(@Sendable () -> Void)
    }

    enum Appended {
        /// The loop may be asleep, and nobody has woken it yet.
        case mustWake
        case willRun
        /// The loop has ended: the work was not taken.
        case ended
    }

    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private var waiting: [Work] = []
    private var wakeIsPending = false
    private var hasEnded = false
    /// What was taken and is being run; its memory is the next one's that waits.
    private var running: [Work] = []

    init() {
        self.lock = .allocate(capacity: 1)
        pthread_mutex_init(self.lock, nil)
        self.waiting.reserveCapacity(64)
        self.running.reserveCapacity(64)
    }

    deinit {
        pthread_mutex_destroy(self.lock)
        self.lock.deallocate()
    }

    func append(_ work: Work) -> Appended {
        pthread_mutex_lock(self.lock)
        defer { pthread_mutex_unlock(self.lock) }
        guard !self.hasEnded else { return .ended }
        self.waiting.append(work)
        guard !self.wakeIsPending else { return .willRun }
        self.wakeIsPending = true
        return .mustWake
    }

    /// Runs what waits now, on the loop's thread. What is appended meanwhile waits for the next call.
    func run(on executor: UnownedSerialExecutor) {
        guard self.takeAll() else { return }
        for index in self.running.indices {
            switch self.running[index] {
            case .job(let job): job.runSynchronously(on: executor)
            case .task(let job, let taskExecutor): job.runSynchronously(on: taskExecutor)
            case .body(let body): body()
            }
        }
        self.running.removeAll(keepingCapacity: true)
    }

    /// Swaps what waits with what has run, so that both arrays keep their memory. False: nothing waited.
    private func takeAll() -> Bool {
        pthread_mutex_lock(self.lock)
        defer { pthread_mutex_unlock(self.lock) }
        self.wakeIsPending = false
        guard !self.waiting.isEmpty else { return false }
        swap(&self.waiting, &self.running)
        return true
    }

    var isEmpty: Bool {
        pthread_mutex_lock(self.lock)
        defer { pthread_mutex_unlock(self.lock) }
        return self.waiting.isEmpty
    }

    /// Refuses all later work. False, and without effect, if some still waits.
    func endIfEmpty() -> Bool {
        pthread_mutex_lock(self.lock)
        defer { pthread_mutex_unlock(self.lock) }
        guard self.waiting.isEmpty else { return false }
        self.hasEnded = true
        return true
    }
}
