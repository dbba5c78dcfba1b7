import ForebayNet
import ForebayTelemetry
import Testing

@testable import ForebayHTTP

@Suite("What an HTTP server tells")
struct HTTPReporterTests {
    private let registry = MetricsRegistry()
    private let log = LogCapture()

    private func reporter(_ name: String) -> HTTPReporter {
        HTTPReporter(HTTPMetrics(registry: self.registry, listener: name), name: name)
    }

    private func records(_ name: String) -> [LogRecord] { self.log.records(label: "http/\(name)") }

    @Test("a refusal is counted, and is in the log if it is the server's fault")
    func refused() {
        defer { self.log.close() }
        let reporter = self.reporter("reporter-refused")
        let id = RequestID(slot: 1, generation: 2, sequence: 3, traits: [])
        reporter.refused(id, .lineEnd)
        #expect(self.records("reporter-refused").isEmpty)
        reporter.refused(id, .memory(HTTPLimits()))
        let told = self.records("reporter-refused")
        #expect(told.count == 1 && told[0]["request_id"] == id.description && told[0]["code"] == "too_much_in_flight")
        let metrics = self.registry.render()
        for code in ["bad_line_end", "too_much_in_flight"] {
            #expect(metrics.contains("forebay_http_refused_total{code=\"\(code)\",listener=\"reporter-refused\"} 1\n"))
        }
    }

    @Test("an address that has too many connections is named")
    func turnedAway() {
        defer { self.log.close() }
        self.reporter("reporter-address").turnedAway(.host(9), .connections(HTTPConfiguration()), limit: 4)
        let told = self.records("reporter-address")
        #expect(told.count == 1 && told[0]["address"] == "127.0.0.9" && told[0]["limit"] == "4")
    }

    @Test("at the cap it says whether there is room", arguments: [true, false])
    func cap(hasRoom: Bool) {
        defer { self.log.close() }
        self.reporter("reporter-cap-\(hasRoom)").reachedCap(3, hasRoom: hasRoom)
        let told = self.records("reporter-cap-\(hasRoom)")
        #expect(told.count == 1 && told[0]["limit"] == "3" && told[0].message.hasSuffix(hasRoom ? "make room" : "wait"))
    }
}
