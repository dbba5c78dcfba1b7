import CUV
import Glibc

/// Ends a loop's sleep, from any thread: an eventfd, which unlike `uv_async_send` is safe to write to while the loop closes.
struct LoopWake: ~Copyable {
    /// For the loop to watch.
    let descriptor: CInt

    init() {
        self.descriptor = forebay_eventfd()
    }

    /// False: the system gave no descriptor, and `errno` says why.
    var isOpen: Bool { self.descriptor >= 0 }

    deinit {
        Glibc.close(self.descriptor)
    }

    /// The descriptor is readable from now on, until ``take(from:)``.
    func signal() {
        var one: UInt64 = 1
        while write(self.descriptor, &one, 8) < 0 && errno == EINTR {}
    }

    /// Takes all signals up to now.
    static func take(from descriptor: CInt) {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }
}
