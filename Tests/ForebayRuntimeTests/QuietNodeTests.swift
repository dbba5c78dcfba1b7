import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayRuntime

/// What a node says of itself and its target, healthy and without it.
@Suite("Node: what it says of its target", .timeLimit(.minutes(1)))
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

    @Test(
        "without its cluster it says why, since when, and what to do, in status and metrics, though nothing waits; and is ready",
        arguments: [0, 3])
    func away(waiting: Int) async throws {
        try await NodeFixture.run { node, _ in
            for _ in 0..<waiting { #expect(try await NodeFixture.ask(node.ingestAddress, "/v1/topics/events", body: "x").status == 202) }
            func error() async throws -> sending [String: Any]? {
                let routes = try await NodeFixture.status(of: node)["routes"] as? [[String: Any]]
                return routes?.first?["last_error"] as? [String: Any]
            }
            #expect(await eventually { (try? await error()?["code"]) as? String != nil })
            let told = try #require(try await error())
            #expect(told["code"] as? String == "_TRANSPORT" && (told["reason"] as? String)?.contains("127.0.0.1:1") == true, "\(told)")
            #expect((told["advice"] as? String)?.contains("check that Kafka runs") == true && (told["since"] as? String ?? "") > "2026")
            #expect(try await NodeFixture.metric(#"forebay_target_up{route="default",stage="forward"}"#, of: node) == 0)
            let lag = #"forebay_delivery_lag_events{route="default",stage="forward",way="direct"}"#
            #expect(try await NodeFixture.metric(lag, of: node) == Double(waiting))
            #expect(try await NodeFixture.ask(node.adminAddress, "/readyz").status == 200)
        }
    }
}
