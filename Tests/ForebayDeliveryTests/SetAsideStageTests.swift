import ForebayCore
import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("Set aside on the mock cluster", .timeLimit(.minutes(1)), .enabled(if: KafkaConsumer.isAvailable, "needs kcat"))
struct SetAsideStageTests {
    private func fixture(_ cluster: KafkaMockCluster) throws -> StageFixture {
        try StageFixture(properties: ["bootstrap.servers": cluster.bootstrap]) {
            $0.partitionPatience = 400
            $0.metadataRetry = 50
            $0.backoffLimit = 200
            $0.retryLimit = 200
        }
    }

    /// Two topics in turn; the second one's numbers are odd.
    private static func samples(_ numbers: Range<Int>) -> [EventFactory.Sample] {
        numbers.map { EventFactory.Sample($0 % 2 == 0 ? "good" : "bad", key: "k\($0 % 7)", value: "v\($0)") }
    }

    private static func odd(_ numbers: Range<Int>) -> [Int] { numbers.filter { $0 % 2 == 1 } }

    private func gone(_ fixture: StageFixture) async throws {
        try await until("nothing is set aside any more") { fixture.setAside.isEmpty }
    }

    @Test(
        "a topic that is forbidden or missing: the cursor passes its events, others flow, and they arrive in order once they can",
        arguments: [KafkaErrorCode.topicAuthorizationFailed, .unknownTopicOrPartition])
    func topic(code: KafkaErrorCode) async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "good", partitions: 2)
        cluster.create(topic: "bad", partitions: 2)
        cluster.failTopic("bad", with: code)
        let fixture = try self.fixture(cluster)
        fixture.start()

        await fixture.source.settled(through: fixture.feed(Self.samples(0..<400)))
        await fixture.source.settled(through: fixture.feed(Self.samples(400..<600)))  // Behind those before.
        #expect(try await KafkaConsumer(bootstrap: cluster.bootstrap).read("good").count == 300)
        let shown = try #require(fixture.setAside.shown(limit: 10).first)
        #expect(fixture.setAside.unitCount == 1 && fixture.setAside.events == 300)
        #expect(shown.key == SetAsideKey("bad") && shown.code == "\(code)" && shown.events == 300 && shown.advice?.isEmpty == false)
        let aside = #"forebay_set_aside_events_total{code="\#(code)",route="test",stage="forward",topic="bad",way="direct"} 300\#n"#
        #expect(fixture.registry.render().contains(aside))

        cluster.failTopic("bad", with: .none)
        try await self.gone(fixture)
        await fixture.source.settled(through: fixture.feed(Self.samples(600..<800)))  // Direct again.
        let arrival = Arrival(try await KafkaConsumer(bootstrap: cluster.bootstrap).read("bad"), expected: Self.odd(0..<800))
        #expect(arrival.missing.isEmpty && arrival.repeats == 0 && arrival.unordered.isEmpty)
        await fixture.close()
    }

    @Test("the cursor passes no event before it is durable in the log; while there is no room it waits")
    func cursorWaits() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "good", partitions: 2)
        cluster.failTopic("bad", with: .topicAuthorizationFailed)
        let fixture = try self.fixture(cluster)
        fixture.hasRoom.set(false)
        fixture.start()
        let end = fixture.feed(Self.samples(0..<200))
        try await until("the good ones are delivered") { fixture.stage.facts.contains(Fact("delivered", .number(100))) }
        try await until("the stage has tried") { fixture.stage.facts.contains { $0.name == "setting_aside" && $0.value == .number(100) } }
        #expect(fixture.source.cursor.number == 1, "the first one was good")

        fixture.hasRoom.set(true)
        await fixture.source.settled(through: end)
        #expect(fixture.setAside.events == 100)
        await fixture.close()
    }

    @Test("a partition without leader is set aside alone, after its time; keyless events avoid it; it is drained when it has one")
    func partition() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "t", partitions: 3)
        cluster.setLeader(of: "t", 1, to: nil)
        let fixture = try self.fixture(cluster)
        fixture.start()
        let samples = (0..<600).map { EventFactory.Sample("t", key: $0 % 4 == 0 ? nil : "k\($0 % 7)", value: "v\($0)") }

        await fixture.source.settled(through: fixture.feed(samples))
        #expect(fixture.setAside.shown(limit: 10).map(\.key) == [SetAsideKey("t", 1)])
        #expect(fixture.setAside.shown(limit: 10).first?.code == "LEADER_NOT_AVAILABLE")

        cluster.setLeader(of: "t", 1, to: 1)
        try await self.gone(fixture)
        let records = try await KafkaConsumer(bootstrap: cluster.bootstrap).read("t")
        let arrival = Arrival(records, expected: 0..<600)
        #expect(arrival.missing.isEmpty && arrival.repeats == 0 && arrival.unordered.isEmpty)
        #expect(records.allSatisfy { $0.partition != 1 || $0.key != nil })
        await fixture.close()
    }

    @Test("who waits for Kafka is told at once that an event is set aside")
    func waiters() async throws {
        let cluster = try KafkaMockCluster()
        cluster.failTopic("bad", with: .topicAuthorizationFailed)
        let fixture = try self.fixture(cluster)
        let told = Happenings<[Settlement]?>()
        _ = fixture.waiters.expect(sequences: [0, 1]) { told.add($0) }
        fixture.start()
        fixture.feed(Self.samples(0..<2))
        await told.wait(forCount: 1)
        #expect(told.all == [nil])
        await fixture.close()
    }

    @Test("runs that end while units are set aside, are drained and go direct again: nothing is lost, keys stay in order")
    func restarts() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "good", partitions: 2)
        cluster.create(topic: "bad", partitions: 2)
        let fixture = try self.fixture(cluster)
        for round in 0..<6 {
            cluster.failTopic("bad", with: round % 2 == 0 ? .topicAuthorizationFailed : .none)
            fixture.start()
            let end = fixture.feed(Self.samples(round * 200..<round * 200 + 200))
            await fixture.source.settled(through: end - 100)
            await fixture.stop()
        }
        cluster.failTopic("bad", with: .none)
        fixture.start()
        await fixture.source.settled(through: 1200)
        try await self.gone(fixture)
        let arrival = Arrival(try await KafkaConsumer(bootstrap: cluster.bootstrap).read("bad"), expected: Self.odd(0..<1200))
        #expect(arrival.missing.isEmpty && arrival.unordered.isEmpty)
        await fixture.close()
    }
}
