import ConfigurationWorld
import ForebayConfig
import ForebayCore
import ForebayHTTP
import ForebayKafka
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayRuntime
@testable import ForebaySpool

/// Nodes whose routes have a mirror, or have not, from one start to the next.
@Suite("Node: mirrors", .timeLimit(.minutes(2)))
struct MirrorTests {
    private let folder = NodeFixture.folder()

    /// - Parameter routes: each takes the topic called like its last word: `a`, `b+mirror`, `c+optional`, `d+mirror old`.
    func configuration(
        _ routes: [String], main: String = "127.0.0.1:1", backup: String = "127.0.0.1:1", spool: String = "max_size: 64MiB, segment: 64KiB"
    ) throws -> ForebayConfiguration {
        let lines = routes.map { text in
            let words = text.split(separator: " ").map(String.init)
            let parts = words[0].split(separator: "+").map(String.init)
            let mirror =
                parts.count > 1 ? ", mirror: { to: backup\(parts[1] == "optional" ? ", required: false" : "") }" : ""
            let formerly = words.count > 1 ? ", formerly: [\(words[1])]" : ""
            return "  \(parts[0]): { topics: [\(words.last!.split(separator: "+")[0])], forward: { to: main }\(mirror)\(formerly) }"
        }
        let text = """
            version: 1
            node: { data_dir: "\(self.folder.path)" }
            listeners: { ingest: { address: "127.0.0.1:0" }, admin: { address: "127.0.0.1:0" } }
            buffer: { spool: { \(spool) } }
            delivery: { set_aside: { retry: 100ms } }
            shutdown: { timeout: 200ms }
            clusters:
              main: { properties: { bootstrap.servers: "\(main)" } }
              backup: { properties: { bootstrap.servers: "\(backup)" } }
            routes:
            \(lines.joined(separator: "\n"))
            """
        return try ConfigurationWorld(files: ["f": text]).load(["f"]).configuration
    }

    func run(
        _ routes: [String], main: String = "127.0.0.1:1", backup: String = "127.0.0.1:1", _ body: (Node, Asking) async throws -> Void
    ) async throws {
        try await NodeFixture.run(configured: try self.configuration(routes, main: main, backup: backup)) {
            try await body($0, try Asking($0))
        }
    }

    func cleanUp() { try? FileManager.default.removeItem(at: self.folder) }  // A courtesy.

    /// How far each delivery is behind, by its name, with a word for one that is not configured.
    func lags(_ node: Asking) async throws -> [String: String] {
        let rows = try await node.routes("status", "routes").map { row in
            let name = "\(row["route"] as? String ?? "?")/\(row["stage"] as? String ?? "?")"
            return (name, "\(row["lag_events"] as? Int ?? -1)" + (row["state"] as? String == "removed" ? " removed" : ""))
        }
        return Dictionary(rows) { first, _ in first }
    }

    @Test(
        "it begins with what comes after it, is kept when it is taken out with a backlog, goes on when it is back, and is given up by name")
    func comesAndGoes() async throws {
        defer { self.cleanUp() }
        try await self.run(["a", "b+mirror"]) { _, node in
            try await node.post("a", 3)
            try await node.post("b", 4)
            let lags = try await self.lags(node)
            #expect(lags == ["a/forward": "3", "b/forward": "4", "b/mirror": "4"])
        }
        // New for a, beside what was there; gone for b, which has a backlog.
        try await self.run(["b", "a+mirror"]) { _, node in
            let lags = try await self.lags(node)
            #expect(lags == ["a/forward": "3", "a/mirror": "0", "b/forward": "4", "b/mirror": "4 removed"])
            try await node.post("a", 2)
            try await node.post("b", 1)
            #expect(try await self.lags(node) == ["a/forward": "5", "a/mirror": "2", "b/forward": "5", "b/mirror": "5 removed"])
            let refused = try await node.forget("b")
            #expect(refused.status == 409 && refused.text.contains("b/mirror"), "\(refused.text)")
        }
        // Back, and renamed with its route.
        try await self.run(["c+mirror a", "b+mirror"]) { _, node in
            let lags = try await self.lags(node)
            #expect(lags == ["c/forward": "5", "c/mirror": "2", "b/forward": "5", "b/mirror": "5"])
        }
        // Taken out once more, and given up: what is back begins anew.
        try await self.run(["c+mirror a", "b"]) { node, asking in
            #expect(try await asking.forget("b/mirror").status == 200)
            #expect(try await self.lags(asking) == ["c/forward": "5", "c/mirror": "2", "b/forward": "5"])
            #expect(!node.storage.spool.allCursors.contains { $0.name == "mirror/b" })
            try await asking.post("b", 2)
        }
        try await self.run(["c+mirror a", "b+mirror"]) { _, node in
            let lags = try await self.lags(node)
            #expect(lags == ["c/forward": "5", "c/mirror": "2", "b/forward": "7", "b/mirror": "0"])
        }
    }

    /// Two routes with mirrors, which have got everything.
    private func deliverAll() async throws {
        let (main, backup) = (try KafkaMockCluster(), try KafkaMockCluster())
        for cluster in [main, backup] { for topic in ["a", "b"] { cluster.create(topic: topic, partitions: 2) } }
        try await self.run(["a+mirror", "b+mirror"], main: main.bootstrap, backup: backup.bootstrap) { _, node in
            for topic in ["a", "b"] { try await node.post(topic, 20) }
            let isDone = await eventually { (try? await self.lags(node))?.values.allSatisfy { $0 == "0" } ?? false }
            #expect(isDone)
        }
    }

    @Test(
        "one that had everything keeps its place, too, when it is taken out: what comes later is held for it until it is back or given up")
    func caughtUp() async throws {
        defer { self.cleanUp() }
        try await self.deliverAll()
        for start in 0..<2 {
            try await self.run(["a", "b"]) { _, node in
                for topic in ["a", "b"] { try await node.post(topic, 5) }
                let lags = try await self.lags(node), behind = 5 * (start + 1)
                #expect(lags["a/forward"] == "\(behind)" && lags["a/mirror"] == "\(behind) removed", "start \(start): \(lags)")
            }
        }
        try await self.run(["a+mirror", "b"]) { node, asking in
            #expect(try await asking.forget("b/mirror").status == 200)
            let lags = try await self.lags(asking)
            #expect(lags == ["a/forward": "10", "a/mirror": "10", "b/forward": "10"])
            #expect(node.storage.spool.allCursors.map(\.name) == ["forward/a", "forward/b", "mirror/a"])
        }
        try await self.run(["a+mirror", "b+mirror"]) { _, node in
            let lags = try await self.lags(node)
            #expect(lags == ["a/forward": "10", "a/mirror": "10", "b/forward": "10", "b/mirror": "0"])
        }
    }

    @Test("one that is taken out keeps its place when its route is renamed meanwhile, also with nothing waiting, in one start or two")
    func renamedWithout() async throws {
        defer { self.cleanUp() }
        try await self.deliverAll()
        try await self.run(["a", "d b"]) { _, node in try await node.post("b", 3) }
        try await self.run(["c a", "d b"]) { _, node in
            try await node.post("a", 4)
            try await node.post("b", 1)
        }
        try await self.run(["c+mirror a", "d+mirror b"]) { _, node in
            let lags = try await self.lags(node)
            #expect(lags == ["c/forward": "4", "c/mirror": "4", "d/forward": "4", "d/mirror": "4"])
        }
    }

    @Test(
        "a former name that is a route again, without a mirror: nothing of it goes to the backup of who had it", arguments: [false, true])
    func formerNameWithout(isBehind: Bool) async throws {
        defer { self.cleanUp() }
        let (main, backup) = (try KafkaMockCluster(), try KafkaMockCluster())
        for cluster in [main, backup] { for topic in ["a", "b"] { cluster.create(topic: topic, partitions: 2) } }
        let away = isBehind ? "127.0.0.1:1" : backup.bootstrap
        try await self.run(["a+mirror"], main: main.bootstrap, backup: away) { _, node in
            try await node.post("a", 2)
            let isDone = await eventually { (try? await self.lags(node)) == ["a/forward": "0", "a/mirror": isBehind ? "2" : "0"] }
            #expect(isDone)
        }
        try await self.run(["b+mirror a"], main: main.bootstrap, backup: away) { _, node in try await node.post("a", 1) }
        for _ in 0..<2 {
            try await self.run(["b+mirror", "a"]) { _, node in
                try await node.post("a", 5)
                let mirrors = try await self.lags(node).filter { $0.key.hasSuffix("mirror") }
                #expect(mirrors["b/mirror"] == "1", "its own")
                #expect((mirrors["a/mirror"] != nil) == isBehind, "what waited under the name before is kept: \(mirrors)")
            }
        }
    }

    @Test("a backup that is away holds nobody up: the main one has all, the mirror's backlog is told of, and drains when it is back")
    func away() async throws {
        defer { self.cleanUp() }
        let (main, backup) = (try KafkaMockCluster(), try KafkaMockCluster())
        for cluster in [main, backup] { cluster.create(topic: "a", partitions: 2) }
        backup.failTopic("a", with: .topicAuthorizationFailed)
        try await self.run(["a+mirror", "b"], main: main.bootstrap, backup: "127.0.0.1:1") { node, asking in
            try await asking.post("a", 30)
            let isDone = await eventually { (try? await self.lags(asking)) == ["a/forward": "0", "a/mirror": "30", "b/forward": "0"] }
            #expect(isDone)
            let required = try await asking.routes("status", "routes").map { $0["required"] as? Bool }
            #expect(required == [true, true, true])
            let mirror = #"forebay_delivery_lag_events{route="a",stage="mirror",way="direct"}"#
            #expect(try await NodeFixture.metric(mirror, of: node) == 30)
            let answer = try await NodeFixture.ask(node.ingestAddress, "/v1/topics/a?ack=kafka", body: "waits for the main one alone")
            #expect(answer.status == 200, "\(answer.text)")
        }
        // There, and the topic is not to be had: set aside, apart from the main's.
        try await self.run(["a+mirror", "b"], main: main.bootstrap, backup: backup.bootstrap) { node, asking in
            let aside = #"forebay_set_aside_events{route="a",stage="mirror"}"#
            let isAside = await eventually { (try? await NodeFixture.metric(aside, of: node)) == 31 }
            #expect(isAside)
            #expect(try await NodeFixture.metric(#"forebay_set_aside_events{route="a",stage="forward"}"#, of: node) == 0)
            let shown = try await asking.text("/admin/v1/setaside?route=a/mirror")
            #expect(shown.contains(#""unit":"a""#) && shown.contains("'a' in cluster backup"), "it says where to look: \(shown)")
            let ofForward = try await asking.text("/admin/v1/setaside?route=a")
            #expect(!ofForward.contains(#""unit":"a""#))
            backup.failTopic("a", with: .none)
            let isDrained = await eventually { (try? await NodeFixture.metric(aside, of: node)) == 0 }
            #expect(isDrained)
        }
    }

    @Test(
        "one that is not required gives up its oldest where there is no room, counted; the main one loses nothing, and all are accepted",
        arguments: [true, false])
    func notRequired(isAway: Bool) async throws {
        defer { self.cleanUp() }
        let (main, backup) = (try KafkaMockCluster(), try KafkaMockCluster())
        for cluster in [main, backup] { cluster.create(topic: "a", partitions: 1) }
        // There, it takes nothing: all is set aside, and that fills the disk.
        backup.failTopic("a", with: .topicAuthorizationFailed)
        let configuration = try self.configuration(
            ["a+optional"], main: main.bootstrap, backup: isAway ? "127.0.0.1:1" : backup.bootstrap,
            spool: "max_size: 16MiB, segment: 1MiB")
        let body = String(repeating: "b", count: 100_000)
        try await NodeFixture.run(configured: configuration) { node in
            // The main one, which must have everything, may be a moment behind.
            for number in 0..<400 {
                let isTaken = await eventually {
                    (try? await NodeFixture.ask(node.ingestAddress, "/v1/topics/a", body: body).status) == 202
                }
                try #require(isTaken, "event \(number)")
            }
            let isDone = await eventually {
                (try? await NodeFixture.metric(#"forebay_delivery_lag_events{route="a",stage="forward",way="direct"}"#, of: node)) == 0
            }
            #expect(isDone)
            // What is given up, is set aside, and waits, also on its way, is all that there was, once it is still.
            let isCounted = await eventually {
                var sum = 0.0
                for metric in ["released_events_total{", "delivery_lag_events{", "set_aside_events{"] {
                    let way = metric.hasPrefix("delivery") ? #",way="direct""# : ""
                    sum += (try? await NodeFixture.metric(#"forebay_\#(metric)route="a",stage="mirror"\#(way)}"#, of: node)) ?? 0
                }
                return sum == 400
            }
            #expect(isCounted)
            let released = try await NodeFixture.metric(#"forebay_released_events_total{route="a",stage="mirror"}"#, of: node) ?? 0
            #expect(released > (isAway ? 150 : 50))
            let asking = try Asking(node)
            for resource in ["status", "routes"] {
                let rows = try await asking.routes(resource, "routes")
                #expect(rows.map { $0["required"] as? Bool } == [true, false], "\(resource)")
                #expect(rows.map { $0["released_events"] as? Int } == [0, Int(released)], "\(resource)")
            }
            #expect(node.storage.spool.missing.isEmpty && node.storage.spool.alarms.isEmpty)
        }
    }
}
