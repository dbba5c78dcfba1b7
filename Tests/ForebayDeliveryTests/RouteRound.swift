import ForebayCore
import ForebayDelivery
import ForebayForward
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit

/// A route's two real stages under the real supervisor, with the real set-aside log on a disk in memory, against a Kafka in memory: all in an
/// order, and with disturbances, that a seed decides. Some rounds kill the process and begin anew from what it left.
final class RouteRound: @unchecked Sendable {  // Safe because: one thread at a time runs the simulation.
    struct Event {
        let topic: String
        let key: String?
        let value: String
        let timestamp: Int64
    }

    /// Bugs that the checks must catch.
    enum Plant {
        case none
        /// Brokers take what stands behind a batch that they refused.
        case gaps
        /// Dead letters are told durable and are not.
        case lostLetters
        /// The cursor passes some events more than are settled.
        case cursorAhead
    }

    /// What a run of many rounds must have met.
    static let required = [
        "topic deleted", "topic made again", "topic forbidden", "topic hidden", "topic grown", "limit not told", "broker frozen",
        "broker down", "cluster away", "no leader", "leader moved", "stage failed", "batches fail", "slow answers", "healed",
        "killed: killed", "killed: power cut", "repeats", "dead",
    ]

    static let topics = ["orders", "clicks", "mails", "small"]

    let seed: UInt64
    let plant: Plant
    var random: SplitMix
    let machine = SimulatedMachine()
    let kafka: SimulatedKafka
    private let disk: SimulatedDisk
    let spool: SpoolID
    private(set) var events: [Event] = []
    var poison: Set<Int> = []
    var cursor: UInt64 = 0
    /// The events lie in partitions that a consumer group has; otherwise in a spool.
    private(set) var group: GroupSource?
    let letters = MemoryDeadLetters()
    var violations: [String] = []
    var coverage = Coverage()
    /// Topics that were deleted and made again while events were on their way. Their partitions know no producer, librdkafka does not tell
    /// that they are others, and so the first batch that is refused can be overtaken. What was delivered before is gone anyway.
    var remade: Set<String> = []
    var tell: ((String) -> Void)?

    init(seed: UInt64, plant: Plant = .none, isGroup: Bool = false) {
        self.seed = seed
        self.plant = plant
        self.random = SplitMix(seed: seed)
        self.kafka = SimulatedKafka(seed: seed ^ 0xCAF)
        self.disk = SimulatedDisk(seed: seed ^ 0xD15C, capacity: 1 << 28)
        self.spool = .random(using: &self.random)
        self.makeEvents()
        if isGroup { self.group = self.makeGroup() }
        for topic in Self.topics { self.make(topic) }
        self.kafka.checksSequences = plant != .gaps
        let poison = Set(self.poison.map { "v\($0)" })
        self.kafka.refusal = { record in
            let value = String(decoding: record.value ?? [], as: UTF8.self)
            return poison.contains(String(value.prefix { $0 != "-" })) ? .invalidTimestamp : .none
        }
    }

    func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self.random) }

    func chance(_ part: Int, in whole: Int) -> Bool { self.number(1...whole) <= part }

    func make(_ topic: String) { self.kafka.create(topic: topic, partitions: 3, limit: topic == "small" ? 3000 : 1_048_588) }

    private func makeEvents() {
        for number in 0..<self.number(100...500) {
            let topic = Self.topics[self.number(0...3)]
            let isLarge = topic == "small" && self.chance(1, in: 60)
            if isLarge || self.chance(1, in: 150) { self.poison.insert(number) }
            let padding = String(repeating: "x", count: isLarge ? 4000 : self.number(0...200))
            self.events.append(
                Event(
                    topic: topic, key: self.chance(1, in: 4) ? nil : "key-\(self.number(0...9))", value: "v\(number)-\(padding)",
                    timestamp: 1_700_000_000_000 + Int64(number)))
        }
    }

    // MARK: The round

    /// - Returns: what was wrong; empty when the promise was kept.
    func run() -> [String] {
        let log = LogCapture()
        defer { log.close() }
        let lives = self.chance(1, in: 3) ? self.number(2...3) : 1
        for life in 1...lives where self.violations.isEmpty {
            let process = SimulatedProcess(machine: self.machine, seed: self.random.next())
            self.disk.attach(process)
            let isLast = life == lives
            let ending = process.run(steps: 3_000_000, seconds: 7200) { await self.live(process, isLast: isLast) }
            self.tell?(
                "life \(life) of \(lives): \(ending) after \(process.steps) jobs at \(self.machine.now / 1_000_000) ms, cursor \(self.cursor)"
            )
            switch ending {
            case .ended: self.disk.detach()
            case .died(let reason):
                self.coverage.hit("killed: \(reason)")
                if reason == "power cut" { self.disk.cutPower() } else { self.disk.detach() }
            case .stuck(let reason): self.violations.append("stuck: \(reason)")
            }
            self.group?.leave()
            self.kafka.abandonProducers()
        }
        if self.violations.isEmpty { self.check() }
        for record in log.records { self.tell?("\(record.label): \(record.message) \(record.data.map { "\($0.key)=\($0.value)" })") }
        return self.violations
    }

    private func live(_ process: SimulatedProcess, isLast: Bool) async {
        do {
            try await self.deliver(process, isLast: isLast)
        } catch {
            self.violations.append("\(error)")
        }
    }

    private func deliver(_ process: SimulatedProcess, isLast: Bool) async throws {
        let surroundings = process.surroundings, loop = SimulatedLoop(process), metrics = MetricsRegistry()
        let threads = SpoolThreads(surroundings)
        let budget = try SpoolBudget(capacity: 1 << 27, directory: "/data", disk: self.disk)
        let spoolMetrics = SpoolMetrics(metrics), disk = self.disk
        let log = try SetAsideLog(directory: "/data/aside", disk: disk) { folder throws(ForebayError) in
            var configuration = SpoolConfiguration(directory: folder, kind: .setAside, segmentSize: 256 << 10) { process.die("\($0)") }
            (configuration.disk, configuration.surroundings) = (disk, surroundings)
            return try Spool.open(configuration, budget: budget, threads: threads, metrics: spoolMetrics)
        }
        let properties = KafkaProperties(client: ["batch.num.messages": "20", "socket.timeout.ms": "3000"])
        var configuration = DeliverySettings()
        (configuration.partitionWindow, configuration.queueLimit, configuration.settledOutstandingBytes) = (4000, 30_000, 40_000)
        (configuration.partitionPatience, configuration.backoffLimit) = (self.chance(1, in: 2) ? 800 : 10_000, 2000)
        let known = configuration
        let setAside = SetAside(route: "r", log: log, properties: properties, configuration: known, surroundings: surroundings)
        let source: any EventSource = self.group ?? CheckedSource(self.source(surroundings)) { self.moved(to: $0) }
        let drainSource = SetAsideSource(setAside, executor: threads.side.executor(), readAheadBytes: 16 << 10, surroundings: surroundings)
        let window = DeliveryBudget(total: 200_000), producers = SimulatedProducers(self.kafka, loop: loop), letters = self.deadLetters
        let supervisor = Supervisor(policy: RestartPolicy(first: 10, limit: 500), metrics: metrics, surroundings: surroundings)
        for (way, source) in [(.direct, source), (.aside, drainSource)] as [(DeliveryWay, any EventSource)] {
            await supervisor.start(way.child(of: DeliveryName(.forward, of: "r"))) {
                ForwardStage(
                    DeliveryEngine(
                        way, of: DeliveryName(.forward, of: "r"), source: source, producers: producers, properties: properties,
                        deadLetters: letters,
                        setAside: setAside,
                        waiters: DeliveryWaiters(limit: 0), budget: window, settings: known, loop: loop, metrics: metrics,
                        surroundings: surroundings))
            }
        }
        await self.disturb(supervisor, surroundings, process, isLast: isLast)
        await self.settle(supervisor, setAside, surroundings)
        await supervisor.shutdown(within: .seconds(5))
        drainSource.close()
        await log.close()
        threads.end()
    }

    private var deadLetters: any DeadLetterLog { self.plant == .lostLetters ? LostLetters() : self.letters }

    private func source(_ surroundings: Surroundings) -> MemorySource {
        MemorySource(spool: self.spool, cursor: self.cursor) { from in
            guard from < UInt64(self.events.count) else { return nil }
            // Cancelled: nobody asks any more.
            if self.chance(1, in: 4) { try? await surroundings.time.sleep(milliseconds: self.number(1...300)) }
            let count = min(self.events.count - Int(from), self.number(1...40))
            let samples = self.events[Int(from)..<Int(from) + count].map {
                EventFactory.Sample($0.topic, key: $0.key, value: $0.value, timestamp: $0.timestamp)
            }
            return EventFactory.batch(samples, spool: self.spool, first: from, acceptedAt: 1)
        }
    }

    private func moved(to cursor: UInt64) {
        if cursor < self.cursor { self.violations.append("the cursor moved back from \(self.cursor) to \(cursor)") }
        self.cursor = self.plant == .cursorAhead ? min(UInt64(self.events.count), cursor + 20) : cursor
    }

    // MARK: The end

    private func settle(_ supervisor: Supervisor, _ setAside: SetAside, _ surroundings: Surroundings) async {
        self.heal()
        let began = self.machine.now
        for _ in 0..<3000 {
            self.assignAll()
            if self.group?.isSettled ?? (self.cursor == UInt64(self.events.count)), setAside.isEmpty {
                self.coverage.hit("seconds to settle", Int((self.machine.now - began) / 1_000_000_000))
                return
            }
            // Never cancelled.
            try? await surroundings.time.sleep(milliseconds: 100)
        }
        let facts = await supervisor.reports().map {
            "\($0.name) \($0.state) \($0.lastError ?? "") \($0.facts.map { "\($0.name)=\($0.value)" })"
        }
        self.violations.append(
            "not settled five minutes after all was healed: \(self.group?.places ?? ["cursor \(self.cursor) of \(self.events.count)"]), set aside \(setAside.shown(limit: 9)), "
                + "\(facts)")
    }
}

/// Dead letters that are told to be durable.
private struct LostLetters: DeadLetterLog {
    func append(_ letters: [DeadLetter]) async throws(ForebayError) -> [UInt64] { letters.map { _ in 0 } }
}

/// A source that tells where its cursor moves.
private struct CheckedSource: EventSource {
    let inner: MemorySource
    let moved: @Sendable (UInt64) -> Void

    init(_ inner: MemorySource, _ moved: @escaping @Sendable (UInt64) -> Void) { (self.inner, self.moved) = (inner, moved) }

    func batches() -> AsyncStream<Batch> { self.inner.batches() }

    func commit(through end: Offset) throws(ForebayError) {
        try self.inner.commit(through: end)
        self.moved(end.number)
    }

    func load(_ lane: Lane) -> UInt64? { self.inner.load(lane) }
    func flush() async { await self.inner.flush() }
    var cursor: Offset { self.inner.cursor }
    var lag: UInt64 { self.inner.lag }
}
