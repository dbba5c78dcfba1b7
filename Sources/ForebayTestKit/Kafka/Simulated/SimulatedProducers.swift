package import ForebayCore
package import ForebayKafka
package import ForebayTelemetry

/// Producers to a ``SimulatedKafka``, on one loop.
package struct SimulatedProducers: KafkaProducerSource {
    private let kafka: SimulatedKafka
    private let loop: any StageLoop

    package init(_ kafka: SimulatedKafka, loop: any StageLoop) {
        self.kafka = kafka
        self.loop = loop
    }

    package func open(
        name: String, kind: KafkaProducer.Kind, properties: KafkaProperties, metrics: MetricsRegistry?, wake: @escaping () -> Void
    ) throws(ForebayError) -> any KafkaProducing {
        let producer = SimulatedProducer(self.kafka, loop: self.loop, kind: kind, properties: properties, wake: wake)
        self.kafka.opened(producer)
        return producer
    }
}
