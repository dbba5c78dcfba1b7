import CUV
package import ForebayCore
import Glibc

/// Who is told what happens on a socket. All calls come on the loop's thread.
package protocol TCPSocketDelegate: AnyObject {
    /// Bytes came. They lie in the loop's read buffer, which the next read overwrites: copy what outlives this call.
    func received(_ bytes: UnsafeRawBufferPointer)
    /// The peer has ended its side; ours can still write.
    func receivedEnd()
    /// The connection is broken. It is already being closed.
    func failed(_ failure: SystemCallFailure)
    /// What ``TCPSocket/flush()`` could not hand over at once has been handed over now.
    func flushed()
    /// The last call.
    func closed()
}

/// Stops reading on many sockets at once, at the price of a look per read: each one stops when bytes come for it.
package final class ReadGate {
    private var shutNow = false
    private var waiting: [TCPSocket] = []

    package init() {}

    package var isShut: Bool { self.shutNow }

    package func shut() { self.shutNow = true }

    package func open() {
        self.shutNow = false
        let waiting = self.waiting
        self.waiting = []
        for socket in waiting { socket.reopened() }
    }

    fileprivate func wait(_ socket: TCPSocket) { self.waiting.append(socket) }
}

/// One TCP connection on a loop.
///
/// What is written is gathered until ``flush()``, and goes out in one call to the system. What that doesn't take is kept, and sent as the
/// peer reads; how much that may be is for the caller to bound, by ``unsentBytes``.
package final class TCPSocket: LoopHandle {
    // Private, with doors where others need them: a property that other modules see is checked for exclusive access each time.
    private var delegate: (any TCPSocketDelegate)?
    private let gate: ReadGate
    // Behind pointers: the checks for exclusive access to a property cost more than what is done to it here.
    private let output = UnsafeMutablePointer<OutputBuffer>.allocate(capacity: 1)
    private var writtenBytes: UInt64 = 0
    /// Given to libuv, which sends one queued request a turn: so there is never more than this one.
    private let sending = UnsafeMutablePointer<OutputBuffer>.allocate(capacity: 1)
    private var writeRequest: UnsafeMutablePointer<uv_write_t>?
    private var shutdownRequest: UnsafeMutablePointer<uv_shutdown_t>?
    private var wantsShutdown = false
    private var isReading = false
    private var isAtGate = false

    /// Takes over a connected socket. It does not read yet.
    package init(loop: EventLoop, adopting descriptor: CInt, gate: ReadGate) throws(SystemCallFailure) {
        self.gate = gate
        self.output.initialize(to: OutputBuffer())
        self.sending.initialize(to: OutputBuffer())
        try super.init(loop: loop, size: MemoryLayout<uv_tcp_t>.size) { raw in
            uv_tcp_init(loop.raw, raw.assumingMemoryBound(to: uv_tcp_t.self))
        }
        let status = uv_tcp_open(self.tcp, descriptor)
        guard status == 0 else {
            self.close()
            Glibc.close(descriptor)
            throw SystemCallFailure(uv: status)
        }
        uv_tcp_nodelay(self.tcp, 1)
    }

    deinit {
        self.output.deinitialize(count: 1)
        self.output.deallocate()
        self.sending.deinitialize(count: 1)
        self.sending.deallocate()
    }

    private var tcp: UnsafeMutablePointer<uv_tcp_t> { self.raw.assumingMemoryBound(to: uv_tcp_t.self) }
    private var stream: UnsafeMutablePointer<uv_stream_t> { self.raw.assumingMemoryBound(to: uv_stream_t.self) }

    /// - Parameter delegate: Kept until the socket has closed.
    package func setDelegate(_ delegate: any TCPSocketDelegate) { self.delegate = delegate }

    // MARK: Reading

    package func startReading() {
        guard !self.isReading, !self.isClosing else { return }
        self.isReading = true
        guard !self.isAtGate else { return }
        let status = uv_read_start(self.stream, allocateSpace, readCompleted)
        if status != 0 { self.fail(SystemCallFailure(uv: status)) }
    }

    package func stopReading() {
        guard self.isReading, !self.isClosing else { return }
        self.isReading = false
        uv_read_stop(self.stream)
    }

    /// Where the next bytes go; nothing while the gate is shut, which libuv reports as ENOBUFS without reading.
    fileprivate var readSpace: UnsafeMutableRawBufferPointer {
        self.gate.isShut ? UnsafeMutableRawBufferPointer(start: nil, count: 0) : self.loop.readBuffer
    }

    /// Bytes have come that were not read yet.
    package var hasUnreadBytes: Bool {
        var descriptor: CInt = -1
        uv_fileno(self.raw.assumingMemoryBound(to: uv_handle_t.self), &descriptor)
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, CInt(MSG_PEEK | MSG_DONTWAIT)) > 0
    }

    fileprivate func didRead(_ count: Int) {
        if count > 0 {
            self.delegate?.received(UnsafeRawBufferPointer(rebasing: self.loop.readBuffer[..<count]))
        } else if count == Int(UV_ENOBUFS.rawValue) {
            uv_read_stop(self.stream)
            self.isAtGate = true
            self.gate.wait(self)
        } else if count == Int(UV_EOF.rawValue) {
            self.isReading = false
            self.delegate?.receivedEnd()
        } else if count < 0 {
            self.fail(SystemCallFailure(uv: CInt(count)))
        }
    }

    fileprivate func reopened() {
        self.isAtGate = false
        guard self.isReading, !self.isClosing else { return }
        self.isReading = false
        self.startReading()
    }

    // MARK: Writing

    /// What was written and not yet taken by the system.
    package var unsentBytes: Int { self.output.pointee.count + self.sending.pointee.count }

    /// How much of all that was ever written the peer has acknowledged: who sees it rise knows that the peer reads, however slowly.
    package var acknowledgedBytes: UInt64 {
        var inKernel: CInt = 0
        var descriptor: CInt = -1
        uv_fileno(self.raw.assumingMemoryBound(to: uv_handle_t.self), &descriptor)
        _ = ioctl(descriptor, UInt(TIOCOUTQ), &inKernel)  // Leaves 0 for a socket that is gone.
        let inLoop = self.sending.pointee.isEmpty ? 0 : uv_stream_get_write_queue_size(self.stream)
        return self.writtenBytes - UInt64(self.output.pointee.count + inLoop + Int(inKernel))
    }

    /// Room for the next `count` bytes of output, valid until the next call; they count from ``commit(_:)`` on.
    package func reserve(_ count: Int) -> UnsafeMutableRawPointer { self.output.pointee.reserve(count, from: self.loop.outputBlocks) }

    package func commit(_ count: Int) {
        self.output.pointee.commit(count)
        self.writtenBytes += UInt64(count)
    }

    package func write(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, bytes.count > 0 else { return }
        self.reserve(bytes.count).copyMemory(from: start, byteCount: bytes.count)
        self.commit(bytes.count)
    }

    /// Sends what was written. Once, at the end of a turn. False: some of it waits for the peer, or there was nothing to send.
    @discardableResult
    package func flush() -> Bool {
        guard self.sending.pointee.isEmpty, !self.output.pointee.isEmpty, !self.isClosing else { return false }
        var buffer = uv_buf_t(self.output.pointee.bytes)
        let sent = uv_try_write(self.stream, &buffer, 1)
        guard sent >= 0 || sent == UV_EAGAIN.rawValue else {
            self.fail(SystemCallFailure(uv: sent))
            return false
        }
        self.output.pointee.consume(Swift.max(0, Int(sent)), to: self.loop.outputBlocks)
        guard self.output.pointee.isEmpty else {
            self.sendRest()
            return false
        }
        if self.wantsShutdown { self.startShutdown() }
        return true
    }

    /// The peer's window is full: libuv waits until it opens.
    private func sendRest() {
        swap(&self.sending.pointee, &self.output.pointee)
        let request = self.writeRequest ?? .allocate(capacity: 1)
        self.writeRequest = request
        var buffer = uv_buf_t(self.sending.pointee.bytes)
        let status = uv_write(request, self.stream, &buffer, 1) { request, status in
            guard let data = request?.pointee.handle?.pointee.data else { return }
            Unmanaged<TCPSocket>.fromOpaque(data)._withUnsafeGuaranteedRef { $0.didWrite(status) }
        }
        if status != 0 { self.fail(SystemCallFailure(uv: status)) }
    }

    fileprivate func didWrite(_ status: CInt) {
        self.sending.pointee.consume(self.sending.pointee.count, to: self.loop.outputBlocks)
        guard !self.isClosing else { return }
        guard status == 0 else { return self.fail(SystemCallFailure(uv: status)) }
        if self.output.pointee.isEmpty {
            if self.wantsShutdown { self.startShutdown() }
            self.delegate?.flushed()
        } else if self.flush() {
            self.delegate?.flushed()
        }
    }

    // MARK: Ending

    /// Ends our side once all that was written is sent. Reading goes on.
    package func shutdown() {
        guard !self.wantsShutdown, !self.isClosing else { return }
        self.wantsShutdown = true
        if self.unsentBytes == 0 { self.startShutdown() }
    }

    private func startShutdown() {
        guard self.shutdownRequest == nil, !self.isClosing else { return }
        let request = UnsafeMutablePointer<uv_shutdown_t>.allocate(capacity: 1)
        self.shutdownRequest = request
        // A peer that is gone already is found by the next read.
        uv_shutdown(request, self.stream, nil)
    }

    /// Closes without the courtesy of a FIN: the peer's view of what it sent is void.
    package func reset() {
        self.close { raw, closed in uv_tcp_close_reset(raw.assumingMemoryBound(to: uv_tcp_t.self), closed) }
    }

    private func fail(_ failure: SystemCallFailure) {
        guard !self.isClosing else { return }
        self.close()
        self.delegate?.failed(failure)
    }

    override func willClose() {
        self.isReading = false
    }

    override func didClose() {
        // The requests' memory is libuv's until here: closing cancels them first.
        self.writeRequest?.deallocate()
        self.shutdownRequest?.deallocate()
        self.delegate?.closed()
        self.delegate = nil
    }
}

extension uv_buf_t {
    /// libuv only reads from it.
    fileprivate init(_ bytes: UnsafeRawBufferPointer) {
        self = uv_buf_init(UnsafeMutableRawPointer(mutating: bytes.baseAddress)?.assumingMemoryBound(to: CChar.self), UInt32(bytes.count))
    }
}

private func allocateSpace(_ handle: UnsafeMutablePointer<uv_handle_t>?, _: Int, _ buffer: UnsafeMutablePointer<uv_buf_t>?) {
    LoopHandle.owner(handle?.pointee.data, as: TCPSocket.self) { socket in
        let space = socket.readSpace
        buffer!.pointee = uv_buf_init(space.baseAddress?.assumingMemoryBound(to: CChar.self), UInt32(space.count))
    }
}

private func readCompleted(_ stream: UnsafeMutablePointer<uv_stream_t>?, _ count: Int, _: UnsafePointer<uv_buf_t>?) {
    LoopHandle.owner(stream?.pointee.data, as: TCPSocket.self) { $0.didRead(count) }
}
