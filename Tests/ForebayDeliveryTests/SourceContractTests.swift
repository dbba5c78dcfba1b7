import Dispatch
import ForebayCore
import ForebaySpool
import ForebayTestKit
import Synchronization
import Testing

@testable import ForebayDelivery

/// What the engine is driven by does what all sources do: the set-aside log, and those that tests have in place of others.
@Suite("Contracts of what the engine stands on", .timeLimit(.minutes(1)))
struct SourceContractTests {
    @Test("events in memory", arguments: EventSourceClaim.allCases)
    func memory(_ claim: EventSourceClaim) async throws {
        try await claim.check(MemoryWorld())
    }

    private final class MemoryWorld: EventSourceWorld, Sendable {
        private let values = Happenings<String>()
        private let memory: MemorySource

        init() {
            var generator = SystemRandomNumberGenerator()
            let (values, spool) = (self.values, SpoolID.random(using: &generator))
            self.memory = MemorySource(spool: spool) { from in
                _ = await eventually(within: .seconds(60)) { Task.isCancelled || values.count > from }
                let next = values.all.dropFirst(Int(from)).prefix(7)
                return next.isEmpty ? nil : EventFactory.batch(next.map { .init("t", value: $0) }, spool: spool, first: from)
            }
        }

        var source: any EventSource { self.memory }

        func add(_ values: [String]) { for value in values { self.values.add(value) } }
    }

    @Test("a consumer group in memory", arguments: EventSourceClaim.allCases)
    func group(_ claim: EventSourceClaim) async throws {
        let tasks = OneAtATime()
        try await Task(executorPreference: tasks) { try await claim.check(GroupWorld(tasks)) }.value
    }

    /// The group in memory has no locks.
    private final class OneAtATime: TaskExecutor {
        private let queue = DispatchQueue(label: "one at a time")

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            self.queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
        }
    }

    private final class GroupWorld: EventSourceWorld {
        private let group: GroupSource
        private var random = SplitMix(seed: 7)
        let tasks: (any TaskExecutor)?

        init(_ tasks: (any TaskExecutor)?) {
            self.tasks = tasks
            let partitions = (0..<3).map { GroupSource.Partition(topic: "front", number: $0, events: [], end: 0) }
            self.group = GroupSource(partitions, origin: .none, seed: 7)
        }

        var source: any EventSource { self.group }

        func add(_ values: [String]) {
            for value in values {
                let index = Int.random(in: 0..<3, using: &self.random)
                self.group.append(.init("t", value: value), to: index, hole: .random(in: 0...1, using: &self.random) * 2)
            }
        }

        func begin(_ read: () -> AsyncStream<Batch>) -> AsyncStream<Batch> {
            for index in 0..<3 { self.group.assign(index) }
            return read()
        }

        func restart() -> Bool {
            self.group.leave()
            return true
        }

        func takeLanes(isLost: Bool) -> Bool {
            for index in 0..<3 { if isLost { self.group.lose(index) } else { self.group.revoke(index) } }
            return true
        }
    }

    @Test("what is set aside, of three topics", arguments: EventSourceClaim.allCases)
    func setAside(_ claim: EventSourceClaim) async throws {
        let world = try AsideWorld()
        try await claim.check(world)
        await world.close()
    }

    private final class AsideWorld: EventSourceWorld {
        private var world: SetAsideWorld
        private var drain: SetAsideSource
        private var now: UInt64 = 0

        init() throws {
            self.world = try SetAsideWorld()
            self.drain = Self.source(self.world)
        }

        private static func source(_ world: SetAsideWorld) -> SetAsideSource {
            SetAsideSource(world.setAside, executor: world.executor, readAheadBytes: 1 << 20, surroundings: .real)
        }

        var source: any EventSource { self.drain }

        func add(_ values: [String]) async throws {
            for value in values {
                let topic = "topic-\((Int(value) ?? 0) % 3)"
                try await self.world.add(topic, [value])
            }
        }

        func begin(_ read: () -> AsyncStream<Batch>) -> AsyncStream<Batch> {
            self.now += 100_000
            self.world.setAside.end(.aside, now: self.now)
            self.world.setAside.begin(.aside) {}
            let batches = read()
            self.now += 100_000
            for topic in self.world.setAside.due(now: self.now).keys { self.world.find(topic) }
            return batches
        }

        func restart() async throws -> Bool {
            self.drain.close()
            self.world = try await SetAsideWorld(after: self.world)
            self.drain = Self.source(self.world)
            return true
        }

        func close() async {
            self.drain.close()
            await self.world.log.close()
        }
    }

    @Test("dead letters in memory", arguments: DeadLetterLogClaim.allCases)
    func deadLetters(_ claim: DeadLetterLogClaim) async throws {
        try await claim.check(LettersWorld())
    }

    private final class LettersWorld: DeadLetterLogWorld {
        private let letters = MemoryDeadLetters()

        var log: any DeadLetterLog { self.letters }

        func contents() -> [(number: UInt64, id: String)] { self.letters.letters.enumerated().map { (UInt64($0), $1.eventID) } }

        func fail(_ fails: Bool) { self.letters.failNext(fails ? 1 : 0) }
    }
}
