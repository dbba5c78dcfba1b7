import ForebayCore
import ForebaySpool
import ForebayTestKit
import Testing

@testable import ForebayBuffer

/// Events that are given up so that there is room for new ones: each is either delivered or counted, whatever had been read of them.
@Suite("Spool source: giving up", .timeLimit(.minutes(1)))
struct SourceGivingUpTests {
    private func commit(_ source: SpoolSource, _ batch: Batch) throws {
        try source.commit(through: Offset(lane: batch.lane, number: batch.end))
    }

    @Test("what was handed out is still waited for, with its age, and what was not is counted; each event once")
    func handedOut() async throws {
        let (world, clock) = (try SourceWorld(recentBytes: 0), ManualClock())
        let (source, cursor) = try await world.source("a", time: clock)
        for _ in 0..<3 { try await world.commit("a", 10, acceptedAt: clock.wallMilliseconds) }
        var batches = source.batches().makeAsyncIterator()
        let handed = try #require(await batches.next())
        _ = await eventually { source.spool.lag(of: cursor) == 30 && source.oldestAge != nil }
        clock.advance(by: .seconds(10))
        let gone = try #require(source.giveUp(below: 25, ordinal: 25))
        #expect(gone.range == 0..<25 && gone.events + gone.onTheirWay == 25 && gone.onTheirWay >= UInt64(handed.count))
        #expect(cursor.sequence == 25 && source.waiting == 5 + gone.onTheirWay && source.oldestAge == 10)
        source.settled(ahead: 4)
        #expect(source.waiting == 1 + gone.onTheirWay, "of those on their way some are settled ahead")
        source.settled(ahead: 0)
        try self.commit(source, handed)
        #expect(cursor.sequence == 25 && source.waiting == 5 + gone.onTheirWay - UInt64(handed.count))
        while source.waiting > 0, let batch = await batches.next() { try self.commit(source, batch) }
        #expect(cursor.sequence == 30 && cursor.ordinal == 30 && source.oldestAge == nil && source.dropped == 0)
        #expect(source.giveUp(below: 30, ordinal: 30) == nil, "all is settled")
        source.close()
        await world.spool.close()
    }

    @Test("what was read and not handed over is not delivered: it is counted, and holds the cursor no more")
    func readBefore() async throws {
        let world = try SourceWorld(recentBytes: 0)
        // A batch in the link, one on its way into it, and the others of the step behind that.
        let (source, cursor) = try await world.source("a", readAheadBytes: 1)
        for _ in 0..<8 { try await world.commit("a", 1, size: 100) }
        try await world.commit("b", 1)
        var batches = source.batches().makeAsyncIterator()
        let first = try #require(await batches.next())
        #expect(await eventually { source.waiting == 8 })
        let gone = try #require(source.giveUp(below: 8, ordinal: 8))
        #expect(gone.events > 0 && gone.events + gone.onTheirWay == 8)
        try self.commit(source, first)
        for _ in 1..<gone.onTheirWay { try self.commit(source, #require(await batches.next())) }
        #expect(await eventually { cursor.sequence == 9 }, "with the event of another route behind them")
        #expect(source.waiting == 0 && source.oldestAge == nil)
        try await world.commit("a", 1)
        let next = try #require(await batches.next())
        #expect(next.first == 9)
        source.close()
        await world.spool.close()
    }

    @Test("what a process before settled and nobody has read yet is not counted, once it is read it is as what was handed out")
    func settledBefore() async throws {
        let world = try SourceWorld(recentBytes: 0)
        var (source, cursor) = try await world.source("a")
        try await world.commit("a", 10)
        source.keep(SettledAhead(ranges: [3..<5, 6..<9]), isFinal: true)
        await source.flush()
        source.close()
        (source, cursor) = try await world.source("a")
        let unread = source.settledUnread(below: 8)
        #expect(unread.position == 0 && unread.ranges == [3..<5, 6..<8])
        let gone = try #require(source.giveUp(below: 8, ordinal: 8, settledUnread: (0, 4)))
        #expect(gone.events == 4 && gone.onTheirWay == 0 && cursor.sequence == 8)
        #expect(source.settledUnread(below: 8).ranges == [])
        let rest = try #require(source.giveUp(below: 10, ordinal: 10, settledUnread: (0, 1)))
        #expect(rest.events == 2, "told for another position: one too many rather than one too few")
        source.close()
        await world.spool.close()
    }

    @Test(
        "a run that ends delivers nothing more of what was given up: it is counted then, but for what it had settled ahead",
        arguments: [false, true])
    func runEnds(tellsWhatIsSettled: Bool) async throws {
        let world = try SourceWorld(recentBytes: 1 << 20)
        let (source, cursor) = try await world.source("a")
        try await world.commit("a", 10)
        var batches = source.batches().makeAsyncIterator()
        #expect(await batches.next()?.count == 10)
        let gone = try #require(source.giveUp(below: 10, ordinal: 10))
        #expect(gone.events == 0 && gone.onTheirWay == 10 && source.dropped == 0)
        if tellsWhatIsSettled { source.keep(SettledAhead(ranges: [2..<5]), isFinal: true) }
        _ = source.batches()
        #expect(source.dropped == (tellsWhatIsSettled ? 7 : 10) && source.waiting == 0 && cursor.sequence == 10)
        source.keep(SettledAhead(), isFinal: true)
        #expect(source.dropped == (tellsWhatIsSettled ? 7 : 10), "once")
        source.close()
        await world.spool.close()
    }

    @Test("what is given up when the run has ended and no other comes is counted at the end, and so is what is given up behind that")
    func ends() async throws {
        let world = try SourceWorld(recentBytes: 1 << 20)
        let (source, cursor) = try await world.source("a")
        try await world.commit("a", 10)
        try await world.commit("a", 10)
        var batches = source.batches().makeAsyncIterator()
        #expect(await batches.next()?.count == 10)
        #expect(await batches.next()?.count == 10)
        source.keep(SettledAhead(ranges: [2..<5]), isFinal: true)
        #expect(try #require(source.giveUp(below: 10, ordinal: 10)).onTheirWay == 10 && source.dropped == 0)
        source.close()
        #expect(source.dropped == 7, "but for what the run had settled ahead")
        source.close()
        #expect(source.dropped == 7, "once")
        #expect(try #require(source.giveUp(below: 15, ordinal: 15)).onTheirWay == 5 && source.dropped == 12 && cursor.sequence == 15)
        await world.spool.close()
    }
}

extension SpoolSource {
    /// Where nothing was settled by a process before.
    fileprivate func giveUp(below sequence: UInt64, ordinal: UInt64) -> GivenUp? {
        self.giveUp(below: sequence, ordinal: ordinal, settledUnread: (0, 0))
    }
}
