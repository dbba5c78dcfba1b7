import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What is made ready ahead: the next segment's file and the reserve's, where there is room, and what is left of one that can't be.
extension KeeperTests {
    private func segments(_ world: World) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: world.watched.directory + "/segments").sorted()
    }

    @Test("the next segment's file is made where just so much room is left as it takes, and once", arguments: [0, 1])
    func justEnoughRoom(missing: Int) async throws {
        let size = 64 << 10
        let world = try World { $0.preparesNext = true }
        await world.quiet()
        world.watched.disk.tell((free: world.budget.reserve + size - missing, total: 1 << 40))
        world.budget.refresh()
        for _ in 0..<2 { await world.spool.releasePassedSegments() }
        if missing == 0 { #expect(await eventually { world.spool.view.roomWithoutNewFile == size }) }
        await world.quiet()
        #expect(try self.segments(world) == (missing == 0 ? ["prepared-1"] : []) && world.budget.usedBytes == (missing == 0 ? size : 0))
        await world.close()
    }

    @Test("a file that can't be made counts until it is removed, and the next one is tried again when half a segment is full")
    func notMade() async throws {
        let size = 256 << 10
        let world = try World { ($0.preparesNext, $0.segmentSize) = (true, size) }
        let counted = Happenings<Int>(), budget = world.budget
        world.watched.fail { call in
            if call == "remove segments/prepared-1" { counted.add(budget.usedBytes) }
            return call == "write segments/prepared-1" ? EMFILE : nil
        }
        await world.spool.releasePassedSegments()
        #expect(await eventually { counted.count == 1 && budget.usedBytes == 0 })
        #expect(counted.all == [size])
        world.watched.fail(nil)
        for _ in 0..<3 { try await world.spool.append("a", [String(repeating: "h", count: 40_000)]) }
        #expect(await eventually { (try? self.segments(world).contains("prepared-2")) == true })
        await world.close()
    }

    @Test("a passed segment that can't be taken up as the next file goes, and its room with it; another is made when half of one is full")
    func notTakenUp() async throws {
        let size = 256 << 10
        let world = try World { ($0.preparesNext, $0.segmentSize) = (true, size) }
        let cursor = try await world.spool.forward("a"), budget = world.budget
        func append(_ count: Int) async throws { try await world.spool.append("a", [String(repeating: "u", count: count)]) }
        await world.spool.releasePassedSegments()
        #expect(await eventually { world.spool.view.roomWithoutNewFile == size })
        for _ in 0..<2 { try await append(60_000) }
        #expect(await eventually { world.spool.view.roomWithoutNewFile > size })
        for count in [60_000, 100_000] { try await append(count) }
        let first = world.spool.view.read { $0.segments[0] }, used = budget.usedBytes, counted = Happenings<Int>()
        #expect(first.size == size / 4 * 3 && used == first.size + size)
        world.watched.fail { call in
            if call == "remove segments/prepared-3" { counted.add(budget.usedBytes) }
            return call == "open segments/prepared-3" ? EMFILE : nil
        }
        cursor.move(to: first.end, settled: first.end)
        await world.spool.syncCursors()
        #expect(counted.all == [used] && budget.usedBytes == size, "it counts until it is removed")
        #expect(try self.segments(world) == ["00000000000000000002.segment"] && world.spool.alarms.isEmpty)
        world.watched.fail(nil)
        try await append(60_000)
        #expect(await eventually { (try? self.segments(world).contains("prepared-4")) == true })
        await world.close()
    }

    @Test("a sync that fails where a passed segment is taken up ends the process, with the file where it is")
    func takenUpSyncFails() async throws {
        let size = 256 << 10
        let world = try World { ($0.preparesNext, $0.segmentSize) = (true, size) }
        let cursor = try await world.spool.forward("a"), spool = world.spool
        await spool.releasePassedSegments()
        #expect(await eventually { spool.view.roomWithoutNewFile == size })
        for count in [511_000, 10] { try await spool.append("a", [String(repeating: "u", count: count)]) }
        _ = world.watched.calls()
        world.watched.fail { $0 == "syncFolder segments" ? EIO : nil }
        cursor.move(to: 1, settled: 1)
        Task.detached { await spool.syncCursors() }
        await world.broken.told.wait(forCount: 1)
        #expect(world.broken.told.all[0].code == .syncFailed)
        #expect(world.watched.calls().suffix(2) == ["rename segments/prepared-2", "syncFolder segments"])
    }

    @Test("a passed segment of which it can't be known that it is the next file goes by that name, too")
    func takenUpHalfway() async throws {
        let size = 256 << 10
        let world = try World { ($0.preparesNext, $0.segmentSize) = (true, size) }
        let cursor = try await world.spool.forward("a")
        await world.spool.releasePassedSegments()
        #expect(await eventually { world.spool.view.roomWithoutNewFile == size })
        for count in [511_000, 10] { try await world.spool.append("a", [String(repeating: "u", count: count)]) }
        world.watched.fail { $0 == "openFolder segments" ? EMFILE : nil }
        cursor.move(to: 1, settled: 1)
        await world.spool.syncCursors()
        #expect(try self.segments(world) == ["00000000000000000002.segment"])
        world.watched.fail(nil)
        await world.close()
    }

    @Test("the reserve is made again with what clearing gives back, by the room that the disk has then")
    func reserveAgain() async throws {
        let world = try World(ballast: 1 << 20)
        let cursor = try await world.spool.forward("a"), ballast = world.watched.directory + "/ballast"
        await world.spool.releasePassedSegments()
        #expect(await eventually { FileManager.default.fileExists(atPath: ballast) })
        try await world.fill(3)
        await world.quiet()
        world.watched.disk.tell((free: 0, total: 1 << 40))
        #expect(world.budget.giveUpBallast() && !FileManager.default.fileExists(atPath: ballast))
        world.watched.disk.tell((free: 512 << 20, total: 1 << 40))
        cursor.move(to: 2, settled: 2)
        await world.spool.syncCursors()
        #expect(!world.isThere(1) && FileManager.default.fileExists(atPath: ballast))
        #expect(world.budget.roomBesideBallast == (511 << 20) - (world.budget.usedBytes - world.budget.fileBytes))
        await world.close()
    }
}
