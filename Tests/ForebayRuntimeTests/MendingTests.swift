import ConfigurationWorld
import ForebayAdmin
import ForebayConfig
import ForebayCore
import ForebayHTTP
import ForebayKafka
import ForebaySpool
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayRuntime

/// Dead letters and what is set aside, mended over the admin API of a whole node: several routes, one of which is not configured any more.
@Suite("A node that is mended", .timeLimit(.minutes(1)))
struct MendingTests {
    /// - Parameter routes: each takes the topic that is called like it.
    private static func configuration(
        _ routes: [String], in folder: URL, cluster: String = "127.0.0.1:1"
    ) throws -> ForebayConfiguration {
        let lines = routes.map { "  \($0): { topics: [\($0)], forward: { to: main } }" }
        let text = """
            version: 1
            node: { data_dir: "\(folder.path)" }
            listeners: { ingest: { address: "127.0.0.1:0" }, admin: { address: "127.0.0.1:0" } }
            buffer: { spool: { max_size: 1GiB, segment: 1MiB } }
            delivery: { set_aside: { retry: 100ms } }
            shutdown: { timeout: 200ms }
            clusters: { main: { properties: { bootstrap.servers: "\(cluster)" } } }
            routes:
            \(lines.joined(separator: "\n"))
            """
        return try ConfigurationWorld(files: ["f": text]).load(["f"]).configuration
    }

    /// A node with five dead letters and four events set aside of the route `a`, three and two of the route `old`, which is configured
    /// no more.
    private func run(cluster: String = "127.0.0.1:1", _ body: (Node, URL) async throws -> Void) async throws {
        let folder = NodeFixture.folder()
        defer { try? FileManager.default.removeItem(at: folder) }  // Cleaning up is a courtesy.
        let before = try Self.configuration(["a", "old"], in: folder, cluster: cluster)
        try await NodeFixture.leave("a", in: before, aside: 4, dead: 5)
        try await NodeFixture.leave("old", in: before, aside: 2, dead: 3)
        let after = try Self.configuration(["a", "c"], in: folder, cluster: cluster)
        try await NodeFixture.run(configured: after) { try await body($0, folder) }
    }

    private func ask(_ node: Node, _ method: String, _ target: String, _ form: String) async throws -> (status: Int, text: String) {
        try await NodeFixture.ask(
            node.adminAddress, "/admin/v1/" + target, method: method, body: form,
            headers: [("Content-Type", "application/x-www-form-urlencoded")])
    }

    private func isDrained(_ node: Node) async -> Bool {
        // Whoever can't be asked is asked again.
        (try? await NodeFixture.metric("forebay_set_aside_events{route=\"a\",stage=\"forward\"}", of: node)) == 0
    }

    private func counts(_ node: Node) async throws -> [String: Int] {
        let text = try await NodeFixture.ask(node.adminAddress, "/admin/v1/deadletters").text
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: [[String: Any]]]
        return Dictionary(uniqueKeysWithValues: (object?["routes"] ?? []).map { ($0["route"] as! String, $0["dead_letters"] as! Int) })
    }

    @Test("letters are removed and replayed, each route's into its own set-aside log, counted, and known after a restart")
    func letters() async throws {
        try await self.run { node, folder in
            #expect(try await self.counts(node) == ["a": 5, "c": 0, "old": 3])
            let dry = try await self.ask(node, "POST", "deadletters/replay", "all=true&dry_run=true")
            #expect(dry.status == 200 && dry.text.contains(#""replayed":5,"#) && dry.text.contains(#""kept":[{"delivery":"old","count":3"#))
            #expect(try await self.counts(node) == ["a": 5, "c": 0, "old": 3])
            let removed = try await self.ask(node, "DELETE", "deadletters", "delivery=a&number=0-1&number=4")
            #expect(removed.status == 200 && removed.text.contains(#""removed":3,"#), "\(removed)")
            #expect(try await self.ask(node, "DELETE", "deadletters?delivery=old&id=old-1", "").text.contains(#""removed":1,"#))
            let refused = try await self.ask(node, "POST", "deadletters/replay", "delivery=old&all=true")
            #expect(refused.status == 409 && refused.text.contains("route_not_configured"))
            let unknown = try await self.ask(node, "POST", "deadletters/replay", "delivery=a/mirror&all=true")
            #expect(unknown.status == 404 && unknown.text.contains("there are some of a, old"))
            let replayed = try await self.ask(node, "POST", "deadletters/replay", "topic=a")
            #expect(replayed.status == 200 && replayed.text.contains(#""replayed":2,"#), "\(replayed)")
            #expect(try await self.counts(node) == ["a": 0, "c": 0, "old": 2])
            #expect(try await NodeFixture.metric("forebay_dead_letters_replayed_total{route=\"a\",stage=\"forward\"}", of: node) == 2)
            #expect(try await NodeFixture.metric("forebay_dead_letters_removed_total{route=\"a\",stage=\"forward\"}", of: node) == 3)
            #expect(try await NodeFixture.metric("forebay_dead_letters_removed_total{route=\"old\",stage=\"forward\"}", of: node) == 1)
            #expect(try await NodeFixture.metric("forebay_set_aside_events{route=\"a\",stage=\"forward\"}", of: node) == 6)
            let status = try await NodeFixture.status(of: node)
            #expect((status["routes"] as? [[String: Any]])?.first { $0["route"] as? String == "a" }?["dead_letters"] as? Int == 0)
            await node.stop()

            try await self.restart(in: folder)
        }
    }

    private func restart(in folder: URL) async throws {
        let node = try await Node.start(Self.configuration(["a", "old"], in: folder))
        let counts = try await self.counts(node)
        #expect(counts == ["a": 0, "old": 2])
        let replayed = try await self.ask(node, "POST", "deadletters/replay", "all=true").text
        #expect(replayed.contains(#""replayed":2,"#))
        let aside = try await NodeFixture.metric("forebay_set_aside_events{route=\"old\",stage=\"forward\"}", of: node)
        #expect(aside == 4)
        await node.stop()
    }

    @Test("set-aside events are removed and moved, of a route that is not configured any more, too; where the cluster is back they arrive")
    func setAside() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "a", partitions: 1)
        for topic in ["aside-a", "aside-old"] { cluster.failTopic(topic, with: .topicAuthorizationFailed) }
        try await self.run(cluster: cluster.bootstrap) { node, _ in
            let dry = try await self.ask(node, "DELETE", "setaside", "unit=aside-a&dry_run=true")
            #expect(dry.text.contains(#""removed":4,"#) && dry.status == 200)
            #expect(try await self.ask(node, "POST", "setaside/move", "unit=aside-a&to=aside-a").status == 400)
            #expect(try await self.ask(node, "POST", "setaside/move", "unit=nothing&to=a").status == 404)
            let moved = try await self.ask(node, "POST", "setaside/move", "route=a&all=true&to=a")
            #expect(moved.status == 200 && moved.text.contains(#""moved":4,"to":"a","#), "\(moved)")
            let isDrained = await eventually { await self.isDrained(node) }
            #expect(isDrained)
            #expect(moved.text.contains(#""undelivered":[]"#))
            let what = "unit=aside-old&to=elsewhere"
            for form in [what + "&dry_run=true", what] {
                let old = try await self.ask(node, "POST", "setaside/move", form)
                #expect(old.text.contains(#""moved":2,"#) && old.text.contains(#""undelivered":["old"]"#), "\(old)")
            }
            let removed = try await self.ask(node, "DELETE", "setaside", "unit=elsewhere")
            #expect(removed.text.contains(#"{"delivery":"old","unit":"elsewhere","code":"MOVED","events":2}"#), "\(removed)")
            #expect(try await NodeFixture.metric("forebay_set_aside_moved_events_total{route=\"a\",stage=\"forward\"}", of: node) == 4)
            #expect(try await NodeFixture.metric("forebay_set_aside_removed_events_total{route=\"old\",stage=\"forward\"}", of: node) == 2)
            #expect(try await self.ask(node, "DELETE", "setaside", "unit=aside-old").status == 404)
        }
    }

    @Test("web pages of other origins, other names, other types of body and large ones are refused")
    func callers() async throws {
        try await self.run { node, _ in
            let form = ("Content-Type", "application/x-www-form-urlencoded")
            for headers in [
                [form, ("Origin", "http://evil.example")], [form, ("Sec-Fetch-Site", "cross-site")],
                [("Content-Type", "text/plain"), ("Origin", "null")], [("Origin", "null"), ("Sec-Fetch-Site", "cross-site")],
                [("Content-Type", "application/json")],
            ] {
                for (method, target) in [("DELETE", "deadletters"), ("POST", "deadletters/replay"), ("DELETE", "setaside")] {
                    let answer = try await NodeFixture.ask(
                        node.adminAddress, "/admin/v1/" + target, method: method, body: "all=true", headers: headers)
                    #expect(answer.status == (headers.count > 1 ? 403 : 415), "\(answer)")
                }
            }
            let large = "all=true&" + (0..<10_000).map { "id=\($0)-1234" }.joined(separator: "&")
            let refused = try await self.ask(node, "POST", "deadletters/replay", large)
            #expect(refused.status == 413 && refused.text.contains("more than 65536 bytes.") && !refused.text.contains("limits."))
            #expect(try await self.counts(node) == ["a": 5, "c": 0, "old": 3])
        }
    }
}
