import ForebayCore
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Foundation

@testable import ForebayDelivery

/// What is set aside of one route, over its log in a folder of its own, on a disk that fails as a test says.
final class SetAsideWorld: Sendable {
    let disk = FaultDisk()
    let log: SetAsideLog
    let setAside: SetAside
    private let threads = SpoolThreads()
    private let folder: String

    convenience init() throws {
        try self.init(FileManager.default.temporaryDirectory.appendingPathComponent("forebay-aside-\(UUID().uuidString)").path)
    }

    /// What the other one left.
    convenience init(after other: SetAsideWorld) async throws {
        await other.log.close()
        let new = other.folder + "-again"
        try FileManager.default.copyItem(atPath: other.folder, toPath: new)
        try self.init(new)
    }

    private init(_ folder: String) throws {
        self.folder = folder
        let (disk, threads) = (self.disk, self.threads)
        let budget = try SpoolBudget(capacity: 1 << 30, directory: self.folder, disk: disk)
        let metrics = SpoolMetrics(MetricsRegistry())
        self.log = try SetAsideLog(directory: self.folder + "/log", disk: disk) { folder throws(ForebayError) in
            var configuration = SpoolConfiguration(directory: folder, kind: .setAside, segmentSize: 4 << 20) { fatalError("\($0)") }
            configuration.disk = disk
            return try Spool.open(configuration, budget: budget, threads: threads, metrics: metrics)
        }
        self.setAside = SetAside(
            route: "r", log: self.log, properties: KafkaProperties(client: ["bootstrap.servers": "127.0.0.1:1"]),
            configuration: DeliverySettings(), surroundings: .real)
        self.setAside.begin(.direct) {}
        self.setAside.begin(.aside) {}
    }

    deinit { try? FileManager.default.removeItem(atPath: self.folder) }  // A courtesy.

    var executor: any SerialExecutor { ThreadExecutor(label: "reader") }

    /// Events leave the direct stage.
    func beginAppend(_ topic: String, _ values: [String], partition: Int32? = nil, acceptedAt: Int64 = 5) -> (
        unit: UInt64, batch: Batch
    ) {
        var request = SetAsideState.AppendRequest(
            key: SetAsideKey(topic, partition), partitionCount: 3, failure: KafkaFailure(.unknownTopicOrPartition),
            acceptedAt: acceptedAt)
        (request.count, request.bytes) = (values.count, values.reduce(0) { $0 + $1.utf8.count })
        var generator = SystemRandomNumberGenerator()
        let batch = EventFactory.batch(
            values.map { .init(topic, value: $0, id: String($0.prefix(8))) }, spool: .random(using: &generator), first: 0,
            acceptedAt: acceptedAt)
        return (self.setAside.beginAppend([request], from: .direct)[0].number, batch)
    }

    func add(_ topic: String, _ values: [String], partition: Int32? = nil, acceptedAt: Int64 = 5) async throws {
        let group = self.beginAppend(topic, values, partition: partition, acceptedAt: acceptedAt)
        self.setAside.stored(try await self.setAside.append([group]), from: .direct, now: 0)
    }

    /// A topic's units are asked for and found.
    func find(_ topic: String) {
        self.setAside.found([DeliveryActions.Found(topic: topic, leaderless: [], partitionCount: .max)], now: 1000)
    }
}
