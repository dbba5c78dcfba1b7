import ForebayCore
import Glibc

/// A thread for the calls of librdkafka that wait: metadata, destroying. One call after the other, in the order given.
final class KafkaThread: @unchecked Sendable {  // Safe because: every field is read and written under `lock`.
    private let lock: UnsafeMutablePointer<pthread_mutex_t> = .allocate(capacity: 1)
    private let signal: UnsafeMutablePointer<pthread_cond_t> = .allocate(capacity: 1)
    private var waiting: [@Sendable () -> Void] = []
    private var isEnding = false

    private let name: String

    /// - Parameter name: at most 15 characters are kept.
    /// - Throws: ``KafkaFailure``: the system gives no more threads now.
    init(name: String) throws(KafkaFailure) {
        self.name = name
        pthread_mutex_init(self.lock, nil)
        pthread_cond_init(self.signal, nil)
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let status = pthread_create(
            &thread, nil,
            { context in
                Unmanaged<KafkaThread>.fromOpaque(context!).takeRetainedValue().work()
                return nil
            }, context.toOpaque())
        guard status == 0 else {
            context.release()
            throw KafkaFailure(.criticalSystemResource, reason: "no thread: \(String(cString: strerror(status)))")
        }
        pthread_detach(thread)
    }

    deinit {
        pthread_cond_destroy(self.signal)
        pthread_mutex_destroy(self.lock)
        self.signal.deallocate()
        self.lock.deallocate()
    }

    func run(_ body: @escaping @Sendable () -> Void) {
        pthread_mutex_lock(self.lock)
        precondition(!self.isEnding, "work for a thread that was told to end")
        self.waiting.append(body)
        pthread_cond_signal(self.signal)
        pthread_mutex_unlock(self.lock)
    }

    /// The thread ends after what was given before.
    func end() {
        pthread_mutex_lock(self.lock)
        self.isEnding = true
        pthread_cond_signal(self.signal)
        pthread_mutex_unlock(self.lock)
    }

    private func work() {
        ThreadName.set(self.name)
        while let body = self.next() { body() }
    }

    private func next() -> (@Sendable () -> Void)? {
        pthread_mutex_lock(self.lock)
        defer { pthread_mutex_unlock(self.lock) }
        while self.waiting.isEmpty && !self.isEnding { pthread_cond_wait(self.signal, self.lock) }
        return self.waiting.isEmpty ? nil : self.waiting.removeFirst()
    }
}
