import CUV
package import ForebayCore
import Glibc

/// Calls back on the loop for each arrival of a signal, instead of its default action, until `cancel()`.
package final class SignalWatch: LoopHandle {
    private let body: () -> Void

    init(loop: EventLoop, number: CInt, body: @escaping () -> Void) throws(SystemCallFailure) {
        self.body = body
        // Who starts the process may have blocked it (Dispatch's threads do, and masks are inherited): then no thread would get it.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, number)
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        try super.init(loop: loop, size: MemoryLayout<uv_signal_t>.size) {
            uv_signal_init(loop.raw, $0.assumingMemoryBound(to: uv_signal_t.self))
        }
        let status = uv_signal_start(
            self.raw.assumingMemoryBound(to: uv_signal_t.self),
            { raw, _ in LoopHandle.owner(raw?.pointee.data, as: SignalWatch.self) { $0.body() } }, number)
        guard status == 0 else {
            self.close()
            throw SystemCallFailure(uv: status)
        }
    }

    package func cancel() { self.close() }
}

extension EventLoop {
    /// Calls `body` when the process gets that signal. Several watches of one signal are all called.
    package func signal(_ number: CInt, _ body: @escaping () -> Void) throws(ForebayError) -> SignalWatch {
        do {
            return try SignalWatch(loop: self, number: number, body: body)
        } catch {
            throw ForebayError(.systemCall, recovery: .stop, "can't handle signal \(number)", cause: error)
        }
    }
}
