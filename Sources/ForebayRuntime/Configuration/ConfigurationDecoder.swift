import ForebayIngest
import ForebayTelemetry

/// Fills the structs from values that have been checked, so nothing here can fail but by our own mistake: a path that the schema lacks.
struct ConfigurationDecoder {
    private let settings: ConfigurationSettings
    private let values: ConfigurationValues

    init(_ settings: ConfigurationSettings, _ values: ConfigurationValues) {
        self.settings = settings
        self.values = values
    }

    func configuration() -> ForebayConfiguration {
        ForebayConfiguration(
            node: NodeConfiguration(name: self.text("node.name"), dataDirectory: self.text("node.data_dir")),
            log: LogConfiguration(
                level: LogLevel(rawValue: self.text("log.level"))!, format: LogConfiguration.Format(rawValue: self.text("log.format"))!),
            listeners: ListenersConfiguration(
                ingest: ListenerConfiguration(address: self.values.address("listeners", "ingest", "address")!),
                admin: ListenerConfiguration(address: self.values.address("listeners", "admin", "address")!),
                ingestProbes: self.text("listeners.ingest.probes") == "true",
                adminNames: self.values.setting("listeners", "admin", "names")?.texts ?? [],
                health: self.values.address("listeners", "health", "address").map {
                    HealthListenerConfiguration(address: $0, hasMetrics: self.text("listeners.health.metrics") == "true")
                }),
            limits: self.limits(),
            clusters: self.clusters(),
            buffer: BufferConfiguration(
                spool: SpoolConfiguration(segment: self.number("buffer.spool.segment"), maxSize: self.number("buffer.spool.max_size"))),
            routes: self.settings.names(in: "routes").map { self.route($0.name) },
            topics: self.topics(),
            delivery: DeliveryConfiguration(
                window: self.number("delivery.window"), partitionWindow: self.number("delivery.partition_window"),
                readAhead: self.number("delivery.read_ahead"),
                partitionPatienceMilliseconds: self.number("delivery.set_aside.partition_after"),
                retryMilliseconds: self.number("delivery.set_aside.retry")),
            shutdown: ShutdownConfiguration(timeoutMilliseconds: self.number("shutdown.timeout")))
    }

    private func limits() -> LimitsConfiguration {
        LimitsConfiguration(
            body: self.number("limits.body"), event: self.number("limits.event"), inFlight: self.number("limits.in_flight"),
            eventsPerRequest: self.number("limits.events_per_request"), header: self.number("limits.header"),
            requestTimeoutMilliseconds: self.number("limits.request_timeout"),
            idleTimeoutMilliseconds: self.number("limits.idle_timeout"), connections: self.number("limits.connections"),
            connectionsPerAddress: self.number("limits.connections_per_address"), awaitingKafka: self.number("limits.awaiting_kafka"),
            timestamp: TimestampRule(rawValue: self.text("limits.timestamp"))!)
    }

    private func clusters() -> [String: ClusterConfiguration] {
        var clusters: [String: ClusterConfiguration] = [:]
        for (name, _) in self.settings.names(in: "clusters") {
            let producer = self.values.properties("clusters", name, "producer")
            let files = self.values.secretFiles("clusters", name, "properties").filter { producer[$0.key] == nil }
            clusters[name] = ClusterConfiguration(
                name: name, properties: self.values.properties("clusters", name, "properties"), producer: producer,
                secretFiles: files.merging(self.values.secretFiles("clusters", name, "producer")) { $1 })
        }
        return clusters
    }

    private func route(_ name: String) -> RouteConfiguration {
        RouteConfiguration(
            name: name, topics: self.values.patterns("routes", name, "topics")!,
            maxTopics: self.values.number("routes", name, "max_topics")!,
            formerly: self.values.setting("routes", name, "formerly")?.texts ?? [],
            forward: ForwardTargetConfiguration(to: self.values.text("routes", name, "forward", "to")!))
    }

    private func topics() -> [String: TopicConfiguration] {
        var topics: [String: TopicConfiguration] = [:]
        for (name, _) in self.settings.names(in: "topics") {
            topics[name] = TopicConfiguration(
                name: name, key: self.values.text("topics", name, "key"),
                maxEvent: self.values.number("topics", name, "max_event") ?? self.number("limits.event"),
                target: self.values.text("topics", name, "rename") ?? name,
                valueIsJSON: self.values.text("topics", name, "value") == "json")
        }
        return topics
    }

    private func number(_ path: String) -> Int {
        guard case .number(let number)? = self.setting(path).values.first else { preconditionFailure("\(path) is not a number") }
        return number
    }

    private func text(_ path: String) -> String {
        self.setting(path).texts[0]
    }

    private func setting(_ path: String) -> ResolvedSetting {
        guard let setting = self.values.settings[ConfigurationPath(path.split(separator: ".").map(String.init))] else {
            preconditionFailure("the schema has no \(path)")
        }
        return setting
    }
}
