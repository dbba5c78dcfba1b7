import Glibc

/// The two moments in a loop thread's life that others wait for: it has begun, it has ended.
final class LoopEnd: @unchecked Sendable {  // Safe because: `thread` is set once before anyone waits, the rest is under `lock`.
    private var thread = pthread_t()
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let started = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    private var waiters: [UnsafeContinuation<Void, Never>] = []
    private var hasEnded = false
    private var isJoined = false

    init() {
        pthread_mutex_init(self.lock, nil)
        sem_init(self.started, 0, 0)
    }

    deinit {
        pthread_mutex_destroy(self.lock)
        sem_destroy(self.started)
        self.lock.deallocate()
        self.started.deallocate()
    }

    /// Which thread it is: once, before anyone waits for its end.
    func began(on thread: pthread_t) { self.thread = thread }

    func signalStart() { sem_post(self.started) }

    func awaitStart() {
        while sem_wait(self.started) != 0 && errno == EINTR {}
    }

    /// The loop's thread does nothing of ours after this call.
    func signalEnd() {
        pthread_mutex_lock(self.lock)
        self.hasEnded = true
        let waiters = self.waiters
        self.waiters = []
        pthread_mutex_unlock(self.lock)
        for waiter in waiters { waiter.resume() }
    }

    func wait() async {
        await withUnsafeContinuation { continuation in
            if !self.add(continuation) { continuation.resume() }
        }
        self.join()
    }

    private func add(_ waiter: UnsafeContinuation<Void, Never>) -> Bool {
        pthread_mutex_lock(self.lock)
        defer { pthread_mutex_unlock(self.lock) }
        guard !self.hasEnded else { return false }
        self.waiters.append(waiter)
        return true
    }

    /// Short: the thread is in its last instructions.
    private func join() {
        pthread_mutex_lock(self.lock)
        defer { pthread_mutex_unlock(self.lock) }
        guard !self.isJoined else { return }
        self.isJoined = true
        pthread_join(self.thread, nil)
    }
}
