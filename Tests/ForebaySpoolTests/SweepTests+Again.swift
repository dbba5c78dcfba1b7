import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What a sweep leaves to be done again, and what it asks the disk for.
extension SweepTests {
    private func quiet(_ log: SetAsideLog) async {
        await log.syncCursors()
        for _ in 0..<100 { await Task.yield() }
    }

    @Test("one that can't be cut, beside one that can, is tried again by itself; where all went nothing is")
    func cutAgain() async throws {
        let world = try World()
        let log = try await self.made(world)
        log.settle(2, through: 2, oldestAcceptedAt: nil)
        world.watched.fail { $0.hasPrefix("truncate log/segments/") ? EBUSY : nil }
        await log.syncCursors()
        #expect(try world.sizes() == [94_208, 94_208, 94_208, 49_152])
        world.watched.fail(nil)
        await world.passRetry()
        #expect(await eventually { (try? world.sizes()) == [94_208, 12_288, 94_208, 49_152] })
        await self.quiet(log)
        #expect(!world.clock.remaining.contains(.seconds(1)))
        // A unit that is over goes with its last segment.
        log.settle(1, through: 4, oldestAcceptedAt: nil)
        log.end(1)
        for _ in 0..<2 { await self.quiet(log) }
        #expect(try world.sizes() == [49_152] && log.units.map(\.number) == [2])
        #expect(!world.clock.remaining.contains(.seconds(1)))
        await log.close()
    }

    @Test("two of which the first can't be cut: the second is, and the first is tried again")
    func cutTheOther() async throws {
        let world = try World()
        let log = try world.open()
        try await log.append(new: [unit(1), unit(2)], [])
        for number in [1, 1, 2, 2, 2, 2, 1] as [UInt64] { try await log.append(new: [], [aside(number, [Self.large])]) }
        log.settle(2, through: 4, oldestAcceptedAt: nil)
        world.watched.fail { $0.hasPrefix("truncate log/segments/") && $0.hasSuffix("2.segment") ? EBUSY : nil }
        await log.syncCursors()
        #expect(try world.sizes() == [94_208, 94_208, 12_288, 49_152])
        world.watched.fail(nil)
        await world.passRetry()
        #expect(await eventually { (try? world.sizes()) == [94_208, 12_288, 12_288, 49_152] })
        await log.close()
    }

    @Test("the disk is asked for its room when something was removed, and only then")
    func roomAfterwards() async throws {
        let world = try World()
        let log = try await self.made(world)
        world.watched.disk.tell((free: 10 << 20, total: 1 << 40))
        let asked = Happenings<String>()
        world.watched.fail { call in
            if call.hasPrefix("space ") { asked.add(call) }
            return nil
        }
        await log.syncCursors()
        #expect(asked.count == 0)
        log.settle(1, through: 2, oldestAcceptedAt: nil)
        await log.syncCursors()
        let ahead = world.budget.usedBytes - world.budget.fileBytes
        #expect(try world.sizes().count == 3 && asked.count == 1 && world.budget.roomBesideBallast == (10 << 20) - ahead)
        await log.close()
    }

    @Test("a cursor that moved is synced by itself, and what it held goes")
    func byItself() async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let log = try fixture.open(syncEvery: 5)
        try await log.append(new: [unit(1)], [])
        for _ in 0..<3 { try await log.append(new: [], [aside(1, [Self.large])]) }
        log.settle(1, through: 2, oldestAcceptedAt: nil)
        #expect(await eventually { (try? fixture.segmentFiles().count) == 1 })
        await log.close()
    }
}
