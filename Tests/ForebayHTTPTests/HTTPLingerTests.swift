import ForebayNet
import ForebayTelemetry
import Testing

@testable import ForebayHTTP

/// A refused client that goes on sending sees the answer, and can't make a weapon of it.
@Suite("HTTP server: what still comes after a refusal", .timeLimit(.minutes(1)))
struct HTTPLingerTests {
    @Test(
        "a body over the handler's limit gets 413 and the end, and the client sees it although it goes on sending",
        arguments: [true, false])
    func lingers(isChunked: Bool) async throws {
        let handler = EchoHandler()
        handler.judge = { _ in .accept(bodyLimit: 1000) }
        let server = try await TestServer(handler: handler)
        let client = try server.connect()
        let size = 900_000
        if isChunked {
            try await client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(String(size, radix: 16))\r\n")
        } else {
            try await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(size)\r\n\r\n")
        }
        // All of it, before the answer is looked at: a server that closed at once would reset the connection and with it the answer.
        for _ in 0..<9 { try await client.send([UInt8](repeating: 0x61, count: size / 9)) }
        let answer = try await client.readAnswer()
        #expect(answer.status == 413)
        #expect(answer.field("Connection") == "close")
        #expect(answer.field("Content-Type") == "application/problem+json")
        #expect(answer.text.contains("\"code\":\"body_too_large\""))
        #expect(answer.text.contains("\"request_id\":\""))
        #expect(try await client.read().isEmpty)
        #expect(handler.seen.isEmpty)
        try await server.stop()
    }

    @Test("whoever goes on sending without end after a refusal is cut off")
    func lingersBounded() async throws {
        let server = try await TestServer { $0.times.lingerBytes = 100_000 }
        let client = try server.connect()
        try await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n")
        await #expect(throws: RawClient.Failure.self) {
            for _ in 0..<10_000 { try await client.send([UInt8](repeating: 0x61, count: 10_000)) }
        }
        try await server.stop()
    }

    private static func post(_ count: Int) -> String { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(count)\r\n\r\n" }

    private static func body(_ count: Int) -> [UInt8] { [UInt8](repeating: 0x61, count: count) }

    /// Takes bodies of 1 MiB, and drops 3 MB of a larger one, where there is a place; else 100 kB.
    private func server() async throws -> TestServer {
        try await TestServer {
            $0.times.lingerBytes = 100_000
            $0.times.longLingerBytes = 3_000_000
            $0.caps.longLingering = 4
        }
    }

    @Test("a client that writes all of a body that is too large before it reads gets its 413")
    func writesFirst() async throws {
        let server = try await self.server()
        for size in [(1 << 20) + 1, 2_500_000] {
            let client = try server.connect()
            try await client.send(Self.post(size))
            try await client.send(Self.body(size))
            #expect(try await client.readAnswer().status == 413)
            #expect(try await client.read().isEmpty)
        }
        try await server.stop()
    }

    @Test("few may send much after a refusal at a time, of one address a quarter of these; the others are cut off as ever")
    func places() async throws {
        let server = try await self.server()
        let (loop, httpServer) = (server.loop, server.server)
        func lingering() async -> Double { (try? await loop.perform { httpServer.reporter.metrics.lingering.value }) ?? -1 }
        var holder: RawClient? = try server.connect(from: 2)
        try await holder?.send(Self.post(2_500_000))
        try await holder?.send(Self.body(2_000_000))
        #expect(try await holder?.readAnswer().status == 413)
        let second = try server.connect(from: 2)
        try await second.send(Self.post(2_500_000))
        await #expect(throws: RawClient.Failure.self) {
            for _ in 0..<250 { try await second.send(Self.body(10_000)) }
        }
        let other = try server.connect(from: 3)
        try await other.send(Self.post(2_500_000))
        try await other.send(Self.body(2_500_000))
        #expect(try await other.readAnswer().status == 413)
        #expect(await lingering() >= 1)
        holder = nil
        other.endSending()
        try await until { await lingering() == 0 }
        let third = try server.connect(from: 2)
        try await third.send(Self.post(2_500_000))
        try await third.send(Self.body(2_500_000))
        #expect(try await third.readAnswer().status == 413)
        try await server.stop()
    }
}
