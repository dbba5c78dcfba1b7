import ForebayBuffer
import ForebayConfig
import ForebayCore
import ForebayDelivery
import ForebayForward
import ForebayIngest
import ForebayKafka
import ForebayNet
import ForebaySpool
import ForebayTelemetry

/// One route of a node: where its events come from, what of it is set aside, and the two stages that deliver both.
struct NodeRoute: Sendable {
    let name: String
    let source: SpoolSource
    let setAside: NodeSetAside
    let cursor: SpoolCursor
    private let deadLetters: DeadLetters
    private let properties: KafkaProperties
    private let bounds: DeliverySettings

    static func all(
        _ configuration: ForebayConfiguration, _ storage: NodeStorage, _ loop: EventLoop, _ metrics: MetricsRegistry,
        isolation: isolated (any Actor)? = #isolation
    ) async throws -> [String: NodeRoute] {
        // All before any is used: a cursor that counted the events of a name that is in use again is another one afterwards.
        for route in configuration.routes { _ = try await Self.cursor(route, storage) }
        var routes: [String: NodeRoute] = [:]
        for route in configuration.routes {
            routes[route.name] = try NodeRoute(route, await Self.cursor(route, storage), configuration, storage, loop)
            routes[route.name]?.register(metrics)
        }
        NodeSetAside.order(routes.mapValues(\.setAside), configuration)
        let all = Array(routes.values)
        metrics.gauge("forebay_buffer_oldest_event_age_seconds", help: "Age of the oldest event that is not settled; 0 if none waits.") {
            all.compactMap(\.source.oldestAge).max() ?? 0
        }
        return routes
    }

    private static func cursor(_ route: RouteConfiguration, _ storage: NodeStorage) async throws(ForebayError) -> SpoolCursor {
        try await storage.spool.cursor(
            DeliveryName(.forward, of: route.name).cursor, route: RouteID(name: route.name),
            formerly: route.formerly.map { DeliveryName(.forward, of: $0).cursor })
    }

    private init(
        _ route: RouteConfiguration, _ cursor: SpoolCursor, _ configuration: ForebayConfiguration, _ storage: NodeStorage,
        _ loop: EventLoop
    ) throws {
        guard let cluster = configuration.clusters[route.forward.to], let letters = storage.deadLetters[route.name],
            let log = storage.setAside[route.name]
        else { preconditionFailure("a route without its parts: the configuration was not checked") }
        self.name = route.name
        self.deadLetters = letters
        self.properties = KafkaProperties(
            client: cluster.properties, producer: cluster.producer, secretFiles: cluster.secretFiles)
        self.bounds = DeliverySettings(configuration.delivery)
        self.cursor = cursor
        let readAhead = configuration.delivery.readAhead
        let ahead = try self.cursor.openAhead(
            end: storage.spool.durableEnd, witnesses: [log.witness, letters.witness].compactMap { $0 })
        self.source = SpoolSource(
            spool: storage.spool, cursor: self.cursor, executor: loop.executor(), threads: storage.threads,
            configuration: ForebayBuffer.BufferConfiguration(
                readAheadBytes: readAhead, windowBytes: configuration.delivery.window), surroundings: .real, ahead: ahead)
        let (properties, bounds) = (self.properties, self.bounds)
        self.setAside = NodeSetAside(
            logs: ((storage.formerSetAside[route.name] ?? []) + [(route.name, log)]).map { name, log in
                let setAside = SetAside(route: name, log: log, properties: properties, configuration: bounds, surroundings: .real)
                return NodeSetAside.Log(
                    name: name, setAside: setAside,
                    source: SetAsideSource(
                        setAside, executor: storage.threads.side.executor(), readAheadBytes: readAhead, surroundings: .real))
            })
    }

    /// Starts the stages: one delivers what comes from the spool, the others drain what is set aside, one for each log.
    func start(
        _ supervisor: Supervisor, _ waiters: DeliveryWaiters, _ budget: DeliveryBudget, _ loop: EventLoop, _ metrics: MetricsRegistry
    ) async {
        await supervisor.start(DeliveryName(.forward, of: self.name).cursor, group: "delivery") {
            self.stage(.direct, self.source, self.setAside.own, waiters, budget, loop, metrics)
        }
        // Whoever asked to wait for Kafka was answered when the event was set aside.
        let nobody = DeliveryWaiters(limit: 0)
        for log in self.setAside.logs {
            await supervisor.start("setaside/\(log.name)", group: "delivery") {
                self.stage(.aside, log.source, log, nobody, budget, loop, metrics)
            }
        }
    }

    private func stage(
        _ way: DeliveryWay, _ source: any EventSource, _ log: NodeSetAside.Log, _ waiters: DeliveryWaiters, _ budget: DeliveryBudget,
        _ loop: EventLoop, _ metrics: MetricsRegistry
    ) -> ForwardStage {
        ForwardStage(
            DeliveryEngine(
                way, route: log.name, source: source, producers: KafkaProducers(loop: loop), properties: self.properties,
                deadLetters: self.deadLetters, setAside: log.setAside, waiters: waiters, budget: budget, settings: self.bounds,
                loop: loop, metrics: metrics, surroundings: .real))
    }

    /// What ingest asks before it takes further topics.
    var settled: UnsettledTopics.Settled {
        let (source, setAside) = (self.source, self.setAside)
        return UnsettledTopics.Settled(end: { source.cursor.number }, setAside: { setAside.topics })
    }

    /// Ends the reading; the stages that read have ended.
    func close() {
        self.source.close()
        for log in self.setAside.logs { log.source.close() }
    }

    static let lagHelp = "Events accepted and not settled yet."
    static let setAsideHelp = "Events set aside because they can't be delivered now."

    private func register(_ metrics: MetricsRegistry) {
        let (source, setAside) = (self.source, self.setAside)
        func gauge(_ name: String, _ help: String, stage: String? = nil, _ value: @escaping @Sendable () -> Double) {
            if let stage {
                metrics.gauge(name, help: help, labels: ["stage": stage, "route": self.name], read: value)
            } else {
                metrics.gauge(name, help: help, labels: ["route": self.name], read: value)
            }
        }
        let lag = ("forebay_delivery_lag_events", Self.lagHelp)
        gauge(lag.0, lag.1, stage: "forward") { Double(source.waiting) }
        gauge(lag.0, lag.1, stage: "setaside") { Double(setAside.events) }
        gauge("forebay_set_aside_events", Self.setAsideHelp) { Double(setAside.events) }
        gauge("forebay_set_aside_bytes", "Bytes of the events set aside, about.") { Double(setAside.bytes) }
        gauge("forebay_set_aside_units", "Topics, or single partitions, of which events are set aside.") { Double(setAside.unitCount) }
        gauge("forebay_set_aside_oldest_event_age_seconds", "Age of the oldest event set aside; 0 if there is none.") {
            setAside.oldestAge ?? 0
        }
    }
}

extension DeliverySettings {
    init(_ delivery: DeliveryConfiguration) {
        self.init()
        self.partitionWindow = delivery.partitionWindow
        self.partitionPatience = delivery.partitionPatienceMilliseconds
        self.retryLimit = delivery.retryMilliseconds
    }
}
