import ForebayCore
import ForebayNet
import ForebaySpool
import ForebayTelemetry
import Foundation
import Synchronization
import Testing

@testable import ForebayBuffer

@Suite("Buffer stage", .timeLimit(.minutes(1)))
struct BufferStageTests {
    /// What happened to a submission.
    private final class Outcome: Sendable {
        let value = Mutex<String?>(nil)
        func token() -> AckToken {
            AckToken { outcome in
                let text =
                    switch outcome {
                    case .durable(let receipt): "durable \(receipt.firstSequences)"
                    case .refused(let error): "refused \(error.code)"
                    case .unknown: "unknown"
                    }
                self.value.withLock { $0 = text }
            }
        }
    }

    private func submission(_ outcome: Outcome, bytes: Int = 10) -> Submission {
        var builder = BatchBuilder()
        [UInt8](repeating: 120, count: bytes).withUnsafeBytes { value in
            [UInt8]("t".utf8).withUnsafeBytes { topic in builder.append(EventFields(topic: topic, value: value, timestamp: 1)) }
        }
        return Submission(batches: [builder.finish(route: RouteID(name: "a"), acceptedAt: 1)!], ack: outcome.token())
    }

    private func withStage(
        capacity: Int = 1 << 30, groupBytes: Int = 4 << 20, metrics: MetricsRegistry = MetricsRegistry(),
        _ body: (BufferStage, LinkPort<Submission>, Spool) async throws -> Void
    ) async throws {
        let directory = NSTemporaryDirectory() + "forebay-buffer-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: directory) }  // Cleaning up is a courtesy.
        let loop = try EventLoop(label: "test")
        var configuration = SpoolConfiguration(directory: directory, segmentSize: 64 << 10) { fatalError("\($0)") }
        configuration.preparesNext = false
        let spool = try Spool.open(
            configuration, budget: SpoolBudget(capacity: capacity, directory: directory), threads: SpoolThreads(),
            metrics: SpoolMetrics(metrics))
        let port = LinkPort<Submission>(name: "test", bound: 1 << 20)
        try await body(
            BufferStage(loop: loop, port: port, log: spool, configuration: BufferConfiguration(groupBytes: groupBytes)), port, spool)
        await spool.close()
        await loop.stop()
    }

    @Test("what waits becomes one group, and each submission learns its own sequences")
    func groups() async throws {
        try await self.withStage { stage, port, spool in
            let outcomes = (0..<5).map { _ in Outcome() }
            for outcome in outcomes { #expect(port.offer(self.submission(outcome)) == .accepted) }
            let run = Task { try await stage.run() }
            await stage.drain()
            try await run.value
            #expect(outcomes.map { $0.value.withLock { $0 } } == (0..<5).map { "durable [\($0)]" })
            #expect(spool.durableEnd == 5)
        }
    }

    @Test(
        "a group is bounded in bytes: one that fills it is synced alone, one that leaves a byte takes along what waits",
        arguments: [-1, 0, 1, 2])
    func bound(room: Int) async throws {
        let weight = self.submission(Outcome(), bytes: 1000).weight
        let metrics = MetricsRegistry()
        try await self.withStage(groupBytes: weight + room, metrics: metrics) { stage, port, spool in
            let outcomes = (0..<2).map { _ in Outcome() }
            for outcome in outcomes { #expect(port.offer(self.submission(outcome, bytes: 1000)) == .accepted) }
            #expect(stage.facts.contains(Fact("waiting_bytes", .number(Int64(2 * weight)))))
            let run = Task { try await stage.run() }
            await stage.drain()
            try await run.value
            #expect(outcomes.map { $0.value.withLock { $0 } } == ["durable [0]", "durable [1]"])
            #expect(metrics.render().contains("forebay_spool_group_events_count \(room > 0 ? 1 : 2)\n"))
            let facts = [("waiting_bytes", 0), ("durable_sequence", 2), ("segments", 1)].map { Fact($0.0, .number($0.1)) }
            #expect(stage.facts == facts)
        }
    }

    @Test("a stage that is cancelled takes nothing more, and who waits in its link is told")
    func cancelled() async throws {
        try await self.withStage { stage, port, _ in
            let outcome = Outcome()
            let run = Task { try await stage.run() }
            #expect(port.offer(self.submission(outcome)) == .accepted)
            while outcome.value.withLock({ $0 }) == nil { await Task.yield() }
            run.cancel()
            try await run.value
            #expect(port.offer(self.submission(Outcome())) == .full)
        }
    }

    @Test("a spool that is closed is no full one: a group is refused as a whole, by another name, and told of once")
    func closed() async throws {
        let log = LogCapture()
        defer { log.close() }
        try await self.withStage { stage, port, spool in
            await spool.close()
            let outcomes = (0..<3).map { _ in Outcome() }
            for outcome in outcomes { #expect(port.offer(self.submission(outcome)) == .accepted) }
            let run = Task { try await stage.run() }
            await stage.drain()
            try await run.value
            #expect(outcomes.map { $0.value.withLock { $0 } } == Array(repeating: "refused unavailable", count: 3))
            #expect(log.records(label: "buffer").count { $0.message == "the spool refused a group" } == 1)
        }
    }

    @Test("refusals are told once, and again when a group was stored between")
    func tellsRefusals() async throws {
        let log = LogCapture()
        defer { log.close() }
        try await self.withStage(capacity: 256 << 10) { stage, port, spool in
            let run = Task { try await stage.run() }
            func hand(_ bytes: Int) async -> String? {
                let outcome = Outcome()
                #expect(port.offer(self.submission(outcome, bytes: bytes)) == .accepted)
                while outcome.value.withLock({ $0 }) == nil { await Task.yield() }
                return outcome.value.withLock { $0 }
            }
            func told() -> Int { log.records(label: "buffer").count { $0.message == "the spool refused a group" } }
            let before = told()
            for _ in 0..<3 { #expect(await hand(400 << 10)?.hasPrefix("refused") == true) }
            #expect(told() == before + 1)
            #expect(await hand(10)?.hasPrefix("durable") == true)
            for _ in 0..<2 { #expect(await hand(400 << 10)?.hasPrefix("refused") == true) }
            #expect(told() == before + 2)
            #expect(log.records(label: "buffer").last?["error"]?.isEmpty == false)
            await stage.drain()
            try await run.value
        }
    }

    @Test("a group that there is no room for as a whole is stored one by one, and nothing is told: nobody was refused")
    func oneByOne() async throws {
        let log = LogCapture()
        defer { log.close() }
        let metrics = MetricsRegistry()
        try await self.withStage(capacity: 160 << 10, metrics: metrics) { stage, port, spool in
            let outcomes = (0..<2).map { _ in Outcome() }
            for outcome in outcomes { #expect(port.offer(self.submission(outcome, bytes: 50 << 10)) == .accepted) }
            let run = Task { try await stage.run() }
            await stage.drain()
            try await run.value
            #expect(outcomes.map { $0.value.withLock { $0 } } == ["durable [0]", "durable [1]"])
            #expect(metrics.render().contains("forebay_spool_group_events_count 2\n") && spool.durableEnd == 2)
            #expect(log.records(label: "buffer").isEmpty)
        }
    }

    @Test("a full spool refuses the group, and what is refused is not stored")
    func full() async throws {
        try await self.withStage(capacity: 256 << 10) { stage, port, spool in
            let run = Task { try await stage.run() }
            var stored: UInt64 = 0
            var last: String? = ""
            for _ in 0..<200 where last?.hasPrefix("refused") != true {
                let outcome = Outcome()
                #expect(port.offer(self.submission(outcome, bytes: 8000)) == .accepted)
                while outcome.value.withLock({ $0 }) == nil { await Task.yield() }
                last = outcome.value.withLock { $0 }
                if last?.hasPrefix("durable") == true { stored += 1 }
            }
            #expect(last == "refused spool_full")
            #expect(spool.durableEnd == stored)
            await stage.drain()
            try await run.value
        }
    }

    @Test("of a group without room what fits by itself is stored")
    func partsOfGroup() async throws {
        try await self.withStage(capacity: 256 << 10) { stage, port, spool in
            let outcomes = (0..<4).map { _ in Outcome() }
            for (outcome, bytes) in zip(outcomes, [10, 400 << 10, 10, 500 << 10]) {
                #expect(port.offer(self.submission(outcome, bytes: bytes)) == .accepted)
            }
            let run = Task { try await stage.run() }
            await stage.drain()
            try await run.value
            #expect(
                outcomes.map { $0.value.withLock { $0 } } == ["durable [0]", "refused spool_full", "durable [1]", "refused spool_full"])
            #expect(spool.durableEnd == 2)
        }
    }

    @Test("what waits for a stage that never runs, and has no successor, is unknown to those who wait")
    func neverRuns() async throws {
        try await self.withStage { _, port, spool in
            let waiting = Outcome()
            do {
                let never = BufferStage(
                    loop: try EventLoop(label: "never"), port: port, log: spool, configuration: BufferConfiguration())
                #expect(port.offer(self.submission(waiting)) == .accepted && never.facts.count == 3)
            }
            while waiting.value.withLock({ $0 }) == nil { await Task.yield() }
            #expect(waiting.value.withLock { $0 } == "unknown" && spool.durableEnd == 0)
        }
    }

    @Test("what waits in the link of a stage that dies is unknown to those who wait, and its successor takes new ones")
    func dies() async throws {
        try await self.withStage { stage, port, spool in
            let waiting = Outcome()
            #expect(port.offer(self.submission(waiting)) == .accepted)
            let second = BufferStage(loop: try EventLoop(label: "second"), port: port, log: spool, configuration: BufferConfiguration())
            _ = consume stage
            while waiting.value.withLock({ $0 }) == nil { await Task.yield() }
            #expect(waiting.value.withLock { $0 } == "unknown")
            let next = Outcome()
            #expect(port.offer(self.submission(next)) == .accepted)
            let run = Task { try await second.run() }
            await second.drain()
            try await run.value
            #expect(next.value.withLock { $0 } == "durable [0]")
        }
    }
}
