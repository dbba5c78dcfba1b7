import ForebayBuffer
import ForebayCore
import ForebayDelivery
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit

/// A node as the Runtime builds it, in one process of a round: the real spool, buffer stage and sources, under the real supervisor.
final class SimulatedNode: @unchecked Sendable {  // Safe because: one thread at a time runs the simulation.
    static let directory = "/data"

    let plan: RoundPlan
    let life: RoundPlan.Life
    let process: SimulatedProcess
    let disk: SimulatedDisk
    let model: Model
    let clusters: Clusters
    let surroundings: Surroundings
    let began: UInt64
    let isLast: Bool
    private let struckBefore: Coverage
    /// Why it could not be started.
    private(set) var refusal: ForebayError?
    /// Whether it came so far as to mend what a crash left.
    private(set) var hasOpened = false
    /// The first sequence on disk, as it was when it was looked at last.
    var lastStart: UInt64 = 0
    /// Where cursors stood when they were looked at last.
    var lastPlaces: [DeliveryName: UInt64] = [:]

    /// One delivery of a route that is configured.
    struct Delivery: Sendable {
        let known: LineDelivery
        let name: DeliveryName
        let cluster: Int
        let cursor: SpoolCursor
        let source: SpoolSource
        /// With Kafka.
        let aside: Aside?

        /// Events that wait, wherever.
        var waiting: UInt64 { self.source.lag + (self.aside?.setAside.events ?? 0) }
    }

    struct Aside: Sendable {
        let logs: SideLogs
        let setAside: SetAside
        let source: SetAsideSource
    }

    /// What the node keeps on disk, opened in the order in which `NodeStorage` opens it.
    struct Storage: Sendable {
        let spool: Spool
        let budget: SpoolBudget
        let threads: SpoolThreads
        let known: KnownLogs
        let data: DataFolderLogs
        /// None without Kafka.
        var logs: [DeliveryName: SideLogs] = [:]
        /// Of deliveries that are not configured.
        var removed: [DeliveryName: SideLogs] = [:]
    }

    init(
        _ plan: RoundPlan, _ life: RoundPlan.Life, _ process: SimulatedProcess, _ disk: SimulatedDisk, _ model: Model, _ clusters: Clusters,
        isLast: Bool
    ) {
        self.clusters = clusters
        self.plan = plan
        self.life = life
        self.process = process
        self.disk = disk
        self.model = model
        self.surroundings = process.surroundings
        self.began = process.machine.now
        self.isLast = isLast
        self.struckBefore = disk.coverage
    }

    /// Whether a fault has struck this process.
    var isStruck: Bool { self.disk.coverage != self.struckBefore }

    func main() async {
        do {
            if let command = self.life.forgetsStopped { try await self.forgetStopped(command.place) } else { try await self.run() }
        } catch let error as ForebayError {
            self.refusal = error
        } catch {
            self.model.violate("the start failed: \(error)")
        }
    }

    private func run() async throws {
        let metrics = MetricsRegistry()
        let storage = try self.open(metrics)
        let (spool, threads) = (storage.spool, storage.threads)
        self.lastStart = spool.start
        let (edge, delivery) = (SimulatedLoop(self.process), SimulatedLoop(self.process))
        self.findMirrors(spool)
        let deliveries = try await self.deliveries(storage, delivery)
        let removed = try await self.removed(storage)
        self.settleMirrors(spool)
        await self.giveWay(deliveries, spool, metrics)
        await spool.releasePassedSegments()
        for delivery in deliveries { self.checkPlace(delivery, spool) }
        for removed in removed { self.checkPlace(removed, spool) }

        let supervisor = Supervisor(metrics: metrics, surroundings: self.surroundings)
        let port = LinkPort<Submission>(name: "ingest-buffer", bound: 4 << 20)
        await supervisor.start("buffer") { BufferStage(loop: edge, port: port, log: spool, configuration: BufferConfiguration()) }
        let budget = DeliveryBudget(total: 1 << 20)
        for one in deliveries {
            if let aside = one.aside {
                await self.start(one, aside, supervisor, budget, delivery, metrics)
            } else {
                await supervisor.start(one.name.cursor) { [model, surroundings, self] in
                    ModelDelivery(
                        one.known, source: one.source, model: model, executor: delivery.executor(), surroundings: surroundings
                    ) { self.isAway(one.cluster) }
                }
            }
        }
        self.makeTrouble()
        let watched = Watched(deliveries: deliveries, spool: spool, budget: storage.budget, delivery: budget, port: port)
        let errands = self.startErrands(storage, removed)
        await self.produce(watched)
        for errand in errands { await errand.value }
        if self.life.drains { await self.drain(deliveries, spool) }
        if self.isLast { await self.checkRest(watched) }
        if let death = self.life.death?.death { self.process.die(death.kind.rawValue) }
        await supervisor.shutdown(within: .seconds(5))
        let aside = self.aside(deliveries)
        for delivery in deliveries {
            delivery.source.close()
            delivery.aside?.source.close()
        }
        let logs = (storage.logs.map { $0 } + storage.removed.map { $0 }).sorted { $0.key < $1.key }
        var empty: [(kind: SideLogFolder.Kind, route: String)] = []
        for (name, logs) in logs { empty += await logs.close().map { ($0, name.folder) } }
        self.countReleased(spool)
        await spool.close { storage.data.finishStop(empty: empty) }
        if !self.isStruck {
            for (delivery, ids) in aside { self.model.rest(ids, of: delivery.known.stage, self.life.lines[delivery.known.line].names) }
            self.model.rested()
        }
        self.model.yielding.endInOrder()
        threads.end()
    }

    /// Simulated time, which takes none.
    func pass(milliseconds: Int) async {
        try? await self.surroundings.time.sleep(milliseconds: milliseconds)  // Never cancelled.
    }

    // MARK: Opening

    func open(_ metrics: MetricsRegistry) throws(ForebayError) -> Storage {
        let process = self.process
        let threads = SpoolThreads(self.surroundings)
        let disk = try DataFolderLogs.hold(Self.directory, on: self.disk)
        let known = try KnownLogs(in: Self.directory, disk: disk)
        let budget = try SpoolBudget(
            capacity: self.plan.maxSize, directory: Self.directory, disk: disk, ballast: 2 * self.plan.segmentSize)
        var configuration = SpoolConfiguration(directory: "\(Self.directory)/spool", segmentSize: self.plan.segmentSize) { error in
            process.die("the disk broke its word: \(error)")
        }
        configuration.disk = disk
        configuration.surroundings = self.surroundings
        configuration.recentBytes = self.plan.recentBytes
        configuration.sharedReadBytes = self.plan.sharedReadBytes
        configuration.preparesNext = self.plan.preparesNext && self.life.forgetsStopped == nil
        let spool = try known.open(configuration, budget: budget, threads: threads, metrics: SpoolMetrics(metrics))
        self.hasOpened = true
        self.model.sawSpool()
        self.model.isStillTold(
            spool.missing.filter { $0.unit == nil }.map(\.sequences), begun: spool.alarms.compactMap { Losses.lostFrom($0.text) })
        let configured = self.life.deliveries.map { (name: self.name(of: $0), formerly: self.life.lines[$0.line].formerly($0.stage)) }
        let data = DataFolderLogs(
            routes: configured.map { DataFolderLogs.Route(name: $0.name.folder, formerly: $0.formerly.map(\.folder)) },
            directory: Self.directory, disk: disk, known: known)
        var storage = Storage(spool: spool, budget: budget, threads: threads, known: known, data: data)
        guard self.life.forgetsStopped == nil else { return storage }
        if self.plan.usesKafka {
            try budget.withReserve { () throws(ForebayError) in try data.prepare() }
            for (name, _) in configured { storage.logs[name] = try self.openLogs(name, configuration, storage, metrics) }
            for name in try data.removedRoutes().map({ DeliveryName(folder: $0) }) {
                storage.removed[name] = try self.openLogs(name, configuration, storage, metrics)
            }
        }
        try known.finishStart(spool)
        self.model.sawLogs()
        return storage
    }

    private func openLogs(
        _ name: DeliveryName, _ configuration: SpoolConfiguration, _ storage: Storage, _ metrics: MetricsRegistry
    ) throws(ForebayError) -> SideLogs {
        let (known, budget, threads) = (storage.known, storage.budget, storage.threads)
        let isOptional = self.plan.isOptional && name.stage == .mirror
        let open = { @Sendable (kind: LogKind, folder: String) throws(ForebayError) in
            var side = configuration
            (side.directory, side.kind, side.segmentSize) = (folder, kind, 16 << 10)
            side.givesWay = isOptional
            return try known.open(side, budget: budget, threads: threads, metrics: SpoolMetrics(metrics))
        }
        return SideLogs(
            deadLetters: try DeadLetters(
                route: name.description, directory: storage.data.folder(.deadLetters, name.folder).path, disk: configuration.disk,
                threads: threads
            ) { folder throws(ForebayError) in try open(.deadLetters, folder) },
            setAside: try SetAsideLog(directory: storage.data.folder(.setAside, name.folder).path, disk: configuration.disk) {
                folder throws(ForebayError) in try open(.setAside, folder)
            })
    }

    private func deliveries(_ storage: Storage, _ loop: SimulatedLoop) async throws -> [Delivery] {
        // All before any is used.
        for known in self.life.deliveries { _ = try await self.cursor(known, storage.spool) }
        var deliveries: [Delivery] = []
        for known in self.life.deliveries {
            let name = self.name(of: known)
            let cursor = try await self.cursor(known, storage.spool)
            let logs = storage.logs[name]
            let ahead = try cursor.openAhead(
                end: storage.spool.durableEnd, witnesses: [logs?.setAside?.witness, logs?.deadLetters.witness].compactMap { $0 })
            let source = SpoolSource(
                spool: storage.spool, cursor: cursor, executor: loop.executor(), threads: storage.threads,
                configuration: BufferConfiguration(readAheadBytes: 256 << 10), surroundings: self.surroundings, ahead: ahead)
            deliveries.append(
                Delivery(
                    known: known, name: name, cluster: self.life.lines[known.line].cluster(known.stage), cursor: cursor, source: source,
                    aside: logs.flatMap { self.aside(name, $0, storage) }))
        }
        return deliveries
    }

    private func name(of delivery: LineDelivery) -> DeliveryName { self.life.lines[delivery.line].name(delivery.stage) }

    /// A route has its forward from its first event on, a mirror begins with what comes from then on.
    private func cursor(_ delivery: LineDelivery, _ spool: Spool) async throws(ForebayError) -> SpoolCursor {
        let (name, line) = (self.name(of: delivery), self.life.lines[delivery.line])
        return try await spool.cursor(
            name.cursor, route: RouteID(name: name.route), formerly: line.formerly(delivery.stage).map(\.cursor),
            beginning: delivery.stage == .forward ? .oldest : .end)
    }

    private func aside(_ name: DeliveryName, _ logs: SideLogs, _ storage: Storage) -> Aside? {
        guard let log = logs.setAside else { return nil }
        let setAside = SetAside(
            route: name.description, log: log, properties: Self.properties, configuration: Self.bounds, surroundings: self.surroundings)
        let source = SetAsideSource(
            setAside, executor: storage.threads.side.executor(), readAheadBytes: 256 << 10, surroundings: self.surroundings)
        return Aside(logs: logs, setAside: setAside, source: source)
    }
}
