/// What the events of one topic must be.
struct TopicRules {
    /// Where the key stands in a JSON value that comes without one.
    let key: JSONPath?
    let requiresJSON: Bool
    /// Bytes of an event: key, value, headers and id together.
    private let maximumEvent: Int
    /// The key of the configuration that says so, for people.
    private let maximumEventKey: String

    /// - Parameters:
    ///   - name: of the topic, as producers call it.
    ///   - topic: what is set for it.
    ///   - maximumEvent: of all topics, the upper bound.
    init(of name: String, _ topic: IngestConfiguration.Topic?, maximumEvent: Int) {
        self.key = topic?.key
        self.requiresJSON = topic?.valueIsJSON ?? false
        self.maximumEvent = min(maximumEvent, topic?.maximumEvent ?? maximumEvent)
        self.maximumEventKey = self.maximumEvent < maximumEvent ? "topics.\(name).max_event" : "limits.event"
    }

    /// - Throws: 413 for an event that is too large.
    @inline(__always)
    func check(size: Int, event index: Int) throws(Refusal) {
        guard size > self.maximumEvent else { return }
        throw Refusal(
            .eventTooLarge, "\(size) bytes with key and headers, at most \(self.maximumEvent) are allowed (\(self.maximumEventKey))",
            event: index)
    }
}
