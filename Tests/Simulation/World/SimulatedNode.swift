import ForebayBuffer
import ForebayCore
import ForebayForward
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit

/// A node as the Runtime builds it, in one process of a round: the real spool, buffer stage and sources, under the real supervisor.
final class SimulatedNode: @unchecked Sendable {  // Safe because: one thread at a time runs the simulation.
    static let directory = "/data"

    private let plan: RoundPlan
    private let life: RoundPlan.Life
    private let process: SimulatedProcess
    private let disk: SimulatedDisk
    private let model: Model
    private let clusters: Clusters
    private let surroundings: Surroundings
    private let began: UInt64
    private let isLast: Bool
    private var producersLeft = 0
    /// Why it could not be started.
    private(set) var refusal: ForebayError?

    private struct Route: Sendable {
        let line: Int
        let cluster: Int
        let id: RouteID
        let name: String
        let cursor: SpoolCursor
        let source: SpoolSource
        /// With Kafka.
        let aside: Aside?

        /// Events that wait, wherever.
        var waiting: UInt64 { self.source.lag + (self.aside?.setAside.events ?? 0) }
    }

    private struct Aside: Sendable {
        let letters: DeadLetters
        let log: SetAsideLog
        let setAside: SetAside
        let source: SetAsideSource
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
    }

    func main() async {
        do {
            try await self.run()
        } catch let error as ForebayError {
            self.refusal = error
        } catch {
            self.model.violate("the start failed: \(error)")
        }
    }

    private func run() async throws {
        let metrics = MetricsRegistry()
        let process = self.process
        let threads = SpoolThreads(self.surroundings)
        let budget = try SpoolBudget(
            capacity: self.plan.maxSize, directory: Self.directory, disk: self.disk, ballast: 2 * self.plan.segmentSize)
        var configuration = SpoolConfiguration(directory: "\(Self.directory)/spool", segmentSize: self.plan.segmentSize) { error in
            process.die("the disk broke its word: \(error)")
        }
        configuration.disk = self.disk
        configuration.surroundings = self.surroundings
        configuration.recentBytes = self.plan.recentBytes
        configuration.preparesNext = self.plan.preparesNext
        let spool = try Spool.open(configuration, budget: budget, threads: threads, metrics: SpoolMetrics(metrics))
        let (edge, delivery) = (SimulatedLoop(process), SimulatedLoop(process))

        var routes: [Route] = []
        for line in self.life.configured {
            let known = self.life.lines[line]
            let id = RouteID(name: known.name)
            let cursor = try await spool.cursor(
                "forward/\(known.name)", route: id, formerly: known.names.dropLast().map { "forward/\($0)" })
            let source = SpoolSource(
                spool: spool, cursor: cursor, executor: delivery.executor(), disk: threads.read.executor(),
                configuration: BufferConfiguration(readAheadBytes: 256 << 10), surroundings: self.surroundings)
            let aside = self.plan.usesKafka ? try self.aside(line, configuration, budget, threads, metrics) : nil
            routes.append(Route(line: line, cluster: known.cluster, id: id, name: known.name, cursor: cursor, source: source, aside: aside))
        }
        await spool.releasePassedSegments()
        for route in routes { self.checkLag(route, spool) }

        let supervisor = Supervisor(metrics: metrics, surroundings: self.surroundings)
        let port = LinkPort<Submission>(name: "ingest-buffer", bound: 4 << 20)
        await supervisor.start("buffer") { BufferStage(loop: edge, port: port, spool: spool, configuration: BufferConfiguration()) }
        let forwardBudget = ForwardBudget(total: 1 << 20)
        for route in routes {
            if let aside = route.aside {
                await self.startForward(route, aside, supervisor, forwardBudget, delivery, metrics)
            } else {
                await supervisor.start("forward/\(route.name)") { [model, surroundings, self] in
                    ModelForward(
                        line: route.line, source: route.source, model: model, executor: delivery.executor(), surroundings: surroundings
                    ) { self.isAway(route.cluster) }
                }
            }
        }
        self.makeTrouble()
        await self.produce(routes, spool, port)
        if self.life.drains { await self.drain(routes, spool) }
        if self.isLast { await self.checkRest(routes, spool, budget) }
        if let death = self.life.death?.death { process.die(death.kind.rawValue) }
        await supervisor.shutdown(within: .seconds(5))
        for route in routes {
            route.source.close()
            route.aside?.source.close()
        }
        for route in routes {
            await route.aside?.letters.close()
            await route.aside?.log.close()
        }
        await spool.close()
        threads.end()
    }

    // MARK: Producers

    private func produce(_ routes: [Route], _ spool: Spool, _ port: LinkPort<Submission>) async {
        let routesOfLines = Dictionary(uniqueKeysWithValues: routes.map { ($0.line, $0) })
        await withTaskGroup(of: Void.self) { group in
            for producer in 0..<4 {
                let requests = self.life.requests.filter { $0.producer == producer }
                group.addTask {
                    for request in requests {
                        // Never cancelled.
                        if request.pause > 0 { try? await self.surroundings.time.sleep(milliseconds: request.pause) }
                        await self.send(request, routesOfLines, spool, port)
                        for route in routes { self.checkLag(route, spool) }
                    }
                }
            }
        }
    }

    private func send(_ request: RoundPlan.Request, _ routes: [Int: Route], _ spool: Spool, _ port: LinkPort<Submission>) async {
        if spool.isFull { return self.model.coverage.hit("refused: full") }
        // One batch for each route, in order of first mention, as ingest makes them.
        var numbers: [[Int]] = []
        var batches: [Batch] = []
        var lines: [Int] = []
        for event in request.events where !lines.contains(event.line) { lines.append(event.line) }
        for line in lines {
            guard let route = routes[line] else { continue }
            var builder = BatchBuilder(initialCapacity: 1024)
            var ofBatch: [Int] = []
            for event in request.events where event.line == line {
                let key = request.producer << 8 | event.key
                let number = self.model.submit(line: line, topic: event.topic, key: key, size: event.size)
                ofBatch.append(number)
                Self.append(number, event, key, to: &builder, at: self.surroundings.time.wallMilliseconds)
            }
            guard let batch = builder.finish(route: route.id, acceptedAt: self.surroundings.time.wallMilliseconds) else { continue }
            batches.append(batch)
            numbers.append(ofBatch)
        }
        guard !batches.isEmpty else { return }
        var wasTaken = false
        let outcome = await withUnsafeContinuation { (continuation: UnsafeContinuation<AckOutcome, Never>) in
            let submission = Submission(batches: batches, ack: AckToken { continuation.resume(returning: $0) })
            if case .accepted = port.offer(submission) { wasTaken = true }
        }
        self.settle(numbers, wasTaken ? outcome : .refused(ForebayError(.injected, recovery: .retry, "no room in the link")))
    }

    private static func append(_ number: Int, _ event: RoundPlan.Event, _ key: Int, to builder: inout BatchBuilder, at time: Int64) {
        var topic = "topic-\(event.line)-\(event.topic)"
        var name = "key-\(key)"
        Model.value(of: number, size: event.size).withUnsafeBytes { value in
            topic.withUTF8 { topic in
                name.withUTF8 { key in
                    var fields = EventFields(topic: UnsafeRawBufferPointer(topic), value: value, timestamp: time)
                    fields.key = UnsafeRawBufferPointer(key)
                    builder.append(fields)
                }
            }
        }
    }

    private func settle(_ numbers: [[Int]], _ outcome: AckOutcome) {
        switch outcome {
        case .durable(let receipt):
            guard receipt.firstSequences.count == numbers.count else {
                return self.model.violate("a receipt that does not fit its request")
            }
            for (batch, first) in zip(numbers, receipt.firstSequences) {
                for (place, number) in batch.enumerated() {
                    let sequence = first + UInt64(place)
                    self.model.acknowledge(number, id: EventID.text(spool: receipt.spool, sequence: sequence), sequence: sequence)
                }
            }
        case .refused(let error):
            self.model.coverage.hit("refused: \(error.code)")
            for number in numbers.joined() { self.model.refuse(number) }
        case .unknown:
            self.model.coverage.hit("outcome unknown")
            for number in numbers.joined() { self.model.giveUp(number) }
        }
    }

    // MARK: Delivery

    private static let properties = KafkaProperties(client: ["bootstrap.servers": "simulated:9092"])
    private static let bounds: ForwardConfiguration = {
        var bounds = ForwardConfiguration()
        bounds.partitionWindow = 32 << 10
        bounds.queueLimit = 64 << 10
        bounds.setAsideGroup = 32 << 10
        return bounds
    }()

    /// Side logs lie by line: what their folders do when a route is renamed is the Runtime's.
    private func aside(
        _ line: Int, _ configuration: SpoolConfiguration, _ budget: SpoolBudget, _ threads: SpoolThreads, _ metrics: MetricsRegistry
    ) throws -> Aside {
        let open = { @Sendable (kind: LogKind, folder: String) throws(ForebayError) in
            var side = configuration
            (side.directory, side.kind, side.segmentSize) = (folder, kind, 16 << 10)
            return try Spool.open(side, budget: budget, threads: threads, metrics: SpoolMetrics(metrics))
        }
        let name = "line\(line)"
        let letters = try DeadLetters(route: name, directory: "\(Self.directory)/deadletters/\(name)", disk: self.disk) {
            folder throws(ForebayError) in try open(.deadLetters, folder)
        }
        let log = try SetAsideLog(directory: "\(Self.directory)/setaside/\(name)", disk: self.disk) {
            folder throws(ForebayError) in try open(.setAside, folder)
        }
        let setAside = try SetAside(
            route: name, log: log, properties: Self.properties, configuration: Self.bounds, surroundings: self.surroundings)
        let source = SetAsideSource(
            setAside, executor: threads.read.executor(), readAheadBytes: 256 << 10, surroundings: self.surroundings)
        return Aside(letters: letters, log: log, setAside: setAside, source: source)
    }

    private func startForward(
        _ route: Route, _ aside: Aside, _ supervisor: Supervisor, _ budget: ForwardBudget, _ loop: SimulatedLoop, _ metrics: MetricsRegistry
    ) async {
        let producers = SimulatedProducers(self.clusters.kafkas[route.cluster], loop: loop)
        let surroundings = self.surroundings
        for (role, source, name) in [
            (ForwardRole.direct, route.source as any EventSource, "forward"), (.drain, aside.source, "setaside"),
        ] {
            await supervisor.start("\(name)/\(route.name)") {
                ForwardStage(
                    role, route: route.name, source: source, producers: producers, properties: Self.properties, deadLetters: aside.letters,
                    setAside: aside.setAside, waiters: DeliveryWaiters(limit: 0), budget: budget, configuration: Self.bounds, loop: loop,
                    metrics: metrics, surroundings: surroundings)
            }
        }
    }

    private func makeTrouble() {
        guard self.plan.usesKafka else { return }
        for (_, trouble) in self.life.troubles {
            Task(executorPreference: self.process.tasks) {
                // Never cancelled.
                try? await self.surroundings.time.sleep(milliseconds: trouble.from)
                trouble.begin(self.clusters.kafkas[trouble.cluster])
                self.model.coverage.hit("trouble: \(trouble.kind.rawValue)")
                try? await self.surroundings.time.sleep(milliseconds: trouble.length)
                trouble.end(self.clusters)
            }
        }
    }

    /// Whether events of the cluster may wait for long.
    private func isTroubled(_ cluster: Int) -> Bool {
        if self.plan.usesKafka { return !self.isLast }
        return self.isAway(cluster)
    }

    private func isAway(_ cluster: Int) -> Bool {
        let milliseconds = Int((self.process.machine.now - self.began) / 1_000_000)
        return self.life.troubles.contains {
            $0.trouble.cluster == cluster && milliseconds >= $0.trouble.from && milliseconds < $0.trouble.from + $0.trouble.length
        }
    }

    /// Waits until nothing waits of the routes whose cluster is there.
    private func drain(_ routes: [Route], _ spool: Spool) async {
        for _ in 0..<(self.isLast ? 3_000 : 600) {
            if routes.allSatisfy({ $0.waiting == 0 || self.isTroubled($0.cluster) && !self.plan.usesKafka }) { return }
            // Never cancelled.
            try? await self.surroundings.time.sleep(milliseconds: 200)
        }
        // A read that fails is tried again, more and more seldom.
        guard self.life.faults.isEmpty else { return self.model.coverage.hit("not drained within two minutes, with faults") }
        let stuck = routes.filter { $0.waiting > 0 && !self.isTroubled($0.cluster) }
        for route in stuck {
            self.model.violate(
                "route \(route.name) is stuck: lag \(route.source.lag), set aside \(route.aside?.setAside.events ?? 0), cursor \(route.cursor.sequence), the log"
                    + " ends at \(spool.durableEnd)")
        }
    }

    // MARK: Checks

    private func checkLag(_ route: Route, _ spool: Spool) {
        // Holes count as waiting until they are passed; how many events they held the log can't know.
        guard !self.model.isDamaged else { return }
        let (lag, expected) = (spool.lag(of: route.cursor), self.model.lag(of: route.line, from: route.cursor.sequence))
        guard !expected.contains(lag) else { return }
        self.model.violate("route \(route.name) says lag \(lag), right is \(expected), cursor \(route.cursor.sequence)")
    }

    private func checkRest(_ routes: [Route], _ spool: Spool, _ budget: SpoolBudget) async {
        // The cursors are synced and segments cleared some 100 ms after; room is looked for once a second.
        for _ in 0..<3 where spool.isFull {
            try? await self.surroundings.time.sleep(milliseconds: 2_000)  // Never cancelled.
        }
        try? await self.surroundings.time.sleep(milliseconds: 2_000)  // Never cancelled.
        for route in routes {
            guard let letters = route.aside?.letters else { continue }
            do {
                for letter in try await letters.list(after: nil, limit: .max) {
                    self.model.bury(letter.value ?? [], id: letter.eventID, refusedRest: self.plan.refusedRest)
                }
            } catch {
                self.model.violate("the dead letters can't be read: \(error)")
            }
        }
        for route in routes where spool.lag(of: route.cursor) != 0 {
            self.model.violate("at rest, route \(route.name) says lag \(spool.lag(of: route.cursor)), cursor \(route.cursor.sequence)")
        }
        if spool.isFull { self.model.violate("at rest, with everything delivered, the spool is full: \(budget.usedBytes) bytes used") }
        if spool.allCursors.count != routes.count {
            self.model.violate("\(spool.allCursors.count) cursors for \(routes.count) routes: \(spool.allCursors.map(\.name))")
        }
        let folder = "\(Self.directory)/spool/segments/"
        let onDisk = self.disk.files.filter {
            $0.hasPrefix(folder) && !$0.contains("/old-") && !$0.contains("/9") || $0.hasSuffix("/ballast")
        }
        .reduce(0) { $0 + (self.disk.size(of: $1) ?? 0) }
        // The newest segment of each log counts as large as it may grow.
        let largest = self.model.events.map(\.size).max() ?? 0  // A group larger than a segment gets a larger one.
        let growing = 2 * self.plan.segmentSize + largest + (self.plan.usesKafka ? routes.count * 2 * (128 << 10) : 0)
        if !self.model.isDamaged, !(onDisk - self.plan.segmentSize...onDisk + growing).contains(budget.usedBytes) {
            self.model.violate("at rest \(budget.usedBytes) bytes are counted, \(onDisk) are on the disk")
        }
        if !self.model.isDamaged, spool.byteCount > 4 * (self.plan.segmentSize + largest) {
            self.model.violate("at rest, with everything delivered, \(spool.segmentCount) segments of \(spool.byteCount) bytes are kept")
        }
    }
}
