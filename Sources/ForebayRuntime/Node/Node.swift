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
///     edge loop:      HTTP servers, ingest, buffer        commit thread, keeper thread:  the disk
///     delivery loop:  readers, forward (one a route)      librdkafka's own threads
package final class Node: Sendable {
    package let configuration: ForebayConfiguration
    package let metrics: MetricsRegistry
    package let supervisor: Supervisor
    package let storage: NodeStorage
    /// The sources of the forward stages, by route.
    let sources: [String: SpoolSource]
    /// The ports that were bound.
    package let ingestPort: Int
    let startedAt = WallClock.milliseconds
    private let edge: EventLoop
    private let delivery: EventLoop
    private let ingestServer: HTTPServer
    private let draining = Atomic<Bool>(false)
    private let logger = Logger(label: "node")

    /// Opens the disk, starts every stage, and listens.
    ///
    /// - Throws: ``ForebayError`` when the node can't be started as configured: a data folder in use, an address in use, a disk without room.
    package static func start(_ configuration: ForebayConfiguration, metrics: MetricsRegistry = MetricsRegistry()) async throws -> Node {
        OpenFiles.raiseLimit()
        let edge = try EventLoop(label: "fb-edge")
        let delivery = try EventLoop(label: "fb-delivery")
        let storage = try NodeStorage.open(configuration, metrics: metrics)
        var sources: [String: SpoolSource] = [:]
        for route in configuration.routes {
            let cursor = try await storage.spool.cursor("forward/\(route.name)", route: RouteID(name: route.name))
            sources[route.name] = SpoolSource(
                spool: storage.spool, cursor: cursor, loop: delivery,
                configuration: ForebayBuffer.BufferConfiguration(readAheadBytes: configuration.delivery.readAhead))
        }
        try await self.dropCursorsOfRemovedRoutes(configuration, storage.spool)

        let supervisor = Supervisor(metrics: metrics)
        let waiters = DeliveryWaiters(limit: configuration.limits.awaitingKafka)
        let room = IngestRoom()
        let port = LinkPort<Submission>(name: "ingest-buffer", bound: configuration.limits.inFlight, room: room.signal)
        let starting = RefusingHandler()
        let server = try await edge.perform { starting.server(on: edge, configuration.ingestHTTP, metrics) }

        await supervisor.start("buffer") {
            BufferStage(loop: edge, port: port, spool: storage.spool, configuration: ForebayBuffer.BufferConfiguration())
        }
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
                    deadLetters: letters, waiters: waiters, budget: budget, configuration: bounds, loop: delivery, metrics: metrics)
            }
        }
        let ingestMetrics = IngestMetrics(registry: metrics)
        await supervisor.start("ingest") {
            try IngestStage(
                loop: edge, configuration: configuration.ingest, port: port, room: room, server: server, waiters: waiters,
                metrics: ingestMetrics, isFull: { storage.spool.isFull })
        }
        let address = configuration.listeners.ingest.address
        let bound = try await edge.perform { try server.listen(host: address.host, port: address.port) }
        return Node(
            configuration: configuration, metrics: metrics, supervisor: supervisor, storage: storage, sources: sources, ingestPort: bound,
            edge: edge, delivery: delivery, ingestServer: server)
    }

    private init(
        configuration: ForebayConfiguration, metrics: MetricsRegistry, supervisor: Supervisor, storage: NodeStorage,
        sources: [String: SpoolSource], ingestPort: Int, edge: EventLoop, delivery: EventLoop, ingestServer: HTTPServer
    ) {
        self.configuration = configuration
        self.metrics = metrics
        self.supervisor = supervisor
        self.storage = storage
        self.sources = sources
        self.ingestPort = ingestPort
        self.edge = edge
        self.delivery = delivery
        self.ingestServer = ingestServer
    }

    package var isDraining: Bool { self.draining.load(ordering: .relaxed) }

    /// Stops accepting, finishes what is in flight, last sync, cursors. Never waits for a dead Kafka, nor longer than `shutdown.timeout`.
    package func stop() async {
        guard !self.draining.exchange(true, ordering: .relaxed) else { return }
        let timeout = Duration.milliseconds(self.configuration.shutdown.timeoutMilliseconds)
        await self.supervisor.shutdown(within: timeout)
        for source in self.sources.values { source.close() }
        await self.storage.close()
        await self.edge.stop()
        await self.delivery.stop()
    }

    /// A route that was taken out of the configuration: its cursor goes once nothing of it waits; until then it holds its segments, and the log says so.
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
