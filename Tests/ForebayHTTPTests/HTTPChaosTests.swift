import ForebayHTTP
import ForebayNet
import Testing

@Suite("HTTP server and clients without manners", .timeLimit(.minutes(2)))
struct HTTPChaosTests {
    /// Keeps requests and answers them later, in any order, some at once.
    final class LateHandler: HTTPHandler, @unchecked Sendable {  // Safe because: it is only used on the server's loop.
        weak var server: HTTPServer?
        private var waiting: [(id: RequestID, body: [UInt8])] = []
        private var random: Seeded

        init(seed: UInt64) { self.random = Seeded(seed) }

        func head(_ request: borrowing HTTPRequestHead) -> HTTPVerdict {
            request.pathIs("/refused") ? .refuse(.json(503, "{}")) : .accept(bodyLimit: 1 << 20)
        }

        func request(_ id: RequestID, _ request: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer) {
            if self.random.chance(30) { return self.answer(id, Array(body)) }
            self.waiting.append((id, Array(body)))
        }

        func tick() {
            for _ in 0..<self.random.pick([0, 1, 2, 10]) where !self.waiting.isEmpty {
                let (id, body) = self.waiting.remove(at: Int(self.random.next() % UInt64(self.waiting.count)))
                self.answer(id, body)
            }
        }

        private func answer(_ id: RequestID, _ body: [UInt8]) {
            self.server?.answer(id, HTTPResponse(status: 200, contentType: "text/plain", body: body))
        }
    }

    @Test(
        "every request gets its own answer, in order, however it is cut, mixed, delayed and pipelined",
        arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
    func keepsOrder(seed: UInt64) async throws {
        let handler = LateHandler(seed: seed)
        var configuration = HTTPConfiguration(name: "chaos")
        configuration.limits.pipelined = 4
        configuration.limits.unsent = 8 << 10
        let loop = try EventLoop(label: "chaos")
        let server = HTTPServer.testing(loop: loop, configuration: configuration, handler: handler)
        let port = try await loop.perform {
            handler.server = server
            loop.timer(every: 1) { handler.tick() }
            return try server.listen(host: "127.0.0.1", port: 0)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<UInt64(6) {
                group.addTask { try await Self.client(port: port, seed: seed &* 100 &+ number) }
            }
            try await group.waitForAll()
        }
        await TestServer.Closer(loop: loop).close(server)
        await loop.stop()
    }

    private static func client(port: Int, seed: UInt64) async throws {
        var random = Seeded(seed)
        var (bytes, expected): ([UInt8], [[UInt8]?]) = ([], [])
        for index in 0..<60 {
            let isRefused = random.chance(10)
            let body = (0..<random.pick([0, 1, 10, 300, 5_000, 20_000])).map { UInt8(truncatingIfNeeded: $0 &+ index) }
            bytes += Self.request(body, isRefused: isRefused, &random)
            expected.append(isRefused ? nil : body)
        }
        let client = try RawClient(port: port, receiveBuffer: 16 << 10)
        let pieces = Self.cut(bytes, &random)
        let sending = Task {
            for (piece, pause) in pieces {
                try await client.send(piece)
                if pause { await pace(1) }
            }
        }
        for (index, body) in expected.enumerated() {
            let answer = try await client.readAnswer()
            #expect(answer.status == (body == nil ? 503 : 200), "request \(index), seed \(seed)")
            if let body { #expect(answer.body == body, "request \(index), seed \(seed)") }
        }
        try await sending.value
    }

    private static func request(_ body: [UInt8], isRefused: Bool, _ random: inout Seeded) -> [UInt8] {
        let line = "POST \(isRefused ? "/refused" : "/") HTTP/1.1\r\nHost: a\r\n"
        // A refused chunked body ends the connection, so those are counted.
        guard !isRefused, random.chance(40) else { return Array("\(line)Content-Length: \(body.count)\r\n\r\n".utf8) + body }
        var (bytes, offset) = (Array("\(line)Transfer-Encoding: chunked\r\n\r\n".utf8), 0)
        while offset < body.count {
            let count = min(body.count - offset, random.pick([1, 7, 100, 4_096, 100_000]))
            bytes += Array("\(String(count, radix: 16))\r\n".utf8) + body[offset..<offset + count] + [13, 10]
            offset += count
        }
        return bytes + Array("0\r\n\r\n".utf8)
    }

    private static func cut(_ bytes: [UInt8], _ random: inout Seeded) -> [(piece: [UInt8], pause: Bool)] {
        var (pieces, offset): ([([UInt8], Bool)], Int) = ([], 0)
        while offset < bytes.count {
            let count = min(bytes.count - offset, random.pick([3, 50, 1_000, 30_000, 200_000]))
            pieces.append((Array(bytes[offset..<offset + count]), random.chance(20)))
            offset += count
        }
        return pieces
    }
}
