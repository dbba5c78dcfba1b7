import ConfigurationWorld
import ForebayConfig
import ForebayCore
import ForebayKafka
import ForebaySpool
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayRuntime

/// A node whose disk does not give a route's backlog.
@Suite("Node: a disk that is slow to read", .timeLimit(.minutes(1)))
struct SlowDiskTests {
    @Test("while a read of one route's backlog hangs, another route delivers, and probes and metrics are answered; then all arrives")
    func hangingRead() async throws {
        let folder = NodeFixture.folder()
        defer { try? FileManager.default.removeItem(at: folder) }  // Cleaning up is a courtesy.
        let (one, two) = (try KafkaMockCluster(), try KafkaMockCluster())
        for cluster in [one, two] { for topic in ["a", "b"] { cluster.create(topic: topic, partitions: 1) } }
        let text = """
            version: 1
            node: { data_dir: "\(folder.path)" }
            listeners: { ingest: { address: "127.0.0.1:0" }, admin: { address: "127.0.0.1:0" } }
            buffer: { spool: { max_size: 256MiB, segment: 1MiB } }
            delivery: { window: 1MiB, read_ahead: 256KiB }
            shutdown: { timeout: 2s }
            clusters:
              one: { properties: { bootstrap.servers: "\(one.bootstrap)" } }
              two: { properties: { bootstrap.servers: "\(two.bootstrap)" } }
            routes:
              a: { topics: [a], forward: { to: one } }
              b: { topics: [b], forward: { to: two } }
            """
        let configuration = try ConfigurationWorld(files: ["f": text]).load(["f"]).configuration
        one.setBroker(1, isUp: false)
        let body = String(repeating: "b", count: 200_000)
        try await NodeFixture.run(configured: configuration) { node in
            for _ in 0..<30 {
                let answer = try await NodeFixture.ask(node.ingestAddress, "/v1/topics/a", body: body)
                #expect(answer.status == 202)
            }
        }
        let disk = FaultDisk()
        try await NodeFixture.run(configured: configuration, disk: disk) { node in
            func place(_ route: String) -> UInt64? { node.storage.spool.allCursors.first { $0.delivery.route == route }?.sequence }
            // The one that is idle has passed what is not its own; the other has as much in memory as it may, and waits.
            #expect(await eventually { place("b") == 30 })
            #expect(try await NodeFixture.ask(node.ingestAddress, "/v1/topics/b?ack=kafka", body: "before").status == 200)
            let (hangs, goesOn) = (Happenings<Void>(), DispatchSemaphore(value: 0))
            disk.fail { call, path in
                guard call == .read, path.contains("/spool/segments/") else { return nil }
                hangs.add(())
                goesOn.wait()
                goesOn.signal()
                return nil
            }
            one.setBroker(1, isUp: true)
            await hangs.wait(forCount: 1)
            for number in 0..<10 {
                let answer = try await NodeFixture.ask(
                    node.ingestAddress, "/v1/topics/b?ack=kafka", body: "\(number)", headers: [("Prefer", "wait=5")])
                #expect(answer.status == 200, "\(answer)")
                #expect(try await NodeFixture.ask(node.adminAddress, "/livez").status == 200)
                let lag = #"forebay_delivery_lag_events{route="b",stage="forward",way="direct"}"#
                #expect(try await NodeFixture.metric(lag, of: node) == 0)
            }
            #expect(place("a") ?? .max < 30 && hangs.count == 1)
            goesOn.signal()
            #expect(await eventually(within: .seconds(30)) { node.lag == 0 })
        }
    }
}
