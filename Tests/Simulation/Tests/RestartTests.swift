import ForebayBuffer
import ForebayCore
import ForebayDelivery
import ForebayForward
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Synchronization
import Testing

/// What restarts repeat while an event that can't be delivered holds a route's cursor, and others behind it were set aside.
@Suite("Restarts with something set aside", .timeLimit(.minutes(1)))
struct RestartTests {
    enum Ending: CaseIterable { case clean, kill, powerCut }

    /// One node's folder, and its Kafka, over the processes that come and go.
    private final class World: @unchecked Sendable {  // Safe because: one thread at a time runs the simulation.
        let machine = SimulatedMachine()
        let disk: SimulatedDisk
        let kafka = SimulatedKafka(seed: 5)
        var seed: UInt64 = 0
        /// By route: how many were sent.
        var sent: [String: Int] = [:]
        var redelivered = 0
        /// Events set aside when a process was last looked at.
        var aside: UInt64 = 1

        init() { self.disk = SimulatedDisk(seed: 3, capacity: 1 << 28) }

        /// One process.
        func life(
            _ names: [String], formerly: [String: [String]] = [:], _ ending: Ending, _ body: @escaping @Sendable (Node) async throws -> Void
        ) throws {
            self.seed += 1
            let process = SimulatedProcess(machine: self.machine, seed: self.seed)
            self.disk.attach(process)
            let trouble = Mutex<(any Error)?>(nil)
            let ended = process.run(steps: 3_000_000, seconds: 100_000) {
                do {
                    let node = try await Node(names, formerly, self, process)
                    try await body(node)
                    if ending != .clean { process.die("killed") }
                    await node.stop()
                } catch { trouble.withLock { $0 = error } }
            }
            if let error = trouble.withLock({ $0 }) { throw error }
            #expect(ended == (ending == .clean ? .ended : .died("killed")))
            if ending == .powerCut { self.disk.cutPower() } else { self.disk.detach() }
            self.kafka.abandonProducers()
        }

        /// How often each value arrived.
        var copies: [String: Int] {
            Dictionary(self.kafka.log.map { (String(decoding: $0.value ?? [], as: UTF8.self), 1) }, uniquingKeysWith: +)
        }
    }

    private final class Node: @unchecked Sendable {  // Safe because: as the world.
        struct Route {
            let source: SpoolSource
            let setAside: SetAside
            let log: SetAsideLog
            let letters: DeadLetters
            let drain: SetAsideSource
        }

        let world: World
        let surroundings: Surroundings
        let spool: Spool
        let threads: SpoolThreads
        let supervisor: Supervisor
        let metrics = MetricsRegistry()
        var routes: [String: Route] = [:]

        init(_ names: [String], _ formerly: [String: [String]], _ world: World, _ process: SimulatedProcess) async throws {
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
        func until(_ what: String, _ condition: (Node) -> Bool) async throws {
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

    /// Two routes; of each one topic is missing, another one can't be reached from the first event on: its broker is away.
    private func world(_ names: [String]) throws -> World {
        let world = World()
        for name in names { world.kafka.create(topic: "\(name)-there", partitions: 3) }
        return world
    }

    private func topics(_ route: String) -> [String] { ["\(route)-there", "\(route)-missing", "\(route)-missing"] }

    @Test("the same events are set aside once, however often the node is started again", arguments: Ending.allCases)
    func restarts(ending: Ending) throws {
        let names = ["a", "b"]
        let world = try self.world(names)
        // The cluster is there, so what is missing is known to be; then it goes away.
        try world.life(names, .clean) { node in
            for name in names { try await node.send(name, ["\(name)-missing"], 3) }
            try await node.until("set aside") { node in names.allSatisfy { node.routes[$0]!.setAside.events == 3 } }
        }
        world.kafka.isAway = true
        try world.life(names, ending) { node in
            for name in names { try await node.send(name, self.topics(name), 300) }
            try await node.until("set aside") { node in names.allSatisfy { node.routes[$0]!.setAside.events == 203 } }
            try await node.pass(milliseconds: 3_000)
        }
        for restart in 0..<4 {
            try world.life(names, restart % 2 == 0 ? ending : .clean) { node in
                try await node.pass(milliseconds: 20_000)
                for name in names {
                    #expect(node.routes[name]!.setAside.events == 203, "route \(name), restart \(restart)")
                    #expect(node.routes[name]!.source.lag >= 300)
                }
                #expect(node.redelivered == 0, "nothing was sent, and nothing set aside again")
            }
        }
        world.kafka.isAway = false
        for name in names { world.kafka.create(topic: "\(name)-missing", partitions: 2) }
        try world.life(names, .clean) { node in
            try await node.until("all is delivered") { node in
                names.allSatisfy { node.routes[$0]!.setAside.isEmpty && node.routes[$0]!.source.lag == 0 }
            }
        }
        #expect(world.copies.count == 606 && world.copies.values.allSatisfy { $0 == 1 }, "each once")
    }

    @Test("killed just when events are set aside, again and again: at most those of the last second come twice, and they are counted")
    func crashLoop() throws {
        let world = try self.world(["a"])
        try world.life(["a"], .clean) { node in
            try await node.send("a", ["a-missing"], 1)
            try await node.until("set aside") { $0.routes["a"]!.setAside.events == 1 }
        }
        world.kafka.isAway = true
        for kill in 0..<10 {
            try world.life(["a"], kill % 2 == 0 ? .kill : .powerCut) { node in
                try await node.send("a", self.topics("a"), 300)
                let before = world.aside
                try await node.until("set aside") { $0.routes["a"]!.setAside.events >= before + 200 }
                try await node.pass(milliseconds: kill * 130)
                world.aside = node.routes["a"]!.setAside.events
                world.redelivered += node.redelivered
            }
        }
        world.kafka.isAway = false
        world.kafka.create(topic: "a-missing", partitions: 2)
        try world.life(["a"], .clean) { node in
            try await node.until("all is delivered") { $0.routes["a"]!.setAside.isEmpty && $0.routes["a"]!.source.lag == 0 }
            world.redelivered += node.redelivered
        }
        let repeats = world.kafka.log.count - world.copies.count
        #expect(world.copies.count == 3001, "nothing is lost")
        #expect(repeats <= 10 * 200, "a kill repeats what its own life set aside, not what those before it did")
        #expect(repeats <= world.redelivered, "\(repeats) came twice, \(world.redelivered) are counted")
    }

    @Test("what is set aside gone, or damaged: the spool has it still, and it is set aside again", arguments: Ending.allCases)
    func sideLogLost(ending: Ending) throws {
        let world = try self.world(["a"])
        world.kafka.create(topic: "a-other", partitions: 1)
        try world.life(["a"], .clean) { node in
            try await node.send("a", ["a-missing"], 1)
            try await node.until("set aside") { $0.routes["a"]!.setAside.events == 1 }
        }
        world.kafka.isAway = true
        try world.life(["a"], ending) { node in
            try await node.send("a", self.topics("a"), 300)
            try await node.until("set aside") { $0.routes["a"]!.setAside.events == 201 }
            try await node.pass(milliseconds: 3_000)
        }
        for file in world.disk.files where file.hasPrefix("/data/setaside/a/segments/") { world.disk.lose(file) }
        for life in 0..<2 {
            // Nobody tells that the topic was missing.
            try world.life(["a"], .clean) { node in
                try await node.pass(milliseconds: 20_000)
                #expect(node.routes["a"]!.source.lag == 298)
                #expect(node.routes["a"]!.setAside.events == 0)
                if life == 0 { _ = try await node.routes["a"]!.log.acknowledgeAlarms() }
            }
        }
        world.kafka.isAway = false
        world.kafka.create(topic: "a-missing", partitions: 2)
        try world.life(["a"], .clean) { node in
            try await node.until("all is delivered") { $0.routes["a"]!.setAside.isEmpty && $0.routes["a"]!.source.lag == 0 }
        }
        #expect(world.copies.count == 298, "all but the first ones, which the cursor had passed and which are named")
        #expect(world.copies.values.allSatisfy { $0 == 1 })
    }

    @Test("renamed meanwhile, by formerly, and back: nothing is lost, whatever is repeated")
    func renamed() throws {
        let world = try self.world(["a", "b"])
        try world.life(["a", "b"], .clean) { node in
            for name in ["a", "b"] { try await node.send(name, ["\(name)-missing"], 1) }
            try await node.until("set aside") { node in ["a", "b"].allSatisfy { node.routes[$0]!.setAside.events == 1 } }
        }
        world.kafka.isAway = true
        try world.life(["a", "b"], .kill) { node in
            for name in ["a", "b"] { try await node.send(name, self.topics(name), 90) }
            try await node.until("set aside") { node in ["a", "b"].allSatisfy { node.routes[$0]!.setAside.events == 61 } }
            try await node.pass(milliseconds: 3_000)
        }
        for names in [["c", "b"], ["c", "b"], ["a", "b"]] {
            try world.life(names, formerly: names.contains("c") ? ["c": ["a"]] : [:], .clean) { node in
                try await node.pass(milliseconds: 20_000)
            }
        }
        world.kafka.isAway = false
        for name in ["a", "b"] { world.kafka.create(topic: "\(name)-missing", partitions: 2) }
        try world.life(["c", "b"], formerly: ["c": ["a"]], .clean) { node in
            try await node.until("all is delivered") { node in
                ["c", "b"].allSatisfy { node.routes[$0]!.setAside.isEmpty && node.routes[$0]!.source.lag == 0 }
            }
        }
        #expect(world.copies.count == 182)
        #expect(
            world.copies.filter { $0.key.hasPrefix("b") }.values.allSatisfy { $0 == 1 }, "the route that was left alone repeats nothing")
    }
}
