import ForebayCore
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayBuffer
@testable import ForebaySpool

/// Below which sequence a source's events may have been sent before, by an earlier process or run.
@Suite("Spool source: sent before")
struct ResentSourceTests {
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
