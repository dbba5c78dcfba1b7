import ConfigurationWorld
import ForebayConfig
import ForebayCore
import ForebayHTTP
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayRuntime

/// Nodes whose routes are taken out, renamed and put back between their starts.
@Suite("Routes: removed, renamed, given up", .timeLimit(.minutes(3)))
struct RemovedRoutesTests {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-removed-\(UUID().uuidString)").path

    // MARK: A node

    /// - Parameter routes: their topics are called like them, unless said otherwise.
    private func configuration(_ routes: [String], bootstrap: String = "127.0.0.1:1") throws -> ForebayConfiguration {
        let lines = routes.map { route in
            let words = route.split(separator: " ").map(String.init)
            let formerly = words.count > 1 ? ", formerly: [\(words.dropFirst().joined(separator: ", "))]" : ""
            return
                "  \(words[0]): { topics: [\(([words[0]] + words.dropFirst()).joined(separator: ", "))], forward: { to: main }\(formerly) }"
        }
        let text = """
            version: 1
            node: { data_dir: "\(self.folder)" }
            listeners: { ingest: { address: "127.0.0.1:0" }, admin: { address: "127.0.0.1:0" } }
            buffer: { spool: { max_size: 1GiB, segment: 1MiB } }
            delivery: { set_aside: { retry: 100ms } }
            shutdown: { timeout: 200ms }
            clusters: { main: { properties: { bootstrap.servers: "\(bootstrap)" } } }
            routes:
            \(lines.joined(separator: "\n"))
            """
        return try ConfigurationWorld(files: ["f": text]).load(["f"]).configuration
    }

    /// Starts a node, and stops it behind the body.
    private func run(_ routes: [String], bootstrap: String = "127.0.0.1:1", _ body: (Asking) async throws -> Void) async throws {
        let node = try await Node.start(try self.configuration(routes, bootstrap: bootstrap))
        do {
            try await body(try Asking(node))
        } catch {
            await node.stop()
            throw error
        }
        await node.stop()
    }

    /// Sets events aside, and gives others up, as the route's stages would have.
    private func leave(_ route: String, aside: Int, dead: Int) async throws {
        try await NodeFixture.leave(route, in: try self.configuration([route]), aside: aside, dead: dead)
    }

    private func cleanUp() { try? FileManager.default.removeItem(atPath: self.folder) }  // A courtesy.

    // MARK: Removed

    @Test("what a removed route left is shown, and given up by command; the others keep what is theirs")
    func shownAndGivenUp() async throws {
        defer { self.cleanUp() }
        try await self.run(["a", "b", "c"]) { node in
            for (topic, count) in [("a", 5), ("b", 7), ("c", 2)] { try await node.post(topic, count) }
        }
        try await self.leave("b", aside: 3, dead: 2)
        try await self.leave("gone", aside: 0, dead: 1)
        try await self.run(["a", "d"]) { node in
            let routes = try await node.routes("status", "routes")
            #expect(routes.map { $0["route"] as? String } == ["a", "d", "b", "c", "gone"])
            #expect(routes.map { $0["state"] as? String }.suffix(3) == ["removed", "removed", "removed"])
            #expect(routes.map { $0["lag_events"] as? Int } == [5, 0, 7, 2, 0])
            #expect(routes.map { $0["set_aside_events"] as? Int } == [0, 0, 3, 0, 0])
            #expect(routes.map { $0["dead_letters"] as? Int } == [0, 0, 2, 0, 1])
            #expect((routes[2]["held_bytes"] as? Int ?? 0) > 0 && routes[0]["held_bytes"] is NSNull && routes[2]["cluster"] is NSNull)
            #expect((routes[2]["oldest_event_age_seconds"] as? Double).map { $0 >= 0 } == true)
            let held = try await node.routes("routes", "routes")
            #expect(held.map { $0["route"] as? String } == ["a", "b", "c", "d", "gone"])
            #expect(held.map { $0["state"] as? String } == ["configured", "removed", "removed", "configured", "removed"])
            // Both say the same of one that is configured.
            for (field, route) in [("lag_events", "a"), ("dead_letter_bytes", "a"), ("dead_letter_bytes", "d"), ("dead_letters", "d")] {
                let said = [routes, held].map { $0.first { $0["route"] as? String == route }?[field] as? Int }
                #expect(said[0] == said[1] && said[0] != nil, "\(field) of \(route): \(said)")
            }
            #expect(
                try await node.text("/metrics").split(separator: "\n").contains(
                    #"forebay_delivery_lag_events{route="b",stage="forward"} 7"#))
            #expect(try await node.text("/metrics").contains(#"forebay_dead_letters{route="b"} 2"#))
            #expect(try await node.text("/admin/v1/deadletters?route=b").contains("dead-b-1"))
            let aside = try await node.text("/admin/v1/setaside?route=b")
            #expect(aside.contains(#""unit":"aside-b""#) && aside.contains("forebay routes forget b"))

            #expect(try await node.forget("a").status == 409, "it is configured")
            #expect(try await node.forget("nobody").status == 404)
            #expect(try await node.forget("b/mirror").status == 404)
            let dry = try await node.forget("b?dry_run=true")
            #expect(dry.status == 200 && dry.text.contains(#""lag_events":7"#))
            #expect(try await node.routes("routes", "routes").count == 5, "only asked")
            let done = try await node.forget("b/forward")
            #expect(done.status == 200 && done.text.contains(#""dry_run":false"#))
            #expect(try await node.forget("b").status == 404, "it is gone")
            #expect(try await node.routes("status", "routes").map { $0["route"] as? String } == ["a", "d", "c", "gone"])
            #expect(try await node.forget("gone").status == 200)
            for name in ["setaside/b", "deadletters/b", "deadletters/gone", "forgotten/setaside.b"] {
                #expect(!FileManager.default.fileExists(atPath: "\(self.folder)/\(name)"), "\(name)")
            }
            try await node.post("a", 1)
        }
        // All are back: what was given up is not.
        try await self.run(["c", "b", "a", "d", "gone"]) { node in
            let routes = try await node.routes("status", "routes")
            #expect(routes.map { $0["route"] as? String } == ["c", "b", "a", "d", "gone"])
            #expect(routes.map { $0["lag_events"] as? Int } == [2, 0, 6, 0, 0])
            #expect(routes.map { $0["dead_letters"] as? Int } == [0, 0, 0, 0, 0])
            #expect(routes.map { $0["set_aside_events"] as? Int } == [0, 0, 0, 0, 0])
        }
    }

    @Test("a giving up that a kill cut short is finished by the next call, wherever it was cut", arguments: 0..<3)
    func cutShort(at place: Int) async throws {
        defer { self.cleanUp() }
        try await self.run(["a", "b"]) { node in
            try await node.post("a", 2)
            try await node.post("b", 3)
        }
        try await self.leave("b", aside: 3, dead: 2)
        let storage = try NodeStorage.open(try self.configuration(["a"]), metrics: MetricsRegistry())
        if place == 0 {
            let cursor = try #require(storage.spool.allCursors.first { $0.route == "b" })
            cursor.move(to: storage.spool.durableEnd, settled: 3)
        } else {
            try await storage.spool.giveUp(try #require(storage.spool.allCursors.first { $0.route == "b" }))
        }
        await storage.close()
        if place == 2 {
            try FileManager.default.createDirectory(atPath: self.folder + "/forgotten", withIntermediateDirectories: true)
            try FileManager.default.moveItem(atPath: self.folder + "/setaside/b", toPath: self.folder + "/forgotten/setaside.b")
        }
        try await self.run(["a"]) { node in
            let left = try await node.routes("status", "routes").filter { $0["route"] as? String == "b" }
            #expect(left.map { $0["dead_letters"] as? Int } == [2] && left.map { $0["set_aside_events"] as? Int } == [place == 2 ? 0 : 3])
            #expect(try await node.forget("b").status == 200)
            #expect(try await node.routes("routes", "routes").map { $0["route"] as? String } == ["a"])
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: self.folder + "/forgotten").isEmpty)
        try await self.run(["a", "b"]) { node in
            let lags = try await node.routes("status", "routes").map { $0["lag_events"] as? Int }
            #expect(lags == [2, 0])
        }
    }

    @Test("of a node that is down: the same, under its lock")
    func stopped() async throws {
        defer { self.cleanUp() }
        try await self.run(["a", "b", "c"]) { node in
            for (topic, count) in [("a", 5), ("b", 7), ("c", 2)] { try await node.post(topic, count) }
        }
        try await self.leave("b", aside: 3, dead: 2)
        let node = StoppedNode(directory: self.folder, configuration: try self.configuration(["a", "x c"]))
        func held() throws -> [String: [Int]] {
            let document = try JSONSerialization.jsonObject(with: Data(try node.routes())) as? [String: Any]
            let routes = document?["routes"] as? [[String: Any]] ?? []
            return Dictionary(
                uniqueKeysWithValues: routes.map { route in
                    (route["route"] as! String, ["lag_events", "set_aside_events", "dead_letters"].map { route[$0] as? Int ?? -1 })
                })
        }
        #expect(try held() == ["a": [5, 0, 0], "b": [7, 3, 2], "c": [2, 0, 0]])
        func refusal(_ route: String) async throws -> String? {
            if case .refusal(let text) = try await node.forget(route, stage: nil, isDryRun: false) { text } else { nil }
        }
        #expect(try await refusal("a")?.contains("is configured") == true)
        #expect(try await refusal("c")?.contains("taken over by route 'x'") == true)
        #expect(try await refusal("nobody")?.contains("left of b, c") == true)
        _ = try await node.forget("b", stage: nil, isDryRun: true)
        #expect(try held()["b"] == [7, 3, 2])
        try await self.run(["a"]) { _ in
            await #expect(throws: ForebayError.self) { try await node.forget("b", stage: nil, isDryRun: false) }
        }
        _ = try await node.forget("b", stage: "forward", isDryRun: false)
        #expect(try held() == ["a": [5, 0, 0], "c": [2, 0, 0]])
        try await self.run(["b", "x c", "a"]) { node in
            let lags = try await node.routes("status", "routes").map { $0["lag_events"] as? Int }
            #expect(lags == [0, 2, 5])
        }
    }

    // MARK: Renamed

    @Test("former names: backlog, what is set aside and dead letters go over once, there and back, and all of it is delivered")
    func formerNames() async throws {
        try #require(KafkaConsumer.isAvailable, "kcat is not installed")
        defer { self.cleanUp() }
        try await self.run(["one", "two", "other"]) { node in
            for (topic, count) in [("one", 5), ("two", 7), ("other", 2)] { try await node.post(topic, count) }
        }
        try await self.leave("one", aside: 3, dead: 2)
        try await self.leave("two", aside: 4, dead: 0)
        try await self.run(["other", "new one two"]) { node in
            try await node.post("new", 1)
            let routes = try await node.routes("status", "routes")
            #expect(routes.map { $0["route"] as? String } == ["other", "new"])
            #expect(routes.map { $0["lag_events"] as? Int } == [2, 13])
            #expect(routes.map { $0["set_aside_events"] as? Int } == [0, 7], "in two logs")
            #expect(routes.map { $0["dead_letters"] as? Int } == [0, 2])
        }
        // Back under the first name; and the second is a route of its own again, which takes back what is left of it.
        try await self.run(["two", "one new", "other"]) { node in
            let routes = try await node.routes("status", "routes")
            #expect(routes.map { $0["route"] as? String } == ["two", "one", "other"])
            #expect(routes.map { $0["lag_events"] as? Int } == [7, 6, 2])
            #expect(routes.map { $0["set_aside_events"] as? Int } == [4, 3, 0])
            #expect(routes.map { $0["dead_letters"] as? Int } == [0, 2, 0])
        }
        let cluster = try KafkaMockCluster()
        for topic in ["one", "two", "other", "new", "aside-one", "aside-two"] { cluster.create(topic: topic, partitions: 1) }
        try await self.run(["other", "last one", "two"], bootstrap: cluster.bootstrap) { node in
            #expect(
                await eventually(within: .seconds(30)) {
                    let routes = (try? await node.routes("status", "routes")) ?? []
                    return routes.count == 3 && routes.allSatisfy { $0["lag_events"] as? Int == 0 && $0["set_aside_events"] as? Int == 0 }
                })
        }
        for (topic, count) in [("one", 5), ("two", 7), ("other", 2), ("new", 1), ("aside-one", 3), ("aside-two", 4)] {
            let values = try await KafkaConsumer(bootstrap: cluster.bootstrap).read(topic).compactMap(\.value)
            #expect(values.count == count && Set(values).count == count, "\(topic): \(values)")
        }
        #expect(FileManager.default.fileExists(atPath: self.folder + "/deadletters/last/segments"))
    }

    @Test("two routes of which one was the other's former name: each delivers its own, once, in either order", arguments: [false, true])
    func formerNameInUse(isReversed: Bool) async throws {
        try #require(KafkaConsumer.isAvailable, "kcat is not installed")
        defer { self.cleanUp() }
        try await self.run(["a"]) { try await $0.post("a", 3) }
        try await self.run(["b a"]) { try await $0.post("b", 2) }
        let cluster = try KafkaMockCluster()
        for topic in ["a", "b"] { cluster.create(topic: topic, partitions: 1) }
        try await self.run(isReversed ? ["b", "a"] : ["a", "b"], bootstrap: cluster.bootstrap) { node in
            try await node.post("a", 1)
            try await node.post("b", 1)
            #expect(
                await eventually(within: .seconds(30)) {
                    ((try? await node.routes("status", "routes")) ?? []).map { $0["lag_events"] as? Int } == [0, 0]
                })
        }
        for (topic, count) in [("a", 4), ("b", 3)] {
            let values = try await KafkaConsumer(bootstrap: cluster.bootstrap).read(topic).compactMap(\.value)
            #expect(values.count == count, "\(topic): \(values)")
        }
    }

    // MARK: Damage

    @Test("what is damaged in the spool and in every side log, also a removed route's, is in status with what to do")
    func alarms() async throws {
        defer { self.cleanUp() }
        try await self.run(["a", "b"]) { node in
            try await node.post("a", 2)
            try await node.post("b", 3)
        }
        try await self.leave("a", aside: 2, dead: 1)
        try await self.leave("b", aside: 3, dead: 2)
        func damage(_ path: String, _ body: (inout Data) -> Void) throws {
            let url = URL(filePath: "\(self.folder)/\(path)")
            var bytes = try Data(contentsOf: url)
            body(&bytes)
            try bytes.write(to: url)
        }
        try damage("spool/cursors/forward.a") { $0 = Data("garbage".utf8) }
        try damage("setaside/a/units") { $0.replaceSubrange(0..<$0.count, with: Data(count: $0.count)) }
        let letters = try FileManager.default.contentsOfDirectory(atPath: self.folder + "/deadletters/b/segments").first {
            $0.hasSuffix(".segment")
        }
        try damage("deadletters/b/segments/\(try #require(letters))") { $0[8192 + 100] ^= 1 }
        try await self.run(["a"]) { node in
            // What can't be read is noticed when somebody reads it.
            _ = try await node.text("/admin/v1/deadletters?route=b")
            let alarms = try await node.routes("status", "alarms")
            let spool = try #require(alarms.first { $0["log"] as? String == "spool" })
            #expect((spool["file"] as? String)?.hasSuffix("cursors/forward.a") == true && spool["lost_end"] is NSNull)
            #expect((spool["advice"] as? String)?.contains("nothing is lost") == true && (spool["noticed_at"] as? String ?? "") > "2026")
            let aside = try #require(alarms.first { $0["log"] as? String == "setaside/a" })
            #expect((aside["file"] as? String)?.hasSuffix("setaside/a/units") == true)
            let dead = try #require(alarms.first { $0["log"] as? String == "deadletters/b" })
            #expect(dead["lost_first"] as? Int == 0 && dead["lost_end"] as? Int == 2)
            #expect((dead["advice"] as? String)?.contains("after-damage.md") == true)
            let metrics = try await node.text("/metrics")
            #expect(metrics.contains("forebay_buffer_corruption_total \(alarms.count)"), "\(alarms)")
        }
    }

    @Test("a log that is gone as a whole is in status, of a removed route, too; nobody is told that nothing is lost")
    func logsGone() async throws {
        defer { self.cleanUp() }
        try await self.run(["a", "b"]) { node in try await node.post("a", 2) }
        try await self.leave("a", aside: 2, dead: 1)
        try await self.leave("b", aside: 3, dead: 2)
        for name in ["spool", "setaside/a", "deadletters/b"] { try FileManager.default.removeItem(atPath: "\(self.folder)/\(name)") }
        try await self.run(["a"]) { node in
            let alarms = try await node.routes("status", "alarms")
            let files = alarms.compactMap { ($0["file"] as? String)?.dropFirst(self.folder.count + 1) }.sorted()
            #expect(files == ["deadletters/b", "setaside/a", "spool"])
            for alarm in alarms {
                #expect((alarm["what"] as? String)?.contains("gone") == true)
                #expect((alarm["advice"] as? String)?.hasPrefix("what waited in it is lost, unless it is had back") == true)
            }
            try await node.post("a", 1)
        }
        for count in [3, 0] {
            try await self.run(["a"]) { node in
                let alarms = try await node.routes("status", "alarms")
                #expect(alarms.count == count, "until somebody acknowledges it")
            }
            _ = try StoppedNode(directory: self.folder, configuration: nil).acknowledgeAlarms(log: nil)
        }
    }

    @Test("a spool whose lock was taken away accepts nothing, and says why")
    func lockGone() async throws {
        defer { self.cleanUp() }
        try await self.run(["a"]) { node in
            try await node.post("a", 1)
            try FileManager.default.removeItem(atPath: self.folder + "/spool/lock")
            #expect(await eventually { (try? await node.status(posting: "a")) == 503 })
            #expect(try await node.text("/readyz").contains("was removed"))
        }
    }
}

/// Asks a node, on a thread of its own: the client blocks.
private actor Asking {
    private let thread = ThreadExecutor(label: "asking")
    private var admin: HTTPClient
    private var ingest: HTTPClient

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.thread.asUnownedSerialExecutor() }

    init(_ node: Node) throws {
        self.admin = HTTPClient(try HTTPAddress(url: "http://\(node.adminAddress)"))
        self.ingest = HTTPClient(try HTTPAddress(url: "http://\(node.ingestAddress)"))
    }

    func post(_ topic: String, _ count: Int) async throws {
        for number in 0..<count {
            let body = Array("\(topic)-\(number)".utf8)
            let request = HTTPClientRequest(method: "POST", target: "/v1/topics/\(topic)", body: body)
            // 503 `starting` stores nothing: the stage may be a moment behind its listener.
            var status = 503
            for _ in 0..<1000 where status == 503 {
                status = try self.ingest.send(request).status
                if status == 503 { await Task.yield() }
            }
            #expect(status == 202)
        }
    }

    func status(posting topic: String) throws -> Int {
        try self.ingest.send(HTTPClientRequest(method: "POST", target: "/v1/topics/\(topic)", body: [0x31])).status
    }

    func text(_ target: String) throws -> String {
        String(decoding: try self.admin.send(HTTPClientRequest(target: target)).body, as: UTF8.self)
    }

    /// The objects in a list of `GET /admin/v1/…`.
    func routes(_ resource: String, _ list: String) throws -> sending [[String: Any]] {
        let answer = try self.admin.send(HTTPClientRequest(target: "/admin/v1/\(resource)"))
        let object = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any]
        return object?[list] as? [[String: Any]] ?? []
    }

    func forget(_ name: String) throws -> (status: Int, text: String) {
        let answer = try self.admin.send(HTTPClientRequest(method: "DELETE", target: "/admin/v1/routes/\(name)"))
        return (answer.status, String(decoding: answer.body, as: UTF8.self))
    }
}
