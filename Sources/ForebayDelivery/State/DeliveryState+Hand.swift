import ForebayKafka

extension DeliveryState {
    /// In the drain: an operator wants all units of a topic.
    mutating func recall(_ name: String) {
        var name = name
        guard let topic = name.withUTF8({ self.names.index(of: UnsafeRawBufferPointer($0)) }) else { return }
        self.withdraw(topic: topic, KafkaFailure(.none), byDelivery: false)
        self.refusals.removeLast()  // Nothing has failed.
    }
}
