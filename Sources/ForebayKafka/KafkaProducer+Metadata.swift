import CRDKafka

/// What the cluster says of its topics.
package struct KafkaMetadata: Sendable, Equatable {
    package struct Topic: Sendable, Equatable {
        package let name: String
        package let error: KafkaErrorCode
        /// The leader of each partition, by its number; none: it has no leader now.
        package let leaders: [Int32?]

        package init(name: String, error: KafkaErrorCode, leaders: [Int32?]) {
            self.name = name
            self.error = error
            self.leaders = leaders
        }
    }

    package let brokers: Int
    package let topics: [Topic]
}

extension KafkaProducer {
    /// Asks the cluster for one open topic, or for all of them; librdkafka learns the answer too. Creates topics where the brokers do so.
    ///
    /// - Parameter timeout: milliseconds; also what closing may have to wait for.
    /// - Throws: ``KafkaFailure``: `_TRANSPORT` when no broker can be reached, `_TIMED_OUT`.
    package func metadata(of topic: KafkaTopic? = nil, timeout: Int32 = 5000) async throws(KafkaFailure) -> KafkaMetadata {
        guard !self.isClosed else { throw KafkaFailure(KafkaErrorCode(RD_KAFKA_RESP_ERR__DESTROY)) }
        // The thread may outlive our own use of the topic: it holds a reference of its own.
        let request = MetadataRequest(
            handle: self.handle, topic: topic.flatMap { rd_kafka_topic_new(self.handle.client, rd_kafka_topic_name($0.raw), nil) })
        let result = await withUnsafeContinuation { (waiting: UnsafeContinuation<Result<KafkaMetadata, KafkaFailure>, Never>) in
            self.thread.run { waiting.resume(returning: request.perform(timeout: timeout)) }
        }
        return try result.get()
    }
}

private struct MetadataRequest: @unchecked Sendable {  // Safe because: librdkafka guards both, and the topic is this request's own.
    let handle: KafkaClientHandle
    let topic: OpaquePointer?

    func perform(timeout: Int32) -> Result<KafkaMetadata, KafkaFailure> {
        defer { if let topic { rd_kafka_topic_destroy(topic) } }
        var answer: UnsafePointer<rd_kafka_metadata>?
        let error = rd_kafka_metadata(self.handle.client, 0, self.topic, &answer, timeout)
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR, let answer else { return .failure(KafkaFailure(KafkaErrorCode(error))) }
        defer { rd_kafka_metadata_destroy(answer) }
        let topics = UnsafeBufferPointer(start: answer.pointee.topics, count: Int(answer.pointee.topic_cnt))
        return .success(KafkaMetadata(brokers: Int(answer.pointee.broker_cnt), topics: topics.map(Self.topic)))
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
