import ForebayCore
import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayDelivery

@Suite("Forward stage in trouble", .timeLimit(.minutes(1)), .enabled(if: KafkaConsumer.isAvailable, "needs kcat"))
struct DeliveryEngineTroubleTests {
    private static func properties(_ cluster: KafkaMockCluster) -> [String: String] {
        ["bootstrap.servers": cluster.bootstrap, "reconnect.backoff.ms": "20", "reconnect.backoff.max.ms": "50"]
    }

    private static func text(_ name: String, _ fixture: StageFixture) -> String? {
        if case .text(let text)? = fixture.stage.facts.first(where: { $0.name == name })?.value { text } else { nil }
    }

    // MARK: Producers that can't be started

    @Test("a producer that can't be opened ends the run, never the stage for good: the next run delivers")
    func flakyProducers() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "t", partitions: 1)
        let isBroken = StageFixture.Gate()
        let fixture = try StageFixture(properties: ["bootstrap.servers": cluster.bootstrap], refusesProducers: isBroken)
        let end = fixture.feed([EventFactory.Sample("t", value: "v0")])
        fixture.start()
        let error = try #require(await fixture.ended() as? ForebayError)
        #expect(error.recovery == .rewindAndRestart && "\(error)".contains("too many open files"))

        isBroken.set(false)
        fixture.start()
        await fixture.source.settled(through: end)
        await fixture.close()
    }

    @Test("a certificate that can't be read for a moment: the run ends and is to be started again")
    func unreadableCertificate() async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-ca-\(UUID().uuidString).pem").path
        let fixture = try StageFixture(
            properties: ["bootstrap.servers": "127.0.0.1:1", "security.protocol": "ssl", "ssl.ca.location": path])
        fixture.start()
        let error = try #require(await fixture.ended() as? ForebayError)
        #expect(error.code == .producerUnavailable && error.recovery == .rewindAndRestart)
        await fixture.close()
    }

    // MARK: The target

    @Test("an idle stage says that its target is up; when it is gone why, and when it is back how it was")
    func targetOfAnIdleStage() async throws {
        let cluster = try KafkaMockCluster()
        let fixture = try StageFixture(properties: Self.properties(cluster)) {
            $0.metadataRetry = 50
        }
        fixture.start()
        try await until("it is up") { fixture.stage.facts.contains(Fact("target_up", .flag(true))) }
        #expect(Self.text("error_code", fixture) == nil)

        cluster.setBroker(1, isUp: false)
        try await until("it is down") { fixture.stage.facts.contains(Fact("target_up", .flag(false))) }
        #expect(Self.text("error_code", fixture) != nil && Self.text("error_reason", fixture) != nil)
        #expect(Self.text("error_advice", fixture)?.contains(cluster.bootstrap) == true)
        #expect(fixture.stage.facts.contains { $0.name == "error_since" })

        cluster.setBroker(1, isUp: true)
        try await until("it is up again") { fixture.stage.facts.contains(Fact("target_up", .flag(true))) }
        #expect(!fixture.stage.facts.contains { $0.name.hasPrefix("error_") })
        await fixture.close()
    }

    @Test("with a topic in use the same, and asking creates none")
    func targetOfABusyStage() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "t", partitions: 1)
        let fixture = try StageFixture(properties: Self.properties(cluster)) {
            $0.metadataRetry = 50
            $0.targetInterval = 50
        }
        fixture.start()
        await fixture.source.settled(through: fixture.feed([EventFactory.Sample("t", value: "v0")]))
        cluster.setBroker(1, isUp: false)
        try await until("it is down") { fixture.stage.facts.contains(Fact("target_up", .flag(false))) }
        cluster.setBroker(1, isUp: true)
        try await until("it is up again") { fixture.stage.facts.contains(Fact("target_up", .flag(true))) }
        await fixture.source.settled(through: fixture.feed([EventFactory.Sample("t", value: "v1")]))
        await fixture.close()
    }

    // MARK: Many topics

    @Test("hundreds of topics in a batch: all arrive once, whatever flows goes on, producers are made anew without a repeat")
    func manyTopics() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "flows", partitions: 2)
        let fixture = try StageFixture(properties: ["bootstrap.servers": cluster.bootstrap, "statistics.interval.ms": "0"]) {
            $0.topicsPerRequest = 50
            $0.idleTopics = 25
            $0.openedTopics = 75
            $0.renewalInterval = 50
        }
        fixture.start()
        let many = (0..<510).map { EventFactory.Sample("topic-\($0)", value: "v0") }
        fixture.feed(many)
        var end: UInt64 = 0
        for part in 0..<20 {
            end = fixture.feed((part * 10..<part * 10 + 10).map { EventFactory.Sample("flows", key: "k\($0 % 3)", value: "v\($0)") })
        }
        await fixture.source.settled(through: end)
        try await until("the new ones, which the cluster makes when it is asked for them, are delivered from aside") {
            fixture.setAside.isEmpty
        }
        let consumer = KafkaConsumer(bootstrap: cluster.bootstrap)
        let arrival = Arrival(try await consumer.read("flows"), expected: 0..<200)
        #expect(arrival.missing.isEmpty && arrival.repeats == 0 && arrival.unordered.isEmpty)
        for number in [0, 509] { #expect(try await consumer.read("topic-\(number)").count == 1) }
        #expect(fixture.stage.facts.contains(Fact("redelivered", .number(0))))
        let text = fixture.registry.render()
        #expect(text.contains("forebay_delivery_rebuilds_total{route=\"test\",stage=\"forward\",way=\"direct\"} 0"))
        #expect(text.contains("topic=\"other\",way=\"direct\"} "), "labels are bounded")
        #expect(fixture.registry.total("forebay_delivery_events_total") == 710)
        await fixture.close()
    }
}
