import CRDKafka

/// Owns one `rd_kafka_conf_t` until librdkafka accepts it.
///
/// `rd_kafka_new` takes the configuration over only on success; on every other path it is ours to destroy, and `deinit` does.
struct KafkaConfHandle: ~Copyable {
    private let raw: OpaquePointer = rd_kafka_conf_new()

    deinit { rd_kafka_conf_destroy(self.raw) }

    /// - Returns: why librdkafka refuses the property; none if it is set.
    func set(_ name: String, _ value: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { text in
            text.initialize(repeating: 0)
            let result = rd_kafka_conf_set(self.raw, name, value, text.baseAddress, text.count)
            return result == RD_KAFKA_CONF_OK ? nil : String(cString: text.baseAddress!)
        }
    }

    /// The property as librdkafka spells it; none if it doesn't know the name.
    func get(_ name: String) -> String? {
        var size = 0
        guard rd_kafka_conf_get(self.raw, name, nil, &size) == RD_KAFKA_CONF_OK, size > 0 else { return nil }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: size) { text in
            guard rd_kafka_conf_get(self.raw, name, text.baseAddress, &size) == RD_KAFKA_CONF_OK else { return nil }
            return String(cString: text.baseAddress!)
        }
    }

    func enableEvents(_ events: Int32) {
        rd_kafka_conf_set_events(self.raw, events)
    }

    func setThrottle(
        _ opaque: UnsafeMutableRawPointer,
        _ call: @convention(c) (OpaquePointer?, UnsafePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Void
    ) {
        rd_kafka_conf_set_opaque(self.raw, opaque)
        rd_kafka_conf_set_throttle_cb(self.raw, call)
    }

    /// Starts a producer: its threads run from here on.
    ///
    /// - Throws: what librdkafka finds wrong with the properties together, or with the files that they name.
    consuming func startProducer() throws(KafkaFailure) -> OpaquePointer {
        let (client, reason) = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { text in
            text.initialize(repeating: 0)
            let client = rd_kafka_new(RD_KAFKA_PRODUCER, self.raw, text.baseAddress, text.count)
            return (client, String(cString: text.baseAddress!))
        }
        guard let client else {
            _ = consume self  // Refused: `deinit` destroys the configuration.
            throw KafkaFailure(KafkaErrorCode(RD_KAFKA_RESP_ERR__INVALID_ARG), reason: reason)
        }
        discard self  // Accepted: it is librdkafka's now.
        return client
    }
}
