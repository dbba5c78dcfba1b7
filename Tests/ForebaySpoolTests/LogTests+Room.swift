import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// The room that a log takes and leaves, and whether it is full.
extension LogTests {
    @Test("a passed segment becomes the next one's file; its room is counted once")
    func used() async throws {
        let world = World()
        let budget = try SpoolBudget(capacity: 1 << 30, directory: world.directory, disk: world.watched.disk)
        let size = 256 << 10, value = String(repeating: "u", count: 60_000)  // Four of them fit.
        let spool = try world.open(segmentSize: size, budget: budget) { $0.preparesNext = true }
        let cursor = try await spool.cursor("forward/a", route: routeA)
        await spool.releasePassedSegments()
        #expect(await eventually { spool.view.roomWithoutNewFile == size })
        #expect(try world.segments() == ["prepared-1"] && budget.usedBytes == size)
        try await self.commit(spool, value)
        #expect(try world.segments() == ["00000000000000000001.segment"] && budget.usedBytes == size, "it is the first segment now")
        #expect(spool.view.roomWithoutNewFile == size - 8192 - 4096 - 61_440)
        try await self.commit(spool, value)
        #expect(await eventually { budget.usedBytes == 2 * size }, "less than half is left")
        #expect(await eventually { spool.view.roomWithoutNewFile == size - 8192 - 4096 - 2 * 61_440 + size })
        #expect(try world.segments() == ["00000000000000000001.segment", "prepared-2"])
        for _ in 0..<3 { try await self.commit(spool, value) }
        #expect(spool.segmentCount == 2)
        // The sealed one is shorter than a segment, but not much.
        let sealed = spool.view.read { $0.segments[0].size }
        #expect(budget.usedBytes == sealed + size && sealed == 8192 + 4 * 61_440 + 4096)
        cursor.move(to: 4, settled: 4)
        _ = world.watched.calls()
        await spool.syncCursors()
        #expect(spool.segmentCount == 1)
        let calls = world.watched.calls().filter { !$0.hasPrefix("open") }
        #expect(calls.suffix(2) == ["rename segments/prepared-3", "syncFolder segments"], "\(calls)")
        #expect(try world.segments() == ["00000000000000000002.segment", "prepared-3"] && budget.usedBytes == sealed + size)
        await spool.close()
        #expect(try world.segments() == ["00000000000000000002.segment"], "what nobody needs any more is given back")
        #expect(budget.usedBytes == spool.byteCount)
    }

    @Test("a group that finds no room is refused whole, its room is none, and the log goes on when there is some")
    func noRoom() async throws {
        let world = World()
        let spool = try world.open()
        try await self.commit(spool, "kept")
        world.watched.disk.tell((free: 0, total: 1 << 40))
        world.watched.fail { $0 == "write segments/new-1" ? ENOSPC : nil }
        _ = world.watched.calls()
        let error = await #expect(throws: ForebayError.self) { try await self.commit(spool, "no") }
        #expect(error?.code == .spoolFull && spool.durableEnd == 1 && spool.view.roomWithoutNewFile == 0 && spool.isFull)
        let calls = ["write segments/new-1", "truncate segments/new-1", "sync segments/new-1"]
        #expect(world.watched.calls().filter { !$0.hasPrefix("open") } == calls)
        world.watched.fail(nil)
        world.watched.disk.tell(nil)
        try await self.commit(spool, "yes")
        #expect(try spool.events().map(\.1) == ["kept", "yes"] && spool.view.roomWithoutNewFile > 0)
        await world.clock.sleepers(atLeast: 1)
        world.clock.advance(by: .seconds(1))
        #expect(await eventually { !spool.isFull })
        await spool.close()
        world.clock.advance(by: .seconds(100))
    }

    @Test("whether it is full: what is left in the files that are there, and what new ones may take")
    func isFull() async throws {
        let world = World()
        let budget = try SpoolBudget(capacity: 1 << 30, directory: world.directory, disk: world.watched.disk)
        let spool = try world.open(segmentSize: 256 << 10, budget: budget)
        await world.settled(spool)
        // A quarter of a segment has to be left; a new file takes 64 KiB at least.
        func isFull(free: Int, room: Int) -> Bool {
            world.watched.disk.tell((free: free + budget.reserve, total: 1 << 40))
            budget.refresh()
            spool.view.setRoom(room)
            return spool.isFull
        }
        for (free, room, expected) in [
            (0, 64 << 10, false), (0, (64 << 10) - 1, true), (64 << 10, 0, false), ((64 << 10) - 1, 0, true),
            ((64 << 10) - 1, 64 << 10, false),
            (1 << 20, 0, false), (0, 0, true),
        ] { #expect(isFull(free: free, room: room) == expected, "\(free) free, room for \(room)") }
        let large = World()
        let other = try large.open(segmentSize: 1 << 30, budget: budget)
        await large.settled(other)
        world.watched.disk.tell((free: budget.reserve, total: 1 << 40))
        budget.refresh()
        other.view.setRoom(8 << 20)
        #expect(!other.isFull, "8 MiB are enough, however large segments are")
        other.view.setRoom((8 << 20) - 1)
        #expect(other.isFull)
        await other.close()
        await spool.close()
        for clock in [world.clock, large.clock] { clock.advance(by: .seconds(100)) }
    }

    @Test("the smallest segment that is worth its file is a sixteenth, and 64 KiB; a side log takes what it can get")
    func leastSegment() {
        for (size, kind, least) in [
            (64 << 20, .spool, 4 << 20), (1 << 20, .spool, 64 << 10), (32 << 10, .spool, 32 << 10), (64 << 20, .setAside, 0),
            (64 << 20, .deadLetters, 0),
        ] as [(Int, LogKind, Int)] {
            let configuration = SpoolConfiguration(directory: "/x", kind: kind, segmentSize: size) { fatalError("\($0)") }
            #expect(configuration.leastSegment == least && configuration.segments == "/x/segments")
        }
    }
}
