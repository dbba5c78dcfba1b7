import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// A log that is closed, and what it leaves to the next start.
extension KeeperTests {
    @Test("a log that was closed is looked after no more, whatever was still to be done")
    func closed() async throws {
        let world = try World(ballast: 1 << 20)
        let spool = world.spool, cursor = try await spool.forward("a")
        await spool.releasePassedSegments()
        #expect(await eventually { world.budget.usedBytes >= 1 << 20 })
        try await world.fill(3)
        world.holdUp()
        cursor.move(to: 2, settled: 2)
        await world.quiet()
        world.watched.disk.tell((free: 0, total: 1 << 40))
        world.budget.refresh()
        spool.view.setRoom(0)
        #expect(spool.isFull)
        // The mark's, the cursor's, the one that tries again, and the one that looks for room.
        await world.clock.sleepers(atLeast: 4)
        await spool.close()
        world.watched.disk.tell(nil)
        let ballast = world.watched.directory + "/ballast"
        try FileManager.default.removeItem(atPath: ballast)
        let calls = Happenings<String>()
        world.watched.fail { call in
            calls.add(call)
            return nil
        }
        for _ in 0..<5 {
            world.clock.advance(by: .seconds(10_000))
            for _ in 0..<100 { await Task.yield() }
        }
        #expect(await eventually { world.clock.remaining.isEmpty })
        await spool.close()
        #expect(calls.all.isEmpty, "\(calls.all)")
        await world.close()
    }

    @Test("what a clean stop can't do is the next start's: nothing is tried again, or made ready, by a log that was closed")
    func closedForGood() async throws {
        let world = try World(ballast: 1 << 20)
        let cursor = try await world.spool.forward("a")
        try await world.fill(3)
        cursor.move(to: 2, settled: 2)
        await world.quiet()
        await world.spool.close()
        world.holdUp()
        await world.spool.releasePassedSegments()
        await world.quiet()
        #expect(world.isThere(1) && !world.clock.remaining.contains { $0 <= .seconds(1) })
        #expect(!FileManager.default.fileExists(atPath: world.watched.directory + "/ballast"))
        await world.close()
    }

    @Test("what can't go at a clean stop is not tried again")
    func stopHeldUp() async throws {
        let world = try World()
        let cursor = try await world.spool.forward("a")
        await world.spool.releasePassedSegments()
        try await world.fill(3)
        world.holdUp()
        cursor.move(to: 2, settled: 2)
        await world.spool.close()
        for _ in 0..<100 { await Task.yield() }
        #expect(world.isThere(1) && cursor.syncedSequence == 2 && !world.clock.remaining.contains { $0 <= .seconds(1) })
        await world.close()
    }
}
