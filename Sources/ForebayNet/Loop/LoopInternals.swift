import CUV

/// The three handles by which a loop runs itself: the wake-up from other threads, and the two places of a turn where work is done.
/// They close last, and don't count as somebody's.
final class LoopInternals {
    private let wake = UnsafeMutablePointer<uv_poll_t>.allocate(capacity: 1)
    private let beforeWait = UnsafeMutablePointer<uv_prepare_t>.allocate(capacity: 1)
    private let afterCallbacks = UnsafeMutablePointer<uv_check_t>.allocate(capacity: 1)

    init(loop: EventLoop, wake descriptor: CInt) {
        // The loop outlives its handles: its thread holds it until uv_run has returned.
        let data = Unmanaged.passUnretained(loop).toOpaque()
        uv_poll_init(loop.raw, self.wake, descriptor)
        uv_prepare_init(loop.raw, self.beforeWait)
        uv_check_init(loop.raw, self.afterCallbacks)
        self.wake.pointee.data = data
        self.beforeWait.pointee.data = data
        self.afterCallbacks.pointee.data = data
        uv_poll_start(self.wake, CInt(UV_READABLE.rawValue)) { handle, _, _ in
            // Only the eventfd's count is taken here; the work itself is done after the sockets of this turn.
            var descriptor: CInt = -1
            uv_fileno(UnsafeMutableRawPointer(handle!).assumingMemoryBound(to: uv_handle_t.self), &descriptor)
            LoopWake.take(from: descriptor)
        }
        uv_prepare_start(self.beforeWait) { LoopInternals.finishTurn($0?.pointee.data) }
        uv_check_start(self.afterCallbacks) { LoopInternals.finishTurn($0?.pointee.data) }
    }

    private static func finishTurn(_ data: UnsafeMutableRawPointer?) {
        guard let data else { return }
        Unmanaged<EventLoop>.fromOpaque(data)._withUnsafeGuaranteedRef { $0.finishTurn() }
    }

    private var handles: [UnsafeMutablePointer<uv_handle_t>] {
        [UnsafeMutableRawPointer(self.wake), UnsafeMutableRawPointer(self.beforeWait), UnsafeMutableRawPointer(self.afterCallbacks)]
            .map { $0.assumingMemoryBound(to: uv_handle_t.self) }
    }

    func contains(_ handle: UnsafeMutablePointer<uv_handle_t>) -> Bool { self.handles.contains(handle) }

    func close() {
        for handle in self.handles { uv_close(handle) { UnsafeMutableRawPointer($0!).deallocate() } }
    }

    /// For `uv_walk`: ends a handle that is not the loop's own.
    static func closeForeign(_ handle: UnsafeMutablePointer<uv_handle_t>?, _ loop: UnsafeMutableRawPointer?) {
        guard let handle, let loop, let data = handle.pointee.data else { return }
        Unmanaged<EventLoop>.fromOpaque(loop)._withUnsafeGuaranteedRef { loop in
            guard !loop.isOwn(handle) else { return }
            Unmanaged<LoopHandle>.fromOpaque(data)._withUnsafeGuaranteedRef { $0.close() }
        }
    }
}
