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
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-removed-\(UUID().uuidString)").path

    // MARK: A node

    /// - Parameter routes: their topics are called like them, unless said otherwise.
    func configuration(_ routes: [String], bootstrap: String = "127.0.0.1:1") throws -> ForebayConfiguration {
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
    func run(_ routes: [String], bootstrap: String = "127.0.0.1:1", _ body: (Asking) async throws -> Void) async throws {
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
    func leave(_ route: String, aside: Int, dead: Int) async throws {
        try await NodeFixture.leave(route, in: try self.configuration([route]), aside: aside, dead: dead)
    }

    func cleanUp() { try? FileManager.default.removeItem(atPath: self.folder) }  // A courtesy.

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
                    #"forebay_delivery_lag_events{route="b",stage="forward",way="direct"} 7"#))
            #expect(try await node.text("/metrics").contains(#"forebay_dead_letters{route="b",stage="forward"} 2"#))
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
            let cursor = try #require(storage.spool.allCursors.first { $0.delivery.route == "b" })
            cursor.move(to: storage.spool.durableEnd, settled: 3)
        } else {
            try await storage.spool.giveUp(try #require(storage.spool.allCursors.first { $0.delivery.route == "b" }))
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
}

/// Asks a node, on a thread of its own: the client blocks.
actor Asking {
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
