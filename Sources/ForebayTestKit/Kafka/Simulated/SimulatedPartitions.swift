import ForebayKafka

/// The partitions that a ``SimulatedProducer`` has sent to, and what it knows of their topics.
struct SimulatedPartitions {
    /// In the order in which they were first used: what a seed decides must not depend on a table's order.
    private(set) var queues: [PartitionQueue] = []
    private var places: [String: Int] = [:]
    private var known: [String: KafkaMetadata.Topic] = [:]

    /// What is known to be wrong with such a place; none: nothing, or nothing is known.
    func refusal(of topic: String, _ partition: Int32) -> KafkaErrorCode? {
        guard let known = self.known[topic] else { return nil }
        if known.error == .unknownTopicOrPartition { return .unknownTopic }
        return partition < known.leaders.count ? nil : .unknownPartition
    }

    /// - Parameter producer: who a queue that is new is of.
    mutating func queue(_ topic: String, _ partition: Int32, producer: Int) -> PartitionQueue {
        let place = "\(topic)/\(partition)"
        if let index = self.places[place] { return self.queues[index] }
        let queue = PartitionQueue(topic: topic, partition: partition, producer: producer)
        queue.leader = self.known[topic].flatMap { Self.leader(of: partition, in: $0) }
        self.places[place] = self.queues.count
        self.queues.append(queue)
        return queue
    }

    /// A cluster's answer: the leaders that it names are those of the queues.
    mutating func learn(_ topic: KafkaMetadata.Topic) {
        self.known[topic.name] = topic
        for queue in self.queues where queue.topic == topic.name { queue.leader = Self.leader(of: queue.partition, in: topic) }
    }

    /// A topic was deleted. What is in flight is still there to be answered.
    mutating func forget(_ topic: String) {
        self.known[topic] = KafkaMetadata.Topic(name: topic, error: .unknownTopicOrPartition, leaders: [])
    }

    mutating func removeAll() { (self.queues, self.places) = ([], [:]) }

    static func leader(of partition: Int32, in topic: KafkaMetadata.Topic) -> Int32? {
        Int(partition) < topic.leaders.count ? topic.leaders[Int(partition)] : nil
    }
}
