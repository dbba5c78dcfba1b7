/// What the cluster says of its topics.
package struct KafkaMetadata: Sendable, Equatable {
    package struct Topic: Sendable, Equatable {
        package let name: String
        package let error: KafkaErrorCode
        /// The leader of each partition, by its number; none: it has no leader now.
        package let leaders: [Int32?]

        package init(name: String, error: KafkaErrorCode, leaders: [Int32?]) {
            self.name = name
            self.error = error
            self.leaders = leaders
        }
    }

    /// The ids of those that the cluster knows.
    package let brokers: [Int32]
    package let topics: [Topic]
    /// What the cluster calls itself, whatever address it is asked by; none: it did not say.
    package let cluster: String?

    package init(brokers: [Int32], topics: [Topic], cluster: String? = nil) {
        self.brokers = brokers
        self.topics = topics
        self.cluster = cluster
    }
}

/// How far an event's time may be from the brokers' clock, in ms; none: not told.
package struct KafkaTimeLimits: Sendable, Equatable {
    /// `message.timestamp.before.max.ms`.
    package var before: Int64?
    /// `message.timestamp.after.max.ms`.
    package var after: Int64?

    package init(before: Int64? = nil, after: Int64? = nil) {
        (self.before, self.after) = (before, after)
    }
}

/// How large a batch a topic takes, and which times.
package struct KafkaTopicLimit: Sendable, Equatable {
    package let topic: String
    /// `max.message.bytes`; none: the cluster does not tell (no permission, or the mock).
    package let bytes: Int?
    package let times: KafkaTimeLimits
    package let error: KafkaErrorCode

    /// Without a limit: whether to ask again, or the cluster won't tell (no permission, no such request).
    package var mayBeToldLater: Bool { self.bytes == nil && KafkaFate(of: self.error) == .wait }

    /// A broker said this, whatever it is; otherwise the client did, for none answered.
    package var isOfBroker: Bool { self.error.isOfBroker }

    /// This client has no DescribeConfigs on it.
    package var isForbidden: Bool { self.bytes == nil && self.error == .topicAuthorizationFailed }

    package init(topic: String, bytes: Int?, times: KafkaTimeLimits = KafkaTimeLimits(), error: KafkaErrorCode) {
        self.topic = topic
        self.bytes = bytes
        self.times = times
        self.error = error
    }
}
