import ForebayCore
import ForebayTelemetry
import Testing

@testable import ForebayDelivery

@Suite("Forward metrics")
struct DeliveryMetricsTests {
    private static func lines(_ registry: MetricsRegistry) -> Set<String> {
        Set(registry.render().split(separator: "\n").filter { !$0.hasPrefix("#") }.map(String.init))
    }

    @Test("what each stage counts has its name, its route, and of events the topic")
    func series() {
        let registry = MetricsRegistry()
        let direct = DeliveryMetrics(registry: registry, of: DeliveryName(.forward, of: "r"), .direct)
        let drain = DeliveryMetrics(registry: registry, of: DeliveryName(.forward, of: "r"), .aside)
        #expect(drain.targetUp == nil)
        direct.targetUp?.set(1)
        direct.redelivered.increment(by: 2)
        direct.rebuilds.increment(by: 3)
        direct.unknownErrors.increment(by: 4)
        direct.inFlight.set(5)
        drain.inFlight.set(6)
        for _ in 0..<2 { direct.delivered(3, bytes: 40, to: "t") }
        drain.delivered(1, bytes: 2, to: "t")
        for _ in 0..<3 { direct.deadLetter("t", code: "X") }
        direct.setAside(7, of: "t", code: "Y")
        direct.endToEnd.observe(0.02, count: 9)
        let expected = [
            "forebay_target_up{route=\"r\",stage=\"forward\"} 1",
            "forebay_redelivered_events_total{route=\"r\",stage=\"forward\",way=\"direct\"} 2",
            "forebay_delivery_rebuilds_total{route=\"r\",stage=\"forward\",way=\"direct\"} 3",
            "forebay_delivery_unknown_errors_total{route=\"r\",stage=\"forward\",way=\"direct\"} 4",
            "forebay_delivery_in_flight_events{route=\"r\",stage=\"forward\",way=\"direct\"} 5",
            "forebay_delivery_in_flight_events{route=\"r\",stage=\"forward\",way=\"aside\"} 6",
            "forebay_delivery_events_total{route=\"r\",stage=\"forward\",topic=\"t\",way=\"direct\"} 6",
            "forebay_delivery_bytes_total{route=\"r\",stage=\"forward\",topic=\"t\",way=\"direct\"} 80",
            "forebay_delivery_events_total{route=\"r\",stage=\"forward\",topic=\"t\",way=\"aside\"} 1",
            "forebay_dead_letters_total{code=\"X\",route=\"r\",stage=\"forward\",topic=\"t\",way=\"direct\"} 3",
            "forebay_set_aside_events_total{code=\"Y\",route=\"r\",stage=\"forward\",topic=\"t\",way=\"direct\"} 7",
            "forebay_delivery_end_to_end_seconds_count{route=\"r\",stage=\"forward\",way=\"direct\"} 9",
        ]
        #expect(Self.lines(registry).isSuperset(of: expected), "\(Set(expected).subtracting(Self.lines(registry)))")
    }

    @Test("times from acceptance to delivery are counted in buckets from a hundredth of a second to a day")
    func buckets() {
        let registry = MetricsRegistry()
        _ = DeliveryMetrics(registry: registry, of: DeliveryName(.forward, of: "r"), .direct)
        let bounds = ["0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "10", "60", "300", "1800", "7200", "86400", "+Inf"]
        let found = registry.render().split(separator: "\n").filter { $0.hasPrefix("forebay_delivery_end_to_end_seconds_bucket") }
            .compactMap { $0.split(separator: "le=\"").last?.split(separator: "\"").first.map(String.init) }
        #expect(found.map { $0.replacing(".0", with: "") } == bounds.map { $0.replacing(".0", with: "") })
    }

    @Test("of as many topics as the registry names, each is asked for once; what is beyond is told of each time", arguments: [500, 501])
    func keptTopics(count: Int) {
        let registry = MetricsRegistry()
        let metrics = DeliveryMetrics(registry: registry, of: DeliveryName(.forward, of: "r"), .direct)
        for _ in 0..<2 { for topic in 0..<count { metrics.delivered(1, bytes: 10, to: "topic-\(topic)") } }
        let overflow = Self.lines(registry).filter { $0.hasPrefix("forebay_metrics_label_overflow_total") }
        let expected = ["events", "bytes"].map { #"forebay_metrics_label_overflow_total{metric="forebay_delivery_\#($0)_total"} 2"# }
        #expect(overflow == (count > 500 ? Set(expected) : []))
    }

    @Test("however many topics there are, all their events are counted")
    func manyTopics() {
        let registry = MetricsRegistry()
        let metrics = DeliveryMetrics(registry: registry, of: DeliveryName(.forward, of: "r"), .direct)
        for round in 1...2 as ClosedRange<UInt64> {
            for topic in 0..<600 { metrics.delivered(round, bytes: 10, to: "topic-\(topic)") }
        }
        #expect(registry.total("forebay_delivery_events_total") == 1800 && registry.total("forebay_delivery_bytes_total") == 12_000)
    }
}
