import ForebayCore

/// Bounds and defaults of ingest, and what goes where. Sizes in bytes, times in milliseconds.
package struct IngestConfiguration: Sendable {
    package struct Route: Sendable {
        package var name: String
        /// Topic names; the last character may be `*`, for all that begin so.
        package var topics: [String]
        /// Topics that may have unsettled events at a time. See ``UnsettledTopics``.
        package var maximumTopics: Int

        package init(name: String, topics: [String], maximumTopics: Int = 10_000) {
            self.name = name
            self.topics = topics
            self.maximumTopics = maximumTopics
        }
    }

    /// What is set for one topic, by the name that producers use.
    package struct Topic: Sendable {
        /// Where the key stands in a JSON value that comes without one.
        package var key: JSONPath?
        /// Below ``Limits/event``, which stays the upper bound.
        package var maximumEvent: Int?
        /// The topic's name from here on. The route is that of the name producers use.
        package var rename: String?
        /// Values must be JSON, whatever the request says they are.
        package var valueIsJSON: Bool

        package init(key: JSONPath? = nil, maximumEvent: Int? = nil, rename: String? = nil, valueIsJSON: Bool = false) {
            self.valueIsJSON = valueIsJSON
            self.key = key
            self.maximumEvent = maximumEvent
            self.rename = rename
        }
    }

    package struct Limits: Sendable {
        /// Of one request's body.
        package var body = 8 << 20
        /// Of one event: key, value, headers and id together.
        package var event = 960 << 10
        package var eventsPerRequest = 10_000
        /// What the requests that wait for their answer hold: their bodies, or what those became where that is more.
        package var inFlight = 32 << 20
        package var headersPerEvent = 100
        package var timestamp = TimestampRule.near

        package init() {}

        /// Of the records of one request. Each has some bytes of its own beside the body's, and repeats the request's header fields;
        /// without a bound a small body with many events and large fields would become hundreds of megabytes.
        var records: Int { 2 * self.body + self.eventsPerRequest * (RecordLayout.fixed + TopicName.maximumLength) }
    }

    /// An exact name beats the longest prefix, which beats `*`.
    package var routes: [Route]
    package var topics: [String: Topic]
    package var limits = Limits()

    /// How long sockets are left unread when too much is in flight, before new requests get 503.
    package var patience = 1000
    /// How long requests wait for a buffer that takes nothing, before they get 503.
    package var heldPatience = 10_000
    /// How long requests wait for a buffer that has them and does not say that they are durable, before they get 503 `outcome_unknown`.
    package var commitPatience = 30_000
    /// How long a refusal by the buffer (a full spool) is repeated before the next request may try again.
    package var refusalPause = 500
    /// Of `?ack=kafka` without `Prefer: wait`.
    package var defaultWait = 10_000
    package var maximumWait = 60_000
    /// A batch is closed at about this size, which is the largest frame that the spool likes to write.
    package var batch = 1 << 20

    package init(routes: [Route], topics: [String: Topic] = [:]) {
        self.routes = routes
        self.topics = topics
    }
}
