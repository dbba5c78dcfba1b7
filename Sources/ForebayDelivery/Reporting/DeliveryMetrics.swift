package import ForebayCore
package import ForebayTelemetry
import Synchronization

/// What a stage that delivers counts. Labels: the delivery's stage and route, and which way; of events also the topic.
package final class DeliveryMetrics: Sendable {
    /// Topics whose counters are kept at hand. The registry bounds its labels likewise: what is beyond becomes `other`.
    private static let keptTopics = 500

    private let registry: MetricsRegistry
    private let name: DeliveryName
    private let way: String
    private let topics = Mutex<[String: (events: Counter, bytes: Counter)]>([:])
    let redelivered: Counter
    let rebuilds: Counter
    let unknownErrors: Counter
    let inFlight: Gauge
    let waitsForRoom: Gauge
    /// The direct stage's: it asks the cluster all the time, the drain only when there is something to drain.
    let targetUp: Gauge?
    let endToEnd: Histogram

    package init(registry: MetricsRegistry, of name: DeliveryName, _ way: DeliveryWay) {
        self.registry = registry
        self.name = name
        self.way = way == .direct ? "direct" : "aside"
        let labels = name.labels(way: self.way)
        self.redelivered = registry.counter(
            "forebay_redelivered_events_total", help: "Events sent, or set aside, again that may have been stored before.", labels: labels)
        self.rebuilds = registry.counter(
            "forebay_delivery_rebuilds_total", help: "Producers that took a fatal error and were made anew.", labels: labels)
        self.unknownErrors = registry.counter(
            "forebay_delivery_unknown_errors_total", help: "Deliveries that failed with a code that has no known fate; they wait.",
            labels: labels)
        self.inFlight = registry.gauge("forebay_delivery_in_flight_events", help: "Events pulled and not settled.", labels: labels)
        self.waitsForRoom = registry.gauge(
            "forebay_delivery_waits_for_room",
            help: "Whether a cursor waits because events can't be set aside, or dead letters not be written.", labels: labels)
        self.targetUp =
            way == .direct ? registry.gauge("forebay_target_up", help: "Whether the target cluster answers.", labels: name.labels) : nil
        self.endToEnd = registry.histogram(
            "forebay_delivery_end_to_end_seconds", help: "From the acceptance of an event to its delivery.", labels: labels,
            bounds: Buckets.endToEnd)
    }

    // MARK: By topic

    func delivered(_ events: UInt64, bytes: UInt64, to topic: String) {
        let counters = self.topics.withLock { topics in
            if let known = topics[topic] { return known }
            let made = self.counters(of: topic)
            if topics.count < Self.keptTopics { topics[topic] = made }
            return made
        }
        counters.events.increment(by: events)
        counters.bytes.increment(by: bytes)
    }

    func deadLetter(_ topic: String, code: String) {
        self.registry.counter(
            "forebay_dead_letters_total", help: "Events that a broker refused for good.", labels: self.labels(topic, code: code)
        ).increment()
    }

    func setAside(_ events: UInt64, of topic: String, code: String) {
        self.registry.counter(
            "forebay_set_aside_events_total", help: "Events set aside because they could not be delivered.",
            labels: self.labels(topic, code: code)
        ).increment(by: events)
    }

    private func labels(_ topic: String, code: String) -> KeyValuePairs<String, String> {
        ["stage": self.name.stage.rawValue, "route": self.name.route, "way": self.way, "topic": topic, "code": code]
    }

    private func counters(of topic: String) -> (events: Counter, bytes: Counter) {
        let labels: KeyValuePairs = ["stage": self.name.stage.rawValue, "route": self.name.route, "way": self.way, "topic": topic]
        return (
            self.registry.counter("forebay_delivery_events_total", help: "Events delivered to their target.", labels: labels),
            self.registry.counter("forebay_delivery_bytes_total", help: "Bytes of the events delivered.", labels: labels)
        )
    }
}
