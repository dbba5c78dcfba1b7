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
    private final class World {
        let directory: String
        let threads = SpoolThreads()
        let spool: Spool

        let disk = FaultDisk()

        /// As an operator would copy it: of a node that is down.
        func copy() throws -> String {
            let copy = self.directory + "-\(UUID().uuidString.prefix(4))"
            try FileManager.default.copyItem(atPath: self.directory, toPath: copy)
            return copy
        }

        init(
            recentBytes: Int, segmentSize: Int = 1 << 20,
            directory: String = NSTemporaryDirectory() + "forebay-source-" + UUID().uuidString
        ) throws {
            self.directory = directory
            var configuration = SpoolConfiguration(directory: self.directory, segmentSize: segmentSize) { fatalError("\($0)") }
            configuration.disk = self.disk
            configuration.recentBytes = recentBytes
            let budget = try SpoolBudget(capacity: 1 << 30, directory: self.directory)
            self.spool = try Spool.open(configuration, budget: budget, threads: self.threads, metrics: SpoolMetrics(MetricsRegistry()))
        }

        deinit {
            try? FileManager.default.removeItem(atPath: self.directory)  // A temporary folder.
        }

        func source(_ route: String, witnesses: [LogWitness] = []) async throws -> (source: SpoolSource, cursor: SpoolCursor) {
            let cursor = try await self.spool.cursor("forward/\(route)", route: RouteID(name: route))
            let ahead = try cursor.openAhead(end: self.spool.durableEnd, witnesses: witnesses)
            let loop = ThreadExecutor(label: "source")
            let source = SpoolSource(
                spool: self.spool, cursor: cursor, executor: loop, disk: self.threads.read.executor(),
                configuration: BufferConfiguration(), surroundings: .real, ahead: ahead)
            return (source, cursor)
        }

        func commit(_ route: String, _ count: Int, size: Int = 0) async throws {
            let samples = (0..<count).map { EventFactory.Sample("t", value: "\($0)" + String(repeating: " ", count: size)) }
            let batch = EventFactory.batch(samples, spool: self.spool.id, first: 0)
            let routed = Batch(
                lane: batch.lane, origin: nil, first: 0, count: batch.count, route: RouteID(name: route), acceptedAt: 1, slab: batch.slab,
                range: batch.range)
            _ = try await self.spool.commit([Submission(batches: [routed], ack: AckToken { _ in })])
        }
    }

    @Test("the cursor stands where all is settled, whatever was handed out or belongs to others", arguments: [0, 16 << 20])
    func cursorWaits(recentBytes: Int) async throws {
        let world = try World(recentBytes: recentBytes)
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
            let world = try World(recentBytes: recentBytes, segmentSize: 64 << 10)
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
        let world = try World(recentBytes: recentBytes, segmentSize: 64 << 10, directory: directory)
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
            let world = try World(recentBytes: 0)
            let (source, _) = try await world.source("a")
            try await world.commit("a", 3)
            try source.commit(through: Offset(lane: .spool(.none), number: 1))
        }
    }

    @Test("begun anew, it hands out again what nobody settled")
    func again() async throws {
        let world = try World(recentBytes: 0)
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
        let world = try World(recentBytes: recentBytes)
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
        let world = try World(recentBytes: 16 << 20)
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
        let world = try World(recentBytes: 16 << 20)
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
        let world = try World(recentBytes: 16 << 20)
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

    /// Reads a route's events until all up to the durable end were looked at.
    private func read(_ source: SpoolSource, through end: UInt64) async -> [UInt64] {
        var sequences: [UInt64] = []
        for await batch in source.batches() {
            batch.forEachEvent { sequences.append($1) }
            if (sequences.last ?? 0) + 1 >= end { break }
        }
        return sequences
    }

    @Test("what is settled ahead of a cursor is not handed out again by later processes, for each route its own", arguments: [0, 16 << 20])
    func ahead(recentBytes: Int) async throws {
        var directory = NSTemporaryDirectory() + "forebay-source-" + UUID().uuidString
        do {
            let world = try World(recentBytes: recentBytes, segmentSize: 64 << 10, directory: directory)
            let (a, _) = try await world.source("a")
            let (b, _) = try await world.source("b")
            // a: 0..<10, 20..<30, 40..<50; b: 10..<20, 30..<40.
            for route in ["a", "b", "a", "b", "a"] { try await world.commit(route, 10, size: 5000) }
            #expect(await self.read(a, through: 50).count == 30)
            #expect(await self.read(b, through: 40).count == 20)
            // Ranges go over what is of others.
            a.keep(SettledAhead(ranges: [1..<4, 6..<25, 29..<41]), isFinal: true)
            b.keep(SettledAhead(ranges: [15..<16]), isFinal: true)
            a.close()
            b.close()
            await world.spool.close()
            directory = try world.copy()
        }
        for restart in 0..<3 {
            let world = try World(recentBytes: recentBytes, segmentSize: 64 << 10, directory: directory)
            let (a, cursor) = try await world.source("a")
            let (b, other) = try await world.source("b")
            #expect(a.lag == 30 && b.lag == 20, "what is ahead of the cursor waits with it")
            #expect(await self.read(a, through: 50) == [0, 4, 5, 25, 26, 27, 28] + Array(41..<50), "restart \(restart)")
            #expect(await self.read(b, through: 40) == Array(10..<15) + Array(16..<20) + Array(30..<40))
            if restart == 2 {
                try a.commit(through: Offset(lane: a.cursor.lane, number: 1))
                #expect(cursor.sequence == 4 && a.lag == 26)
                try a.commit(through: Offset(lane: a.cursor.lane, number: 29))
                #expect(cursor.sequence == 41 && a.lag == 9)
                try a.commit(through: Offset(lane: a.cursor.lane, number: 50))
                try b.commit(through: Offset(lane: b.cursor.lane, number: 40))
                #expect(await eventually { cursor.sequence == 50 && a.lag == 0 && other.sequence == 50 && b.lag == 0 })
            } else {
                // Another run adds what it settled; nothing of the first is forgotten.
                a.keep(SettledAhead(), isFinal: restart == 0)
            }
            a.close()
            b.close()
            await world.spool.close()
            directory = try world.copy()
        }
    }

    @Test("the same within a process, when a stage is made anew; a killed one is known as far as it was written")
    func aheadOfARun() async throws {
        let world = try World(recentBytes: 0)
        let (source, cursor) = try await world.source("a")
        try await world.commit("a", 10)
        #expect(await self.read(source, through: 10) == Array(0..<10))
        source.keep(SettledAhead(ranges: [2..<9], sentBelow: 2), isFinal: false)
        #expect(await self.read(source, through: 10) == [0, 1, 9])
        try source.commit(through: Offset(lane: source.cursor.lane, number: 2))
        #expect(cursor.sequence == 9)
        source.keep(SettledAhead(ranges: [12..<13]), isFinal: false)
        // The keeper writes it within 100 ms; a copy of the folder is what a kill leaves.
        let file = world.directory + "/ahead/forward.a"
        #expect(await eventually { FileManager.default.fileExists(atPath: file) })
        source.close()
        await world.spool.close()
    }

    @Test("an event that was accepted when the clock was ahead is as old as it has been the oldest, at least")
    func age() async throws {
        let world = try World(recentBytes: 0)
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
        #expect(await self.read(source, through: 2) == [0, 1])
        let first = try #require(source.oldestAge)
        #expect(first >= 0 && first < 60)
        #expect(await eventually { (source.oldestAge ?? 0) > first })
        try source.commit(through: Offset(lane: source.cursor.lane, number: 1))
        #expect(try #require(source.oldestAge) > 1_000_000_000, "accepted in 1970")
        source.close()
        await world.spool.close()
    }

    @Test("a reading that fails says why, until the next one begins")
    func failure() async throws {
        let world = try World(recentBytes: 0)
        let (source, _) = try await world.source("a")
        try await world.commit("a", 3)
        world.disk.fail { call, path in call == .open && path.hasSuffix(".segment") ? EACCES : nil }
        #expect(await self.read(source, through: 3).isEmpty)
        #expect(await eventually { source.failure?.description.contains("Permission denied") ?? false })
        world.disk.fail(nil)
        #expect(await self.read(source, through: 3) == [0, 1, 2] && source.failure == nil)
        source.close()
        await world.spool.close()
    }

    @Test("what an earlier process may have sent is known after a clean stop, and after a kill it is a window at most")
    func resent() async throws {
        var directory = NSTemporaryDirectory() + "forebay-source-" + UUID().uuidString
        for isFinal in [true, false] {
            let world = try World(recentBytes: 0, directory: directory)
            let (source, _) = try await world.source("a")
            #expect(source.resentBelow == (isFinal ? 0 : 3))
            if isFinal { try await world.commit("a", 10) }
            _ = await self.read(source, through: 10)
            source.keep(SettledAhead(ranges: [5..<6], sentBelow: 3), isFinal: isFinal)
            source.close()
            await world.spool.close()
            directory = try world.copy()
        }
        let world = try World(recentBytes: 0, directory: directory)
        let (source, _) = try await world.source("a")
        #expect(source.resentBelow == 10)
        try await world.commit("a", 1)
        #expect(source.resentBelow == 10, "what is new was never sent")
        source.close()
        await world.spool.close()
    }
}
