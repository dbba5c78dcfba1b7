import Testing

@testable import ForebayTelemetry

@Suite("Metrics")
struct MetricsTests {
    @Test("the same name and labels give the same object, in any order of the labels")
    func sameObject() {
        let registry = MetricsRegistry()
        let first = registry.counter("a_total", help: "A.", labels: ["x": "1", "y": "2"])
        #expect(registry.counter("a_total", help: "A.", labels: ["y": "2", "x": "1"]) === first)
        #expect(registry.counter("a_total", help: "A.", labels: ["x": "2", "y": "2"]) !== first)
        #expect(registry.gauge("b", help: "B.") === registry.gauge("b", help: "B."))
        #expect(registry.histogram("c", help: "C.", bounds: [1]) === registry.histogram("c", help: "C.", bounds: [1]))
    }

    @Test("no increment is lost among threads")
    func threads() async {
        let registry = MetricsRegistry()
        let counter = registry.counter("a_total", help: "A.")
        let gauge = registry.gauge("b", help: "B.")
        let histogram = registry.histogram("c", help: "C.", bounds: Buckets.latency)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<10_000 {
                        counter.increment()
                        gauge.add(1)
                        histogram.observe(0.5)
                    }
                }
            }
        }
        #expect(counter.value == 80_000)
        #expect(gauge.value == 80_000)
        #expect(histogram.count == 80_000)
        #expect(histogram.sum == 40_000)
    }

    @Test("a value on a bound belongs to its bucket; what is above all bounds to the last")
    func buckets() {
        let histogram = Histogram(bounds: [1, 2, 5])
        for value in [0.5, 1, 1.5, 2, 5, 5.1, 100] { histogram.observe(value) }
        histogram.observe(3, count: 10)
        #expect(histogram.cumulative == [2, 4, 15, 17])
        #expect(histogram.count == 17)
        #expect(abs(histogram.sum - 145.1) < 1e-9)
    }

    @Test("a clock set back and a NaN do no harm")
    func oddValues() {
        let histogram = Histogram(bounds: [1])
        histogram.observe(-5)
        histogram.observe(.nan)
        histogram.observe(1, count: 0)
        #expect(histogram.cumulative == [1, 1])
        #expect(histogram.sum == 0)
    }

    @Test("shared bounds rise and span what they say")
    func sharedBounds() {
        for bounds in [Buckets.latency, Buckets.sync, Buckets.endToEnd, Buckets.sizes, Buckets.counts] {
            #expect(zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 })
        }
        #expect(Buckets.sizes.last == Double(16 << 20))
        #expect(Buckets.endToEnd.last == 86_400)
    }

    @Test("a label has at most 500 values, the rest is 'other' and counted; other labels keep theirs")
    func labelCap() {
        let registry = MetricsRegistry()
        for index in 0..<700 {
            for kind in ["durable", "kafka"] {
                registry.counter("a_total", help: "A.", labels: ["topic": "t\(index)", "durability": kind]).increment()
            }
        }
        #expect(registry.counter("a_total", help: "A.", labels: ["topic": "t9", "durability": "kafka"]).value == 1)
        #expect(registry.counter("a_total", help: "A.", labels: ["topic": "other", "durability": "kafka"]).value == 200)
        let text = registry.render()
        #expect(text.split(separator: "\n").filter { $0.hasPrefix("a_total{") }.count == 1002)
        #expect(text.contains(#"forebay_metrics_label_overflow_total{metric="a_total"} 400"#))
    }

    @Test("a gauge that is read asks the newest closure")
    func readGauge() {
        let registry = MetricsRegistry()
        registry.gauge("a", help: "A.", read: { 1 })
        registry.gauge("a", help: "A.", read: { 2 })
        #expect(registry.render().contains("\na 2\n"))
    }

    @Test("a closure may itself ask for metrics, and hooks run before each rendering")
    func reentrant() {
        let registry = MetricsRegistry()
        let gauge = registry.gauge("b", help: "B.")
        registry.gauge("a", help: "A.") { [unowned registry] in Double(registry.counter("c_total", help: "C.").value) }
        registry.beforeRender { gauge.add(1) }
        _ = registry.render()
        #expect(registry.render().contains("\nb 2\n"))
    }

    @Test("mistakes in our own code trap: another kind, other labels, other bounds, a bad name")
    func mistakes() async {
        await #expect(processExitsWith: .failure) {
            let registry = MetricsRegistry()
            _ = registry.counter("a_total", help: "A.")
            registry.gauge("a_total", help: "A.").set(1)
        }
        await #expect(processExitsWith: .failure) {
            let registry = MetricsRegistry()
            _ = registry.counter("a_total", help: "A.")
            _ = registry.counter("a_total", help: "A.", labels: ["x": "1"])
        }
        await #expect(processExitsWith: .failure) {
            let registry = MetricsRegistry()
            _ = registry.histogram("a", help: "A.", bounds: [1])
            _ = registry.histogram("a", help: "A.", bounds: [2])
        }
        await #expect(processExitsWith: .failure) { _ = MetricsRegistry().counter("a", help: "No _total.") }
        await #expect(processExitsWith: .failure) { _ = MetricsRegistry().gauge("a-b", help: "No dash.") }
        await #expect(processExitsWith: .failure) { _ = MetricsRegistry().histogram("a", help: "No le.", labels: ["le": "1"], bounds: [1]) }
    }
}
