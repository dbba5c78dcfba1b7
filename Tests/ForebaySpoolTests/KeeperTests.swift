import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What is done for a log in the background: tried again where something could not be done, and only there; and nothing once it is closed.
@Suite("Spool: the keeper", .timeLimit(.minutes(1)))
struct KeeperTests {
    /// A log whose segments take two events each, on a clock that a test moves.
    final class World {
        let watched = WatchedDisk()
        let clock = ManualClock()
        let broken = BrokenWord()
        let threads = SpoolThreads()
        let budget: SpoolBudget
        let spool: Spool

        init(ballast: Int = 0, _ configure: (inout SpoolConfiguration) -> Void = { _ in }) throws {
            let (directory, disk, broken) = (self.watched.directory, self.watched.disk, self.broken)
            self.budget = try SpoolBudget(capacity: 1 << 30, directory: directory, disk: disk, ballast: ballast)
            var configuration = SpoolConfiguration(directory: directory, segmentSize: 64 << 10) { broken($0) }
            (configuration.disk, configuration.preparesNext) = (disk, false)
            (configuration.markInterval, configuration.cursorSyncInterval) = (3_600_000, 1_800_000)
            configuration.surroundings = .manual(self.clock, seed: 1)
            configure(&configuration)
            self.spool = try Spool.open(configuration, budget: self.budget, threads: self.threads, metrics: SpoolMetrics(MetricsRegistry()))
        }

        func fill(_ count: Int) async throws {
            for number in 0..<count { try await self.spool.append("a", ["\(number)" + String(repeating: "k", count: 40_000)]) }
        }

        func path(_ segment: Int) -> String { "\(self.watched.directory)/segments/0000000000000000000\(segment).segment" }

        func isThere(_ segment: Int) -> Bool { FileManager.default.fileExists(atPath: self.path(segment)) }

        /// Until whoever is about to sleep does.
        func quiet() async {
            await self.spool.syncCursors()
            for _ in 0..<100 { await Task.yield() }
        }

        /// The oldest segment can't be removed.
        func holdUp() { self.watched.fail { $0.hasPrefix("remove segments/") ? EMFILE : nil } }

        func expectTriedAgain(_ segment: Int) async {
            self.watched.fail(nil)
            #expect(self.isThere(segment))
            await self.passRetry()
            #expect(await eventually { !self.isThere(segment) })
        }

        func passRetry() async { await self.clock.passRetry() }

        func close() async {
            self.watched.fail(nil)
            await self.spool.close()
            self.clock.advance(by: .seconds(10_000))
            self.threads.end()
        }
    }

    @Test("what was done is not tried again: a retry comes a second after the first failure")
    func notAgain() async throws {
        let world = try World()
        let cursor = try await world.spool.forward("a"), other = try await world.spool.forward("b")
        await world.spool.releasePassedSegments()
        try await world.fill(5)
        other.move(to: 5, settled: 0)
        cursor.move(to: 2, settled: 2)
        await world.quiet()
        try await world.spool.forget(other)
        await world.quiet()
        #expect(!world.isThere(1) && world.isThere(2))
        world.clock.advance(by: .milliseconds(500))
        world.holdUp()
        cursor.move(to: 4, settled: 2)
        await world.spool.syncCursors()
        #expect(await eventually { world.clock.remaining.contains(.seconds(1)) })
        await world.expectTriedAgain(2)
        await world.close()
    }

    @Test("however often something could not be done, one retry is due; and another where that could not do it either")
    func oneRetry() async throws {
        let world = try World()
        let cursor = try await world.spool.forward("a")
        await world.spool.releasePassedSegments()
        try await world.fill(3)
        world.holdUp()
        cursor.move(to: 2, settled: 2)
        for _ in 0..<3 { await world.quiet() }
        for _ in 0..<2 {
            #expect(await eventually { world.clock.remaining.contains(.seconds(1)) })
            await world.quiet()
            #expect(world.clock.remaining.count { $0 == .seconds(1) } == 1)
            world.clock.advance(by: .seconds(1))
        }
        #expect(await eventually { world.clock.remaining.contains(.seconds(1)) })
        await world.expectTriedAgain(1)
        await world.close()
    }

    @Test("what nobody needs any more once a cursor is given up goes with it, or is tried again")
    func forget() async throws {
        for isHeldUp in [false, true] {
            let world = try World()
            let cursor = try await world.spool.forward("a"), other = try await world.spool.forward("b")
            await world.spool.releasePassedSegments()
            try await world.fill(3)
            other.move(to: 2, settled: 0)
            await world.quiet()
            #expect(world.isThere(1))
            if isHeldUp { world.holdUp() }
            try await world.spool.forget(cursor)
            #expect(world.isThere(1) == isHeldUp && world.spool.segmentCount == (isHeldUp ? 2 : 1))
            if isHeldUp { await world.expectTriedAgain(1) }
            await world.close()
        }
    }

    @Test("a cursor that can't be given up is told, and stays; where a sync failed the process ends")
    func notForgotten() async throws {
        let world = try World()
        let spool = world.spool, cursor = try await spool.forward("a")
        world.watched.fail { $0 == "write registry.new" ? EIO : nil }
        await #expect(throws: ForebayError.self) { try await spool.forget(cursor) }
        #expect(spool.allCursors.map(\.name) == [cursor.name] && world.broken.told.count == 0)
        world.watched.fail { $0.hasPrefix("sync registry") ? EIO : nil }
        Task.detached { try await spool.forget(cursor) }
        await world.broken.told.wait(forCount: 1)
        #expect(world.broken.told.all[0].code == .syncFailed)
    }

    @Test("what a start finds passed goes when all cursors are there, or is tried again; first it is told what is lost")
    func release() async throws {
        for isHeldUp in [false, true] {
            let world = try World()
            let cursor = try await world.spool.forward("a")
            try await world.fill(3)
            cursor.move(to: 2, settled: 2)
            await world.quiet()
            world.watched.fail { $0.contains("alarms") ? EIO : nil }
            world.spool.report(SpoolAlarm(file: "planted", text: "planted"))
            world.watched.fail(nil)
            if isHeldUp { world.holdUp() }
            _ = world.watched.calls()
            await world.spool.releasePassedSegments()
            let calls = world.watched.calls()
            let (told, gone) = (calls.firstIndex { $0.hasPrefix("rename alarms") }, calls.firstIndex { $0.hasPrefix("remove segments/") })
            #expect(try #require(told) < #require(gone), "\(calls)")
            if isHeldUp { await world.expectTriedAgain(1) }
            #expect(!world.isThere(1))
            await world.close()
        }
    }

    @Test("an alarm that can't be written when all cursors are there is written later")
    func releaseUnwritten() async throws {
        let world = try World()
        _ = try await world.spool.forward("a")
        world.watched.fail { $0.contains("alarms") ? EIO : nil }
        world.spool.report(SpoolAlarm(file: "planted", text: "planted"))
        await world.spool.releasePassedSegments()
        world.watched.fail(nil)
        _ = world.watched.calls()
        await world.passRetry()
        #expect(await eventually { world.watched.calls().contains("rename alarms") })
        await world.close()
    }

    @Test("cursors that move together are synced together")
    func together() async throws {
        let world = try World()
        let cursors = [try await world.spool.forward("a"), try await world.spool.forward("b")]
        try await world.fill(1)
        for cursor in cursors { cursor.move(to: 1, settled: 0) }
        for _ in 0..<100 { await Task.yield() }
        #expect(await eventually { world.clock.remaining.contains(.seconds(1800)) })
        for _ in 0..<100 { await Task.yield() }
        #expect(world.clock.remaining.count { $0 == .seconds(1800) } == 1)
        world.clock.advance(by: .seconds(1800))
        #expect(await eventually { cursors.allSatisfy { $0.syncedSequence == 1 } })
        await world.close()
    }

    @Test("the next segment's file is made before the reserve's, which takes what is left")
    func order() async throws {
        let world = try World(ballast: 1 << 20) { $0.preparesNext = true }
        await world.spool.releasePassedSegments()
        let ballast = world.watched.directory + "/ballast"
        #expect(await eventually { FileManager.default.fileExists(atPath: ballast) })
        let made = world.watched.calls().filter { $0.hasPrefix("open ballast") || $0.hasPrefix("write segments/prepared-1") }
        #expect(made == ["write segments/prepared-1", "open ballast"])
        await world.close()
    }

    @Test("a side log makes nothing ready ahead, and no reserve")
    func sideLog() async throws {
        let world = try World(ballast: 1 << 20) {
            $0.kind = .deadLetters
            $0.preparesNext = true
        }
        try await world.fill(2)
        await world.spool.releasePassedSegments()
        await world.spool.lookForRoomAtOnce(world.clock)
        await world.quiet()
        let names = try FileManager.default.subpathsOfDirectory(atPath: world.watched.directory)
        #expect(!names.contains { $0.contains("prepared") || $0 == "ballast" }, "\(names)")
        await world.close()
    }

    @Test("a passed segment becomes the next file up to twice a segment's size; a larger one goes", arguments: [true, false])
    func usedAgain(isLess: Bool) async throws {
        let size = 256 << 10
        let world = try World { ($0.preparesNext, $0.segmentSize) = (true, size) }
        let cursor = try await world.spool.forward("a")
        await world.spool.releasePassedSegments()
        #expect(await eventually { world.spool.view.roomWithoutNewFile == size })
        try await world.spool.append("a", [String(repeating: "u", count: isLess ? 511_000 : 515_000)])
        try await world.spool.append("a", ["small"])
        #expect(world.spool.view.read { $0.segments.map(\.size) } == [2 * size + (isLess ? 0 : 4096), size])
        cursor.move(to: 1, settled: 1)
        await world.spool.syncCursors()
        let names = try FileManager.default.contentsOfDirectory(atPath: world.watched.directory + "/segments").sorted()
        #expect(names == ["00000000000000000002.segment"] + (isLess ? ["prepared-2"] : []))
        #expect(try SlotFile.read(SystemDisk(), world.watched.directory + "/mark", as: .mark, log: nil)?.value?.ordinal == 1, "let go of")
        // It is done, and there is one file at a time.
        await world.quiet()
        #expect(!world.clock.remaining.contains { $0 <= .seconds(1) })
        if isLess {
            _ = world.watched.calls()
            await world.spool.releasePassedSegments()
            await world.quiet()
            #expect(!world.watched.calls().contains { $0.contains("prepared-") })
        }
        await world.close()
    }

    @Test("a log that makes nothing ready lets go of what is passed, whatever its size")
    func notUsedAgain() async throws {
        let world = try World()
        let cursor = try await world.spool.forward("a")
        await world.spool.releasePassedSegments()
        try await world.fill(3)
        cursor.move(to: 2, settled: 2)
        _ = world.watched.calls()
        await world.spool.syncCursors()
        let calls = world.watched.calls().filter { $0.hasPrefix("rename") || $0.hasPrefix("remove") }
        #expect(calls == ["remove segments/00000000000000000001.segment"])
        await world.close()
    }
}

extension Spool {
    /// A look for room whose time has come.
    fileprivate func lookForRoomAtOnce(_ clock: ManualClock) async {
        let looked = Happenings<Void>()
        Task {
            await self.lookForRoom()
            looked.add(())
        }
        let isDone = await eventually {
            clock.advance(by: .seconds(1))
            return looked.count == 1
        }
        #expect(isDone)
    }
}
