import Glibc
import Synchronization

/// A request as the scripted server saw it.
package struct ScriptedRequest: Sendable {
    package let method: String
    package let target: String
    /// Names in lower case.
    package let headers: [String: String]
    package let body: [UInt8]
    /// Which connection it came on, from 0.
    package let connection: Int

    package var text: String { String(decoding: self.body, as: UTF8.self) }
}

/// What the scripted server sends, byte for byte.
package struct ScriptedAnswer: Sendable {
    /// Sent one after the other; they may meet on the way.
    package var pieces: [[UInt8]]
    package var closes = false

    package init(pieces: [String], closes: Bool = false) {
        self.pieces = pieces.map { Array($0.utf8) }
        self.closes = closes
    }

    package init(status: Int, headers: [String] = [], body: String = "") {
        let fields = (headers + ["Content-Length: \(body.utf8.count)"]).map { $0 + "\r\n" }.joined()
        self.init(pieces: ["HTTP/1.1 \(status) Scripted\r\n\(fields)\r\n\(body)"])
    }

    /// Hangs up without a word.
    package static let none = ScriptedAnswer(pieces: [], closes: true)
    /// Says nothing and stays.
    package static let silence = ScriptedAnswer(pieces: [])
}

/// An HTTP server on a free port of 127.0.0.1 that answers what a test tells it to: for clients. Blocking, a thread for each connection.
package final class ScriptedServer: Sendable {
    package typealias Script = @Sendable (_ request: ScriptedRequest, _ index: Int) -> ScriptedAnswer

    private struct State {
        var requests: [ScriptedRequest] = []
        var open: Set<Int32> = []
        /// That of the listener, then those of the connections; none once joined.
        var threads: [pthread_t?] = []
        var isStopped = false
    }

    package let port: Int
    private let listener: Int32
    private let script: Script
    private let state = Mutex(State())

    package init(_ script: @escaping Script) {
        self.script = script
        self.listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = self.listener
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && listen(listener, 64) == 0 && getsockname(listener, $0, &size) == 0
            }
        }
        precondition(isBound, "no port for a scripted server")
        self.port = Int(UInt16(bigEndian: address.sin_port))
        self.start { server in server.accept() }
    }

    package var url: String { "http://127.0.0.1:\(self.port)" }
    package var requests: [ScriptedRequest] { self.state.withLock { $0.requests } }

    /// Closes everything and waits for the threads.
    package func stop() {
        let threads = self.state.withLock { state in
            state.isStopped = true
            shutdown(self.listener, Int32(SHUT_RDWR))
            for file in state.open { shutdown(file, Int32(SHUT_RDWR)) }
            return state.threads
        }
        for case let thread? in threads { pthread_join(thread, nil) }
        close(self.listener)
    }

    /// Waits until a connection, counted from 0, that the script has ended is closed.
    package func join(connection: Int) {
        let thread = self.state.withLock { state in
            defer { state.threads[connection + 1] = nil }
            return state.threads[connection + 1]
        }
        if let thread { pthread_join(thread, nil) }
    }

    // MARK: Threads

    private final class Work {
        let server: ScriptedServer
        let body: (ScriptedServer) -> Void

        init(_ server: ScriptedServer, _ body: @escaping (ScriptedServer) -> Void) {
            (self.server, self.body) = (server, body)
        }
    }

    private func start(_ body: @escaping (ScriptedServer) -> Void) {
        let work = Unmanaged.passRetained(Work(self, body)).toOpaque()
        // Under the lock: whoever a thread answers finds it in its place.
        self.state.withLock { state in
            var thread = pthread_t()
            pthread_create(
                &thread, nil,
                { argument in
                    let work = Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue()
                    work.body(work.server)
                    return nil
                }, work)
            state.threads.append(thread)
        }
    }

    private func accept() {
        var connections = 0
        while true {
            let file = Glibc.accept(self.listener, nil, nil)
            let isStopped = self.state.withLock { state in
                if file >= 0, !state.isStopped { state.open.insert(file) }
                return state.isStopped
            }
            if file < 0 || isStopped {
                if file >= 0 { close(file) }
                return
            }
            let number = connections
            connections += 1
            self.start { server in server.serve(file, number) }
        }
    }

    private func serve(_ file: Int32, _ connection: Int) {
        defer {
            self.state.withLock { _ = $0.open.remove(file) }
            close(file)
        }
        var bytes: [UInt8] = []
        while let request = Self.request(file, &bytes, connection) {
            let index = self.state.withLock { state in
                state.requests.append(request)
                return state.requests.count - 1
            }
            let answer = self.script(request, index)
            for piece in answer.pieces {
                guard send(file, piece, piece.count, Int32(MSG_NOSIGNAL)) == piece.count else { return }
            }
            if answer.closes { return }
        }
    }

    private static func request(_ file: Int32, _ bytes: inout [UInt8], _ connection: Int) -> ScriptedRequest? {
        while true {
            if let (request, end) = Self.parse(bytes, connection) {
                bytes.removeSubrange(..<end)
                return request
            }
            var chunk = [UInt8](repeating: 0, count: 64 << 10)
            let count = read(file, &chunk, chunk.count)
            guard count > 0 else { return nil }
            bytes += chunk[..<count]
        }
    }

    private static func parse(_ bytes: [UInt8], _ connection: Int) -> (ScriptedRequest, Int)? {
        guard let end = bytes.indices.first(where: { bytes[$0...].starts(with: [13, 10, 13, 10]) }) else { return nil }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        let words = lines[0].split(separator: " ")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let name = line.prefix { $0 != ":" }
            headers[name.lowercased()] = String(line.dropFirst(name.count + 1).drop { $0 == " " })
        }
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        guard bytes.count >= end + 4 + length else { return nil }
        let request = ScriptedRequest(
            method: String(words[0]), target: String(words[1]), headers: headers, body: Array(bytes[(end + 4)..<(end + 4 + length)]),
            connection: connection)
        return (request, end + 4 + length)
    }
}
