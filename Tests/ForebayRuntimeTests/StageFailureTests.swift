import ConfigurationWorld
import ForebayConfig
import ForebayCore
import ForebayHTTP
import ForebayKafka
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayRuntime

/// Stages of a whole node are made to fail at random points while producers post.
@Suite("Stage failures", .enabled(if: KafkaConsumer.isAvailable, "kcat is not installed"), .timeLimit(.minutes(5)))
struct StageFailureTests {
    private static let stages = ["buffer", "forward/default", "ingest"]
    private static let failures = 1000

    @Test("a thousand failures: nothing acknowledged is lost, siblings go on, no request hangs, each restart is counted")
    func thousandFailures() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "events", partitions: 4)
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-failures-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }  // Cleaning up is a courtesy.
        let configuration = try load(
            """
            node: { data_dir: "\(folder.path)" }
            listeners: { ingest: { address: "127.0.0.1:0" }, admin: { address: "127.0.0.1:0" } }
            buffer: { spool: { max_size: 1GiB, segment: 1MiB } }

            """, set: ["clusters.main.properties.bootstrap.servers=\(cluster.bootstrap)"]
        ).configuration
        let node = try await Node.start(configuration, restarts: RestartPolicy(first: 1, limit: 4))
        var posters: [Poster] = []
        for number in 0..<4 { posters.append(Poster(number: number, address: try HTTPAddress(url: "http://\(node.ingestAddress)"))) }

        var injected: [String: Int] = [:]
        var generator = SplitMix(seed: 11)
        while injected.values.reduce(0, +) < Self.failures {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for poster in posters { group.addTask { try await poster.post(6) } }
                for _ in 0..<Int.random(in: 0..<40, using: &generator) { await Task.yield() }
                let stage = Self.stages.randomElement(using: &generator)!
                let error = ForebayError(.injected, recovery: .rewindAndRestart, "made to fail")
                if await node.supervisor.fail(stage, with: error) { injected[stage, default: 0] += 1 }
                try await group.waitForAll()
            }
        }

        #expect(await eventually(within: .seconds(60)) { node.lag == 0 }, "what is left is delivered: \(node.lag)")
        let total = injected.values.reduce(0, +)
        #expect(await eventually { await node.supervisor.reports().reduce(0) { $0 + $1.restarts } == total }, "\(injected)")
        let reports = await node.supervisor.reports()
        for report in reports { #expect(report.restarts == injected[report.name, default: 0], "\(report.name)") }
        let records = try await KafkaConsumer(bootstrap: cluster.bootstrap).read("events")
        await node.stop()

        let arrived = Set(records.compactMap(\.value))
        var acknowledged = 0
        for poster in posters {
            let values = await poster.acknowledged
            acknowledged += values.count
            #expect(values.allSatisfy { arrived.contains($0) }, "lost: \(values.filter { !arrived.contains($0) }.prefix(5))")
            var seen: Set<String> = []
            let order = records.filter { $0.key == "k\(poster.number)" }.compactMap(\.value).filter { seen.insert($0).inserted }
            #expect(order == order.sorted { Poster.number(of: $0) < Poster.number(of: $1) }, "first occurrences in order")
        }
        #expect(acknowledged > Self.failures)
    }
}

/// One producer on a connection of its own; each of its requests must be answered in time.
private actor Poster {
    nonisolated let number: Int
    private let thread: ThreadExecutor
    private var client: HTTPClient
    private var next = 0
    private(set) var acknowledged: [String] = []

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.thread.asUnownedSerialExecutor() }

    init(number: Int, address: HTTPAddress) {
        self.number = number
        self.thread = ThreadExecutor(label: "poster")
        self.client = HTTPClient(address)
        self.client.answerTimeout = 20_000
    }

    func post(_ count: Int) throws {
        for _ in 0..<count {
            let value = "p\(self.number)-\(self.next)"
            self.next += 1
            let answer = try self.client.send(
                HTTPClientRequest(
                    method: "POST", target: "/v1/topics/events", headers: [("Forebay-Key", "k\(self.number)")], body: Array(value.utf8)))
            if answer.status == 202 { self.acknowledged.append(value) }
        }
    }

    static func number(of value: String) -> Int { Int(value.split(separator: "-")[1]) ?? -1 }
}
