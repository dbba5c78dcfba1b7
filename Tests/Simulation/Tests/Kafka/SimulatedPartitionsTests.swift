import ForebayKafka
import Testing

@testable import ForebayTestKit

@Suite("A simulated producer's partitions")
struct SimulatedPartitionsTests {
    private static func topic(_ name: String, _ leaders: [Int32?]) -> KafkaMetadata.Topic {
        KafkaMetadata.Topic(name: name, error: .none, leaders: leaders)
    }

    @Test("each has one queue, in the order of use, led as the cluster said, before or behind")
    func queues() {
        var partitions = SimulatedPartitions()
        let early = partitions.queue("b", 1, producer: 5)
        #expect(early.leader == nil)
        partitions.learn(Self.topic("b", [1, 2]))
        partitions.learn(Self.topic("a", [3, nil]))
        let others = [0, 1, 9].map { partitions.queue("a", $0, producer: 5) }
        #expect(early.leader == 2 && others.map(\.leader) == [3, nil, nil])
        #expect(partitions.queue("b", 1, producer: 6) === early && partitions.queues.map(\.topic) == ["b", "a", "a", "a"])
        partitions.learn(Self.topic("b", [1]))
        #expect(early.leader == nil, "that partition is not there any more")
        partitions.removeAll()
        #expect(partitions.queues.isEmpty && partitions.queue("b", 1, producer: 5) !== early)
    }

    @Test("a place is refused that is known not to be there")
    func refusals() {
        var partitions = SimulatedPartitions()
        #expect(partitions.refusal(of: "t", 9) == nil, "nothing is known")
        partitions.learn(Self.topic("t", [1, nil]))
        #expect((0..<3).map { partitions.refusal(of: "t", $0) } == [nil, nil, .unknownPartition])
        let queue = partitions.queue("t", 0, producer: 5)
        partitions.forget("t")
        #expect(partitions.refusal(of: "t", 0) == .unknownTopic && queue.leader == 1, "what is on its way is answered by somebody")
        partitions.learn(Self.topic("t", [2]))
        #expect(partitions.refusal(of: "t", 0) == nil && queue.leader == 2)
    }
}
