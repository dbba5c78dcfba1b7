import ForebayCore
import ForebayHTTP
import ForebayNet
import Testing

@Suite("HTTP server under pressure, and its end", .timeLimit(.minutes(1)))
struct HTTPCapsTests {
    private static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    @Test("past the cap connections wait, and are served when others leave")
    func connectionsWait() async throws {
        let server = try await TestServer { $0.caps.connections = 3 }
        var clients = try (0..<3).map { _ in try server.connect() }
        for client in clients {
            try await client.send(Self.get)
            #expect(try await client.readAnswer().status == 200)
        }
        let late = try server.connect()
        try await late.send(Self.get)
        let (loop, httpServer) = (server.loop, server.server)
        for _ in 0..<20 { #expect(try await loop.perform { httpServer.openConnections } == 3) }
        clients.removeLast()
        #expect(try await late.readAnswer().status == 200)
        try await server.stop()
    }

    @Test(
        "a limit of open files that leaves fewer connections leaves an address its part of them",
        arguments: [
            (16_384, 4_096, 65_536, 16_384, 4_096), (16_384, 4_096, 1_024, 768, 192), (16_384, 4_096, 128, 16, 4), (16_384, 0, 128, 16, 0),
            (1_000, 1, 300, 44, 1), (100, 5_000, 128, 16, 16),
        ])
    func openFiles(_ all: Int, _ address: Int, _ files: Int, _ allLeft: Int, _ addressLeft: Int) {
        var caps = HTTPCaps()
        (caps.connections, caps.connectionsPerAddress) = (all, address)
        let left = caps.fitting(openFiles: files)
        #expect(left.connections == allLeft && left.connectionsPerAddress == addressLeft)
    }

    @Test("a server keeps to what this process may open")
    func fitsTheProcess() async throws {
        let server = try await TestServer {
            $0.caps.connections = 1 << 40
            $0.caps.connectionsPerAddress = 1 << 39
        }
        let caps = server.server.configuration.caps
        #expect(caps.connections < 1 << 40 && caps.connectionsPerAddress <= caps.connections)
        try await server.stop()
    }

    @Test("past the cap of one address a connection gets 503 with Retry-After")
    func addressIsCapped() async throws {
        let server = try await TestServer { $0.caps.connectionsPerAddress = 2 }
        var clients = try (0..<2).map { _ in try server.connect() }
        for client in clients {
            try await client.send(Self.get)
            #expect(try await client.readAnswer().status == 200)
        }
        let answer = try await server.connect().readAnswer()
        #expect(answer.status == 503)
        #expect(answer.field("Retry-After") == "1")
        #expect(answer.text.contains("too_many_connections"))
        clients.removeLast()
        let (loop, httpServer) = (server.loop, server.server)
        try await until { (try? await loop.perform { httpServer.openConnections }) == 1 }
        let next = try server.connect()
        try await next.send(Self.get)
        #expect(try await next.readAnswer().status == 200)
        try await server.stop()
    }

    @Test("unfinished bodies beyond the memory bound get 503; those that hold memory already go on, small requests too")
    func memoryIsBounded() async throws {
        let server = try await TestServer { $0.limits.memory = 500_000 }
        let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n"
        let first = try server.connect()
        try await first.send(post)
        try await first.send([UInt8](repeating: 0x61, count: 299_999))
        let (loop, httpServer) = (server.loop, server.server)
        try await until { (try? await loop.perform { httpServer.heldBytes >= 300_000 }) == true }
        let second = try server.connect()
        try await second.send(post)
        try await second.send([UInt8](repeating: 0x61, count: 299_999))
        let answer = try await second.readAnswer()
        #expect(answer.status == 503)
        #expect(answer.field("Retry-After") == "1")
        let small = try server.connect()
        try await small.send(Self.get)
        #expect(try await small.readAnswer().status == 200)
        try await first.send("b")
        #expect(try await first.readAnswer().body.count == 300_000)
        try await until { (try? await loop.perform { httpServer.heldBytes }) == 0 }
        try await server.stop()
    }

    @Test("drain closes idle connections, answers what is in flight with the end, and takes no new ones")
    func drains() async throws {
        let handler = EchoHandler()
        nonisolated(unsafe) var waiting: RequestID?
        handler.respond = { server, id, request, body in
            if request.pathIs("/wait") { waiting = id } else { server.answer(id, .json(200, String(decoding: body, as: UTF8.self))) }
        }
        let server = try await TestServer(handler: handler)
        let (idle, busy, half) = (try server.connect(), try server.connect(), try server.connect())
        try await idle.send(Self.get)
        #expect(try await idle.readAnswer().status == 200)
        try await busy.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        try await half.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n4")
        try await until { handler.seen.count == 2 }
        let (loop, httpServer) = (server.loop, server.server)
        try await until { (try? await loop.perform { httpServer.heldBytes > 0 }) == true }

        let drained = Task { await TestServer.Closer(loop: loop).drain(httpServer) }
        #expect(try await idle.read().isEmpty)
        #expect(throws: RawClient.Failure.self) { try server.connect() }
        try await loop.perform { httpServer.answer(waiting!, .json(200, "{}")) }
        let answer = try await busy.readAnswer()
        #expect(answer.text == "{}")
        #expect(answer.field("Connection") == "close")
        #expect(try await busy.read().isEmpty)
        try await half.send("2")
        #expect(try await half.readAnswer().text == "42")
        #expect(try await half.read().isEmpty)
        for client in [busy, half] { client.endSending() }
        await drained.value
        try await server.stop()
    }

    @Test("close drops what is unanswered, and ends")
    func closes() async throws {
        let handler = EchoHandler()
        handler.respond = { _, _, _, _ in }
        let server = try await TestServer(handler: handler)
        let client = try server.connect()
        try await client.send(Self.get)
        try await until { handler.seen.count == 1 }
        try await server.stop()
        #expect(handler.dropped == 1)
        #expect((try? await client.read())?.isEmpty ?? true)
    }

    @Test("a replaced handler gets the next request")
    func replacesHandler() async throws {
        let server = try await TestServer()
        let client = try server.connect()
        try await client.send(Self.get)
        #expect(try await client.readAnswer().status == 200)
        let other = EchoHandler()
        let httpServer = server.server
        other.server = httpServer
        other.respond = { server, id, _, _ in server.answer(id, .json(202, "{}")) }
        try await server.loop.perform { httpServer.replaceHandler(other) }
        try await client.send(Self.get)
        #expect(try await client.readAnswer().status == 202)
        try await server.stop()
    }

    @Test("an address that is taken is refused by name")
    func addressInUse() async throws {
        let server = try await TestServer()
        let (loop, httpServer, port) = (server.loop, server.server, server.port)
        let error = await #expect(throws: ForebayError.self) {
            try await loop.perform { _ = try httpServer.listen(host: "127.0.0.1", port: port) }
        }
        #expect(error?.code == .addressInUse)
        #expect(error?.description.contains("127.0.0.1:\(port)") == true)
        try await server.stop()
    }
}
