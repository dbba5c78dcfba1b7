import ForebayBuffer
import ForebayCore
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
    let setAside: SetAside
    private let drainSource: SetAsideSource
    private let deadLetters: DeadLetters
    private let properties: KafkaProperties
    private let bounds: ForwardConfiguration

    static func all(
        _ configuration: ForebayConfiguration, _ storage: NodeStorage, _ loop: EventLoop, _ metrics: MetricsRegistry
    ) async throws -> [String: NodeRoute] {
        var routes: [String: NodeRoute] = [:]
        for route in configuration.routes {
            routes[route.name] = try await NodeRoute(route, configuration, storage, loop)
            routes[route.name]?.register(metrics)
        }
        let all = Array(routes.values)
        metrics.gauge("forebay_buffer_oldest_event_age_seconds", help: "Age of the oldest event that is not settled; 0 if none waits.") {
            Self.age(all.compactMap(\.source.oldestAcceptedAt).min()) ?? 0
        }
        try await self.lookAtRemovedRoutes(configuration, storage.spool)
        // Every cursor that holds something is there.
        await storage.spool.releasePassedSegments()
        try self.tellOfSetAsideOfRemovedRoutes(configuration)
        return routes
    }

    private init(
        _ route: RouteConfiguration, _ configuration: ForebayConfiguration, _ storage: NodeStorage, _ loop: EventLoop
    ) async throws {
        guard let cluster = configuration.clusters[route.forward.to], let letters = storage.deadLetters[route.name],
            let log = storage.setAside[route.name]
        else { preconditionFailure("a route without its parts: the configuration was not checked") }
        self.name = route.name
        self.deadLetters = letters
        self.properties = KafkaProperties(client: cluster.properties, producer: cluster.producer)
        self.bounds = ForwardConfiguration(configuration.delivery)
        let cursor = try await storage.spool.cursor("forward/\(route.name)", route: RouteID(name: route.name))
        let readAhead = configuration.delivery.readAhead
        self.source = SpoolSource(
            spool: storage.spool, cursor: cursor, executor: loop.executor(), disk: storage.threads.read.executor(),
            configuration: ForebayBuffer.BufferConfiguration(readAheadBytes: readAhead), surroundings: .real)
        self.setAside = try SetAside(
            route: route.name, log: log, properties: self.properties, configuration: self.bounds, surroundings: .real)
        self.drainSource = SetAsideSource(self.setAside, executor: loop.executor(), readAheadBytes: readAhead, surroundings: .real)
    }

    /// Starts the stages: one delivers what comes from the spool, the other drains what is set aside.
    func start(
        _ supervisor: Supervisor, _ waiters: DeliveryWaiters, _ budget: ForwardBudget, _ loop: EventLoop, _ metrics: MetricsRegistry
    ) async {
        await supervisor.start("forward/\(self.name)", group: "delivery") {
            self.stage(.direct, self.source, waiters, budget, loop, metrics)
        }
        // Whoever asked to wait for Kafka was answered when the event was set aside.
        let nobody = DeliveryWaiters(limit: 0)
        await supervisor.start("setaside/\(self.name)", group: "delivery") {
            self.stage(.drain, self.drainSource, nobody, budget, loop, metrics)
        }
    }

    private func stage(
        _ role: ForwardRole, _ source: any EventSource, _ waiters: DeliveryWaiters, _ budget: ForwardBudget, _ loop: EventLoop,
        _ metrics: MetricsRegistry
    ) -> ForwardStage {
        ForwardStage(
            role, route: self.name, source: source, producers: KafkaProducers(loop: loop), properties: self.properties,
            deadLetters: self.deadLetters, setAside: self.setAside, waiters: waiters, budget: budget, configuration: self.bounds,
            loop: loop, metrics: metrics, surroundings: .real)
    }

    /// What ingest asks before it takes further topics.
    var settled: UnsettledTopics.Settled {
        let (source, setAside) = (self.source, self.setAside)
        return UnsettledTopics.Settled(end: { source.cursor.number }, setAside: { setAside.topics })
    }

    /// Ends the reading; the stages that read have ended.
    func close() {
        self.source.close()
        self.drainSource.close()
    }

    static func age(_ acceptedAt: Int64?) -> Double? {
        acceptedAt.map { max(0, Double(WallClock.milliseconds - $0) / 1000) }
    }

    private func register(_ metrics: MetricsRegistry) {
        let (source, setAside) = (self.source, self.setAside)
        func gauge(_ name: String, _ help: String, stage: String? = nil, _ value: @escaping @Sendable () -> Double) {
            if let stage {
                metrics.gauge(name, help: help, labels: ["stage": stage, "route": self.name], read: value)
            } else {
                metrics.gauge(name, help: help, labels: ["route": self.name], read: value)
            }
        }
        let lag = ("forebay_delivery_lag_events", "Events accepted and not settled yet.")
        gauge(lag.0, lag.1, stage: "forward") { Double(source.lag) }
        gauge(lag.0, lag.1, stage: "setaside") { Double(setAside.events) }
        gauge("forebay_set_aside_events", "Events set aside because they can't be delivered now.") { Double(setAside.events) }
        gauge("forebay_set_aside_bytes", "Bytes of the events set aside, about.") { Double(setAside.bytes) }
        gauge("forebay_set_aside_units", "Topics, or single partitions, of which events are set aside.") { Double(setAside.unitCount) }
        gauge("forebay_set_aside_oldest_event_age_seconds", "Age of the oldest event set aside; 0 if there is none.") {
            Self.age(setAside.oldestAcceptedAt) ?? 0
        }
    }

    /// Routes that were taken out of the configuration: each holds its segments until it is back or given up by command, and the log says
    /// so at each start. One of which nothing waits is given up here: nothing can be added to it while it is gone.
    private static func lookAtRemovedRoutes(_ configuration: ForebayConfiguration, _ spool: Spool) async throws {
        let known = Set(configuration.routes.map { "forward/\($0.name)" })
        for cursor in spool.allCursors where !known.contains(cursor.name) {
            guard try spool.waits(for: cursor) else {
                try await spool.forget(cursor)
                continue
            }
            Logger(label: "node").error(
                "a route that is no longer configured still has events to deliver; they are kept and hold disk space: add the route back, or"
                    + " give it up by 'forebay routes forget'",
                ["route": cursor.name, "events": "\(spool.lag(of: cursor))"])
        }
    }

    /// What was set aside of a route that is gone stays on disk: nobody knows any more where it should go.
    private static func tellOfSetAsideOfRemovedRoutes(_ configuration: ForebayConfiguration) throws {
        let folder = NodeStorage.setAsideFolder(configuration)
        for route in try SetAsideLog.routes(in: folder) where !configuration.routes.contains(where: { $0.name == route }) {
            let events = try SetAsideLog.list(directory: "\(folder)/\(route)").reduce(0) { $0 + $1.end - $1.settled }
            guard events > 0 else { continue }
            Logger(label: "node").error(
                "a route that is no longer configured still has events set aside; they are kept: add the route back",
                ["route": route, "events": "\(events)"])
        }
    }
}

extension ForwardConfiguration {
    init(_ delivery: DeliveryConfiguration) {
        self.init()
        self.partitionWindow = delivery.partitionWindow
        self.partitionPatience = delivery.partitionPatienceMilliseconds
        self.retryLimit = delivery.retryMilliseconds
    }
}
