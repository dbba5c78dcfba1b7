import ConfigurationWorld
import ForebayConfig
import ForebayCore
import ForebayHTTP
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebayIngest
@testable import ForebayRuntime

/// What a whole node answers on its listeners, and when it says that it is not ready.
@Suite("Listeners of a node", .timeLimit(.minutes(2)))
struct ListenersTests {
    @Test("a field of ours in a trailer is refused, and nothing is stored; another one is dropped")
    func trailers() async throws {
        try await NodeFixture.run { node, _ in
            for (trailer, status) in [("Forebay-Key: k", 400), ("forebay-typo: k", 400), ("Checksum: 1", 202)] {
                let answer = try await NodeFixture.blocking {
                    let client = try PlainConnection(node.ingestAddress)
                    try client.send(
                        "POST /v1/topics/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\(trailer)\r\n\r\n")
                    return try client.answer()
                }
                #expect(answer.status == status)
                #expect(answer.text.contains(status == 202 ? "\"accepted\":1" : "field_in_trailer"))
            }
            #expect(node.lag == 1)
        }
    }

    @Test("a disk that hangs: requests are answered 503 outcome_unknown, and the node ends; what was answered is there at the next start")
    func hangingDisk() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-hanging-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }  // Cleaning up is a courtesy.
        let configuration = try load(
            """
            node: { data_dir: "\(folder.path)" }
            listeners: { ingest: { address: "127.0.0.1:0" }, admin: { address: "127.0.0.1:0" } }
            buffer: { spool: { max_size: 64MiB, segment: 1MiB } }
            limits: { request_timeout: 2s }
            shutdown: { timeout: 1s }

            """, set: ["clusters.main.properties.bootstrap.servers=127.0.0.1:1"]
        ).configuration
        let disk = FaultDisk()
        let node = try await Node.start(configuration, disk: disk)
        for _ in 0..<3 { #expect(try await NodeFixture.ask(node.ingestAddress, "/v1/topics/events", body: "kept").status == 202) }
        let (hangs, goesOn) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        disk.fail { call, path in
            guard call == .write, path.contains("/spool/segments/") else { return nil }
            hangs.signal()
            goesOn.wait()
            goesOn.signal()
            return nil
        }
        async let first = NodeFixture.ask(node.ingestAddress, "/v1/topics/events", body: "in doubt")
        let answer = try await first
        #expect(answer.status == 503 && answer.text.contains("outcome_unknown"))
        #expect(hangs.wait(timeout: .now()) == .success)
        // As a kill at this instant would leave it.
        let copy = folder.path + ".killed"
        defer { try? FileManager.default.removeItem(atPath: copy) }  // Cleaning up is a courtesy.
        async let second = NodeFixture.ask(node.ingestAddress, "/v1/topics/events", body: "in doubt, too")
        let isTaken = await eventually {
            let facts = await node.supervisor.reports().first { $0.name == "ingest" }?.facts ?? []
            return facts.contains { $0.name == "in_flight_bytes" && $0.value != .number(0) }
        }
        #expect(isTaken)
        let began = ContinuousClock.now
        #expect(await !node.stop(), "it says that it has not finished")
        #expect(ContinuousClock.now - began < .seconds(30))
        let last = try await second
        #expect(last.status == 503, "\(last)")
        try FileManager.default.copyItem(atPath: folder.path, toPath: copy)
        goesOn.signal()
        let threads = SpoolThreads()
        let budget = try SpoolBudget(capacity: 64 << 20, directory: copy)
        let settings = ForebaySpool.SpoolConfiguration(directory: copy + "/spool", segmentSize: 1 << 20) { fatalError("\($0)") }
        let spool = try Spool.open(settings, budget: budget, threads: threads, metrics: SpoolMetrics(MetricsRegistry()))
        #expect(spool.durableEnd >= 3 && spool.missing.isEmpty && spool.alarms.isEmpty)
        await spool.close()
        threads.end()
    }

    @Test("probes are answered on all three listeners, the admin API on its own")
    func probes() async throws {
        try await NodeFixture.run { node, _ in
            let health = try #require(node.healthAddress)
            for address in [node.ingestAddress, node.adminAddress, health] {
                for path in ["/livez", "/readyz", "/startupz"] {
                    #expect(try await NodeFixture.ask(address, path) == (200, "ok\n"), "\(address)\(path)")
                }
            }
            #expect(try await NodeFixture.ask(node.adminAddress, "/admin/v1/status").status == 200)
            #expect(try await NodeFixture.ask(health, "/admin/v1/status").status == 404)
            #expect(try await NodeFixture.ask(health, "/metrics").status == 404)
            #expect(try await NodeFixture.ask(node.ingestAddress, "/metrics").status == 404)
            #expect(try await NodeFixture.ask(node.ingestAddress, "/v1/topics/events", body: "x").status == 202)
        }
    }

    @Test("no number in a request to the admin API ends the node; an event that Kafka refuses for good is 422, and a dead letter")
    func numbers() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "events", partitions: 1)
        try await NodeFixture.run(cluster: cluster.bootstrap) { node, _ in
            // A partition that the topic does not have: a dead letter.
            let refused = try await NodeFixture.ask(
                node.ingestAddress, "/v1/topics/events?ack=kafka", body: #"{"value":1,"partition":7}"#,
                headers: [("Content-Type", "application/vnd.forebay.v1+json")])
            #expect(refused.status == 422 && refused.text.contains(#""code":"refused_by_kafka""#), "\(refused)")
            #expect(refused.text.contains(#""dead_letter":0"#), "\(refused)")
            for after in ["0", "1", "18446744073709551614", "18446744073709551615"] {
                let answer = try await NodeFixture.ask(node.adminAddress, "/admin/v1/deadletters?route=default&after=\(after)")
                #expect(answer.status == 200 && answer.text.contains(#""dead_letters":[],"next":null"#), "\(after): \(answer)")
            }
            for query in [
                "after=18446744073709551616", "after=-1", "after=1e3", "limit=18446744073709551615", "limit=9223372036854775808",
                "limit=-1",
                "after=%EF%BC%91", "limit=0",
            ] {
                #expect(
                    try await NodeFixture.ask(node.adminAddress, "/admin/v1/deadletters?route=default&\(query)").status == 400, "\(query)")
                let aside = try await NodeFixture.ask(node.adminAddress, "/admin/v1/setaside?route=default&\(query)")
                #expect(aside.status == 400, "\(query)")
            }
            #expect(try await NodeFixture.ask(node.adminAddress, "/admin/v1/deadletters?route=default").text.contains(#""sequence":0"#))
        }
    }

    @Test("the data folder deleted, or moved, under a running node: unready with the reason and no 202, soon", arguments: [true, false])
    func folderGone(isMoved: Bool) async throws {
        try await NodeFixture.run { node, folder in
            #expect(try await NodeFixture.ask(node.ingestAddress, "/v1/topics/events", body: "x").status == 202)
            let aside = folder.appendingPathExtension("moved")
            defer { try? FileManager.default.removeItem(at: aside) }
            if isMoved { try FileManager.default.moveItem(at: folder, to: aside) } else { try FileManager.default.removeItem(at: folder) }
            let began = ContinuousClock.now
            while try await NodeFixture.ask(node.ingestAddress, "/v1/topics/events", body: "x").status == 202 {}
            #expect(ContinuousClock.now - began < .seconds(5))
            let told =
                isMoved
                ? "is gone; nothing is accepted until it is back in its place"
                : "was removed; nothing is accepted until the node is started again"
            let isTold = await eventually {
                let ready = try? await NodeFixture.ask(node.adminAddress, "/readyz")
                return ready?.status == 503 && ready?.text.contains("\(folder.path) \(told)") == true
            }
            #expect(isTold)
            let refused = try await NodeFixture.ask(node.ingestAddress, "/v1/topics/events", body: "x")
            #expect(refused.status == 503 && refused.text.contains(told))
            #expect(try await NodeFixture.ask(node.adminAddress, "/livez").status == 200)
            // A new folder in its place is not the one that the node has open.
            for name in ["segments", "cursors"] {
                try FileManager.default.createDirectory(
                    at: folder.appendingPathComponent("spool/\(name)"), withIntermediateDirectories: true)
            }
            let other = isMoved ? "is not the folder that this node opened" : told
            #expect(await eventually { (try? await NodeFixture.ask(node.adminAddress, "/readyz"))?.text.contains(other) == true })
            #expect(try await NodeFixture.ask(node.ingestAddress, "/v1/topics/events", body: "x").status == 503)
            guard isMoved else { return }
            // As it is told.
            try FileManager.default.removeItem(at: folder)
            try FileManager.default.moveItem(at: aside, to: folder)
            #expect(await eventually { (try? await NodeFixture.ask(node.adminAddress, "/readyz"))?.status == 200 })
            #expect(await eventually { (try? await NodeFixture.ask(node.ingestAddress, "/v1/topics/events", body: "x"))?.status == 202 })
        }
    }

    @Test("a folder in the data folder is moved, or another one has its place: unready with the reason, and ready when it is back")
    func folderAway() async throws {
        // Side by side: each node looks once a second.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for name in ["spool", "spool/segments", "spool/cursors", "setaside", "deadletters"] {
                group.addTask { try await NodeFixture.run { node, folder in try await self.folderAway(name, node, folder) } }
            }
            try await group.waitForAll()
        }
    }

    private func folderAway(_ name: String, _ node: Node, _ folder: URL) async throws {
        let (path, aside) = (folder.appendingPathComponent(name), folder.appendingPathComponent("moved"))
        func isTold(_ text: String) async -> Bool {
            await eventually {
                (try? await NodeFixture.ask(node.adminAddress, "/readyz"))?.text.contains("\(path.path) \(text)") == true
            }
        }
        try FileManager.default.moveItem(at: path, to: aside)
        #expect(await isTold("is gone"), "\(name)")
        try FileManager.default.createDirectory(at: path, withIntermediateDirectories: false)
        #expect(await isTold("is not the folder that this node opened"), "\(name)")
        #expect(try await NodeFixture.ask(node.ingestAddress, "/v1/topics/events", body: "x").status == 503, "\(name)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: path.path).isEmpty, "\(name)")
        try FileManager.default.removeItem(at: path)
        try FileManager.default.moveItem(at: aside, to: path)
        #expect(await eventually { (try? await NodeFixture.ask(node.adminAddress, "/readyz"))?.status == 200 }, "\(name)")
        let isTaken = await eventually { (try? await NodeFixture.ask(node.ingestAddress, "/v1/topics/events", body: "x"))?.status == 202 }
        #expect(isTaken, "\(name)")
    }

    @Test("a buffer that refuses makes the node unready with the reason, until it stores again or the next may try")
    func refusals() throws {
        let now = Mutex<UInt64>(0)
        let health = StorageHealth(now: { now.withLock { $0 } })
        #expect(health.fullSince == nil)
        health.found(isFull: true)
        let since = try #require(health.fullSince)
        health.found(isFull: true)
        #expect(health.fullSince == since)
        health.found(isFull: false)
        #expect(health.fullSince == nil)
        let ingest = health.ingest(isFull: { false })
        #expect(health.unreadyReason == nil && ingest.fault() == nil)
        ingest.refused("no room on the disk")
        #expect(health.unreadyReason == "nothing can be stored: no room on the disk")
        #expect(ingest.fault() == nil, "the next request may try")
        ingest.stored()
        #expect(health.unreadyReason == nil)
        ingest.refused("again")
        now.withLock { $0 = StorageHealth.refusalHolds - 1 }
        #expect(health.unreadyReason != nil)
        now.withLock { $0 = StorageHealth.refusalHolds }
        #expect(health.unreadyReason == nil)
        #expect(health.found("/data is gone") && !health.found("/data is gone"))
        #expect(health.unreadyReason == "/data is gone" && ingest.fault() == health.unreadyReason)
        #expect(health.found(nil) && health.unreadyReason == nil)
    }
}
