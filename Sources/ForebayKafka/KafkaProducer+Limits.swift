import CRDKafka

extension KafkaProducer {
    private static let limitTimeout: Int32 = 1500

    /// Asks for `max.message.bytes` of topics, and for the times that they take. Needs the permission DescribeConfigs; without it there are
    /// none.
    ///
    /// Comes back with what ``poll(_:)`` reads, so polling must go on. One answer for each topic, also when the producer is closed
    /// meanwhile.
    nonisolated(nonsending) package func limits(of topics: [String], by broker: Int32?) async -> [KafkaTopicLimit] {
        guard !self.isClosed, !topics.isEmpty else { return KafkaLimitRequests.untold(topics, .destroyed) }
        return await withUnsafeContinuation { waiting in
            // Others may have run on the loop since it was asked for: the client may be gone.
            guard !self.isClosed else { return waiting.resume(returning: KafkaLimitRequests.untold(topics, .destroyed)) }
            self.describe(topics, by: broker, request: self.limitRequests.add(topics, waiting))
        }
    }

    private func describe(_ topics: [String], by broker: Int32?, request: UInt) {
        var resources = topics.map { rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, $0) }
        defer { rd_kafka_ConfigResource_destroy_array(&resources, resources.count) }
        let options = rd_kafka_AdminOptions_new(self.client.handle.client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS)
        defer { rd_kafka_AdminOptions_destroy(options) }
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { text in
            _ = rd_kafka_AdminOptions_set_request_timeout(options, Self.limitTimeout, text.baseAddress, text.count)
            if let broker { _ = rd_kafka_AdminOptions_set_broker(options, broker, text.baseAddress, text.count) }
        }
        rd_kafka_AdminOptions_set_opaque(options, UnsafeMutableRawPointer(bitPattern: request))
        rd_kafka_DescribeConfigs(self.client.handle.client, &resources, resources.count, options, self.client.handle.events)
    }

    func takeLimits(_ event: OpaquePointer) {
        var count = 0
        let resources = rd_kafka_event_DescribeConfigs_result(event).flatMap { rd_kafka_DescribeConfigs_result_resources($0, &count) }
        let told = UnsafeBufferPointer(start: resources, count: count).compactMap { $0.map(Self.limit) }
        self.limitRequests.answer(UInt(bitPattern: rd_kafka_event_opaque(event)), told, KafkaErrorCode(rd_kafka_event_error(event)))
    }

    private static func limit(of resource: OpaquePointer) -> KafkaTopicLimit {
        let topic = String(cString: rd_kafka_ConfigResource_name(resource))
        var count = 0
        let entries = rd_kafka_ConfigResource_configs(resource, &count)
        var bytes: Int?
        var times = KafkaTimeLimits()
        for case let entry? in UnsafeBufferPointer(start: entries, count: count) {
            guard let text = rd_kafka_ConfigEntry_value(entry), let value = Int64(String(cString: text)), value >= 0 else { continue }
            switch String(cString: rd_kafka_ConfigEntry_name(entry)) {
            case "max.message.bytes": bytes = value <= Int64(Int32.max) ? Int(value) : nil
            case "message.timestamp.before.max.ms": times.before = min(value, times.before ?? .max)
            case "message.timestamp.after.max.ms": times.after = min(value, times.after ?? .max)
            case "message.timestamp.difference.max.ms":  // Of Kafka before 3.6, and the stricter one until 4.0.
                (times.before, times.after) = (min(value, times.before ?? .max), min(value, times.after ?? .max))
            default: break
            }
        }
        return KafkaTopicLimit(topic: topic, bytes: bytes, times: times, error: KafkaErrorCode(rd_kafka_ConfigResource_error(resource)))
    }
}
