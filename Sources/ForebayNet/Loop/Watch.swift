import CUV
package import ForebayCore

/// Watches a file descriptor that belongs to someone else, until `cancel()`. The descriptor must stay open until then, and isn't closed.
package final class Watch: LoopHandle {
    private let readable: () -> Void

    init(loop: EventLoop, descriptor: CInt, readable: @escaping () -> Void) throws(SystemCallFailure) {
        self.readable = readable
        try super.init(loop: loop, size: MemoryLayout<uv_poll_t>.size) {
            uv_poll_init(loop.raw, $0.assumingMemoryBound(to: uv_poll_t.self), descriptor)
        }
        self.resume()
    }

    package func cancel() { self.close() }

    /// Stops asking the system; the descriptor stays watched in name only.
    func pause() {
        guard !self.isClosing else { return }
        uv_poll_stop(self.raw.assumingMemoryBound(to: uv_poll_t.self))
    }

    func resume() {
        guard !self.isClosing else { return }
        uv_poll_start(self.raw.assumingMemoryBound(to: uv_poll_t.self), CInt(UV_READABLE.rawValue)) { raw, _, _ in
            // An error is told as readable: who then reads is told which.
            LoopHandle.owner(raw?.pointee.data, as: Watch.self) { $0.readable() }
        }
    }
}

extension EventLoop {
    /// Calls `readable` in each turn in which `fd` (a pipe, a socket, an eventfd; no plain file) has something to read.
    ///
    /// It is asked again each turn, so what stands there must be read, or it calls for ever.
    package func watch(fd: CInt, _ readable: @escaping () -> Void) throws(ForebayError) -> Watch {
        do {
            return try Watch(loop: self, descriptor: fd, readable: readable)
        } catch {
            throw ForebayError(.systemCall, recovery: .rewindAndRestart, "can't watch file descriptor \(fd)", cause: error)
        }
    }
}
