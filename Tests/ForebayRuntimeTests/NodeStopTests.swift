import ConfigurationWorld
import ForebayConfig
import ForebayCore
import ForebayKafka
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayRuntime

/// What the end of a node costs, however much waits in it.
@Suite("Node: stopping", .timeLimit(.minutes(2)))
struct NodeStopTests {
    @Test("many routes of a Kafka that is away, each with something to deliver, take no longer to stop than one")
    func sideBySide() async throws {
        let folder = NodeFixture.folder()
        defer { try? FileManager.default.removeItem(at: folder) }  // Cleaning up is a courtesy.
        let names = (0..<14).map { "r\($0)" }
        let routes = names.map { "routes.\($0).topics=\($0)" } + names.map { "routes.\($0).forward.to=main" }
        let configuration = try load(
            """
            node: { data_dir: "\(folder.path)" }
            listeners: { ingest: { address: "127.0.0.1:0" }, admin: { address: "127.0.0.1:0" } }
            buffer: { spool: { max_size: 256MiB, segment: 1MiB } }

            """, set: routes + ["clusters.main.properties.bootstrap.servers=127.0.0.1:1"]
        ).configuration
        let node = try await Node.start(configuration)
        for name in names { #expect(try await NodeFixture.ask(node.ingestAddress, "/v1/topics/\(name)", body: "x").status == 202) }
        #expect(
            await eventually {
                let reports = await node.supervisor.reports().filter { $0.name.hasPrefix("forward/r") }
                return reports.count { $0.facts.contains { $0.name == "in_flight" && $0.value == .number(1) } } == names.count
            })
        let began = ContinuousClock.now
        #expect(await node.stop())
        // One waits 2 s for a sign of life.
        #expect(ContinuousClock.now - began < .seconds(10))
        #expect(configuration.shutdown.timeoutMilliseconds > 20_000)
    }

    @Test("with thousands of topics open, or waiting to be, probes are answered, and the node stops in its time", arguments: [true, false])
    func manyTopics(isAway: Bool) async throws {
        let cluster = try KafkaMockCluster()
        try await NodeFixture.run(
            cluster: isAway ? "127.0.0.1:1" : cluster.bootstrap,
            set: ["limits.events_per_request=20000", "routes.default.max_topics=20000"]
        ) { node, _ in
            let events = (0..<20_000).map { #"{"topic":"w\#($0)","value":1}"# }.joined(separator: ",")
            let headers = [("Content-Type", "application/vnd.forebay.v1+json")]
            let answer = try await NodeFixture.ask(node.ingestAddress, "/v1/events", body: "[\(events)]", headers: headers)
            #expect(answer.status == 202, "\(answer.text)")
            // The cluster has none of them: each is asked for, and set aside.
            let aside = #"forebay_set_aside_units{route="default",stage="forward"}"#
            let isUnderWay = await eventually { isAway ? node.lag == 20_000 : (try? await NodeFixture.metric(aside, of: node)) ?? 0 > 100 }
            #expect(isUnderWay)
            for _ in 0..<5 {
                let asked = ContinuousClock.now
                #expect(try await NodeFixture.ask(node.adminAddress, "/livez").status == 200)
                #expect(ContinuousClock.now - asked < .seconds(2))
            }
            let began = ContinuousClock.now
            #expect(await node.stop())
            #expect(ContinuousClock.now - began < .milliseconds(node.configuration.shutdown.timeoutMilliseconds + 2_000))
        }
    }
}
