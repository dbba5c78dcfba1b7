package import ForebayTelemetry

/// What an HTTP server counts. Accepted = open + closed.
package final class HTTPMetrics {
    let accepted: Counter
    let closed: Counter
    let open: Gauge
    let lingering: Gauge
    let held: Gauge
    let requests: Counter
    private let registry: MetricsRegistry
    private let listener: String
    private var lingeringCount = 0
    private var refused: [String: Counter] = [:]
    private var cut: [String: Counter] = [:]

    /// - Parameter listener: The value of the label `listener`.
    package init(registry: MetricsRegistry, listener: String) {
        self.registry = registry
        self.listener = listener
        func counter(_ name: String, _ help: String) -> Counter { registry.counter(name, help: help, labels: ["listener": listener]) }
        func gauge(_ name: String, _ help: String) -> Gauge { registry.gauge(name, help: help, labels: ["listener": listener]) }
        self.accepted = counter("forebay_http_connections_accepted_total", "Connections accepted.")
        self.closed = counter("forebay_http_connections_closed_total", "Connections closed, by either side.")
        self.requests = counter("forebay_http_requests_total", "Whole requests given to a handler.")
        self.open = gauge("forebay_http_connections", "Open connections.")
        self.lingering = gauge("forebay_http_connections_lingering", "Connections that wait for a refused client to stop sending.")
        self.held = gauge("forebay_http_held_bytes", "Memory held for unfinished requests and unread answers.")
        // These tell that producers are refused. Who watches a rate sees the first one only of a counter that was there before.
        for code in HTTPRefusal.unavailableCodes { self.refused[code] = self.refusals(code) }
    }

    func lingerBegan() { self.countLingering(1) }

    func lingerEnded() { self.countLingering(-1) }

    private func countLingering(_ more: Int) {
        self.lingeringCount += more
        self.lingering.set(self.lingeringCount)
    }

    /// Refused by the HTTP layer itself. The codes are those of ``HTTPRefusal``: few, and constant.
    func refused(_ code: String) {
        Self.count(&self.refused, code, make: self.refusals)
    }

    private func refusals(_ code: String) -> Counter {
        self.registry.counter(
            "forebay_http_refused_total", help: "Requests refused before a handler saw them.",
            labels: ["listener": self.listener, "code": code])
    }

    /// Cut off without an answer.
    func cut(_ reason: String) {
        Self.count(&self.cut, reason) {
            self.registry.counter(
                "forebay_http_connections_cut_total", help: "Connections ended for what the client did, or did not do.",
                labels: ["listener": self.listener, "reason": $0])
        }
    }

    private static func count(_ counters: inout [String: Counter], _ key: String, make: (String) -> Counter) {
        let counter = counters[key] ?? make(key)
        counters[key] = counter
        counter.increment()
    }
}
