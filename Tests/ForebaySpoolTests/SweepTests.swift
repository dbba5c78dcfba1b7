import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// How segments of a set-aside log go: in which order that becomes durable, what a failed call leaves, and that every byte is counted.
@Suite("Set aside: sweeping", .timeLimit(.minutes(1)))
struct SweepTests {
    final class World: Sendable {
        let watched = WatchedDisk()
        let threads = SpoolThreads()
        let broken = BrokenWord()
        let clock = ManualClock()
        let budget: SpoolBudget

        init(capacity: Int = 1 << 30) throws {
            self.budget = try SpoolBudget(capacity: capacity, directory: self.watched.directory, disk: self.watched.disk)
        }

        var directory: String { self.watched.directory + "/log" }

        func open() throws -> SetAsideLog {
            let (threads, budget, disk, broken, clock) = (self.threads, self.budget, self.watched.disk, self.broken, self.clock)
            return try SetAsideLog(directory: self.directory, disk: disk) { folder throws(ForebayError) in
                var configuration = SpoolConfiguration(directory: folder, kind: .setAside, segmentSize: 64 << 10) { broken($0) }
                configuration.disk = disk
                configuration.cursorSyncInterval = 600_000
                configuration.markInterval = 600_000
                configuration.surroundings = .manual(clock, seed: 1)
                return try Spool.open(configuration, budget: budget, threads: threads, metrics: SpoolMetrics(MetricsRegistry()))
            }
        }

        func passRetry() async { await self.clock.passRetry() }

        /// Calls that change something, without where they go.
        func changes() -> [String] {
            self.watched.calls().filter { !$0.hasPrefix("open") }.map { call in
                let words = call.split(separator: " ")
                return "\(words[0]) \(words[1].split(separator: "/").last!)"
            }
        }

        func sizes() throws -> [Int] {
            try FileManager.default.contentsOfDirectory(atPath: self.directory + "/segments").sorted().map {
                try Data(contentsOf: URL(filePath: self.directory + "/segments/" + $0)).count
            }
        }

        /// What the budget should know of: all that the newest segment may grow to, while it is written to.
        func counted(isClosed: Bool = false) throws -> Int {
            let files = try self.sizes().reduce(0, +) + Data(contentsOf: URL(filePath: self.directory + "/units")).count
            return isClosed ? files : files - 49_152 + 40_960 + (72 << 10)
        }
    }

    static let large = String(repeating: "w", count: 40_000)

    /// Two events a segment: unit 1 alone in the first and the third, unit 2 in the second.
    func made(_ world: World) async throws -> SetAsideLog {
        let log = try world.open()
        try await log.append(new: [unit(1), unit(2)], [])
        for number in [1, 1, 2, 2, 1, 1, 2] as [UInt64] { try await log.append(new: [], [aside(number, [Self.large])]) }
        #expect(try world.sizes() == [94_208, 94_208, 94_208, 49_152])
        #expect(try world.budget.usedBytes == world.counted() && log.byteCount == world.counted())
        #expect(log.frameBytes == 7 * 40_960)
        _ = world.watched.calls()
        return log
    }

    @Test("one in the middle is cut to its ends, the oldest are removed, the newest stays; each step durable before the next")
    func order() async throws {
        let world = try World()
        let log = try await self.made(world)
        log.settle(2, through: 2, oldestAcceptedAt: nil)
        #expect(world.changes() == ["write units"])
        await log.syncCursors()
        let second = "00000000000000000002.segment"
        // The footer's first sector, and the rest of it, apart.
        let cut = ["write \(second)", "sync \(second)", "write \(second)", "sync \(second)", "truncate \(second)", "sync \(second)"]
        #expect(world.changes() == ["sync units"] + cut)
        #expect(try world.sizes() == [94_208, 12_288, 94_208, 49_152] && world.budget.usedBytes == world.counted())
        #expect(log.frameBytes == 5 * 40_960)
        await log.syncCursors()
        #expect(world.changes().isEmpty, "it is done")
        log.settle(1, through: 2, oldestAcceptedAt: nil)
        await log.syncCursors()
        #expect(
            world.changes() == ["write units", "sync units"]
                + [1, 2].flatMap { ["write mark", "sync mark", "remove 0000000000000000000\($0).segment", "syncFolder segments"] })
        #expect(try world.sizes() == [94_208, 49_152] && world.budget.usedBytes == world.counted())
        log.settle(1, through: 4, oldestAcceptedAt: nil)
        log.settle(2, through: 3, oldestAcceptedAt: nil)
        await log.syncCursors()
        #expect(try world.sizes() == [49_152] && world.budget.usedBytes == world.counted())
        await log.close()
        #expect(log.units.isEmpty && log.byteCount == 0 && log.nextNumber == 1, "closed it knows nothing")
        #expect(try world.sizes() == [53_248] && world.budget.usedBytes == world.counted(isClosed: true))
        let again = try world.open()
        #expect(again.unit(1)?.settled == 4 && again.unit(2)?.end == 3 && again.damage == SpoolDamage())
        await again.close()
    }

    @Test("a sync that fails on the way ends the process", arguments: ["sync log/mark", "syncFolder log/segments", "sync log/segments"])
    func syncFails(call: String) async throws {
        let world = try World()
        let log = try await self.made(world)
        log.settle(2, through: 2, oldestAcceptedAt: nil)
        if call != "sync log/segments" { log.settle(1, through: 2, oldestAcceptedAt: nil) }
        world.watched.fail { $0.hasPrefix(call) ? EIO : nil }
        Task.detached { await log.syncCursors() }
        await world.broken.told.wait(forCount: 1)
        #expect(world.broken.told.all[0].code == .syncFailed)
    }

    @Test("a damaged one is moved to quarantine when it is the oldest, and stays whole until then")
    func damaged() async throws {
        let world = try World()
        var log = try await self.made(world)
        await log.close()
        let path = world.directory + "/segments/00000000000000000002.segment"
        var bytes = try Data(contentsOf: URL(filePath: path))
        bytes[8192 + 100] ^= 1
        try bytes.write(to: URL(filePath: path))
        log = try world.open()
        _ = try log.scan([2: 0]).all()
        #expect(log.missing.map(\.sequences) == [0..<1] && log.missing.map(\.unit) == [2] && log.missing.map(\.segment) == [2])
        #expect(log.missing.map(\.position) == [8192] && log.missing.map(\.reason) == ["the checksum of a frame is wrong"])
        log.settle(2, through: 2, oldestAcceptedAt: nil)
        await log.syncCursors()
        #expect(try world.sizes() == [94_208, 94_208, 94_208, 53_248])
        log.settle(1, through: 2, oldestAcceptedAt: nil)
        await log.syncCursors()
        #expect(try world.sizes() == [94_208, 53_248])
        #expect(try FileManager.default.contentsOfDirectory(atPath: world.directory + "/quarantine") == ["00000000000000000002.segment"])
        await log.close()
    }

    @Test("what can't go when it should is tried again by itself, after a sweep and after a start", arguments: [false, true])
    func triedAgain(atStart: Bool) async throws {
        let world = try World()
        var log = try await self.made(world)
        log.settle(1, through: 2, oldestAcceptedAt: nil)
        let oldest = world.directory + "/segments/00000000000000000001.segment"
        world.watched.fail { $0.hasPrefix("remove ") && $0.hasSuffix("1.segment") ? EMFILE : nil }
        await log.syncCursors()
        if atStart {
            await log.close()
            // One that is closed tries nothing.
            await world.passRetry()
            log = try world.open()
        }
        #expect(FileManager.default.fileExists(atPath: oldest) && log.damage.alarms.map(\.kind) == [.stays])
        world.watched.fail(nil)
        await world.passRetry()
        #expect(await eventually { !FileManager.default.fileExists(atPath: oldest) && log.damage.alarms.isEmpty })
        await log.close()
    }

    @Test("a mark that can't be written ends the process before anything goes; for want of room what is passed goes all the same")
    func markFails() async throws {
        for number in [EIO, ENOSPC] {
            let fixture = SpoolFixture(segmentSize: 64 << 10), disk = FaultDisk(), broken = BrokenWord()
            let spool = try fixture.open(on: disk, cursorSyncInterval: 600_000) { $0.onDiskFailure = { broken($0) } }
            let cursor = try await spool.forward("a")
            await spool.releasePassedSegments()
            for number in 0..<4 { try await spool.append("a", ["\(number)" + String(repeating: "m", count: 40_000)]) }
            let first = spool.view.read { $0.segments[0] }
            disk.fail { call, path in call == .write && path.contains("/mark") ? number : nil }
            cursor.move(to: first.end, settled: first.end)
            Task.detached {
                await spool.syncCursors()
                broken.told.add(ForebayError(.injected, recovery: .stop, "nothing is wrong"))
            }
            await broken.told.wait(forCount: 1)
            #expect(broken.told.all[0].systemCode == (number == EIO ? EIO : nil))
            #expect(FileManager.default.fileExists(atPath: first.path) == (number == EIO) && (spool.start == first.base) == (number == EIO))
            disk.fail(nil)
            if number == ENOSPC { await spool.close() }
        }
    }

    @Test("one without a footer that is cut behind one that can't go has one from then on, and is not cut again")
    func cutWithoutFooter() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10), disk = FaultDisk()
        let spool = try fixture.open(on: disk, cursorSyncInterval: 600_000)
        let cursor = try await spool.forward("a")
        await spool.releasePassedSegments()
        disk.fail { call, path in call == .truncate && path.hasSuffix("/new-2") ? ENOSPC : nil }
        for number in 0..<6 { try await spool.append("a", ["\(number)" + String(repeating: "c", count: 40_000)]) }
        #expect(spool.view.read { $0.segments.map(\.hasFooter) } == [true, false, false])
        let second = spool.view.read { $0.segments[1] }
        let cuts = Happenings<Void>()
        disk.fail { call, path in
            if call == .write, path == second.path { cuts.add(()) }
            return call == .remove && path.hasSuffix("1.segment") ? EIO : nil
        }
        cursor.move(to: second.end, settled: second.end)
        for _ in 0..<2 {
            await spool.syncCursors()
            let found = spool.view.read { $0.segments[1] }
            #expect(found.isHusk && found.hasFooter && found.size == 8192 + 4096 && cuts.count == 2, "the footer in two parts, once")
            #expect(try Data(contentsOf: URL(filePath: second.path)).count == found.size)
        }
        disk.fail(nil)
        await spool.syncCursors()
        #expect(spool.start == second.end)
        await spool.close()
    }

    @Test(
        "a passed segment becomes the next file if it has three quarters of a segment's size; a smaller one goes", arguments: [true, false])
    func usedAgain(isEnough: Bool) async throws {
        let fixture = SpoolFixture(segmentSize: 256 << 10)
        let spool = try fixture.open(preparesNext: true, cursorSyncInterval: 600_000)
        let cursor = try await spool.forward("a"), size = fixture.segmentSize
        await spool.releasePassedSegments()
        #expect(await eventually { spool.view.roomWithoutNewFile == size }, "the first file is ready")
        for count in [60_000, 60_000] { try await spool.append("a", [String(repeating: "u", count: count)]) }
        #expect(await eventually { spool.view.roomWithoutNewFile > size }, "and the second one")
        for count in [isEnough ? 60_000 : 56_000, 100_000] { try await spool.append("a", [String(repeating: "u", count: count)]) }
        let segments = spool.view.read { $0.segments }
        #expect(segments.map(\.size) == [isEnough ? size / 4 * 3 : size / 4 * 3 - 4096, size])
        cursor.move(to: segments[0].end, settled: segments[0].end)
        await spool.syncCursors()
        let names = try FileManager.default.contentsOfDirectory(atPath: fixture.segmentsFolder).sorted()
        #expect(names == ["00000000000000000002.segment"] + (isEnough ? ["prepared-3"] : []))
        await spool.close()
    }
}
