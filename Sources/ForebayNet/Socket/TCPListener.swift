import CUV
package import ForebayCore
import ForebayTelemetry
import Glibc

/// A listening socket on a loop, accepting by itself: `accept4` gives the peer's address for free, and pausing is a pause, without
/// a connection parked inside libuv.
package final class TCPListener {
    package let port: Int
    private let loop: EventLoop
    private let descriptor: CInt
    private let accepted: (CInt, PeerAddress) -> Void
    private var watch: Watch?
    private var isPaused = false
    private var recheck: Timer?

    /// Most connections taken in one turn, so that a flood of them leaves time for those that are there.
    private static let acceptsPerTurn = 64
    /// Linux cuts it to net.core.somaxconn.
    private static let backlog: CInt = 4096

    /// Listens on a numeric address or a host name (its first address that works); port 0 takes a free one.
    ///
    /// - Parameter accepted: Gets each connection's descriptor, non-blocking, as its new owner.
    /// - Throws: `address_in_use`, or `system_call` with the reason; both can't be mended by a restart.
    package init(loop: EventLoop, host: String, port: Int, accepted: @escaping (CInt, PeerAddress) -> Void) throws(ForebayError) {
        loop.preconditionOnLoop()
        self.loop = loop
        self.accepted = accepted
        (self.descriptor, self.port) = try Self.bind(host: host, port: port)
        do throws(ForebayError) {
            self.watch = try loop.watch(fd: self.descriptor) { [unowned self] in self.acceptWaiting() }
        } catch {
            Glibc.close(self.descriptor)
            throw error
        }
    }

    deinit {
        self.close()
    }

    /// Leaves new connections in the system's queue until ``resume()``.
    package func pause() {
        guard !self.isPaused else { return }
        self.isPaused = true
        self.watch?.pause()
    }

    package func resume() {
        guard self.isPaused else { return }
        self.isPaused = false
        self.watch?.resume()
    }

    /// Connections that wait to be accepted are refused by the system.
    package func close() {
        guard let watch = self.watch else { return }
        self.watch = nil
        self.recheck?.cancel()
        self.recheck = nil
        watch.cancel()  // Before the descriptor goes: its number may be another's in the same turn.
        Glibc.close(self.descriptor)
    }

    private func acceptWaiting() {
        for _ in 0..<Self.acceptsPerTurn {
            guard !self.isPaused, self.watch != nil else { return }
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let connection = withUnsafeMutablePointer(to: &storage) { storage in
                storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    accept4(self.descriptor, $0, &length, CInt(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue))
                }
            }
            if connection >= 0 {
                self.accepted(connection, PeerAddress(storage))
            } else if errno == EAGAIN || errno == EWOULDBLOCK {
                return
            } else if errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM {
                return self.waitForRoom(SystemCallFailure(code: errno))
            }
            // Else that connection is gone already (ECONNABORTED and the like): take the next.
        }
    }

    /// The system has no descriptor or memory left. Asking in a circle would burn the CPU, so look again soon.
    private func waitForRoom(_ failure: SystemCallFailure) {
        Logger(label: "net").warning("can't accept connections, trying again in 100 ms", ["reason": failure.description])
        self.watch?.pause()
        self.recheck = self.loop.timer(after: 100) { [weak self] in
            guard let self, !self.isPaused else { return }
            self.watch?.resume()
        }
    }
}

extension TCPListener {
    private static func bind(host: String, port: Int) throws(ForebayError) -> (CInt, Int) {
        var hints = addrinfo()
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &hints, &list)
        guard status == 0, let list else {
            throw ForebayError(.systemCall, recovery: .stop, "can't find the address \(host): \(String(cString: gai_strerror(status)))")
        }
        defer { freeaddrinfo(list) }
        var failure = SystemCallFailure(code: EADDRNOTAVAIL)
        for address in sequence(first: list, next: { $0.pointee.ai_next }) {
            do throws(SystemCallFailure) {
                return try Self.listen(address.pointee)
            } catch {
                failure = error
            }
        }
        let code: ForebayError.Code = failure.code == EADDRINUSE ? .addressInUse : .systemCall
        throw ForebayError(code, recovery: .stop, "can't listen on \(host):\(port)", cause: failure)
    }

    private static func listen(_ address: addrinfo) throws(SystemCallFailure) -> (CInt, Int) {
        let descriptor = socket(address.ai_family, CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemCallFailure(code: errno) }
        var one: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<CInt>.size))
        guard Glibc.bind(descriptor, address.ai_addr, address.ai_addrlen) == 0, Glibc.listen(descriptor, Self.backlog) == 0 else {
            let failure = SystemCallFailure(code: errno)
            Glibc.close(descriptor)
            throw failure
        }
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutablePointer(to: &storage) { storage in
            _ = storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        // The port lies at the same place in both families.
        let port = withUnsafeBytes(of: storage) { UInt16(bigEndian: $0.load(as: sockaddr_in.self).sin_port) }
        return (descriptor, Int(port))
    }
}
