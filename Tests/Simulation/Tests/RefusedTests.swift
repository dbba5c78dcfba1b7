import ForebayCore
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Synchronization
import Testing

/// What was refused is never delivered.
@Suite("Refused groups", .timeLimit(.minutes(1)))
struct RefusedTests {
    private static func submission(_ text: String) -> Submission {
        var builder = BatchBuilder(), topic = "orders", text = text
        topic.withUTF8 { topic in
            text.withUTF8 { value in
                builder.append(EventFields(topic: UnsafeRawBufferPointer(topic), value: UnsafeRawBufferPointer(value), timestamp: 1))
            }
        }
        return Submission(batches: [builder.finish(route: RouteID(name: "a"), acceptedAt: 1)!], ack: AckToken { _ in })
    }

    private static func open(_ disk: SimulatedDisk, _ process: SimulatedProcess) throws -> Spool {
        var configuration = SpoolConfiguration(directory: "/data/spool", kind: .spool, segmentSize: 64 << 10) { process.die("\($0)") }
        (configuration.disk, configuration.surroundings) = (disk, process.surroundings)
        let budget = try SpoolBudget(capacity: 1 << 24, directory: "/data", disk: disk)
        return try Spool.open(
            configuration, budget: budget, threads: SpoolThreads(process.surroundings), metrics: SpoolMetrics(MetricsRegistry()))
    }

    /// One process, from its start on.
    private func life(
        _ disk: SimulatedDisk, _ seed: UInt64, _ faults: [DiskFault] = [], _ body: @escaping @Sendable (Spool) async throws -> Void
    ) throws {
        let process = SimulatedProcess(machine: SimulatedMachine(), seed: seed)
        disk.attach(process, faults: faults)
        let trouble = Mutex<(any Error)?>(nil)
        let ending = process.run(steps: 100_000) {
            do { try await body(try Self.open(disk, process)) } catch { trouble.withLock { $0 = error } }
            process.die("cut")
        }
        if let error = trouble.withLock({ $0 }) { throw error }
        #expect(ending == .died("cut"))
        disk.cutPower()
    }

    @Test("a group that found no room is not there after a power cut, however much of it was written")
    func noRoom() throws {
        var refusals = 0
        for seed in 0..<60 as Range<UInt64> {
            // The same calls come again with the same seed: the group's own is the first that writes behind these.
            let calls = Mutex(0), refused = Mutex(false)
            for isFull in [false, true] {
                let disk = SimulatedDisk(seed: seed, capacity: 1 << 26)
                let fault = DiskFault(kind: .noSpace, call: calls.withLock { $0 } + 1, count: 1)
                try self.life(disk, seed, isFull ? [fault] : []) { spool in
                    _ = try await spool.commit([Self.submission("kept")])
                    if !isFull { return calls.withLock { $0 = disk.calls } }
                    do { _ = try await spool.commit([Self.submission("refused")]) } catch { refused.withLock { $0 = true } }
                }
                guard isFull, refused.withLock({ $0 }) else { continue }
                refusals += 1
                try self.life(disk, seed) { spool in #expect(spool.durableEnd == 1, "seed \(seed)") }
            }
        }
        #expect(refusals > 10)
    }
}
