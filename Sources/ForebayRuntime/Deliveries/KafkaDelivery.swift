import ForebayBuffer
import ForebayConfig
import ForebayCore
import ForebayDelivery
import ForebayForward
import ForebayIngest
import ForebayKafka
import ForebayMirror
import ForebayNet
import ForebaySpool
import ForebayTelemetry

/// One delivery of a route to a Kafka cluster, a forward or a mirror: where its events come from, what of it is set aside, and the two
/// stages that deliver both.
struct KafkaDelivery: Sendable {
    let target: DeliveryTarget
    let source: SpoolSource
    let setAside: DeliverySetAside
    let cursor: SpoolCursor
    let deadLetters: DeadLetters
    /// Of one that is not required.
    private(set) var yielding: YieldingDelivery?
    private let properties: KafkaProperties
    private let bounds: DeliverySettings

    var name: DeliveryName { self.target.name }

    /// Events that were given up since the start.
    var releasedEvents: UInt64 { self.yielding?.releasedEvents ?? 0 }

    static func all(
        _ configuration: ForebayConfiguration, _ storage: NodeStorage, _ loop: EventLoop, _ metrics: MetricsRegistry,
        isolation: isolated (any Actor)? = #isolation
    ) async throws -> [DeliveryName: KafkaDelivery] {
        let targets = configuration.deliveries
        // All before any is used: a cursor that counted the events of a name that is in use again is another one afterwards.
        for target in targets { _ = try await Self.cursor(target, storage) }
        let configured = Set(targets.map(\.name))
        let names = configuration.routes.flatMap { route in DeliveryName.Stage.allCases.map { DeliveryName($0, of: route.name) } }
        try await storage.spool.part(names.filter { !configured.contains($0) })
        var deliveries: [DeliveryName: KafkaDelivery] = [:]
        for target in targets {
            let delivery = try KafkaDelivery(target, await Self.cursor(target, storage), configuration, storage, loop)
            delivery.register(metrics)
            deliveries[target.name] = delivery
        }
        DeliverySetAside.order(deliveries, configuration)
        for delivery in deliveries.values where !delivery.target.isRequired {
            let yielding = YieldingDelivery(
                delivery.name, delivery.source, delivery.deadLetters, delivery.setAside.logs.map(\.setAside), storage.mending, metrics)
            deliveries[delivery.name]?.yielding = yielding
            await storage.spool.yields(yielding)
        }
        return deliveries
    }

    /// A route has its forward from its first event on. Whatever comes to it later begins with what comes from then on.
    private static func cursor(_ target: DeliveryTarget, _ storage: NodeStorage) async throws(ForebayError) -> SpoolCursor {
        try await storage.spool.cursor(
            target.name.cursor, route: RouteID(name: target.name.route), formerly: target.formerly.map(\.cursor),
            beginning: target.name.stage == .forward ? .oldest : .end)
    }

    private init(
        _ target: DeliveryTarget, _ cursor: SpoolCursor, _ configuration: ForebayConfiguration, _ storage: NodeStorage, _ loop: EventLoop
    ) throws {
        let name = target.name
        guard let cluster = configuration.clusters[target.cluster], let letters = storage.deadLetters[name],
            let log = storage.setAside[name]
        else { preconditionFailure("a delivery without its parts: the configuration was not checked") }
        self.target = target
        self.deadLetters = letters
        self.properties = KafkaProperties(
            client: cluster.properties, producer: cluster.producer, secretFiles: cluster.secretFiles, cluster: cluster.name)
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
        self.setAside = DeliverySetAside(
            logs: ((storage.formerSetAside[name] ?? []) + [(name, log)]).map { name, log in
                let setAside = SetAside(
                    route: name.description, log: log, properties: properties, configuration: bounds, surroundings: .real)
                return DeliverySetAside.Log(
                    name: name, setAside: setAside,
                    source: SetAsideSource(
                        setAside, executor: storage.threads.side.executor(), readAheadBytes: readAhead, surroundings: .real))
            })
    }

    // MARK: Its stages

    /// Starts them: one delivers what comes from the spool, the others drain what is set aside, one for each log.
    ///
    /// - Parameter waiters: who asked to wait for the main Kafka.
    func start(
        _ supervisor: Supervisor, _ waiters: DeliveryWaiters, _ budget: DeliveryBudget, _ loop: EventLoop, _ metrics: MetricsRegistry
    ) async {
        // Whoever asked to wait for Kafka was answered when the event was set aside, and does not wait for a copy.
        let nobody = DeliveryWaiters(limit: 0)
        await supervisor.start(DeliveryWay.direct.child(of: self.name), group: "delivery") {
            self.stage(.direct, self.source, self.setAside.own, self.name.stage == .forward ? waiters : nobody, budget, loop, metrics)
        }
        for log in self.setAside.logs {
            await supervisor.start(DeliveryWay.aside.child(of: log.name), group: "delivery") {
                self.stage(.aside, log.source, log, nobody, budget, loop, metrics)
            }
        }
    }

    private func stage(
        _ way: DeliveryWay, _ source: any EventSource, _ log: DeliverySetAside.Log, _ waiters: DeliveryWaiters, _ budget: DeliveryBudget,
        _ loop: EventLoop, _ metrics: MetricsRegistry
    ) -> any Stage {
        let engine = DeliveryEngine(
            way, of: log.name, source: source, producers: KafkaProducers(loop: loop), properties: self.properties,
            deadLetters: self.deadLetters, setAside: log.setAside, waiters: waiters, budget: budget, settings: self.bounds,
            loop: loop, metrics: metrics, surroundings: .real)
        return self.name.stage == .mirror ? MirrorStage(engine) : ForwardStage(engine)
    }

    /// Ends the reading; the stages that read have ended.
    func close() {
        self.source.close()
        for log in self.setAside.logs { log.source.close() }
    }

    // MARK: What is seen of it

    static let lagHelp = "Events accepted and not settled yet."
    static let setAsideHelp = "Events set aside because they can't be delivered now."

    private func register(_ metrics: MetricsRegistry) {
        let (source, setAside, name) = (self.source, self.setAside, self.name)
        func gauge(_ metric: String, _ help: String, way: String? = nil, _ value: @escaping @Sendable () -> Double) {
            metrics.gauge(metric, help: help, labels: way.map { name.labels(way: $0) } ?? name.labels, read: value)
        }
        gauge("forebay_delivery_lag_events", Self.lagHelp, way: "direct") { Double(source.waiting) }
        gauge("forebay_delivery_lag_events", Self.lagHelp, way: "aside") { Double(setAside.events) }
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

extension UnsettledTopics.Settled {
    /// What ingest asks before it takes further topics: a topic counts as long as one of the route's deliveries has something of it.
    init(_ deliveries: [KafkaDelivery]) {
        self.init(
            end: { deliveries.lazy.map(\.source.cursor.number).min() ?? 0 },
            setAside: { deliveries.reduce(into: []) { $0.formUnion($1.setAside.topics) } })
    }
}
