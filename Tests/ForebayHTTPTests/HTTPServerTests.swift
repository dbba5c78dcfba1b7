import ForebayHTTP
import ForebayNet
import Testing

@Suite("HTTP server", .timeLimit(.minutes(1)))
struct HTTPServerTests {
    private static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    @Test("answers a POST with its body, keeps the connection, and says what HTTP asks an answer to say")
    func answersPost() async throws {
        let server = try await TestServer()
        let client = try server.connect()
        for number in 0..<3 {
            try await client.send("POST /v1/topics/a%20b?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\nhello-\(number)")
            let answer = try await client.readAnswer()
            #expect(answer.status == 200)
            #expect(answer.text == "hello-\(number)")
            #expect(answer.field("Date")?.hasSuffix("GMT") == true)
            #expect(answer.field("Connection") == nil)
        }
        #expect(server.handler.seen.first == SeenRequest(method: "POST", path: "/v1/topics/a b", query: "x=1", body: Array("hello-0".utf8)))
        try await server.stop()
    }

    @Test("answers pipelined requests in order, whatever the order in which they are done")
    func pipelinedInOrder() async throws {
        let handler = EchoHandler()
        nonisolated(unsafe) var waiting: [RequestID] = []
        handler.respond = { server, id, _, _ in
            waiting.append(id)
            guard waiting.count == 5 else { return }
            for index in [4, 2, 0, 3, 1] {
                server.answer(waiting[index], HTTPResponse(status: 200, contentType: "text/plain", text: "\(index)"))
                server.answer(waiting[index], HTTPResponse(status: 200, contentType: "text/plain", text: "a second answer to \(index)"))
            }
        }
        let server = try await TestServer(handler: handler)
        let client = try server.connect()
        try await client.send(String(repeating: Self.get, count: 5))
        for index in 0..<5 { #expect(try await client.readAnswer().text == "\(index)") }
        try await server.stop()
    }

    @Test("a hundred pipelined requests with bodies are all answered, though few may wait at once")
    func deepPipeline() async throws {
        let server = try await TestServer { $0.limits.pipelined = 4 }
        let client = try server.connect()
        let requests = (0..<100).map { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n\(100 + $0)" }.joined()
        try await client.send(requests)
        for index in 0..<100 { #expect(try await client.readAnswer().text == "\(100 + index)") }
        try await server.stop()
    }

    @Test("no more requests of one connection are given to the handler than may wait for answers")
    func pipelineIsBounded() async throws {
        let handler = EchoHandler()
        nonisolated(unsafe) var waiting: [RequestID] = []
        handler.respond = { _, id, _, _ in waiting.append(id) }
        let server = try await TestServer({ $0.limits.pipelined = 3 }, handler: handler)
        let client = try server.connect()
        try await client.send(String(repeating: Self.get, count: 10))
        try await until { handler.seen.count == 3 }
        let other = try server.connect()
        try await other.send(Self.get)
        try await until { handler.seen.count == 4 }
        let (loop, httpServer) = (server.loop, server.server)
        for _ in 0..<20 {
            try await loop.perform {
                let answerable = waiting
                waiting = []
                for id in answerable { httpServer.answer(id, HTTPResponse(status: 200, contentType: "text/plain", text: "x")) }
                #expect(answerable.count <= 4)
            }
        }
        for _ in 0..<10 { #expect(try await client.readAnswer().status == 200) }
        try await server.stop()
    }

    @Test("a chunked body arrives whole, its extensions and trailers dropped")
    func chunked() async throws {
        let server = try await TestServer()
        let client = try server.connect()
        try await client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        try await client.send("5;a=b\r\nhello\r\n1;c=\"d\"\r\n \r\n5\r\nworld\r\n0\r\nHost: x\r\nConnection: close\r\n\r\n")
        try await client.send(Self.get)
        #expect(try await client.readAnswer().text == "hello world")
        #expect(try await client.readAnswer().status == 200)
        try await server.stop()
    }

    @Test("a large body in many pieces arrives whole, and its memory is given back")
    func largeBody() async throws {
        let server = try await TestServer()
        let client = try server.connect()
        let body = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.count)\r\n\r\n")
        try await client.send(body)
        #expect(try await client.readAnswer().body == body)
        let (loop, httpServer) = (server.loop, server.server)
        try await until { (try? await loop.perform { httpServer.heldBytes }) == 0 }
        try await server.stop()
    }

    @Test("HEAD gets the head that GET would get, and no body")
    func head() async throws {
        let handler = EchoHandler()
        handler.respond = { server, id, _, _ in server.answer(id, .json(200, "{}")) }
        let server = try await TestServer(handler: handler)
        let client = try server.connect()
        try await client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + Self.get)
        #expect(try await client.readAnswer(isHead: true).field("Content-Length") == "2")
        #expect(try await client.readAnswer().text == "{}")
        try await server.stop()
    }

    @Test("204 has neither body nor length; OPTIONS * is the server's own")
    func options() async throws {
        let server = try await TestServer()
        let client = try server.connect()
        try await client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" + Self.get)
        let answer = try await client.readAnswer()
        #expect(answer.status == 204)
        #expect(answer.field("Allow")?.contains("OPTIONS") == true)
        #expect(answer.field("Content-Length") == nil)
        #expect(try await client.readAnswer().status == 200)
        try await server.stop()
    }

    @Test("an answer's fields can't be made to end early")
    func noFieldInjection() async throws {
        let handler = EchoHandler()
        handler.respond = { server, id, _, _ in
            server.answer(id, HTTPResponse(status: 200, headers: [("X", "a\r\nSet-Cookie: b\u{0}")]))
        }
        let server = try await TestServer(handler: handler)
        let client = try server.connect()
        try await client.send(Self.get)
        let answer = try await client.readAnswer()
        #expect(answer.field("X") == "a  Set-Cookie: b")
        #expect(answer.field("Set-Cookie") == nil)
        try await server.stop()
    }

    // MARK: The end of a connection

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

    // MARK: Expect

    @Test("100 Continue is sent when the handler will have the body, and none of it has come")
    func continues() async throws {
        let server = try await TestServer()
        let client = try server.connect()
        try await client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        #expect(try await client.readAnswer().status == 100)
        try await client.send("abc")
        #expect(try await client.readAnswer().text == "abc")
        try await client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\nabc")
        #expect(try await client.readAnswer().status == 200)
        try await client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\na")
        try await client.send("bc")
        #expect(try await client.readAnswer().status == 200)
        try await server.stop()
    }

    @Test("100 Continue does not overtake the answer to an earlier request")
    func continueInOrder() async throws {
        let handler = EchoHandler()
        nonisolated(unsafe) var waiting: RequestID?
        handler.respond = { server, id, request, body in
            if request.method == .get { waiting = id } else { server.answer(id, .json(200, String(decoding: body, as: UTF8.self))) }
        }
        let server = try await TestServer(handler: handler)
        let client = try server.connect()
        try await client.send(Self.get + "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        try await until { handler.seen.count == 1 }
        let httpServer = server.server
        try await server.loop.perform { httpServer.answer(waiting!, .json(200, "{}")) }
        #expect(try await client.readAnswer().text == "{}")
        #expect(try await client.readAnswer().status == 100)
        try await client.send("1")
        #expect(try await client.readAnswer().text == "1")
        try await server.stop()
    }

    @Test("a refused expectation gets the final answer, no invitation, and the end")
    func refusedEarly() async throws {
        let handler = EchoHandler()
        handler.judge = { _ in .refuse(.json(503, "{}")) }
        let server = try await TestServer(handler: handler)
        let client = try server.connect()
        try await client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        let answer = try await client.readAnswer()
        #expect(answer.status == 503)
        #expect(answer.field("Connection") == "close")
        #expect(try await client.read().isEmpty)
        #expect(handler.seen.isEmpty)
        try await server.stop()
    }

    // MARK: Refusals by the handler

    @Test("a small refused body is passed over and the connection kept; the body is no request")
    func passesOver() async throws {
        let handler = EchoHandler()
        handler.judge = { $0.method == .post ? .refuse(.json(503, "{}")) : .accept(bodyLimit: 0) }
        let server = try await TestServer(handler: handler)
        let client = try server.connect()
        for _ in 0..<3 {
            try await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(Self.get.utf8.count)\r\n\r\n" + Self.get)
            let answer = try await client.readAnswer()
            #expect(answer.status == 503)
            #expect(answer.field("Connection") == nil)
        }
        try await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        #expect(try await client.readAnswer().status == 503)
        try await client.send("def" + Self.get)
        #expect(try await client.readAnswer().status == 200)
        #expect(handler.seen.map(\.method) == ["GET"])
        try await server.stop()
    }
}
