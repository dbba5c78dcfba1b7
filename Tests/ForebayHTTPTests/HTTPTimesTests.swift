import ForebayHTTP
import ForebayNet
import Testing

@Suite("HTTP clients that are slow, idle or gone", .timeLimit(.minutes(1)))
struct HTTPTimesTests {
    private static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    @Test("a header that does not end in time gets 408, however steadily it trickles")
    func slowHeader() async throws {
        let server = try await TestServer { $0.times.header = 300 }
        let client = try server.connect()
        let trickle = Task.detached {
            try await client.send("GET / HTTP/1.1\r\n")
            while true {
                try await client.send("X: y\r\n")
                await pace(20)
            }
        }
        let answer = try await client.readAnswer()
        trickle.cancel()
        #expect(answer.status == 408)
        #expect(answer.text.contains("header") && answer.text.contains(" 300 ms") && !answer.text.contains("limits."))
        #expect(answer.field("Connection") == "close")
        #expect(server.handler.seen.isEmpty)
        try await server.stop()
    }

    @Test("a connection on which nothing came is closed without a word")
    func idleFromTheStart() async throws {
        let server = try await TestServer { $0.times.idle = 300 }
        let client = try server.connect()
        #expect(try await client.read().isEmpty)
        try await server.stop()
    }

    @Test("a connection that is idle after an answer is closed without a word, and not before its time")
    func idleAfterAnswer() async throws {
        let server = try await TestServer { $0.times.idle = 2000 }
        let client = try server.connect()
        var began = ContinuousClock.now
        for _ in 0..<3 {
            await pace(400)
            began = ContinuousClock.now
            try await client.send(Self.get)
            #expect(try await client.readAnswer().status == 200)
        }
        #expect(try await client.read().isEmpty)
        #expect(ContinuousClock.now - began > .milliseconds(1900))
        try await server.stop()
    }

    @Test("a request that waits for its answer is not idle")
    func waitingIsNotIdle() async throws {
        let handler = EchoHandler()
        nonisolated(unsafe) var waiting: RequestID?
        handler.respond = { _, id, _, _ in waiting = id }
        let server = try await TestServer(
            {
                $0.times.idle = 100; $0.times.header = 100; $0.times.request = 100
            }, handler: handler)
        let client = try server.connect()
        try await client.send(Self.get)
        await pace(900)
        let httpServer = server.server
        try await server.loop.perform { httpServer.answer(waiting!, .json(200, "{}")) }
        #expect(try await client.readAnswer().text == "{}")
        try await server.stop()
    }

    @Test("a body below the least rate gets 408 after its grace", arguments: [true, false])
    func slowBody(isChunked: Bool) async throws {
        let server = try await TestServer {
            $0.times.bodyGrace = 500
            $0.times.minimumBodyRate = 1000
        }
        let client = try server.connect()
        let began = ContinuousClock.now
        let framing = isChunked ? "Transfer-Encoding: chunked" : "Content-Length: 100000"
        try await client.send("POST / HTTP/1.1\r\nHost: a\r\n\(framing)\r\n\r\n\(isChunked ? "ffff\r\n" : "")")
        let trickle = Task.detached {
            while true {
                try await client.send("a")
                await pace(20)
            }
        }
        let answer = try await client.readAnswer()
        #expect(answer.status == 408)
        #expect(answer.text.contains(" 500 ms") && answer.text.contains("1000 bytes a second") && !answer.text.contains("limits."))
        #expect(ContinuousClock.now - began > .milliseconds(400))
        trickle.cancel()
        #expect(server.handler.seen.isEmpty)
        try await server.stop()
    }

    @Test("where limits.request_timeout is shorter than the time for a header, it is the one that is named")
    func shortRequestTime() async throws {
        let server = try await TestServer { $0.times.request = 200 }
        let client = try server.connect()
        try await client.send("GET / HT")
        let answer = try await client.readAnswer()
        #expect(answer.status == 408 && answer.text.contains("200 ms (limits.request_timeout)"))
        try await server.stop()
    }

    @Test("a whole request must come in its time, even at a fair rate")
    func requestTime() async throws {
        let server = try await TestServer {
            $0.times.request = 600
            $0.times.minimumBodyRate = 1
        }
        let client = try server.connect()
        try await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        let trickle = Task.detached {
            while true {
                try await client.send("aaaa")
                await pace(20)
            }
        }
        let answer = try await client.readAnswer()
        #expect(answer.status == 408)
        #expect(answer.text.contains("600 ms (limits.request_timeout)"))
        trickle.cancel()
        try await server.stop()
    }

    @Test("a client that does not read its answers is not read, and cut off in the end")
    func neverReads() async throws {
        let handler = EchoHandler()
        let large = [UInt8](repeating: 0x61, count: 20_000)
        handler.respond = { server, id, _, _ in server.answer(id, HTTPResponse(status: 200, contentType: "text/plain", body: large)) }
        let server = try await TestServer({ $0.times.writeStall = 500 }, handler: handler)
        let client = try RawClient(port: server.port, receiveBuffer: 4096)
        let requests = String(repeating: Self.get, count: 1000)
        let flood = Task.detached {
            // Ends by the reset.
            while true { try await client.send(requests) }
        }
        let (loop, httpServer) = (server.loop, server.server)
        var most = 0
        try await until {
            let (held, open) = (try? await loop.perform { (httpServer.heldBytes, httpServer.openConnections) }) ?? (0, 1)
            most = max(most, held)
            return open == 0 && !handler.seen.isEmpty
        }
        _ = await flood.result
        // One pipeline of answers beyond the bound, and a read of requests, at most.
        #expect(most < 64 * 1024 + 20_300 * 2 + 2 * 64 * 1024 + 4096)
        try await server.stop()
    }

    @Test("one large answer that is read slowly but steadily is sent whole")
    func slowReader() async throws {
        let handler = EchoHandler()
        let large = [UInt8](repeating: 0x61, count: 8 << 20)
        handler.respond = { server, id, _, _ in server.answer(id, HTTPResponse(status: 200, contentType: "text/plain", body: large)) }
        let server = try await TestServer({ $0.times.writeStall = 700 }, handler: handler)
        let client = try RawClient(port: server.port, receiveBuffer: 64 << 10)
        try await client.send(Self.get)
        var got = 0
        while got < large.count {
            let count = try await client.read(128 << 10).count
            if count == 0 { break }
            got += count
            await pace(10)
        }
        #expect(got > large.count)
        try await server.stop()
    }

    @Test("while the server does not read, its clients' clocks stand still")
    func pausedReading() async throws {
        let server = try await TestServer {
            $0.times.header = 2000
            $0.times.bodyGrace = 2000
        }
        let client = try server.connect()
        try await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\na")
        let half = try server.connect()
        try await half.send("GET / HTTP/1.1\r\n")
        let (loop, httpServer) = (server.loop, server.server)
        try await until { (try? await loop.perform { httpServer.heldBytes > 0 }) == true }
        try await loop.perform { httpServer.pauseReading() }
        try await client.send("bcd")
        try await half.send("Host: a\r\n\r\n")
        let late = try server.connect()
        try await late.send(Self.get)
        await pace(2600)
        #expect(server.handler.seen.isEmpty)
        try await loop.perform { httpServer.resumeReading() }
        #expect(try await client.readAnswer().text == "abcd")
        #expect(try await half.readAnswer().status == 200)
        #expect(try await late.readAnswer().status == 200)
        try await server.stop()
    }

    @Test("requests that come without a pause, cut anywhere, are not one long request")
    func steadyStream() async throws {
        let server = try await TestServer {
            $0.times.header = 400; $0.times.request = 400; $0.times.bodyGrace = 400
        }
        let client = try server.connect()
        let request = Array("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".utf8)
        // Each send ends inside a request: first in the head, then in the body.
        try await client.send(Array(request[..<20]))
        for round in 0..<60 {
            let cut = round % 2 == 0 ? request.count - 1 : 20
            try await client.send(round % 2 == 0 ? Array(request[20..<cut]) : Array(request[(request.count - 1)...] + request[..<cut]))
            await pace(20)
        }
        for _ in 0..<30 { #expect(try await client.readAnswer().status == 200) }
        try await server.stop()
    }

    @Test("a refused body that never comes ends the connection without a second answer")
    func skippedBodyNeverComes() async throws {
        let handler = EchoHandler()
        handler.judge = { _ in .refuse(.json(503, "{}")) }
        let server = try await TestServer({ $0.times.request = 400 }, handler: handler)
        let client = try server.connect()
        try await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n")
        #expect(try await client.readAnswer().status == 503)
        #expect(try await client.read().isEmpty)
        try await server.stop()
    }
}
