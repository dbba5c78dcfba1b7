import Glibc

/// A pthread mutex, with a condition to wait for. `Synchronization.Mutex` is slow on Linux when two threads want it at once, and nobody can
/// sleep on it.
final class ThreadLock: Sendable {
    private nonisolated(unsafe) let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private nonisolated(unsafe) let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
        pthread_mutex_init(self.mutex, nil)
        pthread_cond_init(self.condition, nil)
    }

    deinit {
        pthread_mutex_destroy(self.mutex)
        pthread_cond_destroy(self.condition)
        self.mutex.deallocate()
        self.condition.deallocate()
    }

    func withLock<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(self.mutex)
        defer { pthread_mutex_unlock(self.mutex) }
        return body()
    }

    /// Inside ``withLock(_:)``, which others may enter meanwhile. May come back without a signal.
    func wait() {
        pthread_cond_wait(self.condition, self.mutex)
    }

    /// Wakes one that waits. Outside ``withLock(_:)``, or it wakes up only to wait for the lock.
    func signal() {
        pthread_cond_signal(self.condition)
    }
}
