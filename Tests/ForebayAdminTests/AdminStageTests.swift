import ForebayCore
import ForebayHTTP
import ForebayNet
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebayAdmin

/// The stage behind a real server, over a socket.
@Suite("Admin over HTTP", .timeLimit(.minutes(1)))
struct AdminStageTests {
    private final class Rig: Sendable {
        let node = FakeNode()
        let registry = MetricsRegistry()
        let loop: EventLoop
        let server: HTTPServer
        let port: Int
        let health: HTTPServer
        let healthPort: Int
        let hasMetrics: Bool

        init(hasMetrics: Bool = false) async throws {
            let loop = try EventLoop(label: "admin-test")
            let registry = self.registry
            let make = { (name: String) in
                HTTPServer(
                    loop: loop, configuration: HTTPConfiguration(name: name), metrics: HTTPMetrics(registry: registry, listener: name),
                    handler: Nobody())
            }
            let (server, health) = (make("admin"), make("health"))
            (self.loop, self.server, self.health, self.hasMetrics) = (loop, server, health, hasMetrics)
            self.port = try await loop.perform { try server.listen(host: "127.0.0.1", port: 0) }
            self.healthPort = try await loop.perform { try health.listen(host: "127.0.0.1", port: 0) }
        }

        func stage() -> AdminStage {
            let routes = AdminRoutes(
                node: self.node, registry: self.registry, pulses: [LoopPulse(label: self.loop.label, metrics: self.registry)])
            return AdminStage(
                loop: self.loop, server: self.server, health: (self.health, self.hasMetrics), rule: CallerRule(names: ["Node.example"]),
                routes: routes, loops: [self.loop])
        }

        /// Runs a stage until the body is over.
        func with<R>(_ body: () async throws -> R) async throws -> R {
            let stage = self.stage()
            let task = Task { try await stage.run() }
            #expect(await eventually { (try? await self.exchange("GET /livez HTTP/1.1\r\n").hasPrefix("HTTP/1.1 200")) == true })
            let result = try await body()
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            return result
        }

        func stop() async {
            await Closer(loop: self.loop).close(self.server)
            await Closer(loop: self.loop).close(self.health)
            await self.loop.stop()
        }

        /// Sends a head, and reads until the server closes; on a thread of its own, because answers are made in the pool that tests run in.
        func exchange(_ head: String, body: String = "", host: String = "127.0.0.1", port: Int? = nil) async throws -> String {
            try await withCheckedThrowingContinuation { continuation in
                Thread.detachNewThread {
                    continuation.resume(with: Result { try self.blockingExchange(head, body, host, port ?? self.port) })
                }
            }
        }

        private func blockingExchange(_ head: String, _ body: String, _ host: String, _ port: Int) throws -> String {
            let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
            defer { close(descriptor) }
            var limit = timeval(tv_sec: 10, tv_usec: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            let status = Loopback.connect(descriptor, port: port)
            try #require(status == 0)
            let bytes = Array((head + "Host: \(host)\r\nConnection: close\r\n\r\n" + body).utf8)
            try #require(send(descriptor, bytes, bytes.count, 0x4000) == bytes.count)
            var (text, part): ([UInt8], [UInt8]) = ([], [UInt8](repeating: 0, count: 65_536))
            while case let count = read(descriptor, &part, part.count), count > 0 { text += part[..<count] }
            return String(decoding: text, as: UTF8.self)
        }
    }

    private final class Nobody: HTTPHandler {
        func head(_ request: borrowing HTTPRequestHead) -> HTTPVerdict { .refuse(HTTPResponse(status: 503)) }
        func request(_ id: RequestID, _ request: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer) {}
    }

    private actor Closer {
        nonisolated let loop: EventLoop
        nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }
        init(loop: EventLoop) { self.loop = loop }
        func close(_ server: HTTPServer) async { await server.close() }
    }

    @Test("answers, HEAD like GET without the body, problems, and the next stage takes over where one ended")
    func overHTTP() async throws {
        let rig = try await Rig()
        for _ in 0..<2 {
            try await rig.with {
                #expect(try await rig.exchange("GET /readyz HTTP/1.1\r\n").hasSuffix("\r\n\r\nok\n"))
                let head = try await rig.exchange("HEAD /readyz HTTP/1.1\r\n")
                #expect(head.hasPrefix("HTTP/1.1 200 ") && head.contains("Content-Length: 3\r\n") && head.hasSuffix("\r\n\r\n"))
                let post = try await rig.exchange("POST /admin/v1/status HTTP/1.1\r\nContent-Length: 2\r\n", body: "{}")
                #expect(post.hasPrefix("HTTP/1.1 405 ") && post.contains("Allow: GET, HEAD, OPTIONS\r\n"))
                #expect(try await rig.exchange("GET /none HTTP/1.1\r\n").hasPrefix("HTTP/1.1 404 "))
                #expect(try await rig.exchange("GET /readyz?vebrose HTTP/1.1\r\n").hasPrefix("HTTP/1.1 400 "))
                #expect(try await rig.exchange("GET /admin/v1/deadletters?route=or%64ers HTTP/1.1\r\n").contains(#"{"route":"orders","#))
                let metrics = try await rig.exchange("GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text\r\n")
                #expect(metrics.hasSuffix("# EOF\n") && metrics.contains(#"forebay_event_loop_delay_seconds_count{loop="admin-test"}"#))
                rig.node.set(NodeHealth(phase: .draining, buffer: .accepting, isListening: true))
                #expect(try await rig.exchange("GET /readyz HTTP/1.1\r\n").hasPrefix("HTTP/1.1 503 "))
                rig.node.set(NodeHealth(phase: .running, buffer: .accepting, isListening: true))
            }
        }
        await rig.stop()
    }

    @Test("other origins and names that are not ours are refused, and nothing is done for them")
    func callers() async throws {
        let rig = try await Rig()
        try await rig.with {
            for host in ["127.0.0.1:8081", "[::1]:8081", "localhost", "LOCALHOST:1", "node.EXAMPLE:8081", "10.1.2.3"] {
                #expect(try await rig.exchange("GET /readyz HTTP/1.1\r\n", host: host).hasPrefix("HTTP/1.1 200 "), "\(host)")
            }
            for host in ["evil.example", "127.0.0.1.evil.example:8081", "2130706433", "node.example.", "[127.0.0.1]"] {
                let answer = try await rig.exchange("GET /readyz HTTP/1.1\r\n", host: host)
                #expect(answer.hasPrefix("HTTP/1.1 4") && !answer.hasPrefix("HTTP/1.1 404"), "\(host): \(answer)")
            }
            let refused = try await rig.exchange("GET /admin/v1/status HTTP/1.1\r\n", host: "evil.example")
            #expect(refused.hasPrefix("HTTP/1.1 403 ") && refused.contains(#""code":"host_not_allowed""#))
            for field in [
                "Origin: http://evil.example", "Origin: null", "Origin: http://127.0.0.1:9999", "Sec-Fetch-Site: cross-site",
                "Sec-Fetch-Site: same-site",
            ] {
                let answer = try await rig.exchange("GET /admin/v1/deadletters?route=orders HTTP/1.1\r\n\(field)\r\n")
                #expect(answer.hasPrefix("HTTP/1.1 403 ") && answer.contains(#""code":"origin_not_allowed""#), "\(field)")
            }
            for field in ["Origin: http://127.0.0.1", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none"] {
                #expect(try await rig.exchange("GET /readyz HTTP/1.1\r\n\(field)\r\n").hasPrefix("HTTP/1.1 200 "), "\(field)")
            }
            #expect(rig.node.asked.withLock { $0.isEmpty })
        }
        await rig.stop()
    }

    @Test("the listener for probes answers these, the metrics only when asked to, whatever it is called", arguments: [false, true])
    func health(hasMetrics: Bool) async throws {
        let rig = try await Rig(hasMetrics: hasMetrics)
        try await rig.with {
            func get(_ path: String) async throws -> String {
                try await rig.exchange("GET \(path) HTTP/1.1\r\n", host: "node.pool.svc", port: rig.healthPort)
            }
            for path in ["/livez", "/readyz", "/startupz", "/healthz", "/readyz?verbose"] {
                #expect(try await get(path).hasPrefix("HTTP/1.1 200 "), "\(path)")
            }
            #expect(try await get("/metrics").hasPrefix(hasMetrics ? "HTTP/1.1 200 " : "HTTP/1.1 404 "))
            for path in ["/admin/v1/status", "/admin/v1/deadletters?route=orders", "/"] {
                #expect(try await get(path).hasPrefix("HTTP/1.1 404 "), "\(path)")
            }
            let post = try await rig.exchange("POST /readyz HTTP/1.1\r\n", port: rig.healthPort)
            #expect(post.hasPrefix("HTTP/1.1 405 "))
            rig.node.set(NodeHealth(phase: .running, buffer: .failed("/data is gone"), isListening: true))
            let unready = try await get("/readyz")
            #expect(unready.hasPrefix("HTTP/1.1 503 ") && unready.contains("/data is gone"))
            rig.node.set(NodeHealth(phase: .running, buffer: .accepting, isListening: true))
        }
        await rig.stop()
    }

    @Test("a listener that has another purpose answers the probes beside")
    func probesBeside() async throws {
        let rig = try await Rig()
        let routes = AdminRoutes(node: rig.node, registry: rig.registry)
        let server = rig.health
        try await rig.loop.perform { server.replaceHandler(ProbingHandler(Nobody(), routes: routes, server: server)) }
        for path in ["/livez", "/readyz", "/startupz"] {
            #expect(try await rig.exchange("GET \(path) HTTP/1.1\r\n", port: rig.healthPort).hasSuffix("\r\n\r\nok\n"))
        }
        #expect(try await rig.exchange("GET /metrics HTTP/1.1\r\n", port: rig.healthPort).hasPrefix("HTTP/1.1 503 "), "the other handler's")
        await rig.stop()
    }

    @Test("many at once are all answered")
    func many() async throws {
        let rig = try await Rig()
        try await rig.with {
            try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<40 { group.addTask { try await rig.exchange("GET /metrics HTTP/1.1\r\n") } }
                for try await text in group { #expect(text.hasPrefix("HTTP/1.1 200 ")) }
            }
        }
        await rig.stop()
    }
}
