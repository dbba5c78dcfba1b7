import Dispatch
import ForebayCore
import ForebayHTTP
import ForebayTelemetry
import ForebayTestKit
import Glibc
import Synchronization

@testable import ForebayNet

/// What a handler saw of one request.
struct SeenRequest: Sendable, Equatable {
    var method: String
    var path: String
    var query: String
    var body: [UInt8]
}

/// Answers 200 with the body it got, unless a closure says otherwise; keeps what it saw.
// Safe because: the loop calls it, and tests read `seen` and `dropped` under the lock.
final class EchoHandler: HTTPHandler, @unchecked Sendable {
    private let state = Mutex<(seen: [SeenRequest], dropped: Int)>(([], 0))
    var judge: (borrowing HTTPRequestHead) -> HTTPVerdict = { _ in .accept(bodyLimit: 1 << 20) }
    var respond: ((HTTPServer, RequestID, borrowing HTTPRequestHead, UnsafeRawBufferPointer) -> Void)?
    weak var server: HTTPServer?

    var seen: [SeenRequest] { self.state.withLock { $0.seen } }
    var dropped: Int { self.state.withLock { $0.dropped } }

    func head(_ request: borrowing HTTPRequestHead) -> HTTPVerdict { self.judge(request) }

    func request(_ id: RequestID, _ request: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer) {
        let seen = SeenRequest(
            method: request.method.name, path: request.pathText, query: String(decoding: request.query, as: UTF8.self), body: Array(body))
        self.state.withLock { $0.seen.append(seen) }
        guard let server else { return }
        if let respond { return respond(server, id, request, body) }
        server.answer(id, HTTPResponse(status: 200, contentType: "text/plain", body: Array(body)))
    }

    var onEnd: ((HTTPServer, RequestID) -> Void)?

    func ended(_ id: RequestID) {
        if let server { self.onEnd?(server, id) }
    }

    func dropped(_ id: RequestID) { self.state.withLock { $0.dropped += 1 } }
}

extension HTTPServer {
    static func testing(loop: EventLoop, configuration: HTTPConfiguration, handler: any HTTPHandler) -> HTTPServer {
        HTTPServer(
            loop: loop, configuration: configuration, metrics: HTTPMetrics(registry: MetricsRegistry(), listener: "test"), handler: handler)
    }
}

/// A server on a loop of its own.
final class TestServer: Sendable {
    let loop: EventLoop
    let server: HTTPServer
    let handler: EchoHandler
    let port: Int

    init(_ configure: (inout HTTPConfiguration) -> Void = { _ in }, handler: EchoHandler = EchoHandler()) async throws {
        var configuration = HTTPConfiguration(name: "test")
        configuration.limits.areConfigured = true
        configure(&configuration)
        let loop = try EventLoop(label: "http-test")
        let server = HTTPServer.testing(loop: loop, configuration: configuration, handler: handler)
        handler.server = server
        (self.loop, self.server, self.handler) = (loop, server, handler)
        self.port = try await loop.perform { try server.listen(host: "127.0.0.1", port: 0) }
    }

    func connect(from host: UInt8 = 1) throws -> RawClient { try RawClient(port: self.port, host: host) }

    func stop() async throws {
        let (loop, server) = (self.loop, self.server)
        await Closer(loop: loop).close(server)
        await loop.stop()
    }

    actor Closer {
        nonisolated let loop: EventLoop
        nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }
        init(loop: EventLoop) { self.loop = loop }
        func close(_ server: HTTPServer) async { await server.close() }
        func drain(_ server: HTTPServer) async { await server.drain() }
    }
}

/// A blocking client that knows no HTTP: it sends what it is told and gives back what comes. Each read waits ten seconds at most.
final class RawClient: Sendable {
    struct Failure: Error { let code: CInt }

    let descriptor: CInt
    private let sending = DispatchQueue(label: "send")
    private let reading = DispatchQueue(label: "read")

    /// - Parameter host: the client's own address is 127.0.0.`host`.
    init(port: Int, host: UInt8 = 1, receiveBuffer: CInt? = nil) throws {
        self.descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        guard Loopback.bind(self.descriptor, host: host) == 0 else { throw Failure(code: errno) }
        if var size = receiveBuffer { setsockopt(self.descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<CInt>.size)) }
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(self.descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(self.descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var one: CInt = 1
        setsockopt(self.descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<CInt>.size))
        let status = Loopback.connect(self.descriptor, port: port)
        guard status == 0 else { throw Failure(code: errno) }
    }

    deinit { close(self.descriptor) }

    /// Off the pool of Swift's tasks, which has as many threads as there are cores: two that wait would stop all tests.
    private func blocking<Result: Sendable>(_ queue: DispatchQueue, _ body: @escaping @Sendable () throws -> Result) async throws -> Result
    {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Swift.Result { try body() }) }
        }
    }

    func send(_ text: String) async throws { try await self.send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) async throws { try await self.blocking(self.sending) { try self.sendNow(bytes) } }

    func sendNow(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.send(self.descriptor, $0.baseAddress! + sent, $0.count - sent, 0x4000) }
            guard count > 0 else { throw Failure(code: errno) }
            sent += count
        }
    }

    func endSending() { Glibc.shutdown(self.descriptor, CInt(SHUT_WR)) }

    /// What comes next; empty at the end.
    func read(_ count: Int = 65536) async throws -> [UInt8] { try await self.blocking(self.reading) { try self.readNow(count) } }

    func readNow(_ count: Int) throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: count)
        let got = buffer.withUnsafeMutableBytes { Glibc.read(self.descriptor, $0.baseAddress, $0.count) }
        guard got >= 0 else { throw Failure(code: errno) }
        return Array(buffer[..<got])
    }

    /// All that comes until the server ends its side.
    func readToEnd() async throws -> String {
        try await self.blocking(self.reading) {
            var all: [UInt8] = []
            while case let part = try self.readNow(65536), !part.isEmpty { all += part }
            return String(decoding: all, as: UTF8.self)
        }
    }

    /// One answer: its status, its head, its body by Content-Length (none to HEAD).
    func readAnswer(isHead: Bool = false) async throws -> Answer {
        try await self.blocking(self.reading) { try self.readAnswerNow(isHead) }
    }

    private func readAnswerNow(_ isHead: Bool) throws -> Answer {
        var head: [UInt8] = []
        while !head.ends(with: [13, 10, 13, 10]) {
            let byte = try self.readNow(1)
            guard !byte.isEmpty else { throw Failure(code: 0) }
            head += byte
        }
        var answer = Answer(head: String(decoding: head, as: UTF8.self))
        var left = isHead || answer.status == 100 ? 0 : Int(answer.field("Content-Length") ?? "0") ?? 0
        while left > 0 {
            let part = try self.readNow(min(left, 65536))
            guard !part.isEmpty else { throw Failure(code: 0) }
            answer.body += part
            left -= part.count
        }
        return answer
    }
}

struct Answer: Sendable {
    var head: String
    var body: [UInt8] = []

    var status: Int { Int(self.head.split(separator: " ").dropFirst().first ?? "") ?? 0 }
    var text: String { String(decoding: self.body, as: UTF8.self) }

    func field(_ name: String) -> String? {
        for line in self.head.split(separator: "\r\n") where line.lowercased().hasPrefix(name.lowercased() + ":") {
            return String(line.dropFirst(name.count + 1)).trimmed
        }
        return nil
    }
}

extension String {
    var trimmed: String {
        var text = self[...]
        while text.first == " " { text = text.dropFirst() }
        while text.last == " " { text = text.dropLast() }
        return String(text)
    }
}

extension Array where Element == UInt8 {
    func ends(with suffix: [UInt8]) -> Bool { self.count >= suffix.count && Array(self.suffix(suffix.count)) == suffix }
}

private let pacer = try! EventLoop(label: "pacer")

/// Lets time pass, for a client whose slowness or silence is what is tested. Nobody is hoped to be done by then.
func pace(_ milliseconds: Int) async {
    await withCheckedContinuation { done in
        pacer.execute { pacer.timer(after: milliseconds) { done.resume() } }
    }
}

struct ConditionNotMet: Error {}

/// Looks again and again until something is so, for ten seconds at most.
func until(_ isSo: () async -> Bool) async throws {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(10)
    while !(await isSo()) {
        guard clock.now < end else { throw ConditionNotMet() }
        await pace(1)
    }
}

extension RawClient {
    /// The close that comes will be a reset.
    func resetOnClose() throws {
        var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
        setsockopt(self.descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    }
}

extension PeerAddress {
    /// 127.0.0.`number`
    static func host(_ number: Int) -> PeerAddress {
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = (UInt32(0x7F00_0000) + UInt32(number)).bigEndian
            $0.storeBytes(of: address, as: sockaddr_in.self)
        }
        return PeerAddress(storage)
    }
}
