import CRDKafka
package import ForebayCore

/// Reads every topic of a cluster from its beginning and goes on reading: for `demo`, to show what is in the embedded Kafka.
///
/// Not to be shared: one thread at a time.
package final class KafkaTail {
    package struct Record: Sendable, Equatable {
        package let topic: String
        package let partition: Int32
        package let offset: Int64
        /// None: no key.
        package let key: [UInt8]?
        /// None: a tombstone.
        package let value: [UInt8]?
    }

    private struct Place: Hashable {
        let topic: String
        let partition: Int32
    }

    private let client: OpaquePointer
    /// What to read next of every partition that is read.
    private var offsets: [Place: Int64] = [:]
    private var lookedAt: ContinuousClock.Instant?

    package init(bootstrap: String) throws(ForebayError) {
        let configuration = rd_kafka_conf_new()
        let properties = [
            // The client wants a group. It joins none: partitions are assigned to it here, at once.
            ("bootstrap.servers", bootstrap), ("group.id", "forebay-tail"), ("enable.auto.commit", "false"), ("log_level", "0"),
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
    }

    deinit {
        rd_kafka_consumer_close(self.client)
        rd_kafka_destroy(self.client)
    }

    /// Blocks for so many milliseconds at most.
    ///
    /// - Returns: the next record; none if there is none now.
    package func next(within milliseconds: Int32) -> Record? {
        let now = ContinuousClock.now
        if self.lookedAt.map({ now - $0 > .milliseconds(500) }) ?? true {
            self.lookedAt = now
            self.takeNewPartitions()
        }
        guard let message = rd_kafka_consumer_poll(self.client, milliseconds) else { return nil }
        defer { rd_kafka_message_destroy(message) }
        let raw = message.pointee
        guard raw.err == RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
        let topic = String(cString: rd_kafka_topic_name(raw.rkt))
        self.offsets[Place(topic: topic, partition: raw.partition)] = raw.offset + 1
        return Record(
            topic: topic, partition: raw.partition, offset: raw.offset,
            key: Self.bytes(raw.key, raw.key_len), value: Self.bytes(raw.payload, raw.len))
    }

    /// Topics come to be while it reads.
    private func takeNewPartitions() {
        var answer: UnsafePointer<rd_kafka_metadata>?
        guard rd_kafka_metadata(self.client, 1, nil, &answer, 1000) == RD_KAFKA_RESP_ERR_NO_ERROR, let answer else { return }
        defer { rd_kafka_metadata_destroy(answer) }
        let known = self.offsets.count
        for topic in UnsafeBufferPointer(start: answer.pointee.topics, count: Int(answer.pointee.topic_cnt)) {
            for partition in UnsafeBufferPointer(start: topic.partitions, count: Int(topic.partition_cnt)) {
                let place = Place(topic: String(cString: topic.topic), partition: partition.id)
                if self.offsets[place] == nil { self.offsets[place] = Int64(RD_KAFKA_OFFSET_BEGINNING) }
            }
        }
        guard self.offsets.count > known else { return }
        let list = rd_kafka_topic_partition_list_new(Int32(self.offsets.count))
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for (place, offset) in self.offsets {
            rd_kafka_topic_partition_list_add(list, place.topic, place.partition)?.pointee.offset = offset
        }
        rd_kafka_assign(self.client, list)
    }

    private static func bytes(_ start: UnsafeMutableRawPointer?, _ count: Int) -> [UInt8]? {
        start.map { Array(UnsafeRawBufferPointer(start: $0, count: count)) }
    }
}
