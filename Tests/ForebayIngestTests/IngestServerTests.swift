import Dispatch
import ForebayCore
import ForebayHTTP
import ForebayNet
import ForebayTelemetry
import Testing

@testable import ForebayIngest

/// Over real sockets, with the real server.
@Suite("Ingest over sockets", .timeLimit(.minutes(2)))
struct IngestServerTests {
    /// Stores at once all that comes, on the edge loop as the buffer does.
    actor StoringBuffer {
        nonisolated let loop: EventLoop
        nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }
        private var buffer: FakeBuffer?

        init(loop: EventLoop) { self.loop = loop }

        func run(_ port: LinkPort<Submission>) async {
            let buffer = FakeBuffer(port)
            self.buffer = buffer
            for await submission in buffer.link.stream() { buffer.settle(submission, buffer.number(submission)) }
        }

        func values() -> [String] { (self.buffer?.stored ?? []).map { String(decoding: $0.event.value ?? [], as: UTF8.self) } }
    }

    struct Answer: Sendable {
        let status: Int
        let type: String?
        let body: String
    }

    /// One keep-alive connection in a thread of its own, for the client blocks.
    static func post(_ requests: [HTTPClientRequest], port: Int) async throws -> [Answer] {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(
                    with: Result {
                        var client = HTTPClient(HTTPAddress(host: "127.0.0.1", port: port))
                        return try requests.map { request in
                            let response = try client.send(request)
                            return Answer(
                                status: response.status, type: response.header("content-type"),
                                body: String(decoding: response.body, as: UTF8.self))
                        }
                    })
            }
        }
    }

    static func request(_ target: String, _ body: String, type: String? = nil) -> HTTPClientRequest {
        HTTPClientRequest(method: "POST", target: target, headers: type.map { [("Content-Type", $0)] } ?? [], body: Array(body.utf8))
    }

    static func with(_ body: (Int, StoringBuffer) async throws -> Void) async throws {
        let loop = try EventLoop(label: "ingest-sockets")
        let metrics = MetricsRegistry()
        let (server, port) = try await loop.perform {
            let server = HTTPServer(
                loop: loop, configuration: HTTPConfiguration(name: "ingest"), metrics: HTTPMetrics(registry: metrics, listener: "ingest"),
                handler: StartingHandler())
            return (server, try server.listen(host: "127.0.0.1", port: 0))
        }
        let early = try await Self.post([Self.request("/v1/topics/t", "x")], port: port)
        #expect(early[0].status == 503)
        #expect(early[0].body.contains("\"code\":\"starting\""))

        let room = Wake()
        let link = LinkPort<Submission>(name: "ingest", bound: 1 << 20, room: { room.call() })
        let configuration = IngestConfiguration(routes: [.init(name: "all", topics: ["*"])])
        let stage = try IngestStage(
            loop: loop, configuration: configuration, port: link, room: room, server: server, waiters: DeliveryWaiters(limit: 10),
            topics: UnsettledTopics(configuration.routes), metrics: IngestMetrics(registry: metrics))
        let buffer = StoringBuffer(loop: loop)
        let storing = Task { await buffer.run(link) }
        let running = Task { try await stage.run() }
        while try await Self.post([Self.request("/v1/topics/t", "[]", type: "application/json")], port: port)[0].status == 503 {}
        try await body(port, buffer)
        running.cancel()
        storing.cancel()
        _ = await running.result
        await storing.value
        await Closer(loop: loop).close(server)
        await loop.stop()
    }

    actor Closer {
        nonisolated let loop: EventLoop
        nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }
        init(loop: EventLoop) { self.loop = loop }
        func close(_ server: HTTPServer) async { await server.close() }
    }

    @Test("eight connections at once: each request gets its own answer, each event is stored once")
    func concurrent() async throws {
        try await Self.with { port, buffer in
            let answers = try await withThrowingTaskGroup(of: [Answer].self) { group in
                for client in 0..<8 {
                    group.addTask {
                        try await Self.post((0..<40).map { Self.request("/v1/topics/t", "\(client)-\($0)") }, port: port)
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(answers.count == 320)
            #expect(answers.allSatisfy { $0.status == 202 && $0.type == "application/json" })
            #expect(Set(answers.map(\.body)).count == 320)
            let stored = await buffer.values()
            #expect(stored.count == 320 && Set(stored).count == 320)
        }
    }

    @Test("large bodies, refusals and small ones follow each other on one connection")
    func mixed() async throws {
        try await Self.with { port, buffer in
            let lines = (0..<10_000).map { "{\"n\":\($0),\"pad\":\"\(String(repeating: "é", count: 40))\"}" }
            let body = lines.joined(separator: "\r\n")
            let answers = try await Self.post(
                [
                    Self.request("/v1/topics/t", body, type: "application/x-ndjson"),
                    Self.request("/v1/topics/t", body + "\n1", type: "application/x-ndjson"),
                    Self.request("/v1/topics/t", "\(lines)".replacing("\\\"", with: "'"), type: "application/json"),
                    Self.request("/v1/topics/t", "last"),
                    Self.request("/nothing", "x"), Self.request("/v1/topics/t?ack=kafka", ""),
                ], port: port)
            #expect(answers.map(\.status) == [202, 413, 202, 202, 404, 400])
            #expect(answers[0].body.hasPrefix("{\"accepted\":10000,"))
            #expect(answers[1].body.contains("\"code\":\"too_many_events\""))
            let stored = await buffer.values()
            #expect(stored.count == 20_001)
            #expect(Array(stored.prefix(10_000)) == lines)
            #expect(stored.last == "last")
        }
    }
}
