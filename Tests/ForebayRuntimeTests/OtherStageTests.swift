import ConfigurationWorld
import ForebayConfig
import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayRuntime
@testable import ForebaySpool

/// What a stage that this version, or this configuration, does not have left in the spool.
@Suite("Node: cursors of other stages", .timeLimit(.minutes(1)))
struct OtherStageTests {
    private let folder = NodeFixture.folder()

    private func configuration(_ routes: [String]) throws -> ForebayConfiguration {
        let lines = routes.map { "  \($0): { topics: [\($0)], forward: { to: main } }" }
        let text = """
            version: 1
            node: { data_dir: "\(self.folder.path)" }
            listeners: { ingest: { address: "127.0.0.1:0" }, admin: { address: "127.0.0.1:0" } }
            buffer: { spool: { max_size: 64MiB, segment: 64KiB } }
            shutdown: { timeout: 200ms }
            clusters: { main: { properties: { bootstrap.servers: "127.0.0.1:1" } } }
            routes:
            \(lines.joined(separator: "\n"))
            """
        return try ConfigurationWorld(files: ["f": text]).load(["f"]).configuration
    }

    @Test("each is where it was, and holds what it held, whether its route is there, is gone, or is given up in part")
    func stays() async throws {
        defer { try? FileManager.default.removeItem(at: self.folder) }  // Cleaning up is a courtesy.
        let body = String(repeating: "b", count: 30_000)
        try await NodeFixture.run(configured: try self.configuration(["a", "b"])) { node in
            for number in 0..<8 {
                let answer = try await NodeFixture.ask(node.ingestAddress, "/v1/topics/\(number % 2 == 0 ? "a" : "b")", body: body)
                #expect(answer.status == 202)
            }
        }
        let storage = try NodeStorage.open(try self.configuration(["a", "b"]), metrics: MetricsRegistry())
        // As another version made them: of the same names, where forward stands, in the middle, and near the end.
        let others: [(name: String, route: String, place: UInt64, settled: UInt64)] = [
            ("mirror/a", "a", 0, 0), ("mirror/b", "b", 4, 2), ("archive/a", "a", 5, 3),
        ]
        for other in others {
            let cursor = try await storage.spool.cursor(other.name, route: RouteID(name: other.route))
            cursor.move(to: other.place, settled: other.settled)
        }
        // Forward itself is done with all of it: only the others hold it.
        for cursor in storage.spool.allCursors where cursor.stage == "forward" { cursor.move(to: 8, settled: 4) }
        await storage.close()
        func places(_ storage: NodeStorage) -> [String: UInt64] {
            Dictionary(
                uniqueKeysWithValues: storage.spool.allCursors.filter { $0.stage != "forward" }.map {
                    ("\($0.stage)/\($0.route)", $0.sequence)
                })
        }
        for routes in [["a", "b"], ["b"], ["c"], ["b", "a"]] {
            try await NodeFixture.run(configured: try self.configuration(routes)) { node in
                #expect(places(node.storage) == ["mirror/a": 0, "mirror/b": 4, "archive/a": 5], "\(routes)")
                #expect(node.storage.spool.start == 0, "nothing of what they hold is freed")
                let status = try await NodeFixture.status(of: node)["routes"] as? [[String: Any]] ?? []
                let shown = status.filter { $0["stage"] as? String != "forward" }.map {
                    "\($0["stage"] ?? "")/\($0["route"] ?? "") \($0["lag_events"] ?? "")"
                }
                #expect(shown.sorted() == ["archive/a 1", "mirror/a 4", "mirror/b 2"], "\(routes)")
            }
        }
        // One is given up by its name; the others of its route and of its stage are not.
        try await NodeFixture.run(configured: try self.configuration(["a", "b"])) { node in
            let answer = try await NodeFixture.ask(node.adminAddress, "/admin/v1/routes/a/mirror", method: "DELETE")
            #expect(answer.status == 200, "\(answer.text)")
            #expect(places(node.storage) == ["mirror/b": 4, "archive/a": 5])
        }
        try await NodeFixture.run(configured: try self.configuration(["b", "a"])) { node in
            #expect(places(node.storage) == ["mirror/b": 4, "archive/a": 5])
        }
    }
}
