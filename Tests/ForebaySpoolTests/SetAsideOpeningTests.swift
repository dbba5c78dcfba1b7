import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

/// A set-aside log is opened with the first unit, on a disk that may refuse, while the node may be stopping.
@Suite("Set aside: opened, refused and closed", .timeLimit(.minutes(1)))
struct SetAsideOpeningTests {
    private final class World: Sendable {
        let watched = WatchedDisk()
        let threads = SpoolThreads()
        let clock = ManualClock()
        let budget: SpoolBudget

        init() throws { self.budget = try SpoolBudget(capacity: 1 << 30, directory: self.watched.directory, disk: self.watched.disk) }
        deinit { self.threads.end() }

        var directory: String { self.watched.directory + "/log" }

        /// - Parameter opening: done before it is opened.
        func log(_ opening: @escaping @Sendable () -> Void = {}) throws -> SetAsideLog {
            let (threads, budget, disk, clock) = (self.threads, self.budget, self.watched.disk, self.clock)
            return try SetAsideLog(directory: self.directory, disk: disk) { folder throws(ForebayError) in
                opening()
                var configuration = SpoolConfiguration(directory: folder, kind: .setAside, segmentSize: 64 << 10) { fatalError("\($0)") }
                configuration.disk = disk
                (configuration.cursorSyncInterval, configuration.markInterval) = (600_000, 600_000)
                configuration.surroundings = .manual(clock, seed: 1)
                return try Spool.open(configuration, budget: budget, threads: threads, metrics: SpoolMetrics(MetricsRegistry()))
            }
        }

        func files() throws -> Int {
            try FileManager.default.subpathsOfDirectory(atPath: self.directory).filter { $0 == "units" || $0.hasSuffix(".segment") }
                .reduce(0) { try $0 + Data(contentsOf: URL(filePath: "\(self.directory)/\($1)")).count }
        }
    }

    @Test("one that was closed is not opened any more; one that never was says that nothing waits in it")
    func closed() async throws {
        let world = try World()
        let log = try world.log()
        #expect(try await log.append(new: [], []).isEmpty && world.watched.calls().contains { $0.contains("log") } == false)
        #expect(await log.close())
        _ = world.watched.calls()
        let error = await #expect(throws: ForebayError.self) { try await log.append(new: [unit(1)], [aside(1, ["x"])]) }
        #expect(error?.code == .unavailable && world.watched.calls().isEmpty)
        #expect(log.frameBytes == 0 && log.byteCount == 0 && log.units.isEmpty)
    }

    @Test("two who come at once have it opened once: who comes second waits for that")
    func together() async throws {
        let world = try World()
        let opened = Atomic(0), other = DispatchSemaphore(value: 0)
        let log = try world.log {
            // The first gives another one time to come in beside it.
            guard opened.wrappingAdd(1, ordering: .relaxed).newValue == 1 else { return _ = other.signal() }
            _ = other.wait(timeout: .now() + 0.2)
        }
        async let first = log.append(new: [unit(1)], [aside(1, ["x"])])
        async let second = log.append(new: [unit(2)], [aside(2, ["y", "z"])])
        #expect(try await first == [1: 1])
        #expect(try await second == [2: 2])
        #expect(opened.load(ordering: .relaxed) == 1 && log.units.map(\.number) == [1, 2])
        #expect(try world.budget.usedBytes == log.byteCount && world.budget.fileBytes == world.files())
        await log.close()
        #expect(try world.budget.usedBytes == world.files() && world.budget.fileBytes == world.files())
    }

    @Test("one that is closed while it is being opened takes nothing, and nobody has it then")
    func closedMeanwhile() async throws {
        let world = try World()
        let closing = Happenings<@Sendable () async -> Void>()
        let log = try world.log {
            let isClosed = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                Task.detached {
                    await closing.all[0]()
                    isClosed.signal()
                }
            }
            isClosed.wait()
        }
        closing.add { [weak log] in await log?.close() }
        let error = await #expect(throws: ForebayError.self) { try await log.append(new: [unit(1)], [aside(1, ["x"])]) }
        #expect(error?.code == .unavailable && log.units.isEmpty)
        #expect(try SpoolLock(SystemDisk(), directory: world.directory).holds)
    }

    @Test("what could not be opened, at a start or with the first unit, counts nothing; and once when it can be")
    func refused() async throws {
        let world = try World()
        var log = try world.log()
        try await log.append(new: [unit(1)], [aside(1, ["x"])])
        await log.close()
        let used = world.budget.usedBytes
        #expect(try used == world.files())
        world.budget.add(-used)
        world.watched.fail { $0 == "sync log/units" ? EIO : nil }
        for _ in 0..<2 { #expect(throws: ForebayError.self) { try world.log() } }
        #expect(world.budget.usedBytes == 0)
        world.watched.fail(nil)
        log = try world.log()
        #expect(world.budget.usedBytes == used)
        await log.syncCursors()
        for _ in 0..<100 { await Task.yield() }
        #expect(!world.clock.remaining.contains(.seconds(1)), "nothing is to be tried again")
        await log.close()
    }

    @Test("what is known of a unit that is taken from its frames is told, durably, before it is written")
    func toldFirst() async throws {
        let world = try World()
        let log = try world.log()
        try await log.append(new: [unit(1)], [aside(1, ["x"])])
        await log.close()
        try Data(count: 8192).write(to: URL(filePath: world.directory + "/units"))
        _ = world.watched.calls()
        let told = LogCapture()
        defer { told.close() }
        let isTold = Happenings<Bool>(), units = world.directory + "/units"
        world.watched.fail { call in
            if call == "write log/units" { isTold.add(told.records(label: "spool").contains { $0["file"] == units }) }
            return nil
        }
        let again = try world.log()
        #expect(isTold.all.first == true && again.unit(1)?.end == 1)
        world.watched.fail(nil)
        await again.close()
    }

    @Test("a unit whose events found no room may be ended then, as one that nothing is on its way to")
    func noRoom() async throws {
        let world = try World()
        let log = try world.log()
        try await log.append(new: [unit(1), unit(2)], [aside(1, ["x"])])
        world.watched.disk.tell((free: 0, total: 1 << 40))
        world.watched.fail { $0.hasPrefix("write log/segments/") ? ENOSPC : nil }
        await #expect(throws: ForebayError.self) { try await log.append(new: [], [aside(2, ["no"])]) }
        world.watched.fail(nil)
        log.end(2)
        #expect(log.units.map(\.number) == [1])
        await log.close()
    }

    @Test("what a start gives back is the disk's to say: the table's room is not taken off once more")
    func sweptAtStart() async throws {
        let world = try World()
        var log = try world.log()
        let large = String(repeating: "l", count: 40_000)
        try await log.append(new: [unit(1), unit(2)], [])
        for number in [1, 1, 2, 2] as [UInt64] { try await log.append(new: [], [aside(number, [large])]) }
        log.settle(1, through: 2, oldestAcceptedAt: nil)
        world.watched.fail { $0.hasPrefix("remove ") ? EBUSY : nil }
        await log.close()
        world.watched.fail(nil)
        #expect(try world.files() > 150_000)
        world.watched.disk.tell((free: 10 << 20, total: 1 << 40))
        log = try world.log()
        #expect(try world.files() < 150_000 && world.budget.roomBesideBallast == 10 << 20, "\(world.budget.roomBesideBallast)")
        await log.close()
    }
}
