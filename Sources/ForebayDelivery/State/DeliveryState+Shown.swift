import ForebayKafka

/// What `status` shows of topics that take nothing.
extension DeliveryState {
    /// The first few that back off, with the reason.
    var backingOffTopics: [String] {
        self.topics.backingOff.topics.prefix(5).compactMap { index in
            guard case .backingOff = self.topics[index].phase, let failure = self.topics[index].trouble.failure else { return nil }
            return "\(self.topics[index].name): \(failure.code)"
        }
    }

    /// One that backs off because no more can be set aside.
    var boundedTopic: (name: String, failure: KafkaFailure)? {
        for index in self.topics.backingOff.topics.prefix(100) where self.topics[index].trouble.told != nil {
            guard case .backingOff = self.topics[index].phase, let failure = self.topics[index].trouble.failure else { continue }
            return (self.topics[index].name, failure)
        }
        return nil
    }
}
