import CUV
import ForebayCore
import Glibc

/// Owns the memory of one libuv handle, from its start until libuv has let go of it.
///
/// The handle keeps its owner alive (through `data`) until the close callback, so a timer or a watch that nobody
/// refers to goes on until it is cancelled or the loop stops.
package class LoopHandle {
    package let loop: EventLoop
    let raw: UnsafeMutableRawPointer
    private var closing = false

    /// - Parameter start: Calls libuv's own init; on an error the memory is freed and the handle never existed.
    init(loop: EventLoop, size: Int, start: (UnsafeMutableRawPointer) -> CInt) throws(SystemCallFailure) {
        loop.preconditionOnLoop()
        self.loop = loop
        self.raw = .allocate(byteCount: size, alignment: 16)
        memset(self.raw, 0, size)
        let status = start(self.raw)
        guard status == 0 else {
            self.raw.deallocate()
            throw SystemCallFailure(uv: status)
        }
        self.raw.assumingMemoryBound(to: uv_handle_t.self).pointee.data = Unmanaged.passRetained(self).toOpaque()
        loop.handleCount += 1
    }

    /// Ends the handle. Its callbacks don't run any more after this; harmless when called again.
    package func close() {
        guard !self.closing else { return }
        self.closing = true
        self.willClose()
        uv_close(self.raw.assumingMemoryBound(to: uv_handle_t.self), handleClosed)
    }

    /// For handles that libuv closes by another call than `uv_close`.
    func close(by call: (UnsafeMutableRawPointer, @escaping uv_close_cb) -> CInt) {
        guard !self.closing else { return }
        self.closing = true
        self.willClose()
        if call(self.raw, handleClosed) != 0 {
            uv_close(self.raw.assumingMemoryBound(to: uv_handle_t.self), handleClosed)
        }
    }

    package var isClosing: Bool { self.closing }

    func willClose() {}
    /// The last call: libuv has forgotten the handle.
    func didClose() {}

    fileprivate func finish() {
        self.raw.deallocate()
        self.loop.handleCount -= 1
        self.didClose()
    }

    /// The owner of a handle, from inside one of its callbacks, without touching its reference count.
    @inline(__always)
    static func owner<Owner: LoopHandle>(_ data: UnsafeMutableRawPointer?, as: Owner.Type, _ body: (Owner) -> Void) {
        guard let data else { return }
        Unmanaged<Owner>.fromOpaque(data)._withUnsafeGuaranteedRef(body)
    }
}

private func handleClosed(_ raw: UnsafeMutablePointer<uv_handle_t>?) {
    guard let data = raw?.pointee.data else { return }
    Unmanaged<LoopHandle>.fromOpaque(data).takeRetainedValue().finish()
}

extension SystemCallFailure {
    /// libuv reports errno negated.
    init(uv status: CInt) {
        self.init(code: -status)
    }
}
