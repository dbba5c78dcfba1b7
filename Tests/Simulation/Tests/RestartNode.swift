import ForebayBuffer
import ForebayCore
import ForebayDelivery
import ForebayForward
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Testing

/// A process of a ``RestartWorld``: its spool, and its routes with all that they are made of.
final class RestartNode: @unchecked Sendable {  // Safe because: as the world.
    struct Route {
        let source: SpoolSource
        let setAside: SetAside
        let log: SetAsideLog
        let letters: DeadLetters
        let drain: SetAsideSource
    }

    let world: RestartWorld
    let surroundings: Surroundings
    let spool: Spool
    let threads: SpoolThreads
    let supervisor: Supervisor
    let metrics = MetricsRegistry()
    var routes: [String: Route] = [:]

    init(_ names: [String], _ formerly: [String: [String]], _ world: RestartWorld, _ process: SimulatedProcess) async throws {
        let surroundings = process.surroundings
        (self.world, self.surroundings) = (world, surroundings)
        let (disk, threads) = (world.disk, SpoolThreads(surroundings))
        self.threads = threads
        let budget = try SpoolBudget(capacity: 1 << 27, directory: "/data", disk: disk)
        let metrics = SpoolMetrics(self.metrics)
        let open = { @Sendable (folder: String, kind: LogKind) throws(ForebayError) in
            var configuration = SpoolConfiguration(directory: folder, kind: kind, segmentSize: 64 << 10) { process.die("\($0)") }
            (configuration.disk, configuration.surroundings) = (disk, surroundings)
            return try Spool.open(configuration, budget: budget, threads: threads, metrics: metrics)
        }
        self.spool = try open("/data/spool", .spool)
        let data = DataFolderLogs(
            routes: names.map { DataFolderLogs.Route(name: $0, formerly: formerly[$0] ?? []) }, directory: "/data", disk: disk)
        try data.prepare()
        self.supervisor = Supervisor(metrics: self.metrics, surroundings: surroundings)
        let loop = SimulatedLoop(process)
        let cursor = { (name: String) async throws -> SpoolCursor in
            try await self.spool.cursor(
                "forward/\(name)", route: RouteID(name: name), formerly: (formerly[name] ?? []).map { "forward/\($0)" })
        }
        for name in names { _ = try await cursor(name) }
        for name in names {
            let log = try SetAsideLog(directory: data.folder(.setAside, name).path, disk: disk) { folder throws(ForebayError) in
                try open(folder, .setAside)
            }
            let letters = try DeadLetters(
                route: name, directory: data.folder(.deadLetters, name).path, disk: disk, threads: self.threads
            ) {
                folder throws(ForebayError) in try open(folder, .deadLetters)
            }
            let cursor = try await cursor(name)
            let ahead = try cursor.openAhead(
                end: self.spool.durableEnd, witnesses: [log.witness, letters.witness].compactMap { $0 })
            let source = SpoolSource(
                spool: self.spool, cursor: cursor, executor: loop.executor(), threads: threads,
                configuration: BufferConfiguration(), surroundings: surroundings, ahead: ahead)
            let properties = KafkaProperties(client: ["bootstrap.servers": "simulated:9092"])
            let setAside = SetAside(
                route: name, log: log, properties: properties, configuration: DeliverySettings(), surroundings: surroundings)
            let drain = SetAsideSource(
                setAside, executor: threads.side.executor(), readAheadBytes: 1 << 20, surroundings: surroundings)
            self.routes[name] = Route(source: source, setAside: setAside, log: log, letters: letters, drain: drain)
            for (way, source) in [(DeliveryWay.direct, source as any EventSource), (.aside, drain)] {
                let (kafka, registry) = (world.kafka, self.metrics)
                await self.supervisor.start("\(way.child(of: DeliveryName(.forward, of: name)))/\(name)") {
                    ForwardStage(
                        DeliveryEngine(
                            way, of: DeliveryName(.forward, of: name), source: source, producers: SimulatedProducers(kafka, loop: loop),
                            properties: properties,
                            deadLetters: letters, setAside: setAside, waiters: DeliveryWaiters(limit: 0), budget: DeliveryBudget(),
                            settings: DeliverySettings(), loop: loop, metrics: registry, surroundings: surroundings))
                }
            }
        }
        await self.spool.releasePassedSegments()
    }

    /// Events of some topics in turn.
    func send(_ route: String, _ topics: [String], _ count: Int) async throws {
        let first = self.world.sent[route, default: 0]
        self.world.sent[route] = first + count
        let samples = (first..<first + count).map { EventFactory.Sample(topics[$0 % topics.count], value: "\(route)-\($0)") }
        let batch = EventFactory.batch(samples, spool: self.spool.id, first: 0)
        let routed = Batch(
            lane: batch.lane, origin: nil, first: 0, count: batch.count, route: RouteID(name: route),
            acceptedAt: self.surroundings.time.wallMilliseconds, slab: batch.slab, range: batch.range)
        _ = try await self.spool.commit([Submission(batches: [routed], ack: AckToken { _ in })])
    }

    func pass(milliseconds: Int) async throws { try await self.surroundings.time.sleep(milliseconds: milliseconds) }

    /// Waits for something that must come.
    func until(_ what: String, _ condition: (RestartNode) -> Bool) async throws {
        for _ in 0..<600 where !condition(self) { try await self.pass(milliseconds: 1_000) }
        #expect(condition(self), "\(what)")
    }

    func stop() async {
        await self.supervisor.shutdown(within: .seconds(5))
        for route in self.routes.values {
            route.source.close()
            route.drain.close()
            await route.log.close()
            await route.letters.close()
        }
        await self.spool.close()
        self.threads.end()
    }

    /// As the metrics say.
    var redelivered: Int {
        Int(self.metrics.total("forebay_redelivered_events_total"))
    }
}
