import ForebayCore
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Synchronization
import Testing

@testable import ForebayDelivery

/// What a test was not prepared for.
struct Unexpected: Error, CustomStringConvertible {
    let description: String
}

/// A route's two stages in simulated time, over a ``ScriptedCluster``: a test says what the cluster does, and sees what they do when. What
/// is set aside lies on a disk in memory.
final class StageWorld: @unchecked Sendable {  // Safe because: one thread at a time runs the simulation.
    /// Names a world's route, so that its lines are found among those of tests that run at the same time.
    private static let worlds = Atomic<Int>(0)

    struct Setting {
        var configuration = DeliverySettings()
        var properties: [String: String] = [:]
        var budget = DeliveryBudget()
        var seed: UInt64 = 1
        var hasDrain = true
    }

    let route = "world-\(StageWorld.worlds.wrappingAdd(1, ordering: .relaxed).newValue)"
    let process: SimulatedProcess
    let disk: SimulatedDisk
    let loop: SimulatedLoop
    let cluster: ScriptedCluster
    let letters = RecordingLetters()
    let waiters = DeliveryWaiters(limit: 1000)
    let registry = MetricsRegistry()
    let setting: Setting
    let source: MemorySource
    let setAside: SetAside
    let stage: DeliveryEngine
    let aside: DeliveryEngine
    /// While it is false there is no room for a set-aside log.
    let hasRoom = Mutex(true)
    /// When the set-aside log was to be opened or made, in ns.
    private(set) var openings: [UInt64] = []
    private let log = LogCapture()
    private let feed: Feed
    let drainSource: SetAsideSource
    let asideLog: SetAsideLog
    private let threads: SpoolThreads
    private var runs: [Task<Void, any Error>] = []

    // MARK: The world

    static func run(_ change: (inout Setting) -> Void = { _ in }, _ body: @escaping @Sendable (StageWorld) async throws -> Void) throws {
        var setting = Setting()
        change(&setting)
        let process = SimulatedProcess(machine: SimulatedMachine(), seed: setting.seed)
        let known = setting
        let trouble = Mutex<(any Error)?>(nil)
        let ending = process.run(steps: 5_000_000, seconds: 100_000) {
            do {
                let world = try StageWorld(process, known)
                world.start()
                do { try await body(world) } catch { trouble.withLock { $0 = error } }
                await world.close()
            } catch {
                trouble.withLock { $0 = error }
            }
        }
        if let error = trouble.withLock({ $0 }) { throw error }
        #expect(ending == .ended)
    }

    private init(_ process: SimulatedProcess, _ setting: Setting) throws {
        let surroundings = process.surroundings
        (self.process, self.setting) = (process, setting)
        self.disk = SimulatedDisk(seed: setting.seed, capacity: 1 << 28)
        self.disk.attach(process)
        self.loop = SimulatedLoop(process)
        self.cluster = ScriptedCluster(loop: self.loop, time: surroundings.time)
        self.threads = SpoolThreads(surroundings)
        let budget = try SpoolBudget(capacity: 1 << 27, directory: "/data", disk: self.disk)
        let (metrics, disk, threads, room) = (SpoolMetrics(self.registry), self.disk, self.threads, RoomSign())
        self.asideLog = try SetAsideLog(directory: "/data/aside", disk: disk) { folder throws(ForebayError) in
            room.world?.openings.append(process.machine.now)
            guard room.world?.hasRoom.withLock({ $0 }) != false else { throw ForebayError(.spoolFull, recovery: .retry, "no room") }
            var configuration = SpoolConfiguration(directory: folder, kind: .setAside, segmentSize: 256 << 10) { process.die("\($0)") }
            (configuration.disk, configuration.surroundings) = (disk, surroundings)
            return try Spool.open(configuration, budget: budget, threads: threads, metrics: metrics)
        }
        let properties = KafkaProperties(client: ["bootstrap.servers": "k:1"].merging(setting.properties) { $1 })
        self.setAside = SetAside(
            route: self.route, log: self.asideLog, properties: properties, configuration: setting.configuration, surroundings: surroundings)
        let feed = Feed()
        self.feed = feed
        self.source = MemorySource(spool: feed.spool) { from in await feed.batch(from) }
        self.drainSource = SetAsideSource(
            self.setAside, executor: self.threads.side.executor(), readAheadBytes: 1 << 20, surroundings: surroundings)
        func stage(_ way: DeliveryWay, _ source: any EventSource, _ waiters: DeliveryWaiters, _ world: StageWorld.Parts) -> DeliveryEngine {
            DeliveryEngine(
                way, of: DeliveryName(.forward, of: world.route), source: source, producers: world.cluster, properties: properties,
                deadLetters: world.letters,
                setAside: world.setAside, waiters: waiters, budget: setting.budget, settings: setting.configuration, loop: world.loop,
                metrics: world.registry, surroundings: surroundings)
        }
        let parts = Parts(
            route: self.route, cluster: self.cluster, letters: self.letters, setAside: self.setAside, loop: self.loop,
            registry: self.registry)
        self.stage = stage(.direct, self.source, self.waiters, parts)
        self.aside = stage(.aside, self.drainSource, DeliveryWaiters(limit: 0), parts)
        room.world = self
        self.letters.now = { process.machine.now }
    }

    private struct Parts {
        let route: String
        let cluster: ScriptedCluster
        let letters: RecordingLetters
        let setAside: SetAside
        let loop: SimulatedLoop
        let registry: MetricsRegistry
    }

    private final class RoomSign: @unchecked Sendable {  // Safe because: as the world.
        weak var world: StageWorld?
    }

    /// Whole ms between times in ns, each rounded.
    static func gaps(_ times: [UInt64]) -> [UInt64] { zip(times, times.dropFirst()).map { ($1 - $0 + 500_000) / 1_000_000 } }

    /// Begins a run of the direct stage; of the drain's, too, if it is to be and does not run.
    func start() {
        let (stage, drain) = (self.stage, self.aside)
        let isFirst = self.runs.isEmpty
        let run = Task(executorPreference: self.process.tasks) { try await stage.run() }
        if isFirst {
            self.runs = [run]
            if self.setting.hasDrain { self.runs.append(Task(executorPreference: self.process.tasks) { try await drain.run() }) }
        } else {
            self.runs[0] = run
        }
    }

    /// Waits for the end of the direct stage's run.
    func ended() async -> (any Error)? {
        if case .failure(let error) = await self.runs[0].result { return error }
        return nil
    }

    /// Waits for the end of the drain's run.
    func drainEnded() async -> (any Error)? {
        if case .failure(let error) = await self.runs[1].result { return error }
        return nil
    }

    func stop() async {
        self.runs[0].cancel()
        _ = await self.ended()
    }

    private func close() async {
        for run in self.runs { run.cancel() }
        for run in self.runs { _ = await run.result }
        self.feed.finish()
        self.drainSource.close()
        await self.asideLog.close()
        self.threads.end()
        self.log.close()
    }

    // MARK: Events

    private final class Feed: @unchecked Sendable {  // Safe because: as the world.
        let spool: SpoolID
        var batches: [UInt64: Batch] = [:]
        var end: UInt64 = 0
        let more = Happenings<Bool>()

        init() {
            var generator = SplitMix(seed: 7)
            self.spool = .random(using: &generator)
        }

        func batch(_ from: UInt64) async -> Batch? {
            while self.more.all.last != false {
                let seen = self.more.count
                if let batch = self.batches[from] { return batch }
                if let batch = self.batches.values.first(where: { $0.first < from && from < $0.end }) {
                    return batch.dropping(Int(from - batch.first))
                }
                await self.more.wait(forCount: seen + 1)
            }
            return nil
        }

        func finish() { self.more.add(false) }
    }

    var spool: SpoolID { self.feed.spool }

    @discardableResult
    func give(_ samples: [EventFactory.Sample], acceptedAt: Int64? = nil) -> UInt64 {
        let batch = EventFactory.batch(samples, spool: self.spool, first: self.feed.end, acceptedAt: acceptedAt ?? self.wall)
        self.feed.batches[batch.first] = batch
        self.feed.end = batch.end
        self.feed.more.add(true)
        return batch.end
    }

    /// Events `v<number>` of a topic's first partition.
    @discardableResult
    func give(_ count: Int, _ topic: String = "t") -> UInt64 {
        let first = Int(self.feed.end)
        return self.give((first..<first + count).map { EventFactory.Sample(topic, value: "v\($0)", partition: 0, timestamp: self.wall) })
    }

    // MARK: Time

    var now: UInt64 { self.loop.nowMilliseconds }
    var wall: Int64 { self.process.machine.wallMilliseconds }

    /// Lets simulated time pass.
    func pass(_ milliseconds: Int) async {
        try? await self.process.surroundings.time.sleep(milliseconds: milliseconds)  // Never cancelled.
    }

    /// Lets time pass until a condition holds.
    ///
    /// - Returns: how many ms that took.
    @discardableResult
    func until(_ what: String, within limit: Int = 120_000, _ isTrue: () async -> Bool) async throws -> Int {
        let began = self.now
        while await !isTrue() {
            guard self.now < began + UInt64(limit) else { throw Unexpected(description: "not within \(limit) ms: \(what)") }
            await self.pass(1)
        }
        return Int(self.now - began)
    }

    /// Lets time pass until the cursor stands at an end.
    @discardableResult
    func settled(_ end: UInt64) async throws -> Int {
        try await self.until("the cursor is at \(end), not \(self.source.cursor.number)") { self.source.cursor.number >= end }
    }

    // MARK: What is seen

    func fact(_ name: String, of stage: DeliveryEngine? = nil) -> Fact.Value? {
        (stage ?? self.stage).facts.first { $0.name == name }?.value
    }

    /// The main one of the route's direct stage, which is open.
    var producer: ScriptedProducer { get throws { try #require(self.cluster.producers["forward/\(self.route)"]) } }

    /// Lines of this route with a message.
    func told(_ message: String) -> [LogRecord] { self.log.records.filter { $0.message == message && $0["route"] == self.route } }

    /// The value of a series: its name, and a part of its labels.
    /// Of the direct way, unless the labels say otherwise.
    func metric(_ name: String, _ labels: String = "") -> String? {
        let lines = self.registry.render().split(separator: "\n").filter { $0.hasPrefix(name + "{") && $0.contains(labels) }
        return (lines.first { !$0.contains("way=\"aside\"") } ?? lines.first)?.split(separator: " ").last.map(String.init)
    }
}

extension DeliveryEngine {
    /// Looks into the stage.
    func look<Result: Sendable>(_ body: @Sendable (isolated DeliveryEngine) -> Result) -> Result { body(self) }
}

/// Dead letters in memory, by the calls that brought them.
final class RecordingLetters: DeadLetterLog, @unchecked Sendable {  // Safe because: one thread at a time runs the simulation.
    private(set) var calls: [[DeadLetter]] = []
    var failures = 0
    /// It takes no more bytes at once.
    var limit = Int.max
    /// When it was called, in ns.
    private(set) var times: [UInt64] = []
    var now: () -> UInt64 = { 0 }

    var letters: [DeadLetter] { self.calls.flatMap { $0 } }

    func append(_ letters: [DeadLetter]) async throws(ForebayError) -> [UInt64] {
        self.times.append(self.now())
        if self.failures > 0 {
            self.failures -= 1
            throw ForebayError(.spoolFull, recovery: .retry, "no room for dead letters")
        }
        guard letters.reduce(0, { $0 + $1.record.count }) <= self.limit else {
            throw ForebayError(.spoolFull, recovery: .retry, "no segment for so much")
        }
        let first = UInt64(self.letters.count)
        self.calls.append(letters)
        return letters.indices.map { first + UInt64($0) }
    }
}
