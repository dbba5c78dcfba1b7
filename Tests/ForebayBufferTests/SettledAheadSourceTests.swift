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
}
