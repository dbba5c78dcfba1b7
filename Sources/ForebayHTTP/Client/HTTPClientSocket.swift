import Glibc

/// One TCP connection of a blocking client. The descriptor itself never blocks, so that every wait has an end.
struct HTTPClientSocket: ~Copyable {
    private let file: Int32

    /// Tries each address of the host until one answers.
    init(_ address: HTTPAddress, deadline: HTTPClientClock.Instant) throws(HTTPClientError) {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(address.host, String(address.port), &hints, &list)
        guard code == 0 else {
            throw HTTPClientError(.notConnected, "cannot find \(address.host): \(String(cString: gai_strerror(code)))")
        }
        defer { freeaddrinfo(list) }
        var reason = "no address"
        var next = list
        while let entry = next {
            switch Self.connect(entry.pointee, deadline) {
            case .success(let file):
                self.file = file
                return
            case .failure(let failure): reason = failure.description
            }
            next = entry.pointee.ai_next
        }
        throw HTTPClientError(.notConnected, "cannot connect to \(address): \(reason)")
    }

    deinit {
        close(self.file)
    }

    /// Whether a connection that lay idle is still good: nothing has come that nobody asked for, nor the end.
    var isQuiet: Bool {
        var entry = pollfd(fd: self.file, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) == 0
    }

    enum Written {
        case all
        /// An answer, or the end, came before the request was out.
        case interrupted
    }

    /// Writes until all is out or the other side has something to say.
    func write(_ bytes: UnsafeRawBufferPointer, deadline: HTTPClientClock.Instant) throws(HTTPClientError) -> Written {
        var rest = bytes
        while !rest.isEmpty {
            let count = send(self.file, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            if count > 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else if errno == EAGAIN {
                let events = try Self.wait(self.file, POLLIN | POLLOUT, deadline)
                if events & POLLOUT == 0 { return .interrupted }
            } else if errno == EPIPE || errno == ECONNRESET {
                return .interrupted  // There may be an answer that says why.
            } else if errno != EINTR {
                throw HTTPClientError(.connectionLost, "cannot send: \(String(cString: strerror(errno)))")
            }
        }
        return .all
    }

    /// - Returns: how many bytes came; 0 at the end.
    func read(_ buffer: UnsafeMutableRawBufferPointer, deadline: HTTPClientClock.Instant) throws(HTTPClientError) -> Int {
        while true {
            let count = recv(self.file, buffer.baseAddress, buffer.count, 0)
            if count >= 0 { return count }
            if errno == EAGAIN {
                _ = try Self.wait(self.file, POLLIN, deadline)
            } else if errno != EINTR {
                throw HTTPClientError(.connectionLost, "the connection was lost: \(String(cString: strerror(errno)))")
            }
        }
    }

    private struct Failure: Error, CustomStringConvertible { let description: String }

    private static func connect(_ entry: addrinfo, _ deadline: HTTPClientClock.Instant) -> Result<Int32, Failure> {
        let type = entry.ai_socktype | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let file = socket(entry.ai_family, type, entry.ai_protocol)
        guard file >= 0 else { return .failure(Failure(description: String(cString: strerror(errno)))) }
        var one: Int32 = 1
        setsockopt(file, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        if Glibc.connect(file, entry.ai_addr, entry.ai_addrlen) == 0 { return .success(file) }
        var code = errno
        if code == EINPROGRESS {
            do throws(HTTPClientError) {
                _ = try Self.wait(file, POLLOUT, deadline)
                var size = socklen_t(MemoryLayout<Int32>.size)
                getsockopt(file, SOL_SOCKET, SO_ERROR, &code, &size)
            } catch {
                close(file)
                return .failure(Failure(description: error.message))
            }
        }
        if code == 0 { return .success(file) }
        close(file)
        return .failure(Failure(description: String(cString: strerror(code))))
    }

    private static func wait(_ file: Int32, _ events: Int32, _ deadline: HTTPClientClock.Instant) throws(HTTPClientError) -> Int32 {
        while true {
            let left = HTTPClientClock.milliseconds(until: deadline)
            guard left > 0 else { throw HTTPClientError(.timedOut, "no answer in time") }
            var entry = pollfd(fd: file, events: Int16(events), revents: 0)
            let count = poll(&entry, 1, Int32(clamping: left))
            if count > 0 { return Int32(entry.revents) }
            if count < 0, errno != EINTR { throw HTTPClientError(.connectionLost, String(cString: strerror(errno))) }
        }
    }
}

/// Time that nobody can set.
enum HTTPClientClock {
    typealias Instant = ContinuousClock.Instant

    static func deadline(in milliseconds: Int) -> Instant { .now + .milliseconds(milliseconds) }

    /// Rounded up, so that a wait is never cut to nothing.
    static func milliseconds(until deadline: Instant) -> Int {
        let left = (deadline - .now).components
        guard left.seconds >= 0, left.attoseconds >= 0 else { return 0 }
        return Int(clamping: left.seconds).multipliedReportingOverflow(by: 1000).partialValue
            + Int((left.attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
