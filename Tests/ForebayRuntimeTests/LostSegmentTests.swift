import ConfigurationWorld
import ForebayConfig
import ForebayCore
import ForebayHTTP
import ForebayKafka
import ForebaySpool
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayRuntime

/// Nodes that lost the newest segment of their spool, and go on.
@Suite("Node: a lost segment", .enabled(if: KafkaConsumer.isAvailable, "kcat is not installed"), .timeLimit(.minutes(3)))
struct LostSegmentTests {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-lost-\(UUID().uuidString)").path

    private func start(_ bootstraps: [String]) async throws -> Node {
        let text = """
            version: 1
            node: { data_dir: "\(self.folder)" }
            listeners: { ingest: { address: "127.0.0.1:0" }, admin: { address: "127.0.0.1:0" } }
            buffer: { spool: { max_size: 1GiB, segment: 1MiB } }
            delivery: { set_aside: { retry: 100ms, partition_after: 60s } }
            shutdown: { timeout: 200ms }
            clusters:
              one: { properties: { bootstrap.servers: "\(bootstraps[0])" } }
              two: { properties: { bootstrap.servers: "\(bootstraps[1])" } }
            routes:
              a: { topics: [a], forward: { to: one } }
              b: { topics: [b], forward: { to: two } }
            """
        return try await Node.start(try ConfigurationWorld(files: ["f": text]).load(["f"]).configuration)
    }

    private func post(_ node: Node, _ topic: String, _ value: String, partition: Int, waits: Bool = false) throws {
        var client = HTTPClient(try HTTPAddress(url: "http://\(node.ingestAddress)"))
        let answer = try client.send(
            HTTPClientRequest(
                method: "POST", target: "/v1/topics/\(topic)" + (waits ? "?ack=kafka" : ""),
                headers: [("Content-Type", "application/vnd.forebay.v1+json")],
                body: Array(#"{"key":"k\#(partition)","value":"\#(value)","partition":\#(partition)}"#.utf8)))
        #expect(answer.status == (waits ? 200 : 202))
    }

    private func arrived(_ cluster: KafkaMockCluster, _ topic: String) async throws -> [String] {
        try await KafkaConsumer(bootstrap: cluster.bootstrap).read(topic).compactMap { record in
            record.value.map { String($0.trimmingPrefix("\"").prefix { $0 != "-" }) }
        }
    }

    @Test("what is whole before the loss arrives, though what came after it is settled first and the node is killed then")
    func settledLater() async throws {
        defer { try? FileManager.default.removeItem(atPath: self.folder) }
        // Both clusters are away: a backlog of two segments.
        var node = try await self.start(["127.0.0.1:1", "127.0.0.1:1"])
        let padding = "-" + String(repeating: "p", count: 200_000)
        for number in 0..<8 { try self.post(node, number % 2 == 0 ? "a" : "b", "old\(number)" + padding, partition: 0) }
        await node.stop()
        let segments = self.folder + "/spool/segments"
        let files = try FileManager.default.contentsOfDirectory(atPath: segments).filter { $0.hasSuffix(".segment") }.sorted()
        #expect(files.count >= 2)
        try FileManager.default.removeItem(atPath: segments + "/" + files.last!)

        let clusters = [try KafkaMockCluster(), try KafkaMockCluster()]
        for (cluster, topic) in zip(clusters, ["a", "b"]) { cluster.create(topic: topic, partitions: 2) }
        clusters[0].setLeader(of: "a", 0, to: nil)
        node = try await self.start(clusters.map(\.bootstrap))
        let kept = try #require(node.storage.spool.missing.first?.sequences.lowerBound)
        #expect(kept >= 3 && kept < 8)
        // Partition 0 of topic a has no leader; in a minute it would be set aside. What comes for the other one is settled, in several turns.
        for number in 0..<4 {
            for topic in ["a", "b"] { try self.post(node, topic, "new\(number)-", partition: 1, waits: true) }
        }
        let cursor = try #require(node.storage.spool.allCursors.first { $0.delivery.route == "a" })
        let copy = self.folder + "-killed"
        defer { try? FileManager.default.removeItem(atPath: copy) }
        try FileManager.default.copyItem(atPath: self.folder, toPath: copy)
        #expect(cursor.sequence == 0, "nothing of what is kept has arrived")
        await node.stop()

        // What a kill at that moment left, and a cluster that is well.
        clusters[0].setLeader(of: "a", 0, to: 1)
        try FileManager.default.removeItem(atPath: self.folder)
        try FileManager.default.moveItem(atPath: copy, toPath: self.folder)
        node = try await self.start(clusters.map(\.bootstrap))
        #expect(await eventually(within: .seconds(30)) { node.lag == 0 })
        for (place, topic) in ["a", "b"].enumerated() {
            let arrived = try await self.arrived(clusters[place], topic)
            let old = (0..<Int(kept)).filter { $0 % 2 == place }.map { "old\($0)" }
            #expect(Set(old + (0..<4).map { "new\($0)" }).isSubset(of: arrived), "\(topic): \(arrived)")
        }
        await node.stop()
    }
}
