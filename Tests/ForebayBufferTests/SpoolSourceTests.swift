import ForebayCore
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayBuffer

/// What a stage gets of a spool, and where its cursor may stand meanwhile.
@Suite("Spool source")
struct SpoolSourceTests {
    @Test("the cursor stands where all is settled, whatever was handed out or belongs to others", arguments: [0, 16 << 20])
    func cursorWaits(recentBytes: Int) async throws {
        let world = try SourceWorld(recentBytes: recentBytes)
        let (source, cursor) = try await world.source("a")
        let (others, idle) = try await world.source("b")
        try await world.commit("a", 5)
        try await world.commit("b", 7)
        try await world.commit("a", 3)
        var batches = source.batches().makeAsyncIterator()
        let first = try #require(await batches.next()), second = try #require(await batches.next())
        #expect((first.first, first.count, second.first, second.count) == (0, 5, 12, 3))
        // It has read to the end and handed out two; nothing is settled.
        try await world.commit("b", 1)
        #expect(await !eventually(within: .milliseconds(100)) { cursor.sequence > 0 })
        try source.commit(through: Offset(lane: first.lane, number: 3))
        #expect(cursor.sequence == 3 && source.lag == 5)
        try source.commit(through: Offset(lane: first.lane, number: second.end))
        #expect(await eventually { cursor.sequence == 16 })
        #expect(source.lag == 0)
        // Whoever has nothing passes what others have, once it looks.
        #expect(idle.sequence == 0)
        let reading = Task {
            for await batch in others.batches() { return Int(batch.count) }; return 0
        }
        #expect(await reading.value == 7)
        source.close()
        others.close()
        await world.spool.close()
    }

    @Test("a spool whose ids begin with something new, since its newest segment was lost, is the same lane", arguments: [0, 16 << 20])
    func origins(recentBytes: Int) async throws {
        let directory: String
        do {
            let world = try SourceWorld(recentBytes: recentBytes, segmentSize: 64 << 10)
            _ = try await world.source("a")
            for _ in 0..<6 { try await world.commit("a", 1, size: 25_000) }
            await world.spool.close()
            directory = world.directory + "-next"
            try FileManager.default.copyItem(atPath: world.directory, toPath: directory)
        }
        // Not the next one's file, which may be there a moment longer.
        let segments = try FileManager.default.contentsOfDirectory(atPath: directory + "/segments").filter { $0.hasSuffix(".segment") }
            .sorted()
        try FileManager.default.removeItem(atPath: directory + "/segments/" + segments.last!)
        let world = try SourceWorld(recentBytes: recentBytes, segmentSize: 64 << 10, directory: directory)
        let (source, cursor) = try await world.source("a")
        try await world.commit("a", 2)
        var batches: [Batch] = []
        var iterator = source.batches().makeAsyncIterator()
        while batches.last?.end != world.spool.durableEnd { batches.append(try #require(await iterator.next())) }
        #expect(Set(batches.map(\.lane)) == [source.cursor.lane], "one lane, so one prefix")
        #expect(Set(batches.map(\.origin)).count == 2 && batches[0].origin == world.spool.id)
        // What comes last is settled first; a stage would say so only when all before it is.
        try source.commit(through: Offset(lane: batches[0].lane, number: batches[0].end))
        #expect(cursor.sequence == batches[0].end)
        let last = try #require(batches.last)
        try source.commit(through: Offset(lane: last.lane, number: last.end))
        #expect(await eventually { cursor.sequence == world.spool.durableEnd && source.lag == 0 })
        source.close()
        await world.spool.close()
    }

    @Test("a place in another lane moves no cursor: the process ends rather than that events are passed")
    func otherLane() async throws {
        await #expect(processExitsWith: .failure) {
            let world = try SourceWorld(recentBytes: 0)
            let (source, _) = try await world.source("a")
            try await world.commit("a", 3)
            try source.commit(through: Offset(lane: .spool(.none), number: 1))
        }
    }

    @Test("begun anew, it hands out again what nobody settled")
    func again() async throws {
        let world = try SourceWorld(recentBytes: 0)
        let (source, cursor) = try await world.source("a")
        for _ in 0..<4 { try await world.commit("a", 10) }
        var batches = source.batches().makeAsyncIterator()
        let first = try #require(await batches.next())
        try source.commit(through: Offset(lane: first.lane, number: 4))
        var after = source.batches().makeAsyncIterator()
        #expect(try #require(await after.next()).first == 4)
        // The first reading is over: it moves nothing any more.
        _ = await batches.next()
        #expect(cursor.sequence == 4)
        source.close()
        await world.spool.close()
    }

    @Test("a reading ends when another begins, or the source is closed; it tells what waits for longest", arguments: [0, 16 << 20])
    func ends(recentBytes: Int) async throws {
        let world = try SourceWorld(recentBytes: recentBytes)
        let (source, _) = try await world.source("a")
        #expect(source.oldestAcceptedAt == nil && source.cursor == Offset(lane: .spool(world.spool.id), number: 0))
        try await world.commit("a", 3)
        var first = source.batches().makeAsyncIterator()
        #expect(await first.next().map { $0.first..<$0.end } == 0..<3)
        #expect(source.oldestAcceptedAt == 1)
        var second = source.batches().makeAsyncIterator()
        #expect(await first.next() == nil, "without a further event")
        #expect(await second.next().map { $0.first..<$0.end } == 0..<3)
        try source.commit(through: Offset(lane: .spool(world.spool.id), number: 3))
        #expect(source.oldestAcceptedAt == nil && source.cursor.number == 3)
        source.close()
        #expect(await second.next() == nil)
        await world.spool.close()
    }

    @Test("what a hole held was never counted: at rest nothing is said to wait")
    func rests() async throws {
        let world = try SourceWorld(recentBytes: 16 << 20)
        let (source, cursor) = try await world.source("a")
        try await world.commit("a", 5)
        cursor.move(to: 3, settled: 0)
        #expect(source.lag == 5)
        var batches = source.batches().makeAsyncIterator()
        let rest = try #require(await batches.next())
        #expect(rest.first == 3 && rest.end == 5)
        try source.commit(through: Offset(lane: rest.lane, number: 5))
        #expect(source.lag == 0)
        source.close()
        await world.spool.close()
    }

    @Test("a cursor that finds no room moves on all the same: the reading goes on, and nothing comes twice")
    func cursorWaits() async throws {
        let world = try SourceWorld(recentBytes: 16 << 20)
        let (source, cursor) = try await world.source("a")
        try await world.commit("a", 4)
        try await world.commit("a", 4)
        var batches = source.batches().makeAsyncIterator()
        let first = try #require(await batches.next()), second = try #require(await batches.next())
        world.disk.fail { call, path in call == .write && path.contains("cursors") ? 28 : nil }
        try source.commit(through: Offset(lane: first.lane, number: first.end))
        #expect(cursor.sequence == 4 && source.lag == 4)
        try await world.commit("a", 1)
        let third = try #require(await batches.next())
        #expect(third.first..<third.end == 8..<9)
        world.disk.fail(nil)
        try source.commit(through: Offset(lane: second.lane, number: 8))
        #expect(cursor.sequence == 8 && source.lag == 1)
        source.close()
        await world.spool.close()
    }

    @Test("a cursor that passes what others have does so where there is no room, too")
    func passesWithoutRoom() async throws {
        let world = try SourceWorld(recentBytes: 16 << 20)
        let (source, cursor) = try await world.source("quiet")
        world.disk.fail { call, path in call == .write && path.contains("cursors") ? 28 : nil }
        var batches = source.batches().makeAsyncIterator()
        try await world.commit("b", 7)
        #expect(await eventually { cursor.sequence == 7 })
        try await world.commit("quiet", 1)
        #expect(await batches.next().map { $0.first..<$0.end } == 7..<8)
        world.disk.fail(nil)
        source.close()
        await world.spool.close()
    }

    @Test("an event that was accepted when the clock was ahead is as old as it has been the oldest, at least")
    func age() async throws {
        let world = try SourceWorld(recentBytes: 0)
        let (source, _) = try await world.source("a")
        #expect(source.oldestAge == nil)
        let ahead = Int64(4_102_444_800_000)
        for acceptedAt in [ahead, 1] {
            let batch = EventFactory.batch([EventFactory.Sample("t", value: "v")], spool: world.spool.id, first: 0)
            let routed = Batch(
                lane: batch.lane, origin: nil, first: 0, count: 1, route: RouteID(name: "a"), acceptedAt: acceptedAt, slab: batch.slab,
                range: batch.range)
            _ = try await world.spool.commit([Submission(batches: [routed], ack: AckToken { _ in })])
        }
        #expect(await SourceWorld.read(source, through: 2) == [0, 1])
        let first = try #require(source.oldestAge)
        #expect(first >= 0 && first < 60)
        #expect(await eventually { (source.oldestAge ?? 0) > first })
        try source.commit(through: Offset(lane: source.cursor.lane, number: 1))
        #expect(try #require(source.oldestAge) > 1_000_000_000, "accepted in 1970")
        source.close()
        await world.spool.close()
    }

    @Test("a reading goes on by itself behind much that belongs to others, which it passes over in portions")
    func behindOthers() async throws {
        let world = try SourceWorld(recentBytes: 0, segmentSize: 64 << 20)
        let (source, _) = try await world.source("b")
        // A frame each: their routes take turns.
        let batches = (0..<9000).map { number in
            let one = EventFactory.batch([EventFactory.Sample("t", value: "v")], spool: world.spool.id, first: 0)
            return Batch(
                lane: one.lane, origin: nil, first: 0, count: 1, route: RouteID(name: number % 2 == 0 ? "a" : "c"), acceptedAt: 1,
                slab: one.slab, range: one.range)
        }
        _ = try await world.spool.commit([Submission(batches: batches, ack: AckToken { _ in })])
        try await world.commit("b", 1)
        let read = Happenings<UInt64>()
        let task = Task {
            for await batch in source.batches() { read.add(batch.first) }
        }
        #expect(await eventually { read.all == [9000] })
        source.close()
        task.cancel()
        await world.spool.close()
    }

    @Test("a reading that fails says why, until the next one begins")
    func failure() async throws {
        let log = LogCapture()
        defer { log.close() }
        let world = try SourceWorld(recentBytes: 0)
        let (source, _) = try await world.source("a")
        try await world.commit("a", 3)
        world.disk.fail { call, path in call == .open && path.hasSuffix(".segment") ? EACCES : nil }
        #expect(await SourceWorld.read(source, through: 3).isEmpty)
        #expect(await eventually { source.failure?.description.contains("Permission denied") ?? false })
        // Nothing was handed out, and it waits all the same: over each new attempt, too.
        #expect(await eventually { (source.oldestAge ?? 0) > 0.05 })
        let age = try #require(source.oldestAge)
        #expect(await SourceWorld.read(source, through: 3).isEmpty)
        #expect(try #require(source.oldestAge) >= age)
        #expect(
            await eventually {
                log.records(label: "reader").contains { $0.message == "reading the spool failed" && $0["cursor"] == "forward/a" }
            })
        world.disk.fail(nil)
        #expect(await SourceWorld.read(source, through: 3) == [0, 1, 2] && source.failure == nil)
        #expect(try #require(source.oldestAge) > 1_000_000_000, "accepted in 1970, as is seen now")
        // It fails again: what was handed out is as old as it was.
        world.disk.fail { call, path in call == .open && path.hasSuffix(".segment") ? EACCES : nil }
        #expect(await SourceWorld.read(source, through: 3).isEmpty)
        #expect(try #require(source.oldestAge) > 1_000_000_000)
        world.disk.fail(nil)
        #expect(await SourceWorld.read(source, through: 3) == [0, 1, 2])
        try source.commit(through: Offset(lane: source.cursor.lane, number: 3))
        #expect(await eventually { source.oldestAge == nil })
        source.close()
        await world.spool.close()
    }
}
