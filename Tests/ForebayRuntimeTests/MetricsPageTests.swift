import ConfigurationWorld
import ForebayConfig
import ForebayTelemetry
import Foundation
import Testing

@testable import ForebayRuntime

/// docs/reference/metrics.md against a node that runs. (TidyTests holds it against the sources, where not all labels can be seen.)
@Suite("Metrics page", .timeLimit(.minutes(1)))
struct MetricsPageTests {
    @Test("a node without its Kafka makes the metrics that the page tells, with these types and labels")
    func page() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-metrics-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let configuration = try load(
            """
            node: { data_dir: "\(folder.path)" }
            listeners: { ingest: { address: "127.0.0.1:0" }, admin: { address: "127.0.0.1:0" } }
            buffer: { spool: { max_size: 1GiB } }

            """, set: ["clusters.main.properties.bootstrap.servers=127.0.0.1:1"]
        ).configuration
        let metrics = MetricsRegistry()
        NodeProcess.registerMetrics(in: metrics)
        let node = try await Node.start(configuration, metrics: metrics)
        let made = metrics.listing
        await node.stop()

        let told = try Self.rows()
        #expect(made.count > 30)
        for metric in made {
            #expect(told[metric.name] == "\(metric.kind.rawValue) \(metric.labels)", "\(metric.name)")
        }
    }

    /// Each name of the page with its type and its labels, sorted.
    private static func rows() throws -> [String: String] {
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { root.deleteLastPathComponent() }
        let page = try String(contentsOf: root.appendingPathComponent("docs/reference/metrics.md"), encoding: .utf8)
        var rows: [String: String] = [:]
        for match in page.matches(of: /(?m)^\| `(?<name>[a-z0-9_]+)` \| (?<type>\w+) \| (?<labels>[^|]*)\|/) {
            let labels = match.labels.matches(of: /`(\w+)`/).map { String($0.1) }.sorted()
            rows[String(match.name)] = "\(match.type) \(labels)"
        }
        return rows
    }
}
