/// A request of the blocking client. Host, length and connection fields are added.
package struct HTTPClientRequest: Sendable {
    package var method: String
    /// Path and query, percent-encoded.
    package var target: String
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    package init(method: String = "GET", target: String, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
    }
}

package struct HTTPClientResponse: Sendable {
    package let status: Int
    /// Names in lower case.
    package let headers: [(name: String, value: String)]
    package let body: [UInt8]

    package func header(_ name: String) -> String? {
        self.headers.first { $0.name == name }?.value
    }
}

/// A small client for command lines: blocks, keeps its connection, waits no longer than it was told. Plain HTTP only.
///
/// Not for the server: it would block a loop.
package struct HTTPClient: ~Copyable {
    private let address: HTTPAddress
    private let userAgent: String
    /// Milliseconds.
    package var connectTimeout = 5_000
    /// Milliseconds from the first byte of the request to the last of the answer.
    package var answerTimeout = 60_000
    /// Bytes of an answer's body.
    package var bodyLimit = 64 << 20
    private var socket: HTTPClientSocket?

    package init(_ address: HTTPAddress, userAgent: String = "forebay") {
        self.address = address
        self.userAgent = userAgent
    }

    /// Sends a request and waits for the answer, whatever its status.
    ///
    /// A GET or HEAD on a kept connection that turns out to be dead is sent once more on a fresh one; anything else is the caller's to
    /// repeat, who knows whether it may be done twice.
    package mutating func send(_ request: HTTPClientRequest) throws(HTTPClientError) -> HTTPClientResponse {
        let bytes = try self.bytes(of: request)
        let isReused = self.connectionIsGood()
        do {
            return try self.exchange(bytes, isHead: request.method == "HEAD")
        } catch  where isReused && error.kind == .connectionLost && ["GET", "HEAD"].contains(request.method) {
            return try self.exchange(bytes, isHead: request.method == "HEAD")
        }
    }

    /// Drops the connection.
    package mutating func close() {
        self.socket = nil
    }

    private mutating func connectionIsGood() -> Bool {
        guard let socket = self.socket.take() else { return false }
        guard socket.isQuiet else { return false }
        self.socket = consume socket
        return true
    }

    private mutating func exchange(_ bytes: [UInt8], isHead: Bool) throws(HTTPClientError) -> HTTPClientResponse {
        let kept = self.socket.take()
        let socket: HTTPClientSocket
        if let kept {
            socket = kept
        } else {
            socket = try HTTPClientSocket(self.address, deadline: HTTPClientClock.deadline(in: self.connectTimeout))
        }
        let deadline = HTTPClientClock.deadline(in: self.answerTimeout)
        var reader = HTTPAnswerReader(isHead: isHead, bodyLimit: self.bodyLimit)
        let written = try Self.write(bytes, to: socket, deadline)
        let response = try Self.read(&reader, from: socket, deadline)
        if reader.keepsAlive, case .all = written { self.socket = consume socket }
        return response
    }

    private static func write(
        _ bytes: [UInt8], to socket: borrowing HTTPClientSocket, _ deadline: HTTPClientClock.Instant
    ) throws(HTTPClientError) -> HTTPClientSocket.Written {
        let span = bytes.span
        return try span.withUnsafeBytes { (bytes) throws(HTTPClientError) in try socket.write(bytes, deadline: deadline) }
    }

    private static func read(
        _ reader: inout HTTPAnswerReader, from socket: borrowing HTTPClientSocket, _ deadline: HTTPClientClock.Instant
    ) throws(HTTPClientError) -> HTTPClientResponse {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = try socket.read(buffer, deadline: deadline)
            if count == 0 { return try reader.end() }
            if let response = try reader.take(UnsafeRawBufferPointer(rebasing: buffer[..<count])) { return response }
        }
    }

    private func bytes(of request: HTTPClientRequest) throws(HTTPClientError) -> [UInt8] {
        guard request.target.first == "/", request.target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw HTTPClientError(.invalidRequest, "not a request target: \(request.target)")
        }
        var text = "\(request.method) \(self.address.prefix)\(request.target) HTTP/1.1\r\nHost: \(self.address.authority)\r\n"
        text += "User-Agent: \(self.userAgent)\r\n"
        for (name, value) in request.headers {
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
                throw HTTPClientError(.invalidRequest, "the field \(name) has a control character in it")
            }
            text += "\(name): \(value)\r\n"
        }
        if !request.body.isEmpty || request.method == "POST" { text += "Content-Length: \(request.body.count)\r\n" }
        return Array((text + "\r\n").utf8) + request.body
    }
}
