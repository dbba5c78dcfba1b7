import Glibc
import Synchronization

/// The real thread that all of a simulated process runs on, while another one waits for its end. It may stand still for ever instead.
final class HostThread: @unchecked Sendable {  // Safe because: `thread` is set before anybody else can be asked about it.
    private var thread = pthread_t()
    private let gate = Gate()
    private let others = Atomic<Int>(0)

    /// Runs it, and waits until it returns or stands still (``park()``). Once.
    ///
    /// - Parameter seconds: of real time.
    /// - Returns: false if it took longer.
    func run(within seconds: Int, _ body: @escaping () -> Void) -> Bool {
        let body = Body { [self] in
            self.thread = pthread_self()
            body()
            self.gate.open()
        }
        let attributes = UnsafeMutablePointer<pthread_attr_t>.allocate(capacity: 1)
        defer { attributes.deallocate() }
        pthread_attr_init(attributes)
        pthread_attr_setstacksize(attributes, 2 << 20)
        pthread_attr_setdetachstate(attributes, Int32(PTHREAD_CREATE_DETACHED))
        var thread = pthread_t()
        let status = pthread_create(
            &thread, attributes,
            { context in
                Unmanaged<Body>.fromOpaque(context!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(body).toOpaque())
        pthread_attr_destroy(attributes)
        precondition(status == 0, "no thread to be had")
        return self.gate.wait(seconds: seconds)
    }

    /// Whether the caller is on it.
    var isCurrent: Bool { pthread_equal(pthread_self(), self.thread) != 0 }

    /// Whether the caller is on it; callers that are not are counted.
    func admits() -> Bool {
        if self.isCurrent { return true }
        self.others.wrappingAdd(1, ordering: .releasing)
        return false
    }

    /// How often somebody was not admitted.
    var refused: Int { self.others.load(ordering: .acquiring) }

    /// Never goes on, with all that it holds; who waits for the end is told. Called on it.
    func park() -> Never {
        self.gate.open()
        while true { pause() }
    }
}

private final class Body: @unchecked Sendable {  // Safe because: handed from one thread to another, once.
    let run: () -> Void

    init(_ run: @escaping () -> Void) { self.run = run }
}

/// Opened once, by one thread for another.
private final class Gate: @unchecked Sendable {  // Safe because: `isOpen` only under the lock.
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let opened = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var isOpen = false

    init() {
        pthread_mutex_init(self.lock, nil)
        pthread_cond_init(self.opened, nil)
    }

    // Never destroyed: who opened it may still be in `pthread_cond_signal`.

    func open() {
        pthread_mutex_lock(self.lock)
        self.isOpen = true
        pthread_cond_signal(self.opened)
        pthread_mutex_unlock(self.lock)
    }

    /// - Returns: false if it took longer.
    func wait(seconds: Int) -> Bool {
        var deadline = timespec()
        clock_gettime(CLOCK_REALTIME, &deadline)
        deadline.tv_sec += seconds
        pthread_mutex_lock(self.lock)
        defer { pthread_mutex_unlock(self.lock) }
        while !self.isOpen {
            if pthread_cond_timedwait(self.opened, self.lock, &deadline) == ETIMEDOUT { return self.isOpen }
        }
        return true
    }
}
