import ForebayCore
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// Topics of a real cluster that get more partitions while events flow.
@Suite(
    "Forward stage: topics that grow", .serialized, .timeLimit(.minutes(2)),
    .enabled(if: KafkaCluster.isAvailable, "needs KAFKA_HOME and kcat"))
struct GrowingTopicTests {
    @Test("an event for a partition that was added a moment ago arrives there; one for a partition that nobody added is a dead letter")
    func partitions() async throws {
        let cluster = try await KafkaCluster.shared()
        try await cluster.create(topic: "grows", partitions: 2)
        let fixture = try StageFixture(properties: ["bootstrap.servers": cluster.bootstrap])
        fixture.start()
        func samples(_ count: Int) -> [EventFactory.Sample] {
            (0..<count).map { EventFactory.Sample("grows", value: "\(count)-\($0)", partition: Int32($0)) }
        }
        // The client knows the topic well when it grows.
        await fixture.source.settled(through: fixture.feed(samples(2)))
        for count in [3, 8] {
            _ = try await cluster.tool(
                "topics", ["--bootstrap-server", cluster.bootstrap, "--alter", "--topic", "grows", "--partitions", "\(count)"])
            await fixture.source.settled(through: fixture.feed(samples(count)))
            #expect(fixture.deadLetters.letters.isEmpty, "\(fixture.deadLetters.letters.map(\.reason))")
        }
        await fixture.source.settled(through: fixture.feed([EventFactory.Sample("grows", value: "nowhere", partition: 8)]))
        #expect(fixture.deadLetters.letters.map(\.code) == ["_UNKNOWN_PARTITION"])
        let records = try await KafkaConsumer(bootstrap: cluster.bootstrap).read("grows")
        #expect(records.count == 2 + 3 + 8)
        #expect(records.allSatisfy { record in record.value?.split(separator: "-").last.flatMap { Int($0) } == Int(record.partition) })
        await fixture.close()
    }
}
