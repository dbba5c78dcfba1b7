import ConfigurationWorld
import ForebayConfig
import ForebayCore
import ForebayHTTP
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Foundation

@testable import ForebayRuntime

/// A whole node in a folder of its own, and requests to it.
enum NodeFixture {
    /// A folder that is not there yet; whoever takes it removes it.
    static func folder() -> URL {
        FileManager.default.temporaryDirectory.appendingPathComponent("forebay-node-\(UUID().uuidString)")
    }

    /// - Parameters:
    ///   - text: the rest of the configuration: what stands in none of the sections here.
    ///   - cluster: of the route `default`, which takes all topics; it is away unless said otherwise.
    ///   - overrides: as `--set` has them.
    static func configuration(
        _ text: String = "", in folder: URL, cluster: String = "127.0.0.1:1", spool: String = "max_size: 512MiB, segment: 64MiB",
        set overrides: [String] = []
    ) throws -> ForebayConfiguration {
        try load(
            """
            node: { data_dir: "\(folder.path)" }
            listeners:
              ingest: { address: "127.0.0.1:0", probes: true }
              admin: { address: "127.0.0.1:0", names: [edge-1] }
              health: { address: "127.0.0.1:0" }
            buffer: { spool: { \(spool) } }
            shutdown: { timeout: 500ms }
            \(text)

            """, set: ["clusters.main.properties.bootstrap.servers=\(cluster)"] + overrides
        ).configuration
    }

    /// Starts a node, and stops it behind the body; its folder goes with it.
    static func run(
        _ text: String = "", cluster: String = "127.0.0.1:1", spool: String = "max_size: 512MiB, segment: 64MiB",
        set overrides: [String] = [], disk: any Disk = SystemDisk(), _ body: (Node, URL) async throws -> Void
    ) async throws {
        let folder = Self.folder()
        defer { try? FileManager.default.removeItem(at: folder) }  // Cleaning up is a courtesy.
        let configuration = try Self.configuration(text, in: folder, cluster: cluster, spool: spool, set: overrides)
        try await Self.run(configured: configuration, disk: disk) { try await body($0, folder) }
    }

    /// The same in a folder that stays.
    static func run(
        configured configuration: ForebayConfiguration, disk: any Disk = SystemDisk(), clock: NodeClock = NodeClock(),
        _ body: (Node) async throws -> Void
    ) async throws {
        let node = try await Node.start(configuration, disk: disk, clock: clock)
        do { try await body(node) } catch {
            await node.stop()
            throw error
        }
        await node.stop()
    }

    // MARK: What a node that is down has

    /// Sets events aside, and gives others up, as the route's stages would have.
    static func leave(_ route: String, in configuration: ForebayConfiguration, aside: Int, dead: Int) async throws {
        let storage = try NodeStorage.open(configuration, metrics: MetricsRegistry())
        let unit = SetAsideLog.Unit(
            number: storage.setAside[DeliveryName(.forward, of: route)]!.nextNumber, topic: "aside-\(route)", partition: nil,
            partitionCount: 1,
            code: "UNKNOWN_TOPIC_OR_PART",
            reason: "no such topic", since: 1_700_000_000_000, oldestAcceptedAt: 1_700_000_000_000)
        let events = (0..<aside).map { "aside-\(route)-\($0)" }
        if aside > 0 {
            try await storage.setAside[DeliveryName(.forward, of: route)]!.append(
                new: [unit], [(unit.number, Self.batch("aside-\(route)", events))])
        }
        let letters = (0..<dead).map {
            DeadLetter(
                topic: route, code: "MSG_SIZE_TOO_LARGE", reason: "too large", eventID: "\(route)-\($0)",
                offset: Offset(lane: .spool(storage.spool.id), number: 0),
                record: Self.batch(route, ["dead-\(route)-\($0)"]).withUnsafeBytes { Array($0) })
        }
        if dead > 0 { _ = try await storage.deadLetters[DeliveryName(.forward, of: route)]!.append(letters) }
        await storage.close()
    }

    static func batch(_ topic: String, _ values: [String]) -> Batch {
        var builder = BatchBuilder()
        for value in values {
            Array(topic.utf8).withUnsafeBytes { topic in
                Array(value.utf8).withUnsafeBytes { value in
                    builder.append(EventFields(topic: topic, value: value, timestamp: 1_700_000_000_000))
                }
            }
        }
        return builder.finish(route: RouteID(rawValue: 1), acceptedAt: 1_700_000_000_000)!
    }

    // MARK: Requests

    static func ask(
        _ address: String, _ target: String, method: String? = nil, body: String? = nil, headers: [(String, String)] = []
    ) async throws -> (status: Int, text: String) {
        try await Self.blocking {
            var client = HTTPClient(try HTTPAddress(url: "http://\(address)"))
            client.answerTimeout = 20_000
            let answer = try client.send(
                HTTPClientRequest(
                    method: method ?? (body == nil ? "GET" : "POST"), target: target, headers: headers, body: Array((body ?? "").utf8)))
            return (answer.status, String(decoding: answer.body, as: UTF8.self))
        }
    }

    /// The value of one series, by its whole name with labels; none: it is not there.
    static func metric(_ series: String, of node: Node) async throws -> Double? {
        let lines = try await Self.ask(node.adminAddress, "/metrics").text.split(separator: "\n")
        return lines.first { $0.hasPrefix(series + " ") }.flatMap { Double($0.dropFirst(series.count + 1)) }
    }

    /// What `GET /admin/v1/status` says.
    static func status(of node: Node) async throws -> sending [String: Any] {
        let text = try await Self.ask(node.adminAddress, "/admin/v1/status").text
        return try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] ?? [:]
    }

    /// On a thread of its own: Swift's pool has as many as there are cores.
    static func blocking<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Swift.Result { try body() }) }
        }
    }
}

/// A connection to a node that knows no HTTP: what it sends, and when, is the test's.
final class PlainConnection: Sendable {
    struct Failure: Error { let code: CInt }

    private let descriptor: CInt

    /// - Parameters:
    ///   - address: `127.0.0.1:8080`.
    ///   - host: the client's own address is 127.0.0.`host`.
    init(_ address: String, from host: UInt8 = 1) throws {
        self.descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(self.descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        guard Loopback.bind(self.descriptor, host: host) == 0,
            Loopback.connect(self.descriptor, port: address.split(separator: ":").last.flatMap { Int($0) } ?? 0) == 0
        else {
            let code = errno
            close(self.descriptor)
            throw Failure(code: code)
        }
    }

    deinit { close(self.descriptor) }

    /// All of it; blocks for as long as the node does not read.
    func send(_ text: String) throws {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(self.descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
            guard count > 0 else { throw Failure(code: errno) }
            rest = rest.dropFirst(count)
        }
    }

    /// The next answer, as far as it came with the first bytes.
    func answer() throws -> (status: Int, text: String) {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = read(self.descriptor, &buffer, buffer.count)
        guard count > 0 else { throw Failure(code: count < 0 ? errno : 0) }
        let text = String(decoding: buffer[..<count], as: UTF8.self)
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0, text)
    }
}
