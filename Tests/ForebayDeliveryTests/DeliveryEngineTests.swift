import ForebayCore
import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("Forward stage on the mock cluster", .timeLimit(.minutes(1)), .enabled(if: KafkaConsumer.isAvailable, "needs kcat"))
struct DeliveryEngineTests {
    private static func samples(_ numbers: Range<Int>, topic: String = "t", keys: Int = 7) -> [EventFactory.Sample] {
        numbers.map { EventFactory.Sample(topic, key: "k\($0 % keys)", value: "v\($0)") }
    }

    private func fixture(_ cluster: KafkaMockCluster, _ properties: [String: String] = [:]) throws -> StageFixture {
        try StageFixture(properties: ["bootstrap.servers": cluster.bootstrap].merging(properties) { $1 })
    }

    @Test("everything arrives once and in order, with derived ids, and the cursor follows")
    func delivers() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "t", partitions: 3)
        let fixture = try self.fixture(cluster)
        fixture.start()
        var end: UInt64 = 0
        for part in 0..<20 { end = fixture.feed(Self.samples(part * 100..<part * 100 + 100)) }

        await fixture.source.settled(through: end)

        let records = try await KafkaConsumer(bootstrap: cluster.bootstrap).read("t")
        let arrival = Arrival(records, expected: 0..<2000)
        #expect(arrival.missing.isEmpty && arrival.repeats == 0 && arrival.unordered.isEmpty)
        for record in records {
            let key = Array(record.key!.utf8), number = UInt64(record.value!.dropFirst())!
            #expect(record.partition == key.withUnsafeBytes { KafkaPartitioner.partition(of: $0, among: 3) })
            #expect(record.header("forebay-id") == EventID.text(origin: fixture.spool, sequence: number))
        }
        #expect(fixture.stage.facts.contains(Fact("delivered", .number(2000))))
        await fixture.close()
    }

    @Test("the producer's own id, headers, timestamp, partition and tombstones arrive as given")
    func fields() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "t", partitions: 3)
        let fixture = try self.fixture(cluster)
        fixture.start()

        let end = fixture.feed([
            EventFactory.Sample(
                "t", key: "k", value: nil, id: "mine", partition: 2, timestamp: 1_600_000_000_123, headers: [("h", "1"), ("n", nil)])
        ])
        await fixture.source.settled(through: end)

        let record = try #require(try await KafkaConsumer(bootstrap: cluster.bootstrap).read("t").first)
        #expect(record.partition == 2 && record.key == "k" && record.value == nil && record.timestamp == 1_600_000_000_123)
        #expect(record.headers == "forebay-id=mine,h=1,n=NULL")
        await fixture.close()
    }

    @Test("keyless events go to all live partitions, and to no other")
    func keyless() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "t", partitions: 4)
        cluster.setLeader(of: "t", 2, to: nil)
        let fixture = try StageFixture(properties: ["bootstrap.servers": cluster.bootstrap]) { $0.stickyBytes = 500 }
        fixture.start()
        let end = fixture.feed((0..<1000).map { EventFactory.Sample("t", value: "v\($0)") })
        await fixture.source.settled(through: end)
        cluster.setLeader(of: "t", 2, to: 1)
        let arrival = Arrival(try await KafkaConsumer(bootstrap: cluster.bootstrap).read("t"), expected: 0..<1000)
        #expect(arrival.missing.isEmpty && arrival.repeats == 0)
        #expect(arrival.numbers.count == 3 && arrival.numbers.allSatisfy { $0.count > 100 }, "\(arrival.numbers.map(\.count))")
        await fixture.close()
    }

    @Test("a partition that the topic doesn't have is a dead letter, durable before the cursor passes; the rest flows")
    func unknownPartition() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "t", partitions: 2)
        let fixture = try self.fixture(cluster)
        fixture.deadLetters.failNext(1000)
        fixture.start()
        var samples = Self.samples(0..<10)
        samples[4].partition = 9
        samples[4].id = "wrong"

        let end = fixture.feed(samples)
        try await until("the others are delivered") { fixture.stage.facts.contains(Fact("delivered", .number(9))) }
        #expect(fixture.source.cursor.number == 4, "its dead letter is not durable yet")
        fixture.deadLetters.failNext(0)
        await fixture.source.settled(through: end)

        let letters = fixture.deadLetters.letters
        #expect(letters.map(\.code) == ["_UNKNOWN_PARTITION"] && letters[0].eventID == "wrong" && letters[0].topic == "t")
        #expect(letters[0].offset.number == 4 && letters[0].reason.contains("partition 9"))
        let metrics = fixture.registry.render()
        let labels = #"route="test",stage="forward",topic="t",way="direct""#
        #expect(metrics.contains("forebay_dead_letters_total{code=\"_UNKNOWN_PARTITION\",\(labels)} 1\n"))
        #expect(metrics.contains("forebay_delivery_events_total{\(labels)} 9\n"))
        let arrival = Arrival(try await KafkaConsumer(bootstrap: cluster.bootstrap).read("t"), expected: (0..<10).filter { $0 != 4 })
        #expect(arrival.missing.isEmpty && arrival.repeats == 0)
        await fixture.close()
    }

    @Test(
        "transient errors of the broker: all arrive in order, none twice",
        arguments: [
            KafkaErrorCode.notEnoughReplicas, .unknownTopicOrPartition,
        ])
    func transient(code: KafkaErrorCode) async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "t", partitions: 2)
        let fixture = try self.fixture(cluster, ["batch.num.messages": "10", "retry.backoff.ms": "10"])
        cluster.failProducing(with: [KafkaErrorCode](repeating: code, count: 5))
        fixture.start()
        let end = fixture.feed(Self.samples(0..<500))
        await fixture.source.settled(through: end)
        let arrival = Arrival(try await KafkaConsumer(bootstrap: cluster.bootstrap).read("t"), expected: 0..<500)
        #expect(arrival.missing.isEmpty && arrival.repeats == 0 && arrival.unordered.isEmpty)
        await fixture.close()
    }

    @Test("a refusal that does not repeat: the producer is rebuilt, the batch goes one at a time, nothing is dead, order holds")
    func innocentSuspects() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "t", partitions: 3)
        let fixture = try self.fixture(cluster, ["batch.num.messages": "50"])
        fixture.start()
        await fixture.source.settled(through: fixture.feed(Self.samples(0..<100)))
        cluster.failProducing(with: [.invalidTimestamp])
        let end = fixture.feed(Self.samples(100..<2000))
        await fixture.source.settled(through: end)
        let arrival = Arrival(try await KafkaConsumer(bootstrap: cluster.bootstrap).read("t"), expected: 0..<2000)
        #expect(arrival.missing.isEmpty && arrival.unordered.isEmpty, "\(arrival.unordered.prefix(5))")
        #expect(fixture.deadLetters.letters.isEmpty)
        await fixture.close()
    }

    @Test("errors that no table knows are waited for, none is dead", arguments: [KafkaErrorCode.unknownServerError, .outOfOrderSequence])
    func fatalErrors(code: KafkaErrorCode) async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "t", partitions: 3)
        let fixture = try self.fixture(cluster, ["batch.num.messages": "50"])
        fixture.start()
        await fixture.source.settled(through: fixture.feed(Self.samples(0..<100)))
        cluster.failProducing(with: [code, code])
        let end = fixture.feed(Self.samples(100..<1000))
        await fixture.source.settled(through: end)
        let arrival = Arrival(try await KafkaConsumer(bootstrap: cluster.bootstrap).read("t"), expected: 0..<1000)
        #expect(arrival.missing.isEmpty && arrival.unordered.isEmpty, "\(arrival.unordered.prefix(5))")
        #expect(fixture.deadLetters.letters.isEmpty)
        await fixture.close()
    }

    @Test("the whole cluster away: nothing is dropped, the stage stays, all arrives when it is back")
    func clusterAway() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "t", partitions: 2)
        let fixture = try self.fixture(cluster, ["reconnect.backoff.max.ms": "200"])
        fixture.start()
        await fixture.source.settled(through: fixture.feed(Self.samples(0..<100)))
        cluster.setBroker(1, isUp: false)
        let end = fixture.feed(Self.samples(100..<3000))
        try await until("the stage knows", within: 30) { fixture.stage.facts.contains(Fact("target_up", .flag(false))) }
        #expect(fixture.source.cursor.number == 100 && fixture.setAside.isEmpty)

        cluster.setBroker(1, isUp: true)
        await fixture.source.settled(through: end)

        let arrival = Arrival(try await KafkaConsumer(bootstrap: cluster.bootstrap).read("t"), expected: 0..<3000)
        #expect(arrival.missing.isEmpty && arrival.unordered.isEmpty)
        await fixture.close()
    }

    @Test("a run that is cancelled and a new one: nothing is lost, the new one begins at the cursor")
    func restarts() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "t", partitions: 2)
        let fixture = try self.fixture(cluster)
        var end: UInt64 = 0
        for part in 0..<10 {
            fixture.start()
            end = fixture.feed(Self.samples(part * 200..<part * 200 + 200))
            if part % 2 == 0 { await fixture.source.settled(through: end - 150) }
            await fixture.stop()
        }
        fixture.start()
        await fixture.source.settled(through: end)
        let arrival = Arrival(try await KafkaConsumer(bootstrap: cluster.bootstrap).read("t"), expected: 0..<2000)
        #expect(arrival.missing.isEmpty && arrival.unordered.isEmpty)
        await fixture.close()
    }

    @Test("who waits for an event learns its partition and offset, or that it is dead")
    func waiters() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "t", partitions: 1)
        let fixture = try self.fixture(cluster)
        let told = Happenings<[Settlement]?>()
        let ticket = fixture.waiters.expect(sequences: [0, 1, 2]) { told.add($0) }
        #expect(ticket != nil)
        var samples = Self.samples(0..<3)
        samples[1].partition = 5
        fixture.start()
        fixture.feed(samples)
        await told.wait(forCount: 1)
        #expect(
            told.all == [
                [.record(partition: 0, offset: 0), .dead(code: "_UNKNOWN_PARTITION", letter: 0), .record(partition: 0, offset: 1)]
            ])
        await fixture.close()
    }

    @Test("a cursor that can't be moved ends the run with its error")
    func commitFails() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "t", partitions: 1)
        let fixture = try self.fixture(cluster)
        fixture.source.failCommits(with: ForebayError(.spoolFull, recovery: .rewindAndRestart, "no room"))
        fixture.start()
        fixture.feed(Self.samples(0..<10))
        let error = await fixture.ended() as? ForebayError
        #expect(error?.code == .spoolFull)
        fixture.source.failCommits(with: nil)
        fixture.start()
        await fixture.source.settled(through: 10)
        await fixture.close()
    }

    @Test("properties that librdkafka does not take end the run; only validation before the start may stop a stage for good")
    func badProperties() async throws {
        let fixture = try StageFixture(properties: ["bootstrap.servers": "127.0.0.1:1", "no.such.property": "1"])
        fixture.start()
        let error = await fixture.ended() as? ForebayError
        #expect(error?.recovery == .rewindAndRestart)
        await fixture.close()
    }

    @Test("a drain waits for what is in flight, and never for a dead cluster")
    func drain() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "t", partitions: 1)
        let fixture = try StageFixture(properties: ["bootstrap.servers": cluster.bootstrap, "linger.ms": "300"]) { $0.drainPatience = 500 }
        fixture.start()
        await fixture.source.settled(through: fixture.feed(Self.samples(0..<1)))
        let end = fixture.feed(Self.samples(1..<50))
        try await until("they are pulled") {
            fixture.stage.facts.contains(Fact("in_flight", .number(49))) || fixture.source.cursor.number == end
        }
        await fixture.stage.drain()
        #expect(fixture.source.cursor.number == end)
        await fixture.stop()

        cluster.setBroker(1, isUp: false)
        fixture.start()
        fixture.feed(Self.samples(50..<60))
        try await until("they are pulled") { fixture.stage.facts.contains(Fact("in_flight", .number(10))) }
        await fixture.stage.drain()
        #expect(fixture.source.cursor.number == end)
        await fixture.close()
    }
}
