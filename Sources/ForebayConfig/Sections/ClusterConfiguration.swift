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

extension ClusterConfiguration: ConfigurationPart {
    static let entries: [ConfigurationEntry] = [
        .names(
            "clusters", of: "<name>", example: "main", isNeeded: true,
            "The Kafka clusters, by names of your own. Every property of librdkafka passes through, except those that the delivery promise "
                + "rests on."
        ),
        .names(
            "clusters.<name>.properties", of: "<property>", example: "bootstrap.servers", isNeeded: true,
            "librdkafka's properties for every client of this cluster. Secrets (sasl.password, ssl.key.password …) may be given as "
                + "<property>_file with the path of a file that holds them."),
        .key(
            "clusters.<name>.properties.<property>", .property, .optional("librdkafka's default"), example: "127.0.0.1:9092",
            "A property as librdkafka's CONFIGURATION.md has it: numbers are plain, in the unit of the property, so linger.ms: 5 and never 5ms. "
                + "bootstrap.servers is needed, here or in producer. One that has two names (linger.ms, queue.buffering.max.ms) is given under one."
        ),
        .names(
            "clusters.<name>.producer", of: "<property>", example: "compression.type", isNeeded: false,
            "The same for producers only; it wins over properties."),
        .key(
            "clusters.<name>.producer.<property>", .property, .optional("librdkafka's default"), example: "zstd",
            "A property for producers, such as compression.type or linger.ms. queue.buffering.max.kbytes may not be below limits.event."),
        .names("clusters.<name>.consumer", of: "<property>", example: "", isNeeded: false, "The same for consumers only."),
        .notYet("clusters.<name>.consumer.<property>", "Properties for consumers; nothing consumes from Kafka."),
    ]

    init(_ name: String, _ values: ConfigurationDecoder) {
        let cluster = values.below("clusters", name)
        let producer = cluster.properties("producer")
        let files = cluster.secretFiles("properties").filter { producer[$0.key] == nil }
        self.init(
            name: name, properties: cluster.properties("properties"), producer: producer,
            secretFiles: files.merging(cluster.secretFiles("producer")) { $1 })
    }

    static func check(_ checks: inout ConfigurationChecks) {
        for (name, origin) in checks.settings.names(in: "clusters") {
            ClusterChecks(name, origin, checks).check(&checks)
        }
    }
}
