import ForebayHTTP
import Testing

@Suite("HTTP server", .timeLimit(.minutes(1)))
struct HTTPServerTests {
    @Test("answers a POST with its body, keeps the connection, and says what HTTP asks an answer to say")
    func answersPost() async throws {
        let server = try await TestServer()
        let client = try server.connect()
        for number in 0..<3 {
            try client.send("POST /v1/topics/a%20b?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\nhello-\(number)")
            let answer = try client.readAnswer()
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
            }
        }
        let server = try await TestServer(handler: handler)
        let client = try server.connect()
        try client.send(String(repeating: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: 5))
        for index in 0..<5 { #expect(try client.readAnswer().text == "\(index)") }
        try await server.stop()
    }

    @Test("a chunked body arrives whole, its extensions and trailers dropped")
    func chunked() async throws {
        let server = try await TestServer()
        let client = try server.connect()
        try client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        try client.send("5;a=b\r\nhello\r\n1;c=\"d\"\r\n \r\n5\r\nworld\r\n0\r\nHost: x\r\nConnection: close\r\n\r\n")
        try client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try client.readAnswer().text == "hello world")
        #expect(try client.readAnswer().status == 200)
        try await server.stop()
    }
}
