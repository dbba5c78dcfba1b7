import ForebayHTTP
import ForebayNet
import Testing

@Suite("HTTP server: what is said before the body comes", .timeLimit(.minutes(1)))
struct HTTPExpectTests {
    private static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

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
