import CRDKafka
package import ForebayCore

/// Reads every topic of a cluster from its beginning and goes on reading: for `demo`, to show what is in the embedded Kafka.
package final class KafkaTail: @unchecked Sendable {  // Safe because: librdkafka guards its handle, which never changes.
    package struct Record: Sendable, Equatable {
        package let topic: String
        package let partition: Int32
        package let offset: Int64
        /// None: no key.
        package let key: [UInt8]?
        /// None: a tombstone.
        package let value: [UInt8]?
    }

    private let client: OpaquePointer

    package init(bootstrap: String) throws(ForebayError) {
        let configuration = rd_kafka_conf_new()
        let properties = [
            ("bootstrap.servers", bootstrap), ("group.id", "forebay-tail"), ("auto.offset.reset", "earliest"), ("log_level", "0"),
            // A topic that comes to be is seen after this.
            ("topic.metadata.refresh.interval.ms", "1000"), ("enable.auto.commit", "false"),
        ]
        for (name, value) in properties {
            precondition(rd_kafka_conf_set(configuration, name, value, nil, 0) == RD_KAFKA_CONF_OK)
        }
        guard let client = rd_kafka_new(RD_KAFKA_CONSUMER, configuration, nil, 0) else {
            rd_kafka_conf_destroy(configuration)
            throw ForebayError(.brokerUnavailable, recovery: .stop, "a consumer of the embedded Kafka can't start")
        }
        self.client = client
        rd_kafka_poll_set_consumer(client)
        let topics = rd_kafka_topic_partition_list_new(1)
        defer { rd_kafka_topic_partition_list_destroy(topics) }
        // All names but Kafka's own.
        rd_kafka_topic_partition_list_add(topics, "^[^_].*", -1)
        rd_kafka_subscribe(client, topics)
    }

    deinit {
        rd_kafka_consumer_close(self.client)
        rd_kafka_destroy(self.client)
    }

    /// Blocks for so many milliseconds at most.
    ///
    /// - Returns: the next record; none if there is none now.
    package func next(within milliseconds: Int32) -> Record? {
        guard let message = rd_kafka_consumer_poll(self.client, milliseconds) else { return nil }
        defer { rd_kafka_message_destroy(message) }
        let raw = message.pointee
        guard raw.err == RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
        return Record(
            topic: String(cString: rd_kafka_topic_name(raw.rkt)), partition: raw.partition, offset: raw.offset,
            key: Self.bytes(raw.key, raw.key_len), value: Self.bytes(raw.payload, raw.len))
    }

    private static func bytes(_ start: UnsafeMutableRawPointer?, _ count: Int) -> [UInt8]? {
        start.map { Array(UnsafeRawBufferPointer(start: $0, count: count)) }
    }
}
