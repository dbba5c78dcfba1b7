import CRDKafka

/// The topics that a client has in use: each is held until it is closed, and the client can't end before.
struct KafkaTopics {
    private var open: Set<OpaquePointer> = []

    /// None: librdkafka takes no such name.
    mutating func open(_ name: String, of client: OpaquePointer) -> KafkaTopic? {
        guard let raw = rd_kafka_topic_new(client, name, nil) else { return nil }
        self.open.insert(raw)
        return KafkaTopic(raw)
    }

    /// One that is closed already is left alone.
    mutating func close(_ topic: KafkaTopic) {
        guard self.open.remove(topic.raw) != nil else { return }
        rd_kafka_topic_destroy(topic.raw)
    }

    mutating func closeAll() {
        for topic in self.open { rd_kafka_topic_destroy(topic) }
        self.open = []
    }
}

extension KafkaTopic {
    init(_ raw: OpaquePointer) { self.init(rawValue: UInt(bitPattern: raw)) }

    @inline(__always)
    var raw: OpaquePointer { OpaquePointer(bitPattern: self.rawValue).unsafelyUnwrapped }  // Made of one, above.
}
