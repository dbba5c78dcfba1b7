import ConfigurationWorld
import ForebayConfig
import ForebayCore
import ForebayHTTP
import ForebayKafka
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayRuntime

/// What a node shows of what it sets aside, from the first event that can't be delivered until the last one is.
@Suite("Set aside, as it is shown", .timeLimit(.minutes(1)))
struct SetAsideShownTests {
    private struct Answer: Decodable {
        struct Route: Decodable {
            let route: String
            let unitsTotal: Int
            let events: Int
            let bytes: Int
            let units: [Unit]
        }

        struct Unit: Decodable {
            let unit: String
            let topic: String
            let partition: Int?
            let state: String
            let code: String
            let reason: String
            let advice: String?
            let since: String
            let events: Int
            let bytes: Int
            let oldestEventAgeSeconds: Double
        }

        let routes: [Route]
    }

    private struct Status: Decodable {
        struct Route: Decodable {
            let state: String
            let lagEvents: Int
            let setAsideEvents: Int
            let setAsideUnits: Int
        }

        let routes: [Route]
    }

    @Test("topics that are missing are shown with why and what to do, and are gone from there when they are delivered")
    func missingTopics() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "sound", partitions: 1)
        for topic in ["missing", "also-missing"] { cluster.failTopic(topic, with: .unknownTopicOrPartition) }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-aside-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }  // Cleaning up is a courtesy.
        let configuration = try load(
            """
            node: { data_dir: "\(folder.path)" }
            listeners: { ingest: { address: "127.0.0.1:0" }, admin: { address: "127.0.0.1:0" } }
            buffer: { spool: { max_size: 1GiB, segment: 1MiB } }
            delivery: { set_aside: { retry: 100ms } }

            """, set: ["clusters.main.properties.bootstrap.servers=\(cluster.bootstrap)"]
        ).configuration
        let node = try await Node.start(configuration)
        let admin = NodeClient(address: try HTTPAddress(url: "http://\(node.adminAddress)"))
        let ingest = NodeClient(address: try HTTPAddress(url: "http://\(node.ingestAddress)"))
        let setAside = { (query: String) in try await admin.get(Answer.self, "/admin/v1/setaside" + query).routes }
        for topic in ["missing", "missing", "also-missing", "sound"] {
            #expect(try await ingest.post("/v1/topics/\(topic)", "{}") == 202)
        }

        #expect(await eventually { (try? await setAside("").first?.events) == 3 })
        let all = try #require(await setAside("?route=default").first)
        #expect(all.route == "default" && all.units.map(\.unit) == ["also-missing", "missing"] && all.units.map(\.events) == [1, 2])
        let unit = try #require(all.units.last)
        #expect(unit.topic == "missing" && unit.partition == nil && unit.code == "UNKNOWN_TOPIC_OR_PART" && unit.state == "waiting")
        #expect(!unit.reason.isEmpty && unit.advice?.contains("create 'missing'") == true && unit.since > "2026")
        #expect(unit.bytes > 0 && unit.bytes < all.bytes && unit.oldestEventAgeSeconds >= 0)
        let cut = try #require(await setAside("?limit=1").first)
        #expect(cut.units.map(\.unit) == ["also-missing"] && cut.unitsTotal == 2)

        let status = { try await admin.get(Status.self, "/admin/v1/status").routes[0] }
        #expect(await eventually { (try? await status().lagEvents) == 0 }, "the sound topic is delivered")
        let route = try await status()
        #expect(route.state == "idle" && route.setAsideEvents == 3 && route.setAsideUnits == 2)

        for topic in ["missing", "also-missing"] { cluster.failTopic(topic, with: .none) }
        #expect(await eventually { (try? await setAside("").first?.unitsTotal) == 0 }, "it drains by itself")
        let after = try await status()
        #expect(after.setAsideEvents == 0 && after.setAsideUnits == 0)
        await node.stop()
    }
}

/// Its client blocks, so it has a thread of its own.
private actor NodeClient {
    private let thread = ThreadExecutor(label: "client")
    private var client: HTTPClient

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.thread.asUnownedSerialExecutor() }

    init(address: HTTPAddress) {
        self.client = HTTPClient(address)
    }

    func post(_ target: String, _ body: String) throws -> Int {
        try self.client.send(HTTPClientRequest(method: "POST", target: target, body: Array(body.utf8))).status
    }

    func get<Value: Decodable & Sendable>(_: Value.Type, _ target: String) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Value.self, from: Data(try self.client.send(HTTPClientRequest(target: target)).body))
    }
}
