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

    private static let topics = ["orders", "clicks", "mails", "small"]

    let seed: UInt64
    let plant: Plant
    private var random: SplitMix
    private let machine = SimulatedMachine()
    private let kafka: SimulatedKafka
    private let disk: SimulatedDisk
    let spool: SpoolID
    private(set) var events: [Event] = []
    private var poison: Set<Int> = []
    private var cursor: UInt64 = 0
    /// The events lie in partitions that a consumer group has; otherwise in a spool.
    private(set) var group: GroupSource?
    private let letters = MemoryDeadLetters()
    private(set) var violations: [String] = []
    private(set) var coverage = Coverage()
    /// Topics that were deleted and made again while events were on their way. Their partitions know no producer, librdkafka does not tell
    /// that they are others, and so the first batch that is refused can be overtaken. What was delivered before is gone anyway.
    private var remade: Set<String> = []
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

    private func make(_ topic: String) { self.kafka.create(topic: topic, partitions: 3, limit: topic == "small" ? 3000 : 1_048_588) }

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
        (configuration.partitionWindow, configuration.queueLimit, configuration.heldBytes) = (4000, 30_000, 40_000)
        (configuration.partitionPatience, configuration.holdLimit) = (self.chance(1, in: 2) ? 800 : 10_000, 2000)
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

    // MARK: Disturbances

    private func disturb(_ supervisor: Supervisor, _ surroundings: Surroundings, _ process: SimulatedProcess, isLast: Bool) async {
        let most = self.number(0...40)
        for _ in 0..<most {
            // Never cancelled.
            try? await surroundings.time.sleep(milliseconds: self.chance(1, in: 6) ? self.number(500...12_000) : self.number(1...200))
            await self.disturbOnce(supervisor)
        }
        guard !isLast else { return }
        process.die(self.chance(1, in: 2) ? "killed" : "power cut")
    }

    private func disturbOnce(_ supervisor: Supervisor) async {
        let topic = Self.topics[self.number(0...3)], broker = Int32(self.number(1...3))
        let what: String
        switch self.number(0...(self.group == nil ? 20 : 28)) {
        case 0:
            what = "topic deleted"
            self.kafka.delete(topic: topic)
            self.remade.insert(topic)
        case 1:
            what = "topic made again"
            if self.kafka.topics[topic] == nil { self.make(topic) }
        case 2:
            what = "topic forbidden"
            self.kafka.change(topic: topic) { $0.error = .topicAuthorizationFailed }
        case 3:
            what = "topic hidden"
            self.kafka.change(topic: topic) { $0.isHidden = true }
        case 4:
            what = "limit not told"
            self.kafka.change(topic: topic) { $0.tellsLimit.toggle() }
        case 5, 6:
            what = "broker frozen"
            self.kafka.setBroker(broker, isFrozen: true)
        case 7:
            what = "broker down"
            self.kafka.setBroker(broker, isUp: false)
        case 8:
            what = "cluster away"
            self.kafka.isAway = true
        case 9:
            what = "no leader"
            self.setLeader(topic, nil)
        case 10, 11:
            what = "leader moved"
            self.setLeader(topic, broker)
        case 12:
            what = "topic grown"
            self.kafka.grow(topic: topic, to: min(6, (self.kafka.topics[topic]?.partitions.count ?? 0) + 1))
        case 13:
            what = "stage failed"
            let name = self.chance(1, in: 2) ? "forward" : "setaside"
            _ = await supervisor.fail(name, with: ForebayError(.injected, recovery: .rewindAndRestart, "planted"))
        case 14: what = self.trouble { $0.retriable = 500 }
        case 15: what = self.trouble { ($0.permanent, $0.silent) = (100, 500) }
        case 16: what = self.trouble { ($0.unknown, $0.forgotten, $0.silent) = (50, 50, 500) }
        case 17: what = self.trouble { ($0.broken, $0.queueFull) = (100, 50) }
        case 18:
            what = "slow answers"
            self.kafka.latency = 1...self.number(5...3000)
        case 21...28: what = self.rebalance()
        default:
            what = "healed"
            self.heal()
        }
        self.coverage.hit(what)
        self.tell?("\(self.machine.now / 1_000_000) ms: \(what) \(topic) \(broker)")
    }

    private func trouble(_ change: (inout SimulatedKafka.Chances) -> Void) -> String {
        change(&self.kafka.chances)
        return "batches fail"
    }

    private func setLeader(_ topic: String, _ broker: Int32?) {
        guard let count = self.kafka.topics[topic]?.partitions.count else { return }
        self.kafka.setLeader(of: topic, Int32(self.number(0...count - 1)), to: broker)
    }

    private func heal() {
        self.kafka.heal()
        self.kafka.latency = 1...5
        for topic in Self.topics where self.kafka.topics[topic] == nil { self.make(topic) }
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

    private func check() {
        var stored: Set<Int> = [], last: [String: Int] = [:]
        for record in self.kafka.log {
            let value = String(decoding: record.value ?? [], as: UTF8.self)
            guard let number = Int(value.dropFirst().prefix { $0 != "-" }), number < self.events.count else {
                self.violations.append("nobody sent '\(value.prefix(20))'")
                continue
            }
            let event = self.events[number]
            let key = record.key.map { String(decoding: $0, as: UTF8.self) }
            if value != event.value || key != event.key || record.topic != event.topic || record.timestamp != event.timestamp {
                self.violations.append("\(number) arrived changed")
            }
            if record.id != EventID.text(origin: self.spool, sequence: UInt64(number)) {
                self.violations.append("\(number) has the id \(record.id)")
            }
            guard stored.insert(number).inserted else {
                self.coverage.hit("repeats")
                continue
            }
            guard let key else { continue }
            let line = "\(record.topic) \(key)"
            if let before = last[line], before > number {
                if self.remade.contains(record.topic) {
                    self.coverage.hit("out of order in a topic made again")
                } else {
                    self.violations.append("\(number) of \(line) came first after \(before)")
                }
            }
            last[line] = number
        }
        let buried = Set(self.letters.letters.map(\.eventID))
        for number in self.events.indices {
            let isDead = buried.contains(EventID.text(origin: self.spool, sequence: UInt64(number)))
            if isDead, !self.poison.contains(number) { self.violations.append("\(number) is dead and no broker refused it for good") }
            if self.poison.contains(number), !isDead { self.violations.append("\(number) is poison and not in the dead letters") }
            if !isDead, !stored.contains(number) { self.violations.append("\(number) is lost") }
        }
        self.tellLog()
        self.coverage.hit("events", self.events.count)
        self.coverage.hit("dead", buried.count)
    }

    private func tellLog() {
        guard let tell else { return }
        for (place, record) in self.kafka.log.enumerated() {
            let number = String(decoding: record.value ?? [], as: UTF8.self).prefix { $0 != "-" }
            let key = record.key.map { String(decoding: $0, as: UTF8.self) } ?? "-"
            tell("\(place): \(record.topic)/\(record.partition)@\(record.offset) \(key) \(number) by \(record.producer)")
        }
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
