import Glibc
import Synchronization

/// A thread of its own for calls that may wait (the disk, a C library), as the executor of the actors that make them.
/// Nothing of it ever runs on Swift's cooperative pool, so a slow disk stops nobody else.
package final class ThreadExecutor: SerialExecutor, @unchecked Sendable {  // Safe because: jobs only under the lock.
    private let label: String
    private let lock = ThreadLock()
    private var jobs: [UnownedJob] = []
    private let currentThread = Atomic<Int32>(0)
    private var isEnding = false
    private var isRunning = true

    /// - Parameter label: the thread's name as `top -H` shows it, at most 15 characters.
    package init(label: String) {
        self.label = label
        self.start()
    }

    /// The thread's ``ThreadID``; 0 until it runs.
    package var thread: Int32 { self.currentThread.load(ordering: .relaxed) }

    private func start() {
        var thread = pthread_t()
        // The thread holds the executor until `end`: actors refer to it unowned.
        let context = Unmanaged.passRetained(self).toOpaque()
        let status = pthread_create(
            &thread, nil,
            { context in
                Unmanaged<ThreadExecutor>.fromOpaque(context!).takeRetainedValue().work()
                return nil
            }, context)
        precondition(status == 0, "no thread to be had")
        pthread_detach(thread)
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let wasRunning = self.lock.withLock {
            self.jobs.append(job)
            defer { self.isRunning = true }
            return self.isRunning
        }
        // After the unlock, or the thread wakes up only to wait for the lock: two switches for each commit.
        self.lock.signal()
        // A task that slept through the end wakes up to see that its actor is closed. It gets a thread for that.
        if !wasRunning { self.start() }
    }

    /// Ends the thread when all jobs that were enqueued are done. Later ones still run, each at the cost of a thread.
    package func end() {
        self.lock.withLock { self.isEnding = true }
        self.lock.signal()
    }

    private func work() {
        ThreadName.set(self.label)
        self.currentThread.store(ThreadID.current, ordering: .relaxed)
        let executor = self.asUnownedSerialExecutor()
        var taken: [UnownedJob] = []
        while true {
            self.lock.withLock {
                while self.jobs.isEmpty && !self.isEnding { self.lock.wait() }
                swap(&taken, &self.jobs)
                self.isRunning = !taken.isEmpty
            }
            if taken.isEmpty { return }
            for job in taken { job.runSynchronously(on: executor) }
            taken.removeAll(keepingCapacity: true)
        }
    }
}
