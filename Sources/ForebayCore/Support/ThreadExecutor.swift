import Glibc
import Synchronization

/// A thread of its own for calls that may wait (the disk, a C library), as the executor of the actors that make them.
/// Nothing of it ever runs on Swift's cooperative pool, so a slow disk stops nobody else.
package final class ThreadExecutor: SerialExecutor, @unchecked Sendable {  // Safe because: jobs only under the lock.
    private let label: String
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let woken: UnsafeMutablePointer<pthread_cond_t>
    private var jobs: [UnownedJob] = []
    private let currentThread = Atomic<Int32>(0)
    private var isEnding = false
    private var isRunning = true

    /// - Parameter label: the thread's name as `top -H` shows it, at most 15 characters.
    package init(label: String) {
        self.label = label
        self.lock = .allocate(capacity: 1)
        self.woken = .allocate(capacity: 1)
        pthread_mutex_init(self.lock, nil)
        pthread_cond_init(self.woken, nil)
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

    deinit {
        pthread_mutex_destroy(self.lock)
        pthread_cond_destroy(self.woken)
        self.lock.deallocate()
        self.woken.deallocate()
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        pthread_mutex_lock(self.lock)
        self.jobs.append(job)
        let wasRunning = self.isRunning
        self.isRunning = true
        pthread_mutex_unlock(self.lock)
        // After the unlock, or the thread wakes up only to wait for the lock: two switches for each commit.
        pthread_cond_signal(self.woken)
        // A task that slept through the end wakes up to see that its actor is closed. It gets a thread for that.
        if !wasRunning { self.start() }
    }

    /// Ends the thread when all jobs that were enqueued are done. Later ones still run, each at the cost of a thread.
    package func end() {
        pthread_mutex_lock(self.lock)
        self.isEnding = true
        pthread_mutex_unlock(self.lock)
        pthread_cond_signal(self.woken)
    }

    private func work() {
        ThreadName.set(self.label)
        self.currentThread.store(ThreadID.current, ordering: .relaxed)
        let executor = self.asUnownedSerialExecutor()
        var taken: [UnownedJob] = []
        while true {
            pthread_mutex_lock(self.lock)
            while self.jobs.isEmpty && !self.isEnding { pthread_cond_wait(self.woken, self.lock) }
            swap(&taken, &self.jobs)
            self.isRunning = !taken.isEmpty
            pthread_mutex_unlock(self.lock)
            if taken.isEmpty { return }
            for job in taken { job.runSynchronously(on: executor) }
            taken.removeAll(keepingCapacity: true)
        }
    }
}
