package import ForebayCore
package import ForebayNet
package import ForebayTelemetry

/// The producers of librdkafka, on one loop.
package struct KafkaProducers: KafkaProducerSource {
    private let loop: EventLoop

    package init(loop: EventLoop) {
        self.loop = loop
    }

    package func open(
        name: String, kind: KafkaProducer.Kind, properties: KafkaProperties, metrics: MetricsRegistry?, wake: @escaping () -> Void
    ) throws(ForebayError) -> any KafkaProducing {
        try KafkaProducer(on: self.loop, name: name, kind: kind, properties: properties, metrics: metrics, wake: wake)
    }
}
