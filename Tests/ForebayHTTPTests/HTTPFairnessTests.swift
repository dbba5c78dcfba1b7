import ForebayNet
import Testing

@testable import ForebayHTTP

/// Nobody is kept out by what others hold and do not finish.
@Suite("HTTP server: fairness among addresses", .timeLimit(.minutes(1)))
struct HTTPFairnessTests {
    private static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    private static func post(_ count: Int) -> String { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(count)\r\n\r\n" }

    private static func body(_ count: Int) -> [UInt8] { [UInt8](repeating: 0x61, count: count) }

    /// A server whose bound is 800 kB, a quarter of it for each address.
    private func server(_ configure: (inout HTTPConfiguration) -> Void = { _ in }) async throws -> TestServer {
        try await TestServer {
            $0.limits.memory = 800_000
            $0.limits.memoryPerAddress = 200_000
            configure(&$0)
        }
    }

    private func held(_ server: TestServer) async -> Int {
        let httpServer = server.server
        return (try? await server.loop.perform { httpServer.heldBytes }) ?? -1
    }

    /// Sends as much as the server takes, in the background; what it does not read stays with the client.
    private func sendInBackground(_ client: RawClient, _ bytes: [UInt8]) -> Task<Void, Never> {
        // The client may be closed, or cut, before all is sent.
        Task { try? await client.send(bytes) }
    }

    @Test("bodies of one address that are never finished deny no other address its upload")
    func halfSent() async throws {
        let server = try await self.server()
        var (holders, sending): ([RawClient], [Task<Void, Never>]) = ([], [])
        for _ in 0..<6 {
            let holder = try server.connect(from: 2)
            try await holder.send(Self.post(700_000))
            sending.append(self.sendInBackground(holder, Self.body(699_999)))
            holders.append(holder)
        }
        // The one that leads may have all of its body there, the others a read's worth.
        try await until { await self.held(server) >= 700_000 }
        for host in [3, 4, 5] as [UInt8] {
            let client = try server.connect(from: host)
            try await client.send(Self.post(150_000))
            try await client.send(Self.body(150_000))
            #expect(try await client.readAnswer().status == 200)
        }
        withExtendedLifetime(holders) {}
        try await server.stop()
        for task in sending { await task.value }
    }

    @Test("past its share all connections of an address wait but one, however much room there is")
    func share() async throws {
        let server = try await self.server { $0.limits.memory = 1 << 30 }
        var (holders, sending): ([RawClient], [Task<Void, Never>]) = ([], [])
        for _ in 0..<10 {
            let holder = try server.connect(from: 2)
            try await holder.send(Self.post(700_000))
            sending.append(self.sendInBackground(holder, Self.body(699_999)))
            holders.append(holder)
        }
        let (loop, httpServer) = (server.loop, server.server)
        try await until {
            (try? await loop.perform { httpServer.connections.all.count { $0.turn == .waiting } }) == 9
        }
        // Its share, the one body that is read to its end, and a read of each other, with room to grow.
        #expect(await self.held(server) <= 200_000 + 700_000 + 9 * 130_000)
        withExtendedLifetime(holders) {}
        try await server.stop()
        for task in sending { await task.value }
    }

    @Test("when many addresses hold all there is, the largest part gives way, and small requests come through")
    func largestGivesWay() async throws {
        let server = try await self.server()
        var holders: [RawClient] = []
        for host in UInt8(10)..<14 {
            let holder = try server.connect(from: host)
            try await holder.send(Self.post(190_000))
            try await holder.send(Self.body(185_000))
            holders.append(holder)
        }
        try await until { await self.held(server) >= 4 * 185_000 }
        let client = try server.connect(from: 20)
        try await client.send(Self.post(150_000))
        try await client.send(Self.body(149_999))
        var cut = 0
        try await until { await self.held(server) < 800_000 }
        try await client.send("a")
        #expect(try await client.readAnswer().status == 200)
        for holder in holders {
            try await holder.send(Self.body(5000))
            let answer = try await holder.readAnswer()
            if answer.status == 503 {
                cut += 1
                #expect(answer.text.contains("limits.in_flight") && answer.text.contains("800000"))
            } else {
                #expect(answer.status == 200)
            }
        }
        #expect(cut == 1)
        try await server.stop()
    }

    @Test("uploads of one address that are larger together than its share all come through, in whatever order they send")
    func takesTurns() async throws {
        // Room enough for a read of each that comes to wait.
        let handler = EchoHandler()
        handler.respond = { server, id, _, body in server.answer(id, .json(200, "\(body.count)")) }
        let server = try await TestServer(
            {
                $0.limits.memory = 4_000_000
                $0.limits.memoryPerAddress = 200_000
            }, handler: handler)
        try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<24 {
                group.addTask {
                    let client = try server.connect(from: 7)
                    var statuses = 0
                    for size in [190_000, 3_000 + number, 120_000] {
                        // In pieces, so that all are half there at some time.
                        try await client.send(Self.post(size))
                        for start in stride(from: 0, to: size, by: 30_000) { try await client.send(Self.body(min(30_000, size - start))) }
                        let answer = try await client.readAnswer()
                        #expect(answer.text == "\(size)")
                        statuses += answer.status
                    }
                    return statuses
                }
            }
            for try await statuses in group { #expect(statuses == 600) }
        }
        try await until { await self.held(server) == 0 }
        try await server.stop()
    }

    @Test("answers that were not taken are not counted any more when their connection is gone", arguments: [false, true])
    func notTaken(isReset: Bool) async throws {
        let handler = EchoHandler()
        handler.respond = { server, id, _, _ in
            server.answer(id, HTTPResponse(status: 200, contentType: "text/plain", body: Self.body(16 << 20)))
        }
        let server = try await TestServer(
            {
                $0.limits.memory = 256 << 20
                $0.limits.memoryPerAddress = 256 << 20
            }, handler: handler)
        for round in 1...3 {
            var clients = try (1...3).map { _ in try RawClient(port: server.port, receiveBuffer: 4096) }
            for client in clients {
                if isReset { try client.resetOnClose() }
                try await client.send(Self.get)
            }
            try await until { await self.held(server) > 3 << 20 }
            clients = []
            try await until { await self.held(server) == 0 }
            #expect(handler.seen.count == 3 * round)
        }
        try await server.stop()
    }

    @Test("chunked uploads take turns too, and one that goes away lets the next one on")
    func leaderGoes() async throws {
        let server = try await self.server()
        let chunk = "30D40\r\n"  // 200,000
        var leader: RawClient? = try server.connect(from: 8)
        try await leader?.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
        try await leader?.send(Self.body(199_990))
        try await until { await self.held(server) >= 199_990 }
        let next = try server.connect(from: 8)
        try await next.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
        let sending = self.sendInBackground(next, Self.body(200_000) + Array("\r\n0\r\n\r\n".utf8))
        try await leader?.send(Self.body(5))
        leader = nil
        #expect(try await next.readAnswer().body.count == 200_000)
        await sending.value
        try await server.stop()
    }

    @Test("where the one that leads stands still, another that goes away makes room")
    func leaderStandsStill() async throws {
        let server = try await self.server()
        let (loop, httpServer) = (server.loop, server.server)
        func count(_ turn: BodyTurn) async -> Int {
            (try? await loop.perform { httpServer.connections.all.count { $0.turn == turn } }) ?? -1
        }
        var first: RawClient? = try server.connect(from: 8)
        try await first?.send(Self.post(150_000))
        try await first?.send(Self.body(140_000))
        try await until { await self.held(server) >= 140_000 }
        let leader = try server.connect(from: 8)
        try await leader.send(Self.post(90_000))
        try await leader.send(Self.body(89_000))
        try await until { await count(.leading) == 1 }
        let next = try server.connect(from: 8)
        try await next.send(Self.post(60_000))
        try await next.send(Self.body(30_000))
        try await until { await count(.waiting) == 1 }
        try await next.send(Self.body(30_000))
        first = nil
        #expect(try await next.readAnswer().status == 200)
        #expect(await count(.leading) == 1)
        try await leader.send(Self.body(1000))
        #expect(try await leader.readAnswer().status == 200)
        try await server.stop()
    }

    @Test("who waits for its turn longer than a request may take is told to try again")
    func waitsInVain() async throws {
        let server = try await self.server { $0.times.request = 700 }
        let leader = try server.connect(from: 9)
        try await leader.send(Self.post(400_000))
        try await leader.send(Self.body(399_000))
        try await until { await self.held(server) >= 399_000 }
        let next = try server.connect(from: 9)
        try await next.send(Self.post(400_000))
        let sending = self.sendInBackground(next, Self.body(400_000))
        let answer = try await next.readAnswer()
        #expect(answer.status == 503 || answer.status == 200)
        #expect(try await leader.readAnswer().status == 408)
        await sending.value
        try await server.stop()
    }

    @Test("who waited for its turn in vain is told of its address's part, and not of all that there is")
    func namesTheShare() async throws {
        let server = try await self.server { $0.times.request = 2000 }
        let next = try server.connect(from: 9)
        try await next.send(Self.post(400_000))
        let leader = try server.connect(from: 9)
        try await leader.send(Self.post(400_000))
        try await leader.send(Self.body(399_000))
        try await until { await self.held(server) >= 399_000 }
        let sending = self.sendInBackground(next, Self.body(400_000))
        let answer = try await next.readAnswer()
        #expect(answer.status == 503 && answer.text.contains(#""code":"too_much_in_flight""#))
        #expect(answer.text.contains("200000 bytes (one address's part of limits.in_flight)") && !answer.text.contains("800000"))
        await sending.value
        try await server.stop()
    }

    @Test("where the quiet make room, a probe is answered whatever else is connected", arguments: [true, false])
    func quietMakeRoom(isOneAddress: Bool) async throws {
        let server = try await TestServer {
            $0.caps.quietMakeRoom = true
            $0.caps.connections = isOneAddress ? 1000 : 40
            $0.caps.connectionsPerAddress = isOneAddress ? 40 : 0
        }
        var idle: [RawClient] = []
        for number in 0..<120 {
            let client = try server.connect(from: isOneAddress ? 1 : UInt8(1 + number % 100))
            // Some have begun a request, and will not go on.
            if number % 3 == 0 { try await client.send("GET / HT") }
            idle.append(client)
        }
        for _ in 0..<20 {
            let probe = try server.connect()
            try await probe.send(Self.get)
            #expect(try await probe.readAnswer().status == 200)
        }
        let (loop, httpServer) = (server.loop, server.server)
        try await until { (try? await loop.perform { httpServer.openConnections <= 41 }) == true }
        withExtendedLifetime(idle) {}
        try await server.stop()
    }

    @Test("a header field may be as long as limits.header allows; a refusal names the bound and what it is set to", arguments: [16, 64])
    func fieldLength(kilobytes: Int) async throws {
        let server = try await TestServer { $0.limits.header = kilobytes << 10 }
        for (size, status) in [(8_180, 200), (8_200, 200), ((kilobytes << 10) - 100, 200), ((kilobytes << 10) + 1, 431)] {
            let client = try server.connect()
            try await client.send("GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "v", count: size))\r\n\r\n")
            let answer = try await client.readAnswer()
            #expect(answer.status == status, "\(size)")
            if status == 431 { #expect(answer.text.contains("limits.header") && answer.text.contains("\(kilobytes << 10)")) }
        }
        let large = try server.connect()
        try await large.send(Self.post((1 << 20) + 1))
        let answer = try await large.readAnswer()
        #expect(answer.status == 413)
        #expect(answer.text.contains("limits.body") && answer.text.contains("1048576"))
        try await server.stop()
    }
}
