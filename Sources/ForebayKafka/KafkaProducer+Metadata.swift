import CRDKafka

extension KafkaProducer {
    /// Asks the cluster for one open topic, or for all of them; librdkafka learns the answer too. Creates topics where the brokers do so.
    ///
    /// - Parameter timeout: milliseconds; the client's threads may live on for so long when it is closed meanwhile.
    /// - Returns: a failure of `_TRANSPORT` when no broker can be reached, `_TIMED_OUT`, `_DESTROY` when the producer is closed first.
    nonisolated(nonsending) package func metadata(
        of topic: KafkaTopic? = nil, timeout: Int32
    ) async -> Result<KafkaMetadata, KafkaFailure> {
        await self.metadata(timeout: timeout) { handle in
            // The thread may outlive our own use of the topic: it holds a reference of its own.
            MetadataRequest(handle: handle, topic: topic.flatMap { rd_kafka_topic_new(handle.client, rd_kafka_topic_name($0.raw), nil) })
        }
    }

    /// Asks the cluster for every topic that this client may see. Creates none.
    nonisolated(nonsending) package func metadataOfAllTopics(timeout: Int32) async -> Result<KafkaMetadata, KafkaFailure> {
        await self.metadata(timeout: timeout) { MetadataRequest(handle: $0, topic: nil, isForAll: true) }
    }

    nonisolated(nonsending) private func metadata(
        timeout: Int32, _ request: (KafkaClientHandle) -> MetadataRequest
    ) async -> Result<KafkaMetadata, KafkaFailure> {
        guard !self.isClosed else { return .failure(KafkaFailure(.destroyed)) }
        let request = request(self.client.handle)
        let answer = self.metadataAnswers.add()
        self.client.run { answer.give(request.perform(timeout: timeout)) }
        return await answer.wait()
    }
}

private struct MetadataRequest: @unchecked Sendable {  // Safe because: librdkafka guards both, and the topic is this request's own.
    let handle: KafkaClientHandle
    let topic: OpaquePointer?
    var isForAll = false

    func perform(timeout: Int32) -> Result<KafkaMetadata, KafkaFailure> {
        defer { if let topic { rd_kafka_topic_destroy(topic) } }
        var answer: UnsafePointer<rd_kafka_metadata>?
        let error = rd_kafka_metadata(self.handle.client, self.isForAll ? 1 : 0, self.topic, &answer, timeout)
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR, let answer else { return .failure(KafkaFailure(KafkaErrorCode(error))) }
        defer { rd_kafka_metadata_destroy(answer) }
        let topics = UnsafeBufferPointer(start: answer.pointee.topics, count: Int(answer.pointee.topic_cnt))
        let brokers = UnsafeBufferPointer(start: answer.pointee.brokers, count: Int(answer.pointee.broker_cnt))
        return .success(KafkaMetadata(brokers: brokers.map(\.id), topics: topics.map(Self.topic), cluster: self.cluster))
    }

    /// As the answer had it, which librdkafka keeps: nobody is asked.
    private var cluster: String? {
        guard let id = rd_kafka_clusterid(self.handle.client, 0) else { return nil }
        defer { rd_kafka_mem_free(self.handle.client, id) }
        return String(cString: id)
    }

    private static func topic(_ raw: rd_kafka_metadata_topic) -> KafkaMetadata.Topic {
        let partitions = UnsafeBufferPointer(start: raw.partitions, count: Int(raw.partition_cnt))
        var leaders = [Int32?](repeating: nil, count: partitions.count)
        for partition in partitions where leaders.indices.contains(Int(partition.id)) {
            leaders[Int(partition.id)] = partition.leader < 0 ? nil : partition.leader
        }
        return KafkaMetadata.Topic(name: String(cString: raw.topic), error: KafkaErrorCode(raw.err), leaders: leaders)
    }
}
