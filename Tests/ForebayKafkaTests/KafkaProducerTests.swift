import ForebayCore
import ForebayKafka
import ForebayNet
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@Suite("Kafka producer against the mock cluster", .timeLimit(.minutes(1)))
struct KafkaProducerTests {
    private static func headers(_ pairs: [(String, String?)]) -> [UInt8] {
        pairs.flatMap { name, value -> [UInt8] in
            let length = value.map { UInt32($0.utf8.count) } ?? UInt32.max
            return withUnsafeBytes(of: UInt16(name.utf8.count).littleEndian, Array.init) + Array(name.utf8)
                + withUnsafeBytes(of: length.littleEndian, Array.init) + Array((value ?? "").utf8)
        }
    }

    @Test(
        "key, value, tombstone, empty ones, headers, id, timestamp and partition arrive as they were given",
        .enabled(if: KafkaConsumer.isAvailable, "needs kcat"))
    func delivers() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "t", partitions: 3)
        let fixture = try ProducerFixture()
        try await fixture.start(cluster.bootstrap)
        _ = try await fixture.metadata(of: "t")

        let user = Self.headers([("a", "1"), ("none", nil), ("empty", ""), ("a", "2")])
        #expect(await fixture.send("t", partition: 0, key: "k", value: "v", id: "id-0", token: 7) == .none)
        #expect(await fixture.send("t", partition: 1, key: nil, value: nil, id: "id-1", token: 8) == .none)
        #expect(await fixture.send("t", partition: 2, key: "", value: "", id: "id-2", headers: user, token: 9) == .none)
        #expect(await fixture.send("t", partition: 2, key: "zero", value: "", id: "id-3", timestamp: 0, token: 10) == .none)
        await fixture.reports.wait(forCount: 4)

        let all = try await KafkaConsumer(bootstrap: cluster.bootstrap).read("t")
        // The nearest to 0 that librdkafka can send: its 0 is the time of sending.
        #expect(all.filter { $0.key == "zero" }.map(\.timestamp) == [1])
        let reports = fixture.reports.all.filter { $0.token != 10 }.sorted { $0.token < $1.token }
        #expect(reports.map(\.token) == [7, 8, 9])
        #expect(reports.allSatisfy { !$0.error.isError && $0.offset == 0 } && reports.map(\.partition) == [0, 1, 2])
        let records = all.filter { $0.key != "zero" }
        #expect(records.map(\.key) == ["k", nil, ""] && records.map(\.value) == ["v", nil, ""])
        #expect(records.map(\.headers) == ["forebay-id=id-0", "forebay-id=id-1", "forebay-id=id-2,a=1,none=NULL,empty=,a=2"])
        #expect(records.allSatisfy { $0.timestamp == 1_700_000_000_000 })
        await fixture.close()
        await fixture.loop.stop()
    }

    @Test("what the cluster calls itself comes with each answer, by whichever address it was asked, and is another's no more than its own")
    func clusterID() async throws {
        let (cluster, other) = (try KafkaMockCluster(), try KafkaMockCluster())
        var ids: [String?] = []
        for bootstrap in [cluster.bootstrap, cluster.bootstrap.replacing("127.0.0.1", with: "localhost"), other.bootstrap] {
            let fixture = try ProducerFixture()
            try await fixture.start(bootstrap)
            ids.append(try await fixture.metadataOfAllTopics().cluster)
            #expect(try await fixture.metadata(of: "t").cluster == ids.last)
            await fixture.close()
            await fixture.loop.stop()
        }
        #expect(ids[0] != nil && ids[0] == ids[1] && ids[2] != nil && ids[2] != ids[0], "\(ids)")
    }

    @Test("headers whose lengths don't fit are refused, and nothing is queued")
    func brokenHeaders() async throws {
        let cluster = try KafkaMockCluster()
        let fixture = try ProducerFixture()
        try await fixture.start(cluster.bootstrap)
        for headers in [[1], [5, 0, 65], [1, 0, 65, 9, 0, 0, 0, 1], [255, 255, 0, 0, 0, 0]] as [[UInt8]] {
            #expect(await fixture.send("t", partition: 0, key: nil, value: "v", id: "i", headers: headers, token: 1) != .none)
        }
        await fixture.close()
        await fixture.loop.stop()
    }

    @Test("no cluster: metadata says so, and the client tells that all brokers are down")
    func noCluster() async throws {
        let port = try FreePorts.find(1)[0]
        let fixture = try ProducerFixture()
        try await fixture.start("127.0.0.1:\(port)")
        let error = await #expect(throws: KafkaFailure.self) { _ = try await fixture.metadata(of: "t") }
        #expect(error.map { KafkaFate(of: $0.code) } == .wait)
        await fixture.failures.wait { $0.contains { $0.code == .allBrokersDown } }
        await fixture.close()
        await fixture.loop.stop()
    }

    @Test("a cluster that does not tell limits says so soon")
    func limits() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "t", partitions: 1)
        let fixture = try ProducerFixture()
        try await fixture.start(cluster.bootstrap)
        _ = try await fixture.metadata(of: "t")
        let limits = await fixture.limits(of: ["t"])
        #expect(limits.map(\.topic) == ["t"] && limits[0].bytes == nil, "\(limits)")
        await fixture.close()
        await fixture.loop.stop()
    }

    @Test("closing at any moment leaves no thread and no descriptor behind")
    func noLeaks() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "t", partitions: 2)
        let fixture = try ProducerFixture()
        func count() -> (threads: Int, descriptors: Int) {
            (
                (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count) ?? 0,
                (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
            )
        }
        let before = count()
        for round in 0..<12 {
            try await fixture.start(cluster.bootstrap)
            if round % 3 > 0 { _ = try await fixture.metadata(of: "t") }
            if round % 3 > 1 {
                for token in 0..<500 { _ = await fixture.send("t", partition: 0, key: "k", value: "v", id: "i", token: UInt64(token)) }
            }
            await fixture.close()
        }
        // Other tests run beside this one, so it looks for what 12 leaked clients would add: four threads and more each.
        try await until("the clients are gone") { count().threads < before.threads + 24 && count().descriptors < before.descriptors + 40 }
        await fixture.loop.stop()
    }

    @Test("properties that librdkafka does not take: an error, and nothing left behind")
    func refusedProperties() async throws {
        let loop = try EventLoop(label: "test")
        let error = #expect(throws: ForebayError.self) {
            _ = try KafkaProducer(on: loop, name: "p", properties: KafkaProperties(client: ["no.such.property": "1"])) {}
        }
        await loop.stop()
        #expect(error?.code == .producerUnavailable && error?.recovery == .rewindAndRestart)
    }
}
