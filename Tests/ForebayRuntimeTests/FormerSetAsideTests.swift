import ConfigurationWorld
import ForebayConfig
import ForebayCore
import ForebayKafka
import ForebaySpool
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayRuntime

/// Routes that become one, or two again, while events of theirs are set aside: each key's events arrive in the order in which they were
/// accepted.
@Suite("Routes: set aside under other names", .enabled(if: KafkaConsumer.isAvailable, "needs kcat"), .timeLimit(.minutes(3)))
struct FormerSetAsideTests {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-former-\(UUID().uuidString)").path

    // MARK: A node

    private func start(_ routes: String, _ cluster: KafkaMockCluster) async throws -> Node {
        let text = """
            version: 1
            node: { data_dir: "\(self.folder)" }
            listeners: { ingest: { address: "127.0.0.1:0" }, admin: { address: "127.0.0.1:0" } }
            buffer: { spool: { max_size: 1GiB, segment: 1MiB } }
            delivery: { set_aside: { retry: 100ms } }
            shutdown: { timeout: 200ms }
            clusters: { main: { properties: { bootstrap.servers: "\(cluster.bootstrap)" } } }
            routes:
            \(routes)
            """
        return try await Node.start(try ConfigurationWorld(files: ["f": text]).load(["f"]).configuration)
    }

    private func cluster(_ topics: [String]) throws -> KafkaMockCluster {
        let cluster = try KafkaMockCluster()
        for topic in topics {
            cluster.create(topic: topic, partitions: 1)
            cluster.failTopic(topic, with: .topicAuthorizationFailed)
        }
        return cluster
    }

    private func post(_ node: Node, _ topic: String, _ values: [String]) async throws {
        for value in values {
            let answer = try await NodeFixture.ask(
                node.ingestAddress, "/v1/topics/\(topic)", body: value, headers: [("Forebay-Key", "k")])
            #expect(answer.status == 202)
        }
    }

    /// Posts, and waits until all of it is set aside: so much in all.
    private func setAside(_ node: Node, _ topic: String, _ values: [String], inAll count: UInt64) async throws {
        try await self.post(node, topic, values)
        #expect(await eventually(within: .seconds(30)) { Self.aside(node) == count && node.lag == count }, "\(topic)")
    }

    private static func aside(_ node: Node) -> UInt64 {
        let former = node.storage.formerSetAside.values.joined().map(\.log)
        return (node.storage.setAside.values + former).flatMap(\.units).reduce(0) { $0 + $1.end - $1.settled }
    }

    /// The routes of `GET /admin/v1/status`.
    private func status(_ node: Node) async throws -> sending [[String: Any]] {
        try await NodeFixture.status(of: node)["routes"] as? [[String: Any]] ?? []
    }

    private func setAsideEvents(_ node: Node) async -> [Int?] {
        (try? await self.status(node))?.map { $0["set_aside_events"] as? Int } ?? []
    }

    private func arrived(_ topic: String, _ cluster: KafkaMockCluster) async throws -> [String] {
        try await KafkaConsumer(bootstrap: cluster.bootstrap).read(topic).compactMap(\.value)
    }

    /// Each in a folder of its own: most of their time goes to waiting for when Kafka is asked again.
    private static func sideBySide<Case: Sendable>(
        _ cases: [Case], _ body: @escaping @Sendable (FormerSetAsideTests, Case) async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for one in cases { group.addTask { try await body(FormerSetAsideTests(), one) } }
            try await group.waitForAll()
        }
    }

    private func cleanUp() { try? FileManager.default.removeItem(atPath: self.folder) }  // A courtesy.

    private static let three = """
          a: { topics: [ta], forward: { to: main } }
          b: { topics: [tb], forward: { to: main } }
          c: { topics: [tc], forward: { to: main } }
        """

    // MARK: One of several

    @Test("three routes with events set aside become one, named in any order, with newer events before and behind the restart")
    func merged() async throws {
        try await Self.sideBySide(["a, b, c", "c, a, b", "b, c, a"]) { try await $0.merged($1) }
    }

    private func merged(_ names: String) async throws {
        defer { self.cleanUp() }
        let cluster = try self.cluster(["ta", "tb", "tc"])
        let one = "  m: { topics: [ta, tb, tc], forward: { to: main }, formerly: [\(names)] }"
        var node = try await self.start(Self.three, cluster)
        try await self.setAside(node, "ta", ["old0", "old1"], inAll: 2)
        try await self.setAside(node, "tb", ["old0", "old1", "old2"], inAll: 5)
        try await self.setAside(node, "tc", ["old0"], inAll: 6)
        await node.stop()

        // Nothing can be delivered yet: newer events queue behind the older ones, over two starts.
        for round in 0..<2 {
            node = try await self.start(one, cluster)
            for (place, topic) in ["tb", "ta", "tc"].enumerated() {
                try await self.setAside(node, topic, ["new\(round)"], inAll: UInt64(6 + 3 * round + place + 1))
            }
            let status = try await self.status(node)
            #expect(status.map { $0["route"] as? String } == ["m"], "nothing is left of removed routes")
            // What is told follows what is stored.
            #expect(await eventually(within: .seconds(30)) { await self.setAsideEvents(node) == [9 + 3 * round] })
            await node.stop()
        }
        node = try await self.start(one, cluster)
        for topic in ["ta", "tb", "tc"] { cluster.failTopic(topic, with: .none) }
        for topic in ["tc", "tb", "ta"] { try await self.post(node, topic, ["last"]) }
        #expect(await eventually(within: .seconds(30)) { node.lag == 0 })
        await node.stop()
        for (topic, old) in [("ta", 2), ("tb", 3), ("tc", 1)] {
            let expected = (0..<old).map { "old\($0)" } + ["new0", "new1", "last"]
            #expect(try await self.arrived(topic, cluster) == expected, "\(names): \(topic)")
        }

        // The next start finds the others empty, and their folders go.
        node = try await self.start(one, cluster)
        #expect(node.storage.formerSetAside.isEmpty)
        try await self.post(node, "tb", ["direct"])
        #expect(await eventually(within: .seconds(30)) { node.lag == 0 })
        await node.stop()
        #expect(try FileManager.default.contentsOfDirectory(atPath: self.folder + "/setaside") == ["m"])
    }

    @Test("what a former name left is not given up while a route delivers it")
    func notGivenUp() async throws {
        defer { self.cleanUp() }
        let cluster = try self.cluster(["ta", "tb"])
        let two = "  a: { topics: [ta], forward: { to: main } }\n  b: { topics: [tb], forward: { to: main } }"
        var node = try await self.start(two, cluster)
        try await self.setAside(node, "ta", ["old"], inAll: 1)
        try await self.setAside(node, "tb", ["old"], inAll: 2)
        await node.stop()
        node = try await self.start("  m: { topics: [ta, tb], forward: { to: main }, formerly: [a, b] }", cluster)
        let answer = try await NodeFixture.ask(node.adminAddress, "/admin/v1/routes/b", method: "DELETE")
        #expect(answer.status == 409 && answer.text.contains("'m'"))
        #expect(try await NodeFixture.ask(node.adminAddress, "/admin/v1/setaside?route=m").text.contains("\"tb\""))
        await node.stop()
    }

    // MARK: Two again

    @Test("a former name that is a route again waits behind what its successor has set aside of its topics")
    func backBeside() async throws {
        try await Self.sideBySide([false, true]) { try await $0.backBeside(isStillNamed: $1) }
    }

    private func backBeside(isStillNamed: Bool) async throws {
        defer { self.cleanUp() }
        let cluster = try self.cluster(["ta", "tb", "tc"])
        var node = try await self.start(Self.three, cluster)
        try await self.setAside(node, "ta", ["old"], inAll: 1)
        try await self.setAside(node, "tb", ["old0", "old1"], inAll: 3)
        await node.stop()
        // First a, then b, went over to m.
        let formerly = isStillNamed ? ", formerly: [a]" : ""
        node = try await self.start(
            "  m: { topics: [ta, tb], forward: { to: main }, formerly: [a, b] }\n  c: { topics: [tc], forward: { to: main } }", cluster)
        try await self.setAside(node, "tb", ["old2"], inAll: 4)
        await node.stop()
        node = try await self.start(
            "  b: { topics: [tb], forward: { to: main } }\n  m: { topics: [ta], forward: { to: main }\(formerly) }\n"
                + "  c: { topics: [tc], forward: { to: main } }", cluster)
        try await self.setAside(node, "tb", ["new0"], inAll: 5)
        for topic in ["ta", "tb", "tc"] { cluster.failTopic(topic, with: .none) }
        for topic in ["tb", "tc", "ta"] { try await self.post(node, topic, ["new1"]) }
        #expect(await eventually(within: .seconds(30)) { node.lag == 0 })
        await node.stop()
        #expect(try await self.arrived("tb", cluster) == ["old0", "old1", "old2", "new0", "new1"])
        #expect(try await self.arrived("ta", cluster) == ["old", "new1"])
        #expect(try await self.arrived("tc", cluster) == ["new1"])
    }

    @Test("a topic that goes to another route now waits behind what its first one has set aside of it")
    func movedTopic() async throws {
        defer { self.cleanUp() }
        let cluster = try self.cluster(["t"])
        var node = try await self.start(
            "  a: { topics: [t], forward: { to: main } }\n  z: { topics: [other], forward: { to: main } }", cluster)
        try await self.setAside(node, "t", ["old0", "old1"], inAll: 2)
        await node.stop()
        node = try await self.start("  a: { topics: [other], forward: { to: main } }\n  z: { topics: [t], forward: { to: main } }", cluster)
        try await self.setAside(node, "t", ["new0"], inAll: 3)
        cluster.failTopic("t", with: .none)
        try await self.post(node, "t", ["new1"])
        #expect(await eventually(within: .seconds(30)) { node.lag == 0 })
        await node.stop()
        #expect(try await self.arrived("t", cluster) == ["old0", "old1", "new0", "new1"])
    }
}
