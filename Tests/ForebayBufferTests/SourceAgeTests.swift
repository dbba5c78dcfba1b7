import ForebayCore
import ForebaySpool
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayBuffer

/// How long the oldest event of a route has waited, by a clock that stands still unless told otherwise.
@Suite("Spool source: ages", .timeLimit(.minutes(1)))
struct SourceAgeTests {
    private let clock = ManualClock()

    /// No segment can be read.
    private func unreadable(_ world: SourceWorld) {
        world.disk.fail { call, path in [.open, .read].contains(call) && path.hasSuffix(".segment") ? EACCES : nil }
    }

    @Test(
        "a single event that can't be read is as old as it has been seen to wait, over each new reading; a reading that waits ages nothing")
    func unread() async throws {
        let world = try SourceWorld(recentBytes: 0)
        let (source, _) = try await world.source("a", time: self.clock)
        _ = source.batches()
        self.clock.advance(by: .seconds(100))
        self.unreadable(world)
        try await world.commit("a", 1, acceptedAt: self.clock.wallMilliseconds)
        #expect(source.oldestAge == 0)
        for age in [5, 10, 15] {
            #expect(await eventually { source.failure != nil })
            self.clock.advance(by: .seconds(5))
            #expect(source.oldestAge == Double(age))
            _ = source.batches()
            #expect(source.oldestAge == Double(age), "also as the next reading begins")
        }
        source.close()
        await world.spool.close()
    }

    @Test("what waits unread behind what is handed out is no older than it has been alone")
    func behindHandedOut() async throws {
        let world = try SourceWorld(recentBytes: 0)
        let (source, _) = try await world.source("a", time: self.clock)
        try await world.commit("a", 1, acceptedAt: self.clock.wallMilliseconds)
        #expect(source.oldestAge == 0, "not read yet")
        self.clock.advance(by: .seconds(10))
        var batches = source.batches().makeAsyncIterator()
        let first = try #require(await batches.next())
        #expect(source.oldestAge == 10)
        self.clock.advance(by: .seconds(7))
        self.unreadable(world)
        try await world.commit("a", 1, acceptedAt: self.clock.wallMilliseconds)
        #expect(await eventually { source.failure != nil })
        #expect(source.oldestAge == 17)
        try source.commit(through: Offset(lane: first.lane, number: 1))
        #expect(source.oldestAge == 0)
        self.clock.advance(by: .seconds(3))
        #expect(source.oldestAge == 3)
        source.close()
        await world.spool.close()
    }

    @Test("an event that was accepted when the clock was ahead is as old as it has been the oldest, whatever comes or is settled")
    func ahead() async throws {
        let world = try SourceWorld(recentBytes: 0)
        let (source, _) = try await world.source("a", time: self.clock)
        let tomorrow = self.clock.wallMilliseconds + 86_400_000
        var batches = source.batches().makeAsyncIterator()
        for count in [2, 1] {
            try await world.commit("a", count, acceptedAt: tomorrow)
            _ = try #require(await batches.next())
            self.clock.advance(by: .seconds(10))
        }
        #expect(source.oldestAge == 20, "a newer one makes it no younger")
        for (end, age) in [(1, 0), (1, 4), (2, 0), (2, 4)] as [(UInt64, Double)] {
            try source.commit(through: Offset(lane: source.cursor.lane, number: end))
            #expect(source.oldestAge == age, "settled below \(end)")
            self.clock.advance(by: .seconds(4))
        }
        source.close()
        await world.spool.close()
    }
}
