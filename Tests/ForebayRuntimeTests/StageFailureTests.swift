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
    /// Failures of each stage.
    private static let failures = 300
    /// By the route's name, which is its topic's; nobody posts to the last.
    private static let routes = [
        "both": "mirror: { to: backup }", "optional": "mirror: { to: backup, required: false }", "single": nil,
        "idle": "mirror: { to: backup }",
    ]

    @Test(
        "hundreds of failures of each stage, forwards and mirrors of several routes: nothing acknowledged is lost, none is disturbed by another's"
    )
    func failuresOfEach() async throws {
        let clusters = ["main": try KafkaMockCluster(), "backup": try KafkaMockCluster()]
        let folder = NodeFixture.folder()
        defer { try? FileManager.default.removeItem(at: folder) }  // Cleaning up is a courtesy.
        let routes = Self.routes.map { name, mirror in
            for cluster in clusters.values { cluster.create(topic: name, partitions: 4) }
            return "  \(name): { topics: [\(name)], forward: { to: main }\(mirror.map { ", \($0)" } ?? "") }"
        }
        let text = """
            version: 1
            node: { data_dir: "\(folder.path)" }
            listeners: { ingest: { address: "127.0.0.1:0" }, admin: { address: "127.0.0.1:0" } }
            buffer: { spool: { max_size: 1GiB, segment: 1MiB } }
            clusters:
              main: { properties: { bootstrap.servers: "\(clusters["main"]!.bootstrap)" } }
              backup: { properties: { bootstrap.servers: "\(clusters["backup"]!.bootstrap)" } }
            routes:
            \(routes.joined(separator: "\n"))
            """
        let configuration = try ConfigurationWorld(files: ["f": text]).load(["f"]).configuration
        let node = try await Node.start(configuration, restarts: RestartPolicy(first: 1, limit: 4))
        let address = try HTTPAddress(url: "http://\(node.ingestAddress)")
        let posters = ["both", "optional", "single", "both"].enumerated().map { Poster(number: $0, topic: $1, address: address) }

        let stages = await node.supervisor.reports().map(\.name)
        #expect(stages.count { $0.hasPrefix("forward/") } == 4 && stages.count { $0.hasPrefix("mirror/") } == 3, "\(stages)")
        var injected: [String: Int] = [:]
        var generator = SplitMix(seed: 11)
        while let least = stages.map({ injected[$0, default: 0] }).min(), least < Self.failures {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for poster in posters { group.addTask { try await poster.post(6) } }
                for _ in 0..<Int.random(in: 0..<40, using: &generator) { await Task.yield() }
                let error = ForebayError(.injected, recovery: .rewindAndRestart, "made to fail")
                // Often several at once, and always one that is behind.
                for stage in stages where injected[stage, default: 0] == least || Int.random(in: 0..<4, using: &generator) == 0 {
                    if await node.supervisor.fail(stage, with: error) { injected[stage, default: 0] += 1 }
                }
                try await group.waitForAll()
            }
        }

        #expect(await eventually(within: .seconds(60)) { node.lag == 0 }, "what is left is delivered: \(node.lag)")
        let counted = injected
        let areCounted = await eventually { await node.supervisor.reports().allSatisfy { $0.restarts == counted[$0.name] } }
        #expect(areCounted, "\(counted)")
        let records = ["main": try await Self.records(clusters["main"]!), "backup": try await Self.records(clusters["backup"]!)]
        await node.stop()

        for poster in posters {
            let values = await poster.acknowledged
            #expect(values.count > Self.failures)
            for cluster in poster.topic == "single" ? ["main"] : ["main", "backup"] {
                let arrived = records[cluster]!.filter { $0.key == "k\(poster.number)" }.compactMap(\.value)
                let missing = Set(values).subtracting(arrived)
                #expect(missing.isEmpty, "lost in \(cluster), of \(poster.topic): \(missing.prefix(5))")
                var seen: Set<String> = []
                let order = arrived.filter { seen.insert($0).inserted }
                #expect(order == order.sorted { Poster.number(of: $0) < Poster.number(of: $1) }, "first occurrences in order in \(cluster)")
            }
        }
        #expect(records["backup"]!.allSatisfy { $0.key != "k2" }, "what has no mirror is in the main cluster alone")
    }

    private static func records(_ cluster: KafkaMockCluster) async throws -> [KafkaConsumer.Record] {
        var all: [KafkaConsumer.Record] = []
        for topic in ["both", "optional", "single"] { all += try await KafkaConsumer(bootstrap: cluster.bootstrap).read(topic) }
        return all
    }
}

/// One producer on a connection of its own; each of its requests must be answered in time.
private actor Poster {
    nonisolated let number: Int
    nonisolated let topic: String
    private let thread: ThreadExecutor
    private var client: HTTPClient
    private var next = 0
    private(set) var acknowledged: [String] = []

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.thread.asUnownedSerialExecutor() }

    init(number: Int, topic: String, address: HTTPAddress) {
        self.number = number
        self.topic = topic
        self.thread = ThreadExecutor(label: "poster")
        self.client = HTTPClient(address)
        self.client.answerTimeout = 20_000
    }

    func post(_ count: Int) throws {
        for _ in 0..<count {
            let value = "\(self.number)-\(self.next)"
            self.next += 1
            let answer = try self.client.send(
                HTTPClientRequest(
                    method: "POST", target: "/v1/topics/\(self.topic)", headers: [("Forebay-Key", "k\(self.number)")],
                    body: Array(value.utf8)))
            if answer.status == 202 { self.acknowledged.append(value) }
        }
    }

    static func number(of value: String) -> Int { Int(value.split(separator: "-")[1]) ?? -1 }
}
