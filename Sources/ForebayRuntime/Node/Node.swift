import ForebayAdmin
import ForebayBuffer
package import ForebayCore
import ForebayForward
import ForebayHTTP
import ForebayIngest
import ForebayKafka
import ForebayNet
import ForebaySpool
package import ForebayTelemetry
import Synchronization

/// A running node: loops, disk, listeners, and the root supervisor with every stage under it. Wiring and nothing else.
///
///     edge loop:      HTTP servers, ingest, buffer, admin   commit thread, keeper thread:  the disk
///     delivery loop:  readers, forward (one a route)        librdkafka's own threads
package final class Node: Sendable {
    package let configuration: ForebayConfiguration
    package let supervisor: Supervisor
    package let storage: NodeStorage
    /// `127.0.0.1:8080`, with the port that was bound.
    package let ingestAddress: String
    package let adminAddress: String
    private let sources: [String: SpoolSource]
    private let loops: Loops
    private let listeners: NodeListeners
    private let observation: NodeObservation
    private let isStopping = Atomic<Bool>(false)

    private struct Loops: Sendable {
        let edge: EventLoop
        let delivery: EventLoop
    }

    /// Opens the disk, starts every stage, and listens. The admin listener answers first, so that a long start can be watched.
    ///
    /// - Throws: ``ForebayError`` when the node can't be started as configured: a data folder in use, an address in use, no room on the
    ///   disk.
    package static func start(
        _ configuration: ForebayConfiguration, metrics: MetricsRegistry = MetricsRegistry(), restarts: RestartPolicy = RestartPolicy()
    ) async throws -> Node {
        OpenFiles.raiseLimit()
        Allocator.giveBack()
        let loops = Loops(edge: try EventLoop(label: "fb-edge"), delivery: try EventLoop(label: "fb-delivery"))
        let supervisor = Supervisor(policy: restarts, metrics: metrics)
        let observation = NodeObservation(configuration)
        let listeners = try await NodeListeners.make(configuration, loop: loops.edge, metrics: metrics)
        await supervisor.start("admin") {
            AdminStage(
                loop: loops.edge, server: listeners.admin, node: observation, registry: metrics, loops: [loops.edge, loops.delivery])
        }
        let admin = try await listeners.listen(listeners.admin, configuration.listeners.admin.address)

        let storage = try NodeStorage.open(configuration, metrics: metrics)
        let sources = try await self.sources(configuration, storage, loops.delivery, metrics)
        observation.opened(NodeObservation.Parts(supervisor: supervisor, storage: storage, sources: sources))
        let waiters = DeliveryWaiters(limit: configuration.limits.awaitingKafka)
        let room = IngestRoom()
        let port = LinkPort<Submission>(name: "ingest-buffer", bound: configuration.limits.inFlight, room: room.signal)
        await supervisor.start("buffer") {
            BufferStage(loop: loops.edge, port: port, spool: storage.spool, configuration: ForebayBuffer.BufferConfiguration())
        }
        await self.startForwarding(configuration, supervisor, storage, sources, waiters, loops.delivery, metrics)
        let ingestMetrics = IngestMetrics(registry: metrics)
        await supervisor.start("ingest") {
            try IngestStage(
                loop: loops.edge, configuration: configuration.ingest, port: port, room: room, server: listeners.ingest, waiters: waiters,
                metrics: ingestMetrics, isFull: { storage.spool.isFull })
        }
        let ingest = try await listeners.listen(listeners.ingest, configuration.listeners.ingest.address)
        loops.edge.execute { SharedCPU.watch(edge: loops.edge, commit: storage.threads.commitThread) }
        observation.listening()
        return Node(
            configuration: configuration, supervisor: supervisor, storage: storage, addresses: (ingest, admin), sources: sources,
            loops: loops, listeners: listeners, observation: observation)
    }

    private init(
        configuration: ForebayConfiguration, supervisor: Supervisor, storage: NodeStorage, addresses: (ingest: String, admin: String),
        sources: [String: SpoolSource], loops: Loops, listeners: NodeListeners, observation: NodeObservation
    ) {
        self.configuration = configuration
        self.supervisor = supervisor
        self.storage = storage
        (self.ingestAddress, self.adminAddress) = addresses
        self.sources = sources
        self.loops = loops
        self.listeners = listeners
        self.observation = observation
    }

    /// Events accepted and not settled yet, of all routes.
    package var lag: UInt64 { self.sources.values.reduce(0) { $0 + $1.lag } }

    /// Stops accepting, finishes what is in flight, last sync, cursors. Never waits for a dead Kafka, nor longer than `shutdown.timeout`.
    package func stop() async {
        guard !self.isStopping.exchange(true, ordering: .relaxed) else { return }
        self.observation.draining()
        let draining = Task { await self.listeners.drain() }
        await self.supervisor.shutdown(within: .milliseconds(self.configuration.shutdown.timeoutMilliseconds))
        for source in self.sources.values { source.close() }
        await self.storage.close()
        await self.listeners.close()
        await draining.value
        await self.loops.edge.stop()
        await self.loops.delivery.stop()
    }

    private static func startForwarding(
        _ configuration: ForebayConfiguration, _ supervisor: Supervisor, _ storage: NodeStorage, _ sources: [String: SpoolSource],
        _ waiters: DeliveryWaiters, _ loop: EventLoop, _ metrics: MetricsRegistry
    ) async {
        let budget = ForwardBudget(total: configuration.delivery.window)
        for route in configuration.routes {
            guard let cluster = configuration.clusters[route.forward.to], let source = sources[route.name],
                let letters = storage.deadLetters[route.name]
            else { preconditionFailure("a route without its parts: the configuration was not checked") }
            await supervisor.start("forward/\(route.name)") {
                var bounds = ForwardConfiguration()
                bounds.partitionWindow = configuration.delivery.partitionWindow
                return ForwardStage(
                    route: route.name, source: source, properties: KafkaProperties(client: cluster.properties, producer: cluster.producer),
                    deadLetters: letters, waiters: waiters, budget: budget, configuration: bounds, loop: loop, metrics: metrics)
            }
        }
    }

    private static func sources(
        _ configuration: ForebayConfiguration, _ storage: NodeStorage, _ loop: EventLoop, _ metrics: MetricsRegistry
    ) async throws -> [String: SpoolSource] {
        var sources: [String: SpoolSource] = [:]
        for route in configuration.routes {
            let cursor = try await storage.spool.cursor("forward/\(route.name)", route: RouteID(name: route.name))
            let source = SpoolSource(
                spool: storage.spool, cursor: cursor, loop: loop,
                configuration: ForebayBuffer.BufferConfiguration(readAheadBytes: configuration.delivery.readAhead))
            sources[route.name] = source
            metrics.gauge(
                "forebay_delivery_lag_events", help: "Events accepted and not settled yet.",
                labels: ["stage": "forward", "route": route.name]
            ) { Double(source.lag) }
        }
        let all = Array(sources.values)
        metrics.gauge("forebay_buffer_oldest_event_age_seconds", help: "Age of the oldest event that is not settled; 0 if none waits.") {
            all.compactMap(\.oldestAcceptedAt).min().map { max(0, Double(WallClock.milliseconds - $0) / 1000) } ?? 0
        }
        try await self.dropCursorsOfRemovedRoutes(configuration, storage.spool)
        return sources
    }

    /// A route that was taken out of the configuration: its cursor goes once nothing of it waits; until then it holds its segments, and the
    /// log says so at each start.
    private static func dropCursorsOfRemovedRoutes(_ configuration: ForebayConfiguration, _ spool: Spool) async throws {
        let known = Set(configuration.routes.map { "forward/\($0.name)" })
        for name in try spool.cursorNames() where !known.contains(name) {
            let route = name.split(separator: "/").last.map(String.init) ?? name
            let cursor = try await spool.cursor(name, route: RouteID(name: route))
            let lag = spool.lag(of: cursor)
            if lag == 0 {
                try await spool.remove(cursor)
            } else {
                Logger(label: "node").error(
                    "a route that is no longer configured still has events to deliver; they are kept and hold disk space: add the route back",
                    ["route": route, "events": "\(lag)"])
            }
        }
    }
}
