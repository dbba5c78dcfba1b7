import ForebayKafka

extension DeliveryState {
    /// In the drain: an operator wants all units of a topic.
    mutating func recall(_ name: String) {
        guard let topic = self.topics.index(of: name) else { return self.releaseDeadLetters(name, partition: nil) }
        self.withdraw(topic: topic, KafkaFailure(.none), byDelivery: false)
        self.actions.refusals.removeLast()  // Nothing has failed.
    }
}
