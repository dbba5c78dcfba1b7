package import ForebayTelemetry

/// What a log tells of itself. Side logs share the names.
package struct SpoolMetrics: Sendable {
    private let sync: Histogram
    private let groupEvents: Histogram
    private let bytes: Counter
    /// Of the readers.
    let read: Counter
    let corruption: Counter

    package init(_ registry: MetricsRegistry) {
        self.sync = registry.histogram(
            "forebay_spool_sync_duration_seconds", help: "Time to write and sync one group.",
            bounds: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5])
        self.groupEvents = registry.histogram(
            "forebay_spool_group_events", help: "Events made durable by one sync.",
            bounds: [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536])
        self.bytes = registry.counter("forebay_spool_written_bytes_total", help: "Bytes written to the spool, padding included.")
        self.read = registry.counter(
            "forebay_spool_read_bytes_total", help: "Bytes read from segments to deliver them; what several read together counts once.")
        self.corruption = registry.counter(
            "forebay_buffer_corruption_total", help: "Ranges of acknowledged events that could not be read any more.")
    }

    func synced(nanoseconds: UInt64, bytes: Int, events: UInt64) {
        self.sync.observe(Double(nanoseconds) / 1e9)
        self.groupEvents.observe(Double(events))
        self.bytes.increment(by: UInt64(bytes))
    }
}
