package import ForebayTelemetry
import Synchronization

/// What ingest counts. One for the process: it outlives the stage, and its successor goes on with it.
package final class IngestMetrics: Sendable {
    private let registry: MetricsRegistry
    private let requestCodes = Mutex<[Int: Counter]>([:])
    private let rejections = Mutex<[ProblemCode: Counter]>([:])
    let accepted: Counter
    /// Seconds from the whole request to its answer.
    let duration: Histogram
    /// What the requests that wait for their answers hold, in bytes.
    package let inFlight: Gauge
    /// Bytes of bodies that were accepted.
    let bytes: Counter
    let submissions: Counter

    package init(registry: MetricsRegistry) {
        self.registry = registry
        self.accepted = Self.requests(202, registry)
        self.duration = registry.histogram(
            "forebay_ingest_request_duration_seconds", help: "Time from a whole request to its answer.", bounds: Buckets.latency)
        self.inFlight = registry.gauge("forebay_ingest_in_flight_bytes", help: "Bytes that the requests hold which wait for their answers.")
        self.bytes = registry.counter("forebay_ingest_bytes_total", help: "Bytes of request bodies whose events were accepted.")
        self.submissions = registry.counter(
            "forebay_ingest_submissions_total", help: "Hand-overs to the buffer, each of all requests that one turn of the loop brought.")
        // From the start, so that an alert on its rate sees the first one.
        let refused = Self.requests(503, registry)
        self.requestCodes.withLock { codes in
            codes[202] = self.accepted
            codes[503] = refused
        }
    }

    /// Events accepted for a topic. The registry bounds the topics, what is beyond becomes `other`.
    ///
    /// - Parameter durability: what the answer promised, `durable` or `kafka`. Each event is counted once.
    func events(topic: String, durability: String) -> Counter {
        self.registry.counter(
            "forebay_ingest_events_total", help: "Events accepted, by what their answer promised.",
            labels: ["topic": topic, "durability": durability])
    }

    func requests(_ status: Int) -> Counter {
        self.requestCodes.withLock { codes in
            if let known = codes[status] { return known }
            let made = Self.requests(status, self.registry)
            codes[status] = made
            return made
        }
    }

    func rejected(_ code: ProblemCode) {
        let counter = self.rejections.withLock { rejections in
            if let known = rejections[code] { return known }
            let made = self.registry.counter(
                "forebay_ingest_rejected_total", help: "Requests refused, by the code of their problem document.",
                labels: ["reason": code.rawValue])
            rejections[code] = made
            return made
        }
        counter.increment()
        self.requests(code.status).increment()
    }

    private static func requests(_ status: Int, _ registry: MetricsRegistry) -> Counter {
        registry.counter("forebay_ingest_requests_total", help: "Requests answered, by status.", labels: ["code": String(status)])
    }
}
