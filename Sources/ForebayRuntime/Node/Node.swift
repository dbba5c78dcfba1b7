import ForebayAdmin
import ForebayBuffer
package import ForebayConfig
package import ForebayCore
import ForebayDelivery
import ForebayHTTP
import ForebayIngest
import ForebayKafka
import ForebayNet
package import ForebaySpool
package import ForebayTelemetry
import Synchronization

/// A running node: loops, disk, listeners, and the root supervisor with every stage under it. Wiring and nothing else.
///
///     edge loop:      HTTP servers, ingest, buffer, admin   commit thread, keeper thread:  the disk
///     delivery loop:  readers, forward and mirror           librdkafka's own threads
package final class Node: Sendable {
    package let configuration: ForebayConfiguration
    package let supervisor: Supervisor
    package let storage: NodeStorage
    /// `127.0.0.1:8080`, with the port that was bound.
    package let ingestAddress: String
    package let adminAddress: String
    /// None where no listener for probes is configured.
    package let healthAddress: String?
    private let deliveries: [DeliveryName: KafkaDelivery]
    private let loops: Loops
    private let listeners: NodeListeners
    private let observation: NodeObservation
    private let watches: NodeWatches
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
        _ configuration: ForebayConfiguration, metrics: MetricsRegistry = MetricsRegistry(), restarts: RestartPolicy = RestartPolicy(),
        disk: any Disk = SystemDisk(), clock: NodeClock = NodeClock()
    ) async throws -> Node {
        OpenFiles.tell(OpenFiles.raiseLimit(), configuration.ingestHTTP.caps)
        Allocator.giveBack()
        let loops = Loops(edge: try EventLoop(label: "fb-edge"), delivery: try EventLoop(label: "fb-delivery"))
        let supervisor = Supervisor(policy: restarts, metrics: metrics, surroundings: .real)
        var opened: NodeStorage?
        let thread = ThreadExecutor(label: "fb-start")
        defer { thread.end() }
        do {
            return try await Self.start(configuration, loops, supervisor, metrics, disk, clock, &opened, on: DiskWork(thread))
        } catch {
            // What runs already would go on, and complain of what its owner takes away.
            await supervisor.shutdown(within: .seconds(1))
            await opened?.close()
            throw error
        }
    }

    private static func start(
        _ configuration: ForebayConfiguration, _ loops: Loops, _ supervisor: Supervisor, _ metrics: MetricsRegistry, _ disk: any Disk,
        _ clock: NodeClock, _ opened: inout NodeStorage?, on thread: isolated DiskWork
    ) async throws -> Node {
        let observation = NodeObservation(configuration)
        let listeners = try await NodeListeners.make(configuration, loop: loops.edge, metrics: metrics)
        let allLoops = [loops.edge, loops.delivery]
        let adminRoutes = AdminRoutes(
            node: observation, registry: metrics, pulses: allLoops.map { LoopPulse(label: $0.label, metrics: metrics) })
        await supervisor.start("admin") {
            AdminStage(
                loop: loops.edge, server: listeners.admin,
                health: listeners.health.map { ($0, configuration.listeners.health?.hasMetrics ?? false) },
                rule: CallerRule(names: configuration.listeners.adminNames), routes: adminRoutes, loops: allLoops)
        }
        let admin = try await listeners.listen(listeners.admin, configuration.listeners.admin.address)
        var health: String?
        if let server = listeners.health, let address = configuration.listeners.health?.address {
            health = try await listeners.listen(server, address)
        }

        let storage = try NodeStorage.open(configuration, metrics: metrics, disk: disk)
        opened = storage
        let deliveries = try await KafkaDelivery.all(configuration, storage, loops.delivery, metrics)
        let removed = try await RemovedDeliveries.find(configuration, storage)
        removed.register(metrics, beside: Array(deliveries.values))
        // Every cursor that holds something is there.
        await storage.spool.releasePassedSegments()
        let storageHealth = StorageHealth()
        let storageWatch = StorageWatch(storageHealth, storageFault: { storage.fault }, isFull: { storage.spool.isFull })
        observation.opened(
            NodeObservation.Parts(
                supervisor: supervisor, storage: storage, storageHealth: storageHealth, clock: clock, deliveries: deliveries,
                removed: removed, letters: NodeLetters(storage, deliveries, metrics), aside: NodeAside(storage, deliveries, metrics)))
        let waiters = DeliveryWaiters(limit: configuration.limits.awaitingKafka)
        let room = Wake()
        let port = LinkPort<Submission>(name: "ingest-buffer", bound: configuration.limits.inFlight, room: room.call)
        await supervisor.start("buffer") {
            BufferStage(loop: loops.edge, port: port, log: storage.spool, configuration: ForebayBuffer.BufferConfiguration())
        }
        // Mirrors share one of their own: what a backup holds that hangs is not missing where others deliver.
        let budget = DeliveryBudget(total: configuration.delivery.window)
        let mirrorBudget = DeliveryBudget(total: configuration.delivery.window / 2)
        for delivery in deliveries.values {
            let share = delivery.name.stage == .mirror ? mirrorBudget : budget
            await delivery.start(supervisor, waiters, share, loops.delivery, metrics)
        }
        let ingestMetrics = IngestMetrics(registry: metrics)
        let topics = UnsettledTopics(
            configuration.ingest.routes, settled: Dictionary(grouping: deliveries.values, by: \.name.route).mapValues { .init($0) })
        let answering: any RequestAnswering =
            configuration.listeners.ingestProbes ? ProbedServer(listeners.ingest, adminRoutes) : listeners.ingest
        let (ingestOpened, open) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        await supervisor.start("ingest") {
            try IngestStage(
                loop: loops.edge, configuration: configuration.ingest, port: port, room: room, server: answering, waiters: waiters,
                topics: topics, metrics: ingestMetrics, storage: storageHealth.ingest(isFull: { storage.spool.isFull }),
                clock: clock.now, onOpened: { open.yield() })
        }
        // Whoever connects is answered by the stage from the first request on.
        await Self.wait(for: ingestOpened, atMost: .seconds(5))
        let ingest = try await listeners.listen(listeners.ingest, configuration.listeners.ingest.address)
        loops.edge.execute { SharedCPU.watch(edge: loops.edge, commit: storage.threads.commitThread) }
        observation.listening()
        return Node(
            configuration: configuration, supervisor: supervisor, storage: storage, addresses: (ingest, admin, health),
            deliveries: deliveries, loops: loops, listeners: listeners, observation: observation,
            watches: NodeWatches(storageWatch, clock) { await ClusterTwins(configuration).run { await supervisor.reports() } })
    }

    private static func wait(for signal: AsyncStream<Void>, atMost limit: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in signal { break } }
            group.addTask { try? await Task.sleep(for: limit) }  // Cancelled when the signal came.
            await group.next()
            group.cancelAll()
        }
    }

    private init(
        configuration: ForebayConfiguration, supervisor: Supervisor, storage: NodeStorage,
        addresses: (ingest: String, admin: String, health: String?), deliveries: [DeliveryName: KafkaDelivery], loops: Loops,
        listeners: NodeListeners, observation: NodeObservation, watches: NodeWatches
    ) {
        self.configuration = configuration
        self.supervisor = supervisor
        self.storage = storage
        (self.ingestAddress, self.adminAddress, self.healthAddress) = addresses
        self.deliveries = deliveries
        self.loops = loops
        self.listeners = listeners
        self.observation = observation
        self.watches = watches
    }

    /// Why new events are refused, in one line; none while they are accepted.
    var refusalReason: String? { self.observation.health().refusalReason }

    /// Events accepted and not settled yet, of all deliveries.
    package var lag: UInt64 { self.deliveries.values.reduce(0) { $0 + $1.source.waiting + $1.setAside.events } }

    /// How long the disk may take for the last sync, where those that wait for it have used up `shutdown.timeout`.
    static let leastForStorage = Duration.seconds(3)

    /// Stops accepting, finishes what is in flight, last sync, cursors. Never waits for a dead Kafka, nor for a disk that hangs longer than
    /// `shutdown.timeout` and some seconds.
    ///
    /// - Returns: false: the disk did not finish. Nobody was told otherwise; the process should end at once, as by a kill, and the next
    ///   start mends.
    @discardableResult package func stop() async -> Bool {
        guard !self.isStopping.exchange(true, ordering: .relaxed) else { return true }
        let deadline = ContinuousClock.now + .milliseconds(self.configuration.shutdown.timeoutMilliseconds)
        self.observation.draining()
        self.storage.mending.stop()
        let draining = Task { await self.listeners.drain() }
        await self.supervisor.shutdown(within: deadline - .now)
        for delivery in self.deliveries.values { delivery.close() }
        guard await Self.ends(within: max(deadline - .now, Self.leastForStorage), { await self.closeStorage() }) else { return false }
        await self.listeners.close()
        await draining.value
        await self.loops.edge.stop()
        await self.loops.delivery.stop()
        return true
    }

    private func closeStorage() async {
        await self.watches.end()
        await self.storage.close()
    }

    private static func ends(within limit: Duration, _ work: @escaping @Sendable () async -> Void) async -> Bool {
        let (outcome, tell) = AsyncStream.makeStream(of: Bool.self, bufferingPolicy: .bufferingNewest(1))
        Task {
            await work()
            tell.yield(true)
        }
        let timer = Task {
            try? await Task.sleep(for: limit)  // Cancelled when nobody asks any more.
            tell.yield(false)
        }
        defer { timer.cancel() }
        for await hasEnded in outcome { return hasEnded }
        return false
    }
}
