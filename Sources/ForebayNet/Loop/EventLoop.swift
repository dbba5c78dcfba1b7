import CUV
package import ForebayCore
import ForebayTelemetry
import Glibc

/// One libuv loop, the one thread that turns it, and the executor of the actors that live on it.
///
/// A turn: timers, then jobs and end-of-turn hooks, then the wait for sockets, their callbacks, and jobs and hooks again.
/// Jobs (and bodies given to ``execute(_:)``) run in the order in which they came. Hooks run after the jobs, so what a turn gathered is
/// handed over, and what it wrote is flushed, before the thread sleeps.
///
/// Inside any callback of the loop `assumeIsolated` of an actor on this executor works. The members that make timers, watches
/// and signals must be called on the loop; their closures run there, and are kept until `cancel()` or the loop's end.
// Safe because: `queue` is locked, `wake` and `thread` are set before anyone else has a reference, the rest is the loop thread's alone.
package final class EventLoop: SerialExecutor, @unchecked Sendable {
    package let label: String
    let raw: UnsafeMutablePointer<uv_loop_t>
    /// What every socket of the loop reads into; only valid during one read callback.
    let readBuffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 64)
    let outputBlocks = OutputBlocks()

    private let queue = LoopQueue()
    private let wake = LoopWake()
    private var thread = pthread_t()
    private let ended = LoopEnd()

    private var hooks = TurnHooks()
    private var own: LoopInternals?
    private var isStopping = false
    /// Timers, watches, sockets: all handles but the loop's own.
    var handleCount = 0

    /// Starts the thread. It is asleep until there is work.
    package init(label: String) throws(ForebayError) {
        _ = ignoreSIGPIPE
        self.label = label
        self.raw = .allocate(capacity: 1)
        guard self.wake.isOpen, uv_loop_init(self.raw) == 0 else {
            throw ForebayError(.systemCall, recovery: .stop, "can't start the event loop \(label)", cause: SystemCallFailure(code: errno))
        }
        try self.startThread()
    }

    deinit {
        // The thread holds a reference until it ends, so it has ended, and nobody can wake it any more.
        self.readBuffer.deallocate()
        self.raw.deallocate()
    }

    // MARK: From any thread

    /// Runs `body` on the loop, later, after what was given before. Dropped, with a log line, if the loop has ended.
    package func execute(_ body: @escaping @Sendable () -> Void) {
        self.append(.body(body))
    }

    /// Runs `body` on the loop and brings back what it returns.
    ///
    /// - Throws: What `body` throws; `loop_ended` if it can't run any more.
    package func perform<Result: Sendable>(
        isolation: isolated (any Actor)? = #isolation, _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withUnsafeThrowingContinuation { continuation in
            let isTaken = self.append(.body { continuation.resume(with: Swift.Result { try body() }) })
            if !isTaken { continuation.resume(throwing: ForebayError("loop_ended", recovery: .stop, "the event loop has ended")) }
        }
    }

    package var isOnLoop: Bool { pthread_equal(pthread_self(), self.thread) != 0 }

    package func preconditionOnLoop() {
        precondition(self.isOnLoop, "off the event loop's thread")
    }

    /// Runs what was given before, closes what is still open on the loop, and ends the thread.
    /// Not from an actor on this loop: it would wait for itself.
    nonisolated(nonsending) package func stop() async {
        precondition(!self.isOnLoop, "a loop can't wait for its own end")
        self.execute { self.isStopping = true }
        await self.ended.wait()
    }

    // MARK: On the loop

    /// Runs `body` at the end of each turn, before the thread sleeps, and so also after turns that brought it nothing: keep it cheap.
    package func addEndOfTurn(_ body: @escaping () -> Void) {
        self.preconditionOnLoop()
        self.hooks.add(body)
    }

    /// From a hook that made work for the hooks before it: all of them run once more before the thread sleeps.
    package func repeatEndOfTurn() { self.hooks.repeatRound() }

    /// The monotonic time of this turn, in milliseconds.
    package var nowMilliseconds: UInt64 { uv_now(self.raw) }

    // MARK: Executor

    package func enqueue(_ job: consuming ExecutorJob) {
        self.append(.job(UnownedJob(job)))
    }

    package func isIsolatingCurrentContext() -> Bool? { self.isOnLoop }

    package func checkIsolated() { self.preconditionOnLoop() }

    @discardableResult
    func append(_ work: LoopQueue.Work) -> Bool {
        switch self.queue.append(work) {
        case .willRun: return true
        case .mustWake:
            if !self.isOnLoop { self.wake.signal() }  // On the loop, the turn that runs looks again before it sleeps.
            return true
        case .ended:
            Logger(label: "loop").error("work for a loop that has ended was dropped", ["loop": self.label])
            return false
        }
    }
}

/// A peer that closes its socket must not end the process.
private let ignoreSIGPIPE: Void = { _ = Glibc.signal(SIGPIPE, SIG_IGN) }()

// MARK: - The thread

extension EventLoop {
    private func startThread() throws(ForebayError) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        let context = Unmanaged.passRetained(self)
        var thread = pthread_t()
        let status = pthread_create(
            &thread, &attributes, { Unmanaged<EventLoop>.fromOpaque($0!).takeRetainedValue().threadMain() }, context.toOpaque())
        guard status == 0 else {
            context.release()
            uv_loop_close(self.raw)
            throw ForebayError(.systemCall, recovery: .stop, "can't start a thread", cause: SystemCallFailure(code: status))
        }
        self.ended.began(on: thread)
        self.ended.awaitStart()
    }

    /// Returns NULL, as a thread's function must.
    private func threadMain() -> UnsafeMutableRawPointer? {
        self.thread = pthread_self()  // Seen by the one who started it: that waits for `signalStart()`.
        ThreadName.set(self.label)
        let own = LoopInternals(loop: self, wake: self.wake.descriptor)
        self.own = own
        self.ended.signalStart()
        uv_run(self.raw, UV_RUN_DEFAULT)
        let status = uv_loop_close(self.raw)
        precondition(status == 0, "a handle outlived its loop")
        self.ended.signalEnd()
        return nil
    }

    /// Before the wait and after the callbacks: jobs, then hooks, then the jobs that those made, until none is left.
    func finishTurn() {
        for _ in 0..<8 {
            self.queue.run(on: self.asUnownedSerialExecutor())
            for hook in self.hooks.beginRound() { hook() }
            guard self.hooks.wantsRound || !self.queue.isEmpty else {
                if self.isStopping { self.closeDown() }
                return
            }
        }
        // Jobs that go on making jobs must not starve the sockets: have a look at those, and come back.
        self.wake.signal()
    }

    /// Called each turn of a loop that stops: first all handles of others go, and what their closing queued is run; then our own.
    private func closeDown() {
        guard self.handleCount == 0 else {
            uv_walk(self.raw, { handle, loop in LoopInternals.closeForeign(handle, loop) }, Unmanaged.passUnretained(self).toOpaque())
            return
        }
        guard self.queue.endIfEmpty() else { return self.wake.signal() }
        self.hooks.removeAll()
        self.own?.close()
        self.own = nil
    }

    func isOwn(_ handle: UnsafeMutablePointer<uv_handle_t>) -> Bool { self.own?.contains(handle) ?? false }
}
