import ForebayHTTP
import ForebayNet
import Testing

@Suite("HTTP server: the end of a connection", .timeLimit(.minutes(1)))
struct HTTPEndTests {
    private static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    @Test(
        "the connection ends when the client asks, and with HTTP/1.0 unless it asks otherwise",
        arguments: [
            ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", true), ("GET / HTTP/1.0\r\n\r\n", true),
            ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false), ("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", true),
        ])
    func ends(request: String, ends: Bool) async throws {
        let server = try await TestServer()
        let client = try server.connect()
        try await client.send(request)
        let answer = try await client.readAnswer()
        #expect(answer.status == 200)
        #expect(answer.field("Connection") == (ends ? "close" : "keep-alive"))
        if ends {
            #expect(try await client.read().isEmpty)
        } else {
            try await client.send(request)
            #expect(try await client.readAnswer().status == 200)
        }
        try await server.stop()
    }

    @Test("a client that ends its side after a whole request still gets its answer")
    func endAfterRequest() async throws {
        let handler = EchoHandler()
        nonisolated(unsafe) var waiting: RequestID?
        handler.respond = { _, id, _, _ in waiting = id }
        let server = try await TestServer(handler: handler)
        let client = try server.connect()
        try await client.send(Self.get)
        client.endSending()
        try await until { handler.seen.count == 1 }
        let httpServer = server.server
        try await server.loop.perform { httpServer.answer(waiting!, .json(200, "{}")) }
        #expect(try await client.readAnswer().text == "{}")
        #expect(try await client.read().isEmpty)
        try await server.stop()
    }

    @Test(
        "a request that is cut short is nobody's request",
        arguments: [
            "GET / HTTP/1.1\r\nHost: a\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcd",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n",
        ])
    func endInsideRequest(request: String) async throws {
        let server = try await TestServer()
        let client = try server.connect()
        try await client.send(Self.get + request)
        client.endSending()
        #expect(try await client.readAnswer().status == 200)
        #expect(try await client.read().isEmpty)
        #expect(server.handler.seen.count == 1)
        #expect(server.handler.dropped == 0)
        try await server.stop()
    }

    @Test(
        "a client that ends its side while requests wait is told of for each; what is answered then it still gets, in order, and the connection goes"
    )
    func endsBeforeAnswer() async throws {
        for isGone in [false, true] {
            let handler = EchoHandler()
            handler.respond = { _, _, _, _ in }
            nonisolated(unsafe) var ended: [RequestID] = []
            handler.onEnd = { server, id in
                ended.append(id)
                // The second comes before its turn.
                if ended.count == 2 { for (place, id) in ended.reversed().enumerated() { server.answer(id, .json(202, "\(2 - place)")) } }
            }
            let server = try await TestServer(handler: handler)
            var client: RawClient? = try server.connect()
            try await client?.send(Self.get + Self.get)
            try await until { handler.seen.count == 2 }
            if isGone {
                client = nil
            } else {
                client?.endSending()
                for text in ["1", "2"] { #expect(try await client?.readAnswer().text == text) }
                #expect(try await client?.read().isEmpty == true)
            }
            let (counted, loop) = (server.server, server.loop)
            try await until { (try? await loop.perform { counted.openConnections }) == 0 }
            #expect(try await server.loop.perform { ended.count } == 2)
            try await server.stop()
        }
    }

    @Test("an answer to a connection that is gone is dropped, and the handler is told")
    func goneBeforeAnswer() async throws {
        let handler = EchoHandler()
        nonisolated(unsafe) var waiting: [RequestID] = []
        handler.respond = { _, id, _, _ in waiting.append(id) }
        let server = try await TestServer(handler: handler)
        var client: RawClient? = try server.connect()
        try await client?.send(Self.get + Self.get)
        try await until { handler.seen.count == 2 }
        try client?.resetOnClose()
        client = nil
        try await until { handler.dropped == 2 }
        let next = try server.connect()
        try await next.send(Self.get)
        try await until { handler.seen.count == 3 }
        let httpServer = server.server
        try await server.loop.perform {
            // The new connection has the old one's slot, and must not get its answers.
            for id in waiting.prefix(2) { httpServer.answer(id, .json(200, "\"old\"")) }
            httpServer.answer(waiting[2], .json(200, "\"new\""))
        }
        #expect(try await next.readAnswer().text == "\"new\"")
        try await server.stop()
    }

    @Test("a request whose body was still coming when its connection broke was never the handler's, and is not dropped to it")
    func brokenInsideBody() async throws {
        let handler = EchoHandler()
        handler.respond = { _, _, _, _ in }
        let server = try await TestServer(handler: handler)
        var client: RawClient? = try server.connect()
        try await client?.send(Self.get + "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na")
        let (loop, httpServer) = (server.loop, server.server)
        try await until { (try? await loop.perform { httpServer.heldBytes > 0 }) == true }
        try client?.resetOnClose()
        client = nil
        try await until { (try? await loop.perform { httpServer.openConnections }) == 0 }
        #expect(handler.dropped == 1)
        #expect(handler.seen.count == 1)
        try await server.stop()
    }
}
