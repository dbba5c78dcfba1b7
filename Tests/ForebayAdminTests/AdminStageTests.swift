import ForebayCore
import ForebayHTTP
import ForebayNet
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
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

        init() async throws {
            let loop = try EventLoop(label: "admin-test")
            let metrics = HTTPMetrics(registry: self.registry, listener: "admin")
            let server = HTTPServer(loop: loop, configuration: HTTPConfiguration(name: "admin"), metrics: metrics, handler: Nobody())
            (self.loop, self.server) = (loop, server)
            self.port = try await loop.perform { try server.listen(host: "127.0.0.1", port: 0) }
        }

        func stage() -> AdminStage {
            AdminStage(loop: self.loop, server: self.server, node: self.node, registry: self.registry, loops: [self.loop])
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
            await self.loop.stop()
        }

        /// Sends a head, and reads until the server closes; on a thread of its own, because answers are made in the pool that tests run in.
        func exchange(_ head: String, body: String = "") async throws -> String {
            try await withCheckedThrowingContinuation { continuation in
                Thread.detachNewThread { continuation.resume(with: Result { try self.blockingExchange(head, body) }) }
            }
        }

        private func blockingExchange(_ head: String, _ body: String) throws -> String {
            let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
            defer { close(descriptor) }
            var limit = timeval(tv_sec: 10, tv_usec: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            let status = Loopback.connect(descriptor, port: self.port)
            try #require(status == 0)
            let bytes = Array((head + "Host: x\r\nConnection: close\r\n\r\n" + body).utf8)
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
