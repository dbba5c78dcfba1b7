import ForebayHTTP
import ForebayNet
import Foundation
import Glibc
import Testing

/// How many descriptors this process may open, after asking for as many as it can get.
private let descriptorLimit: Int = {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return Int(clamping: limit.rlim_cur)
}()

private let slowhttptest = ["/usr/bin/slowhttptest", "/usr/local/bin/slowhttptest"].first {
    FileManager.default.isExecutableFile(atPath: $0)
}

@Suite("HTTP server and many clients", .serialized, .timeLimit(.minutes(3)))
struct HTTPCrowdTests {
    private static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    private static let crowd = 10_000
    /// One for each connection (the clients are another process), and for other tests that run beside.
    private static let needed = crowd + 2_000

    /// Connects, sends a request on each connection, reads each answer, and holds all open until its own input ends.
    private static let clients = """
        import resource, socket, sys
        port, count = int(sys.argv[1]), int(sys.argv[2])
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
        for one in crowd: one.sendall(b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
        assert all(one.recv(4096).startswith(b"HTTP/1.1 200") for one in crowd)
        print("ready", flush=True)
        sys.stdin.read()
        """

    @Test(
        "10,000 idle connections take less than 4 KiB each of our memory, and the next request is answered as ever",
        .enabled(if: descriptorLimit >= needed, "needs a limit of \(needed) open files"))
    func idleCrowd() async throws {
        let server = try await TestServer {
            $0.caps.connections = Self.crowd + 100
            $0.caps.connectionsPerAddress = 0
        }
        let before = residentBytes()
        let crowd = Process()
        crowd.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        crowd.arguments = ["python3", "-c", Self.clients, "\(server.port)", "\(Self.crowd)"]
        let (input, output) = (Pipe(), Pipe())
        crowd.standardInput = input
        crowd.standardOutput = output
        try crowd.run()
        let word = await withCheckedContinuation { continuation in
            DispatchQueue(label: "crowd").async { continuation.resume(returning: output.fileHandleForReading.availableData) }
        }
        #expect(String(decoding: word, as: UTF8.self).hasPrefix("ready"))
        let grown = residentBytes() - before
        #expect(grown < Self.crowd * 4 * 1024, "\(grown / Self.crowd) bytes a connection")
        let (loop, httpServer) = (server.loop, server.server)
        #expect(try await loop.perform { httpServer.openConnections } == Self.crowd)
        #expect(try await loop.perform { httpServer.heldBytes } == 0)
        let client = try server.connect()
        let began = ContinuousClock.now
        try await client.send(Self.get)
        #expect(try await client.readAnswer().status == 200)
        #expect(ContinuousClock.now - began < .seconds(1))
        try input.fileHandleForWriting.close()
        try await until { (try? await loop.perform { httpServer.openConnections }) == 1 }
        crowd.waitUntilExit()
        try await server.stop()
    }

    @Test(
        "slowhttptest finds the server available while it attacks",
        .enabled(if: slowhttptest != nil, "needs slowhttptest (apt install slowhttptest)"),
        arguments: [["-H"], ["-B"], ["-X"]])
    func slowAttacks(mode: [String]) async throws {
        let server = try await TestServer {
            $0.times.header = 1_000
            $0.times.bodyGrace = 500
            $0.times.request = 2_000
            $0.times.writeStall = 1_000
        }
        let attack = Process()
        attack.executableURL = URL(fileURLWithPath: slowhttptest!)
        // 400 connections, all at once, a byte or a line every second, for eight seconds; a probe that waits longer than two seconds counts
        // as down.
        attack.arguments = mode + ["-c", "400", "-r", "400", "-i", "1", "-l", "8", "-p", "2", "-u", "http://127.0.0.1:\(server.port)/"]
        attack.standardOutput = FileHandle.nullDevice
        attack.standardError = FileHandle.nullDevice
        try attack.run()
        let client = try server.connect()
        var worst = Duration.zero
        while attack.isRunning {
            let began = ContinuousClock.now
            try await client.send(Self.get)
            #expect(try await client.readAnswer().status == 200)
            worst = max(worst, ContinuousClock.now - began)
            await pace(20)
        }
        #expect(worst < .seconds(1))
        let (loop, httpServer) = (server.loop, server.server)
        // The slow ones are gone before they would have been done.
        try await until { (try? await loop.perform { httpServer.openConnections <= 1 }) == true }
        try await server.stop()
    }

    @Test("each case that two servers could read in two ways ends its connection on a socket, too, with one answer")
    func smugglingBySocket() async throws {
        let server = try await TestServer()
        for example in SmugglingCase.all where example.bytes.count < 20_000 {
            guard case .refused(let status) = example.outcome else { continue }
            let client = try server.connect()
            try client.sendNow(example.bytes)
            let text = try await client.readToEnd()
            #expect(text.hasPrefix("HTTP/1.1 \(status) "), "\(example.name): \(text.prefix(60))")
            #expect(text.components(separatedBy: "HTTP/1.1 ").count == 2 || text.contains("\"detail\":"), "\(example.name)")
            #expect(text.contains("\r\nConnection: close\r\n"), "\(example.name)")
            client.endSending()
        }
        #expect(server.handler.seen.isEmpty)
        try await server.stop()
    }
}

private func residentBytes() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    return (Int(text.split(separator: " ").dropFirst().first ?? "") ?? 0) * 4096
}
