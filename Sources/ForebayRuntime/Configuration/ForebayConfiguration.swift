package import ForebayIngest
package import ForebayTelemetry

/// A whole configuration, checked: every name in it exists, every number is within its bounds. Sizes are bytes.
package struct ForebayConfiguration: Sendable, Equatable {
    package var node: NodeConfiguration
    package var log: LogConfiguration
    package var listeners: ListenersConfiguration
    package var limits: LimitsConfiguration
    /// By name. Every route's cluster is among them.
    package var clusters: [String: ClusterConfiguration]
    package var buffer: BufferConfiguration
    /// In the order of the files; at least one, no pattern twice.
    package var routes: [RouteConfiguration]
    /// By the topic's name as producers use it.
    package var topics: [String: TopicConfiguration]
    package var delivery: DeliveryConfiguration
    package var shutdown: ShutdownConfiguration
}

package struct NodeConfiguration: Sendable, Equatable {
    package var name: String
    /// As it was written: relative to the working directory, if relative.
    package var dataDirectory: String
}

package struct LogConfiguration: Sendable, Equatable {
    package enum Format: String, Sendable { case auto, text, json }

    package var level: LogLevel
    package var format: Format
}

package struct ListenersConfiguration: Sendable, Equatable {
    package var ingest: ListenerConfiguration
    package var admin: ListenerConfiguration
    /// Whether the ingest listener answers the probes too.
    package var ingestProbes = false
    /// What the admin listener may be called, beside addresses and `localhost`.
    package var adminNames: [String] = []
    package var health: HealthListenerConfiguration?
}

/// A listener for probes alone.
package struct HealthListenerConfiguration: Sendable, Equatable {
    package var address: ListenerAddress
    package var hasMetrics: Bool
}

package struct ListenerConfiguration: Sendable, Equatable {
    package var address: ListenerAddress
}

package struct LimitsConfiguration: Sendable, Equatable {
    package var body: Int
    package var event: Int
    package var inFlight: Int
    package var eventsPerRequest: Int
    package var header: Int
    package var requestTimeoutMilliseconds: Int
    package var idleTimeoutMilliseconds: Int
    package var connections: Int
    /// 0: no cap.
    package var connectionsPerAddress: Int
    package var awaitingKafka: Int
    package var timestamp: TimestampRule
}

/// librdkafka's properties, secrets read from their files.
package struct ClusterConfiguration: Sendable, Equatable {
    package var name: String
    /// For every client.
    package var properties: [String: String]
    /// For producers; they win over `properties`.
    package var producer: [String: String]
    /// The files that secrets among them were read from, by property: they may be replaced while the node runs.
    package var secretFiles: [String: String] = [:]

    /// What a producer of this cluster is made with.
    package var producerProperties: [String: String] { self.properties.merging(self.producer) { $1 } }
}

extension ClusterConfiguration: CustomStringConvertible {
    /// Without the secrets, whoever prints it.
    package var description: String {
        let shown = self.producerProperties.sorted { $0.key < $1.key }.map {
            "\($0.key)=\(KafkaSecrets.isSecret($0.key) ? "***" : $0.value)"
        }
        return "\(self.name) (\(shown.joined(separator: ", ")))"
    }
}

package struct BufferConfiguration: Sendable, Equatable {
    package var spool: SpoolConfiguration
}

package struct SpoolConfiguration: Sendable, Equatable {
    /// At most `maxSize` / 8.
    package var segment: Int
    package var maxSize: Int
}

package struct RouteConfiguration: Sendable, Equatable {
    package var name: String
    package var topics: [TopicPattern]
    /// Topics with unsettled events at a time.
    package var maxTopics: Int
    /// Names that it had before, whose cursors, side logs and backlog it takes over. None of them is a route, or another route's too.
    package var formerly: [String] = []
    package var forward: ForwardTargetConfiguration
}

package struct ForwardTargetConfiguration: Sendable, Equatable {
    /// A cluster's name.
    package var to: String
}

package struct TopicConfiguration: Sendable, Equatable {
    package var name: String
    /// Where the key stands in a JSON event, `$.order_id`; none: events have no key of their own.
    package var key: String?
    /// At most `limits.event`, which is the default.
    package var maxEvent: Int
    /// The topic's name in Kafka.
    package var target: String
    /// Its values must be JSON, whatever a request says they are.
    package var valueIsJSON: Bool
}

package struct DeliveryConfiguration: Sendable, Equatable {
    package var window: Int
    package var partitionWindow: Int
    package var readAhead: Int
    /// A partition that stands still for so long is set aside.
    package var partitionPatienceMilliseconds: Int
    /// The longest wait between two tries of what is set aside.
    package var retryMilliseconds: Int
}

package struct ShutdownConfiguration: Sendable, Equatable {
    package var timeoutMilliseconds: Int
}
