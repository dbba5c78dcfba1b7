import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayRuntime

/// A healthy node that nobody has asked for anything yet.
@Suite("Node: quiet and healthy", .timeLimit(.minutes(1)))
struct QuietNodeTests {
    @Test("it says that its target answers, shows what alerts count, and warns of nothing")
    func idle() async throws {
        let cluster = try KafkaMockCluster()
        let log = LogCapture()
        defer { log.close() }
        try await NodeFixture.run(cluster: cluster.bootstrap) { node, _ in
            let up = #"forebay_target_up{route="default",stage="forward"}"#
            #expect(await eventually { (try? await NodeFixture.metric(up, of: node)) == 1 })
            #expect(try await NodeFixture.metric(#"forebay_ingest_requests_total{code="503"}"#, of: node) == 0)
            let routes = try await NodeFixture.status(of: node)["routes"] as? [[String: Any]]
            #expect(routes?.count == 1 && routes?[0]["last_error"] is NSNull && routes?[0]["state"] as? String == "idle")
        }
        // Other tests log, too: of librdkafka's word of `enable.gapless.guarantee` each start would say one.
        let told = log.records.filter { record in
            record.level > .debug && ([record.message] + record.data.map(\.value)).contains { $0.contains("experimental") }
        }
        #expect(told.isEmpty, "\(told.first.map { "\($0)" } ?? "")")
        #expect(
            log.records.contains { record in record.data.contains { $0.value.contains("enable.gapless.guarantee") } },
            "it is said, at debug")
    }
}
