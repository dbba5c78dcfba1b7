/// A whole configuration, checked: every name in it exists, every number is within its bounds. Sizes are bytes.
///
/// Each section has a file beside this one, with its keys and what they mean, the struct that they fill, and what must hold between
/// them. To add a key: a row, a property and its reading in that file; `dev/docs` writes the example and the reference page anew.
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

extension ForebayConfiguration {
    /// In the order in which people should meet them.
    static let parts: [any ConfigurationPart.Type] = [
        NodeConfiguration.self, LogConfiguration.self, ListenersConfiguration.self, LimitsConfiguration.self, ClusterConfiguration.self,
        BufferConfiguration.self, RouteConfiguration.self, TopicConfiguration.self, DeliveryConfiguration.self, ShutdownConfiguration.self,
    ]

    /// Every key there is.
    package static let entries: [ConfigurationEntry] =
        [
            .key(
                "version", .integer(1...1), .required, example: "1", takesEnvironment: false,
                "The version of this file's format. Always 1.")
        ] + Self.parts.flatMap { $0.entries }

    init(_ values: ConfigurationDecoder) {
        func named<Part>(_ section: String, _ part: (String, ConfigurationDecoder) -> Part) -> [String: Part] {
            Dictionary(uniqueKeysWithValues: values.names(in: section).map { ($0, part($0, values)) })
        }
        self.init(
            node: NodeConfiguration(values), log: LogConfiguration(values), listeners: ListenersConfiguration(values),
            limits: LimitsConfiguration(values), clusters: named("clusters", ClusterConfiguration.init),
            buffer: BufferConfiguration(values),
            routes: values.names(in: "routes").map { RouteConfiguration($0, values) }, topics: named("topics", TopicConfiguration.init),
            delivery: DeliveryConfiguration(values), shutdown: ShutdownConfiguration(values))
    }
}
