import ForebayTelemetry

/// What becomes of the events that producers post to one topic: worked out once, then asked per event.
final class TopicTarget {
    /// As producers call it.
    let name: String
    /// The index of its route in the configuration.
    let route: Int
    let rules: TopicRules
    private let spelling: TopicSpelling

    /// Among those with unsettled events; none before its first event.
    var use: TopicUse?
    var counted = CountedPlace()
    /// Made when the first event was accepted, so that a name that nobody accepted makes no series.
    private var accepted: Counter?

    init(name: UnsafeRawBufferPointer, hash: UInt64, route: Int, topic: IngestConfiguration.Topic?, maximumEvent: Int) {
        self.name = String(decoding: name, as: UTF8.self)
        self.route = route
        self.rules = TopicRules(of: self.name, topic, maximumEvent: maximumEvent)
        self.spelling = TopicSpelling(posted: name, hash: hash, renamed: topic?.rename)
    }

    /// As it is stored and delivered; lives as long as this object.
    var storedName: UnsafeRawBufferPointer { self.spelling.stored }
    var hash: UInt64 { self.spelling.hash }

    @inline(__always)
    func isNamed(_ name: UnsafeRawBufferPointer, hash: UInt64) -> Bool { self.spelling.isPosted(name, hash: hash) }

    /// So many events more were accepted, and their answers promise no more than that they are durable.
    func count(_ events: Int, in metrics: IngestMetrics) {
        let counter = self.accepted ?? metrics.events(topic: self.name, durability: "durable")
        self.accepted = counter
        counter.increment(by: UInt64(events))
    }
}
