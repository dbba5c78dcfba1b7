import ForebayNet
import ForebayTelemetry
import Testing

@testable import ForebayHTTP

/// At the cap of connections, those on which nothing has come make room, and no request is lost by it.
@Suite("HTTP server: room for connections", .timeLimit(.minutes(1)))
struct HTTPRoomTests {
    private static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    @Test("connections on which no byte has come make room, the oldest first; those with a request, or half of one, stay")
    func silentMakeRoom() async throws {
        let server = try await TestServer {
            $0.caps.connections = 12
            $0.times.silence = 50
        }
        let (served, half) = (try server.connect(), try server.connect())
        try await served.send(Self.get)
        #expect(try await served.readAnswer().status == 200)
        try await half.send("GET / HT")
        let silent = try (0..<20).map { _ in try server.connect() }
        for _ in 0..<5 {
            let client = try server.connect()
            try await client.send(Self.get)
            #expect(try await client.readAnswer().status == 200)
        }
        #expect(try await silent[0].read().isEmpty)
        try await half.send("TP/1.1\r\nHost: a\r\n\r\n")
        #expect(try await half.readAnswer().status == 200)
        try await served.send(Self.get)
        #expect(try await served.readAnswer().status == 200)
        try await server.stop()
    }

    @Test("a request that has come and was not read yet is not lost")
    func unread() async throws {
        let server = try await TestServer {
            $0.caps.connections = 4
            $0.times.silence = 100
        }
        let (loop, httpServer) = (server.loop, server.server)
        try await loop.perform { httpServer.pauseReading() }
        let clients = try (0..<5).map { _ in
            let client = try server.connect()
            try client.sendNow(Array(Self.get.utf8))
            return client
        }
        // Long enough for the server to look for room.
        await pace(500)
        try await loop.perform { httpServer.resumeReading() }
        for client in clients[..<4] { #expect(try await client.readAnswer().status == 200) }
        clients[0].endSending()
        #expect(try await clients[4].readAnswer().status == 200)
        try await server.stop()
    }

    @Test("the log says that the limit is reached, and whether there is room", arguments: [0, 60_000] as [UInt64])
    func log(silence: UInt64) async throws {
        let log = LogCapture()
        defer { log.close() }
        let server = try await TestServer {
            $0.name = "room-\(silence)"
            $0.caps.connections = 3
            $0.times.silence = silence
        }
        let clients = try (0..<3).map { _ in try server.connect() }
        try await until { !log.records(label: "http/room-\(silence)").isEmpty }
        let told = log.records(label: "http/room-\(silence)")[0]
        #expect(told.level == .warning && told["limit"] == "3" && told.message.hasSuffix(silence == 0 ? "make room" : "wait"))
        withExtendedLifetime(clients) {}
        try await server.stop()
    }

    @Test("what is remembered of connections goes with them")
    func bounded() async throws {
        let server = try await TestServer()
        for _ in 0..<300 { _ = try server.connect() }
        let (loop, httpServer) = (server.loop, server.server)
        try await until { (try? await loop.perform { httpServer.openConnections }) == 0 }
        _ = try server.connect()
        try await until { (try? await loop.perform { httpServer.connections.silentCount <= 200 }) == true }
        try await server.stop()
    }
}
