import ForebayKafka

/// The topics that a ``SimulatedProducer`` has open, in the order in which they were opened.
struct SimulatedTopics {
    private var names: [String?] = []

    var open: [String] { self.names.compactMap { $0 } }

    mutating func open(_ name: String) -> KafkaTopic {
        self.names.append(name)
        return KafkaTopic(rawValue: UInt(self.names.count))
    }

    mutating func close(_ topic: KafkaTopic) { self.names[Int(topic.rawValue) - 1] = nil }

    /// None: it is closed.
    func name(of topic: KafkaTopic) -> String? { self.names[Int(topic.rawValue) - 1] }
}
