import ForebayTelemetry

/// librdkafka's statistics as metrics: what is queued, and each broker's state and round trip.
final class KafkaStatisticsGauges {
    /// Brokers beyond this are not shown: labels are bounded.
    private static let brokerLimit = 64

    private let client: String
    private let registry: MetricsRegistry
    private let messages: Gauge
    private let bytes: Gauge
    private var brokers: [String: (up: Gauge, roundTrip: Gauge)] = [:]

    init(client: String, registry: MetricsRegistry) {
        self.client = client
        self.registry = registry
        self.messages = registry.gauge(
            "forebay_kafka_client_queue_messages", help: "Events that a Kafka client holds, not delivered yet.", labels: ["client": client])
        self.bytes = registry.gauge(
            "forebay_kafka_client_queue_bytes", help: "Bytes of the events that a Kafka client holds.", labels: ["client": client])
    }

    func update(_ json: UnsafeRawBufferPointer) {
        guard let statistics = KafkaStatistics(json: json) else { return }
        self.messages.set(Double(statistics.queuedMessages))
        self.bytes.set(Double(statistics.queuedBytes))
        for broker in statistics.brokers {
            guard let gauges = self.gauges(of: broker.node) else { continue }
            gauges.up.set(broker.isUp ? 1 : 0)
            gauges.roundTrip.set(broker.roundTrip)
        }
    }

    /// The client is gone: it holds nothing and is connected to nobody.
    func clear() {
        self.messages.set(0)
        self.bytes.set(0)
        for gauges in self.brokers.values {
            gauges.up.set(0)
            gauges.roundTrip.set(0)
        }
    }

    private func gauges(of node: String) -> (up: Gauge, roundTrip: Gauge)? {
        if let present = self.brokers[node] { return present }
        guard self.brokers.count < Self.brokerLimit else { return nil }
        let made = (
            up: self.registry.gauge(
                "forebay_kafka_client_broker_up", help: "Whether a Kafka client is connected to the broker.",
                labels: ["client": self.client, "broker": node]),
            roundTrip: self.registry.gauge(
                "forebay_kafka_client_rtt_seconds", help: "Round trip to the broker, 99th percentile of the last interval.",
                labels: ["client": self.client, "broker": node])
        )
        self.brokers[node] = made
        return made
    }
}
