import CRDKafka

/// What brokers said of a quota that this client exceeds. librdkafka tells it by a call, within those that poll its queue.
final class KafkaThrottle: @unchecked Sendable {  // Safe because: told and taken within poll, on the producer's loop alone.
    private var told: (milliseconds: Int, broker: String)?

    fileprivate func tell(_ milliseconds: Int32, _ broker: UnsafePointer<CChar>?) {
        guard milliseconds > 0 else { return }  // It is over.
        self.told = (Int(milliseconds), broker.map { String(cString: $0) } ?? "a broker")
    }

    /// What was said last, once.
    func take() -> (milliseconds: Int, broker: String)? {
        defer { self.told = nil }
        return self.told
    }
}

extension KafkaConfHandle {
    /// - Parameter throttle: must live as long as the client.
    func watch(_ throttle: KafkaThrottle) {
        self.setThrottle(Unmanaged.passUnretained(throttle).toOpaque()) { _, broker, _, milliseconds, opaque in
            guard let opaque else { return }
            Unmanaged<KafkaThrottle>.fromOpaque(opaque).takeUnretainedValue().tell(milliseconds, broker)
        }
    }
}
