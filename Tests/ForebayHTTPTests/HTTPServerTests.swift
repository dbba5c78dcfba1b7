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
}
