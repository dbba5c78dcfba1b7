import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayBuffer
@testable import ForebaySpool

/// What is settled beyond a cursor, as a source hands out the rest, in this process and the next.
@Suite("Spool source: settled ahead")
struct SettledAheadSourceTests {
    @Test("what is settled ahead of a cursor is not handed out again by later processes, for each route its own", arguments: [0, 16 << 20])
    func ahead(recentBytes: Int) async throws {
        var directory = NSTemporaryDirectory() + "forebay-source-" + UUID().uuidString
        do {
            let world = try SourceWorld(recentBytes: recentBytes, segmentSize: 64 << 10, directory: directory)
            let (a, _) = try await world.source("a")
            let (b, _) = try await world.source("b")
            // a: 0..<10, 20..<30, 40..<50; b: 10..<20, 30..<40.
            for route in ["a", "b", "a", "b", "a"] { try await world.commit(route, 10, size: 5000) }
            #expect(await SourceWorld.read(a, through: 50).count == 30)
            #expect(await SourceWorld.read(b, through: 40).count == 20)
            // Ranges go over what is of others.
            a.keep(SettledAhead(ranges: [1..<4, 6..<25, 29..<41]), isFinal: true)
            b.keep(SettledAhead(ranges: [15..<16]), isFinal: true)
            a.close()
            b.close()
            await world.spool.close()
            directory = try world.copy()
        }
        for restart in 0..<3 {
            let world = try SourceWorld(recentBytes: recentBytes, segmentSize: 64 << 10, directory: directory)
            let (a, cursor) = try await world.source("a")
            let (b, other) = try await world.source("b")
            #expect(a.lag == 30 && b.lag == 20 && a.waiting == 30 && b.waiting == 20, "what is ahead of the cursor waits with it")
            #expect(await SourceWorld.read(a, through: 50) == [0, 4, 5, 25, 26, 27, 28] + Array(41..<50), "restart \(restart)")
            #expect(await SourceWorld.read(b, through: 40) == Array(10..<15) + Array(16..<20) + Array(30..<40))
            #expect(a.waiting == 16 && b.waiting == 19, "and does not count as waiting once it is passed over")
            a.settled(ahead: 3)
            #expect(a.waiting == 13 && a.lag == 30)
            a.settled(ahead: 0)
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

    /// How a segment comes to be there again.
    enum Back: CaseIterable {
        /// It was gone, and its file is put back.
        case hadBack
        /// The same, and the loss was acknowledged meanwhile.
        case acknowledged
        /// The disk did not give it.
        case readAgain
        /// It was the newest, and went together with what is not known to have been in it.
        case newest
    }

    @Test("what a hole may have held is never taken for settled ahead: it comes when it is there again", arguments: Back.allCases)
    func aheadOfHoles(_ back: Back) async throws {
        var directory = NSTemporaryDirectory() + "forebay-source-" + UUID().uuidString
        let count: UInt64 = 60
        do {
            let world = try SourceWorld(recentBytes: 0, segmentSize: 64 << 10, directory: directory)
            _ = try await world.source("a")
            for _ in 0..<count / 10 { try await world.commit("a", 10, size: 5000) }
            await world.spool.close()
            directory = try world.copy()
        }
        let segments = try SpoolInspection(directory: directory).segments
        let lost = back == .newest ? segments[segments.count - 1] : segments[segments.count - 2]
        let (hole, name) = (lost.base..<lost.end, lost.file.split(separator: "/").last!)
        let (file, away) = (directory + "/segments/" + name, directory + ".away")
        if back != .readAgain { try FileManager.default.moveItem(atPath: file, toPath: away) }
        var last: UInt64 = count
        do {
            let world = try SourceWorld(recentBytes: 0, segmentSize: 64 << 10, directory: directory)
            let (a, cursor) = try await world.source("a")
            // While it could be read, it was settled, and that was remembered.
            if back == .readAgain { a.keep(SettledAhead(ranges: [hole]), isFinal: false) }
            if back == .readAgain { world.disk.fail { call, path in call == .open && path.hasSuffix(name) ? EIO : nil } }
            if back == .newest { try await world.commit("a", 10, size: 5000) }
            last = world.spool.durableEnd
            let expected = Array(0..<hole.lowerBound) + (back == .newest ? Array(last - 10..<last) : Array(hole.upperBound..<last))
            #expect(await SourceWorld.read(a, through: last) == expected)
            // All but the first is delivered.
            a.keep(SettledAhead(ranges: [1..<last]), isFinal: true)
            if back == .acknowledged {
                _ = try await world.spool.acknowledgeAlarms()
                a.keep(SettledAhead(ranges: [1..<last - 1]), isFinal: true)
            }
            #expect(cursor.sequence == 0)
            a.close()
            await world.spool.close()
            directory = try world.copy()
        }
        if back != .readAgain { try FileManager.default.moveItem(atPath: away, toPath: directory + "/segments/" + name) }
        let world = try SourceWorld(recentBytes: 0, segmentSize: 64 << 10, directory: directory)
        let (a, _) = try await world.source("a")
        try await world.commit("a", 1)
        #expect(await SourceWorld.read(a, through: world.spool.durableEnd) == [0] + Array(hole) + [world.spool.durableEnd - 1])
        a.close()
        await world.spool.close()
    }

    @Test("the same within a process, when a stage is made anew; a killed one is known as far as it was written")
    func aheadOfARun() async throws {
        let world = try SourceWorld(recentBytes: 0)
        let (source, cursor) = try await world.source("a")
        try await world.commit("a", 10)
        #expect(await SourceWorld.read(source, through: 10) == Array(0..<10))
        source.keep(SettledAhead(ranges: [2..<9], sentBelow: 2), isFinal: false)
        #expect(await SourceWorld.read(source, through: 10) == [0, 1, 9])
        try source.commit(through: Offset(lane: source.cursor.lane, number: 2))
        #expect(cursor.sequence == 9)
        try await world.commit("a", 5)
        source.keep(SettledAhead(ranges: [12..<13]), isFinal: false)
        // The keeper writes it within 100 ms; a copy of the folder is what a kill leaves.
        let file = world.directory + "/ahead/forward.a"
        #expect(await eventually { FileManager.default.fileExists(atPath: file) })
        source.close()
        await world.spool.close()
    }

    @Test("a clean stop writes nothing for a route of which nothing waits")
    func nothingToSay() async throws {
        let world = try SourceWorld(recentBytes: 0)
        let (a, _) = try await world.source("a")
        let (b, _) = try await world.source("b")
        try await world.commit("a", 3)
        for source in [a, b] { source.keep(SettledAhead(), isFinal: true) }
        await world.spool.close()
        #expect(FileManager.default.fileExists(atPath: world.directory + "/ahead/forward.a"))
        let next = try SourceWorld(recentBytes: 0, directory: world.copy())
        let (again, cursor) = try await next.source("a")
        #expect(again.resentBelow == 0, "nothing was sent")
        #expect(await SourceWorld.read(again, through: 3) == [0, 1, 2])
        try again.commit(through: Offset(lane: again.cursor.lane, number: 3))
        #expect(cursor.sequence == 3)
        again.keep(SettledAhead(), isFinal: true)
        again.close()
        await next.spool.close()
        #expect(!FileManager.default.fileExists(atPath: next.directory + "/ahead/forward.a"))
    }

    @Test("what an earlier process may have sent is known after a clean stop, and after a kill it is a window at most")
    func resent() async throws {
        var directory = NSTemporaryDirectory() + "forebay-source-" + UUID().uuidString
        for isFinal in [true, false] {
            let world = try SourceWorld(recentBytes: 0, directory: directory)
            let (source, _) = try await world.source("a")
            #expect(source.resentBelow == (isFinal ? 0 : 3))
            if isFinal { try await world.commit("a", 10) }
            _ = await SourceWorld.read(source, through: 10)
            source.keep(SettledAhead(ranges: [5..<6], sentBelow: 3), isFinal: isFinal)
            source.close()
            await world.spool.close()
            directory = try world.copy()
        }
        let world = try SourceWorld(recentBytes: 0, directory: directory)
        let (source, _) = try await world.source("a")
        #expect(source.resentBelow == 10)
        try await world.commit("a", 1)
        #expect(source.resentBelow == 10, "what is new was never sent")
        source.close()
        await world.spool.close()
    }

    @Test("after a kill what lies behind a window's bytes was not sent: the window ends with the batch that fills it, to the byte")
    func window() async throws {
        let first = try SourceWorld(recentBytes: 0)
        let (source, _) = try await first.source("a")
        for size in [100, 1000, 10] { try await first.commit("a", 4, size: size) }
        var sizes: [Int] = []
        for await batch in source.batches() {
            sizes.append(batch.byteCount)
            if batch.end == 12 { break }
        }
        try #require(sizes.count == 3)
        source.close()
        await first.spool.close()
        for (bytes, end) in [
            (1, 4), (sizes[0], 4), (sizes[0] + 1, 8), (sizes[0] + sizes[1], 8), (sizes[0] + sizes[1] + 1, 12),
            (sizes.reduce(0, +) + 1, 12),
        ] as [(Int, UInt64)] {
            let world = try SourceWorld(recentBytes: 0, directory: first.copy())
            let (source, _) = try await world.source("a", windowBytes: bytes)
            #expect(source.resentBelow == 12, "all of it, as far as is known at the start")
            #expect(await SourceWorld.read(source, through: 12).count == 12)
            #expect(source.resentBelow == end, "a window of \(bytes) of \(sizes)")
            source.close()
            await world.spool.close()
        }
    }

    @Test(
        "what is known to have been sent was, also where a window's bytes end before it; a run that goes on knows what the one before it sent"
    )
    func knownToBeSent() async throws {
        let first = try SourceWorld(recentBytes: 0)
        let (source, _) = try await first.source("a")
        for _ in 0..<3 { try await first.commit("a", 4, size: 100) }
        _ = await SourceWorld.read(source, through: 12)
        for (sentBelow, expected) in [(12, 12), (9, 9), (5, 5), (3, 4), (0, 4)] as [(UInt64, UInt64)] {
            source.keep(SettledAhead(ranges: [2..<3], sentBelow: sentBelow), isFinal: false)
            await first.spool.syncCursors()
            // A kill.
            let world = try SourceWorld(recentBytes: 0, directory: first.copy())
            let (again, _) = try await world.source("a", windowBytes: 1)
            #expect(again.resentBelow == 12)
            #expect(await SourceWorld.read(again, through: 12).count == 11)
            #expect(again.resentBelow == expected, "sent below \(sentBelow)")
            again.keep(SettledAhead(ranges: [2..<3], sentBelow: 12), isFinal: false)
            _ = again.batches()
            #expect(again.resentBelow == 12, "by the run before")
            again.close()
            await world.spool.close()
        }
        source.close()
        await first.spool.close()
    }

    @Test("once a stage reads, what it sends is not known to a start after a kill, however the process before it ended")
    func beginsAnew() async throws {
        let first = try SourceWorld(recentBytes: 0)
        let (source, _) = try await first.source("a")
        try await first.commit("a", 10)
        _ = await SourceWorld.read(source, through: 10)
        source.keep(SettledAhead(ranges: [5..<6], sentBelow: 3), isFinal: true)
        source.close()
        await first.spool.close()
        let second = try SourceWorld(recentBytes: 0, directory: first.copy())
        let (reading, _) = try await second.source("a")
        #expect(reading.resentBelow == 3)
        /// What a start after a kill takes for sent.
        func afterKill() async throws -> UInt64 {
            await second.spool.syncCursors()
            let third = try SourceWorld(recentBytes: 0, directory: second.copy())
            let (source, _) = try await third.source("a")
            defer { source.close() }
            await third.spool.close()
            return source.resentBelow
        }
        #expect(try await afterKill() == 10, "nobody knows what the second one sends")
        _ = await SourceWorld.read(reading, through: 10)
        reading.keep(SettledAhead(ranges: [5..<6], sentBelow: 4), isFinal: true)
        #expect(try await afterKill() == 4, "its stage has ended")
        _ = reading.batches()
        #expect(try await afterKill() == 10, "and begun anew")
        reading.close()
        await second.spool.close()
    }

    @Test("what stands settled right behind the cursor is passed, and counted, as soon as it is read")
    func passedAtOnce() async throws {
        let world = try SourceWorld(recentBytes: 0)
        var (source, cursor) = try await world.source("a")
        try await world.commit("a", 4)
        try await world.commit("a", 4)
        source.keep(SettledAhead(ranges: [0..<4, 5..<6]), isFinal: true)
        source.close()
        await world.spool.syncCursors()
        let again = try SourceWorld(recentBytes: 0, directory: world.copy())
        (source, cursor) = try await again.source("a")
        #expect(cursor.sequence == 0 && source.lag == 8)
        var batches = source.batches().makeAsyncIterator()
        #expect(await batches.next().map { $0.first..<$0.end } == 4..<5)
        #expect(cursor.sequence == 4 && source.lag == 4)
        source.close()
        for world in [world, again] { await world.spool.close() }
    }

    @Test("what is said to be settled ahead is a run's, and the next begins with nothing of it")
    func saidByRun() async throws {
        let world = try SourceWorld(recentBytes: 0)
        let (source, _) = try await world.source("a")
        try await world.commit("a", 3)
        source.settled(ahead: 2)
        #expect(source.waiting == 1)
        _ = source.batches()
        #expect(source.waiting == 3)
        source.close()
        await world.spool.close()
    }

    @Test("what is new was never sent before, also where this run has said that it sent beyond it")
    func newBehindWindow() async throws {
        let first = try SourceWorld(recentBytes: 0)
        _ = try await first.source("a")
        try await first.commit("a", 4)
        await first.spool.close()
        let world = try SourceWorld(recentBytes: 0, directory: first.copy())
        let (source, _) = try await world.source("a", windowBytes: 1)
        var batches = source.batches().makeAsyncIterator()
        #expect(await batches.next().map { $0.first..<$0.end } == 0..<4)
        source.keep(SettledAhead(sentBelow: 8), isFinal: false)
        try await world.commit("a", 4)
        #expect(await batches.next().map { $0.first..<$0.end } == 4..<8)
        #expect(source.resentBelow == 4)
        source.close()
        await world.spool.close()
    }
}
