import ForebayCore
import ForebayKafka
import ForebayNet
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Synchronization

@testable import ForebayDelivery

/// A route's two forward stages on a loop of their own, fed from memory; what is set aside lies in a temporary folder.
final class StageFixture: Sendable {
    let loop: EventLoop
    let setAside: SetAside
    let aside: DeliveryEngine
    let spool: SpoolID
    let source: MemorySource
    let deadLetters = MemoryDeadLetters()
    let waiters = DeliveryWaiters(limit: 10_000)
    let registry = MetricsRegistry()
    let stage: DeliveryEngine
    private let fed = Mutex<UInt64>(0)
    private let held: Held
    private let more = Happenings<Void>()
    private let run = Mutex<Task<Void, any Error>?>(nil)
    private let draining = Mutex<Task<Void, any Error>?>(nil)
    private let threads = SpoolThreads()
    private let log: SetAsideLog
    /// While it is false, nothing can be set aside: there is no room.
    let hasRoom = Gate()
    private let drainSource: SetAsideSource
    private let folder: String

    init(
        properties: [String: String], budget: DeliveryBudget = DeliveryBudget(), route: String = "test",
        refusesProducers: Gate? = nil,
        configure: (inout DeliverySettings) -> Void = { _ in }
    ) throws {
        var generator = SystemRandomNumberGenerator()
        self.loop = try EventLoop(label: "delivery")
        self.spool = .random(using: &generator)
        let more = self.more
        let held = Held()
        self.source = MemorySource(spool: self.spool) { from in
            while true {
                let seen = more.count
                if let batch = held.batch(at: from) { return batch }
                await more.wait(forCount: seen + 1)  // Outlives a run that is cancelled meanwhile, as a stream would not.
            }
        }
        self.held = held
        var configuration = DeliverySettings()
        configuration.limitPatience = 20
        configuration.metadataRetry = 100
        configure(&configuration)
        self.folder = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-aside-\(UUID().uuidString)").path
        let threads = self.threads
        let spaces = try SpoolBudget(capacity: 1 << 30, directory: self.folder)
        let spoolMetrics = SpoolMetrics(self.registry)
        let hasRoom = self.hasRoom
        self.log = try SetAsideLog(directory: self.folder + "/log") { folder throws(ForebayError) in
            guard hasRoom.isOpen else { throw ForebayError(.spoolFull, recovery: .retry, "no room, as the test says") }
            return try Spool.open(
                SpoolConfiguration(directory: folder, kind: .setAside, segmentSize: 1 << 20) { fatalError("\($0)") }, budget: spaces,
                threads: threads,
                metrics: spoolMetrics)
        }
        let known = KafkaProperties(client: properties)
        self.setAside = SetAside(
            route: route, log: self.log, properties: known, configuration: configuration, surroundings: .real)
        let producers = FlakyProducers(loop: self.loop, isBroken: refusesProducers)
        self.stage = DeliveryEngine(
            .direct, of: DeliveryName(.forward, of: route), source: self.source, producers: producers, properties: known,
            deadLetters: self.deadLetters,
            setAside: self.setAside, waiters: self.waiters, budget: budget, settings: configuration, loop: self.loop,
            metrics: self.registry, surroundings: .real)
        self.drainSource = SetAsideSource(
            self.setAside, executor: self.threads.side.executor(), readAheadBytes: 1 << 20, surroundings: .real)
        self.aside = DeliveryEngine(
            .aside, of: DeliveryName(.forward, of: route), source: self.drainSource, producers: producers, properties: known,
            deadLetters: self.deadLetters,
            setAside: self.setAside, waiters: DeliveryWaiters(limit: 0), budget: budget, settings: configuration, loop: self.loop,
            metrics: self.registry, surroundings: .real)
    }

    /// Says yes until it is closed.
    final class Gate: Sendable {
        private let state = Mutex(true)

        var isOpen: Bool { self.state.withLock { $0 } }

        func set(_ isOpen: Bool) { self.state.withLock { $0 = isOpen } }
    }

    /// Opens no producers while its gate is open.
    private struct FlakyProducers: KafkaProducerSource {
        let loop: EventLoop
        let isBroken: Gate?

        func open(
            name: String, kind: KafkaProducer.Kind, properties: KafkaProperties, metrics: MetricsRegistry?, wake: @escaping () -> Void
        ) throws(ForebayError) -> any KafkaProducing {
            guard self.isBroken?.isOpen != true else {
                throw ForebayError(.configurationInvalid, recovery: .stop, "too many open files, as the test says")
            }
            return try KafkaProducers(loop: self.loop).open(name: name, kind: kind, properties: properties, metrics: metrics, wake: wake)
        }
    }

    /// What the source holds.
    private final class Held: Sendable {
        let batches = Mutex<[UInt64: Batch]>([:])

        func batch(at sequence: UInt64) -> Batch? {
            self.batches.withLock { held in
                if let batch = held[sequence] { return batch }
                // A cursor in the middle of a batch: its rest.
                guard let batch = held.values.first(where: { $0.first < sequence && sequence < $0.end }) else { return nil }
                return batch.dropping(Int(sequence - batch.first))
            }
        }
    }

    /// Appends events to the source as one batch.
    ///
    /// - Returns: the end of their sequences.
    @discardableResult
    func feed(_ samples: [EventFactory.Sample], acceptedAt: Int64 = WallClock.milliseconds) -> UInt64 {
        let first = self.fed.withLock { $0 }
        let batch = EventFactory.batch(samples, spool: self.spool, first: first, acceptedAt: acceptedAt)
        self.held.batches.withLock { $0[first] = batch }
        self.fed.withLock { $0 = batch.end }
        self.more.add(())
        return batch.end
    }

    func start() {
        self.run.withLock { $0 = Task { try await self.stage.run() } }
        self.draining.withLock { $0 = $0 ?? Task { try await self.aside.run() } }
    }

    /// Cancels the run, as the supervisor does, and waits for its end.
    @discardableResult
    func stop() async -> (any Error)? {
        guard let run = self.run.withLock({ $0 }) else { return nil }
        run.cancel()
        return await self.end(of: run)
    }

    /// Waits for a run that ends by itself.
    func ended() async -> (any Error)? {
        guard let run = self.run.withLock({ $0 }) else { return nil }
        return await self.end(of: run)
    }

    private func end(of run: Task<Void, any Error>) async -> (any Error)? {
        if case .failure(let error) = await run.result { return error }
        return nil
    }

    func close() async {
        await self.stop()
        if let draining = self.draining.withLock({ $0 }) {
            draining.cancel()
            _ = await draining.result
        }
        self.drainSource.close()
        await self.loop.stop()
        await self.log.close()
        self.threads.end()
        try? FileManager.default.removeItem(atPath: self.folder)  // A temporary folder.
    }
}

extension Batch {
    /// The batch without its first events.
    func dropping(_ count: Int) -> Batch {
        var offset = self.range.lowerBound
        self.withUnsafeBytes { bytes in
            for _ in 0..<count {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[(offset - self.range.lowerBound)...])
                offset += Event(at: rest)!.record.count
            }
        }
        return Batch(
            lane: self.lane, origin: self.origin, first: self.first + UInt64(count), count: self.count - count, route: self.route,
            acceptedAt: self.acceptedAt, slab: self.slab, range: offset..<self.range.upperBound)
    }
}

/// Checks what stands in a topic against what was fed, by the values `v<number>`: nothing missing, and first occurrences of a key in order.
struct Arrival {
    let numbers: [[Int]]
    let repeats: Int
    let missing: [Int]
    let unordered: [String]

    init(_ records: [KafkaConsumer.Record], expected: some Sequence<Int>) {
        var seen: Set<Int> = [], last: [String: Int] = [:], repeats = 0, unordered: [String] = [], byPartition: [Int32: [Int]] = [:]
        for record in records {
            guard let value = record.value, let number = Int(value.drop { !$0.isNumber }.prefix { $0.isNumber }) else { continue }
            guard seen.insert(number).inserted else {
                repeats += 1
                continue
            }
            byPartition[record.partition, default: []].append(number)
            let key = "\(record.partition)/\(record.key ?? "")"
            if let before = last[key], before > number { unordered.append("\(number) after \(before) of \(key)") }
            last[key] = number
        }
        self.numbers = byPartition.sorted { $0.key < $1.key }.map(\.value)
        self.repeats = repeats
        self.missing = expected.filter { !seen.contains($0) }
        self.unordered = unordered
    }
}
