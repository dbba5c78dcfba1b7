import ForebayConfig
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayRuntime
@testable import ForebaySpool

/// Nodes whose disk is small, or whose `max_size` is: what they take, and that status, metrics and `/readyz` say the same.
@Suite("Node: a small disk", .timeLimit(.minutes(2)))
struct SmallDiskTests {
    /// The real disk, which pretends to be of this size and to hold nothing but a folder.
    private static func disk(of size: Int, for folder: URL) -> FaultDisk {
        let disk = FaultDisk()
        disk.fail { [weak disk] call, _ in
            if call == .space { disk?.tell((free: max(0, size - Self.bytes(in: folder)), total: size)) }
            return nil
        }
        return disk
    }

    private static func bytes(in folder: URL) -> Int {
        let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: [.totalFileAllocatedSizeKey])
        return (files?.allObjects as? [URL] ?? []).reduce(0) {
            // A file that has gone since takes nothing.
            $0 + ((try? $1.resourceValues(forKeys: [.totalFileAllocatedSizeKey]))?.totalFileAllocatedSize ?? 0)
        }
    }

    /// What the log says at the end of a start is what producers find.
    private func expectTold(_ node: Node, _ configuration: ForebayConfiguration, isReady: Bool) throws {
        let log = LogCapture()
        defer { log.close() }
        let label = "node-\(UUID().uuidString)"
        NodeProcess.tell(node, configuration, Logger(label: label))
        let told = log.records(label: label)
        #expect(
            told.map(\.message)
                == (isReady ? ["accepting events"] : ["running, and not accepting events", "new events are refused with 503"]))
        #expect(told.last?["reason"]?.hasPrefix("buffer: ") == (isReady ? nil : true))
    }

    private func post(_ node: Node, _ body: String) async throws -> Int {
        try await NodeFixture.ask(node.ingestAddress, "/v1/topics/events", body: body).status
    }

    @Test(
        "whatever the disk has: who is refused for want of room finds the node unready, too", arguments: [0, 64, 512, 8 << 10, 100 << 10])
    func unready(kilobytes: Int) async throws {
        let folder = NodeFixture.folder()
        defer { try? FileManager.default.removeItem(at: folder) }  // Cleaning up is a courtesy.
        let configuration = try NodeFixture.configuration(in: folder)
        let disk = Self.disk(of: kilobytes << 10, for: folder)
        try await NodeFixture.run(configured: configuration, disk: disk) { node in
            try self.expectTold(node, configuration, isReady: try await NodeFixture.ask(node.adminAddress, "/readyz").status == 200)
            var refused = 0
            for _ in 0..<20 {
                let status = try await self.post(node, String(repeating: "b", count: 100_000))
                #expect(status == 202 || status == 503)
                guard status == 503 else { continue }
                refused += 1
                let ready = try await NodeFixture.ask(node.adminAddress, "/readyz")
                #expect(ready.status == 503 && ready.text.contains("buffer"), "\(ready)")
            }
            #expect(kilobytes > 8 << 10 || refused > 0, "less than one segment, and a reserve")
        }
    }

    @Test("a disk that takes no new file: refused, and unready with the reason; both are over with it")
    func takesNoFile() async throws {
        let disk = FaultDisk()
        try await NodeFixture.run(disk: disk) { node, _ in
            disk.fail { call, path in call == .open && path.contains("/spool/segments/new-") ? EMFILE : nil }
            #expect(try await self.post(node, "x") == 503)
            let ready = try await NodeFixture.ask(node.adminAddress, "/readyz")
            #expect(ready.status == 503 && ready.text.contains("nothing can be stored"), "\(ready)")
            disk.fail(nil)
            #expect(await eventually { (try? await self.post(node, "x")) == 202 })
            #expect(try await NodeFixture.ask(node.adminAddress, "/readyz").status == 200)
        }
    }

    @Test(
        "capacity is the smaller of max_size and the disk, in status and metrics; 503s begin where the pages say",
        arguments: [("max_size: 16MiB, segment: 2MiB", 1 << 40), ("max_size: 1024GiB, segment: 2MiB", 16 << 20)])
    func capacity(spool: String, disk size: Int) async throws {
        let folder = NodeFixture.folder()
        defer { try? FileManager.default.removeItem(at: folder) }  // Cleaning up is a courtesy.
        let configuration = try NodeFixture.configuration(in: folder, spool: spool)
        try await NodeFixture.run(configured: configuration, disk: Self.disk(of: size, for: folder)) { node in
            // As large as the mark, a quarter of a segment, allows: below it a larger one may be refused alone.
            let body = String(repeating: "b", count: 500_000)
            // Near the mark a file more or less decides, and ingest asks every 50 ms: soon who says that it is ready takes events again.
            var (refusedSince, isReady) = (ContinuousClock.Instant?.none, true)
            while isReady {
                guard try await self.post(node, body) == 503 else {
                    refusedSince = nil
                    continue
                }
                isReady = try await NodeFixture.ask(node.adminAddress, "/readyz").status == 200
                refusedSince = refusedSince ?? .now
                try #require(ContinuousClock.now - refusedSince! < .seconds(2), "ready, and refuses")
            }
            // Rest: what the keeper prepares is made, or is not.
            await node.storage.spool.syncCursors()
            let capacity = try #require(try await NodeFixture.metric("forebay_buffer_capacity_bytes", of: node))
            let bytes = try #require(try await NodeFixture.metric("forebay_buffer_bytes", of: node))
            #expect(abs(capacity - Double(16 << 20)) < Double(1 << 19), "what each file takes in whole blocks is not to the byte")
            let buffer = try #require(try await NodeFixture.status(of: node)["buffer"] as? [String: Any])
            #expect(buffer["capacity"] as? Double == capacity && buffer["bytes"] as? Double == bytes)
            #expect(buffer["max_size"] as? Int == configuration.buffer.spool.maxSize)
            let begins = Self.threshold
            #expect(begins <= 1 && (begins...1).contains((bytes / capacity * 100).rounded() / 100), "\(bytes / capacity)")
        }
    }

    /// What the pages say of the fill at which events are refused, all the same number.
    private static var threshold: Double {
        let root = #filePath.components(separatedBy: "/Tests/")[0]
        let pages = [
            ("docs/reference/metrics.md", /at (0\.\d+) to 1/), ("docs/how-to/run-in-production.md", /503s begin at (0\.\d+) to 1/),
            ("docs/how-to/survive-kafka-outage.md", /\((0\.\d+) \* forebay_buffer_capacity_bytes/),
        ]
        let told = pages.compactMap { page, words in
            (try? String(contentsOfFile: "\(root)/\(page)", encoding: .utf8))?.firstMatch(of: words).flatMap { Double($0.1) }
        }
        return told.count == pages.count && Set(told).count == 1 ? told[0] : .infinity
    }

    @Test(
        "the ballast is two segments, and at most the reserve",
        arguments: [
            ("max_size: 1GiB, segment: 1MiB", 2 << 20), ("max_size: 1GiB, segment: 8MiB", 16 << 20),
            ("max_size: 64MiB, segment: 8MiB", 3_354_624),
        ])
    func ballast(spool: String, size: Int) async throws {
        let folder = NodeFixture.folder()
        defer { try? FileManager.default.removeItem(at: folder) }  // Cleaning up is a courtesy.
        let configuration = try NodeFixture.configuration(in: folder, spool: spool)
        let storage = try NodeStorage.open(configuration, metrics: MetricsRegistry())
        await storage.spool.releasePassedSegments()
        #expect(
            await eventually {
                let attributes = try? FileManager.default.attributesOfItem(atPath: folder.path + "/ballast")
                return attributes?[.size] as? Int == size && storage.budget.usedBytes >= size
            })
        #expect(size <= configuration.buffer.spool.maxSize / 20)
        await storage.close()
    }
}
