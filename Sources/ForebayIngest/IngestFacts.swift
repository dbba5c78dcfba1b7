import ForebayCore
import ForebayTelemetry

/// What ingest tells of itself, to whomever asks on any thread.
struct IngestFacts: Sendable {
    private let inFlight: Gauge
    private let waiters: DeliveryWaiters

    init(_ metrics: IngestMetrics, _ waiters: DeliveryWaiters) {
        self.inFlight = metrics.inFlight
        self.waiters = waiters
    }

    /// What the requests that wait for their answers hold now, in bytes.
    func tell(inFlight bytes: Int) {
        self.inFlight.set(bytes)
    }

    var all: [Fact] {
        [
            Fact("in_flight_bytes", .number(Int64(self.inFlight.value))),
            Fact("waiting_for_kafka", .flag(!self.waiters.isEmpty)),
        ]
    }
}
