import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

/// How often a full spool asks the disk for its room, and what counts as taken.
@Suite("Spool: looking for room", .timeLimit(.minutes(1)))
struct RoomLookTests {
    @Test("once a second while somebody asks, however often; not at all while nobody does; and the first second behind the room sees it")
    func onceASecond() async throws {
        let watched = WatchedDisk()
        let looks = Atomic<Int>(0)
        let clock = ManualClock()
        let threads = SpoolThreads()
        var configuration = SpoolConfiguration(directory: watched.directory, segmentSize: 64 << 10) { fatalError("\($0)") }
        configuration.disk = watched.disk
        configuration.preparesNext = false
        configuration.surroundings = .manual(clock, seed: 1)
        watched.disk.tell((free: 0, total: 1 << 40))
        let budget = try SpoolBudget(capacity: 1 << 30, directory: watched.directory, disk: watched.disk)
        let spool = try Spool.open(configuration, budget: budget, threads: threads, metrics: SpoolMetrics(MetricsRegistry()))
        await spool.syncCursors()
        watched.fail { call in
            if call.hasPrefix("space ") { looks.add(1, ordering: .relaxed) }
            return nil
        }
        let others = clock.remaining.count
        for second in 1...5 {
            for _ in 0..<100 { #expect(spool.isFull) }
            await clock.sleepers(atLeast: others + 1)
            #expect(clock.remaining.contains(.seconds(1)))
            for _ in 0..<9 {
                clock.advance(by: .milliseconds(100))
                for _ in 0..<100 { #expect(spool.isFull) }
                #expect(looks.load(ordering: .relaxed) == second - 1)
            }
            clock.advance(by: .milliseconds(100))
            #expect(await eventually { looks.load(ordering: .relaxed) == second })
            #expect(clock.remaining.count == others, "and no other look is on its way")
        }
        clock.advance(by: .seconds(100))
        await spool.syncCursors()
        #expect(looks.load(ordering: .relaxed) == 5, "nobody asked")
        watched.disk.tell(nil)
        #expect(spool.isFull, "nobody has looked yet")
        await clock.sleepers(atLeast: others + 1)
        clock.advance(by: .seconds(1))
        #expect(await eventually { !spool.isFull })
        #expect(looks.load(ordering: .relaxed) == 6)
        await spool.close()
        clock.advance(by: .seconds(100))
        threads.end()
    }

    @Test("the next segment's file counts from when it is begun, and no more when it can't be made", arguments: [false, true])
    func preparedCounts(fails: Bool) async throws {
        let watched = WatchedDisk()
        let threads = SpoolThreads()
        // A file is of whole blocks.
        let (asked, made) = ((64 << 10) + 100, 68 << 10)
        var configuration = SpoolConfiguration(directory: watched.directory, segmentSize: asked) { fatalError("\($0)") }
        configuration.disk = watched.disk
        let budget = try SpoolBudget(capacity: 1 << 20, directory: watched.directory, disk: watched.disk)
        let spool = try Spool.open(configuration, budget: budget, threads: threads, metrics: SpoolMetrics(MetricsRegistry()))
        let (begun, goesOn) = (Happenings<Void>(), DispatchSemaphore(value: 0))
        watched.fail { call in
            guard call.hasPrefix("write segments/prepared-") else { return nil }
            begun.add(())
            goesOn.wait()
            goesOn.signal()
            return fails ? ENOSPC : nil
        }
        let before = budget.usedBytes
        await spool.releasePassedSegments()
        await begun.wait(forCount: 1)
        #expect(budget.usedBytes == before + made)
        goesOn.signal()
        #expect(
            await eventually { budget.usedBytes == (fails ? before : before + made) && (fails || spool.view.roomWithoutNewFile > 0) })
        await spool.close()
        threads.end()
    }

    @Test("a cursor that found no room is tried again after the room was looked at, once for all")
    func retried() async throws {
        let fixture = SpoolFixture(), disk = FaultDisk(), clock = ManualClock()
        let spool = try fixture.open(on: disk, cursorSyncInterval: 600_000) { $0.surroundings = .manual(clock, seed: 1) }
        let cursors = [try await spool.forward("a"), try await spool.forward("b")]
        await spool.syncCursors()
        let seen = Happenings<String>()
        disk.fail { call, path in
            if call == .space { seen.add("room") }
            guard call == .write, path.contains("/cursors/") else { return nil }
            seen.add("write")
            return seen.count < 6 ? ENOSPC : nil
        }
        try await spool.append("a", ["0"])
        for cursor in cursors { cursor.move(to: 1, settled: 0) }
        await spool.syncCursors()
        #expect(seen.all == ["write", "write", "write", "write"], "as they moved, and when they were to be synced")
        await clock.sleepers(atLeast: 3)  // The mark's, the cursors' own, and this one's.
        clock.advance(by: .seconds(1))
        #expect(await eventually { seen.count >= 7 })
        #expect(seen.all.dropFirst(4) == ["room", "write", "write"])
        #expect(await eventually { cursors.contains { $0.syncedSequence == 1 } })
        disk.fail(nil)
        await spool.close()
        clock.advance(by: .seconds(1000))
    }
}
