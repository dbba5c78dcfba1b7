import ForebayCore
import ForebaySpool
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebayBuffer

/// Who waits while a disk is slow to give a route's backlog.
@Suite("Spool source: reading on a thread of its own", .timeLimit(.minutes(1)))
struct ReadingThreadTests {
    /// What runs on a loop and has to go on.
    private actor Loop {
        private let executor: ThreadExecutor
        private(set) var turns = 0
        nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

        init(_ executor: ThreadExecutor) { self.executor = executor }

        func turn() { self.turns += 1 }
    }

    /// From now on reads of segments hang until they are told to go on, all of them with the first.
    private func hangReads(_ world: SourceWorld) -> (hangs: Happenings<Void>, goesOn: DispatchSemaphore) {
        let (hangs, goesOn) = (Happenings<Void>(), DispatchSemaphore(value: 0))
        world.disk.fail { call, path in
            guard call == .read, path.contains("/segments/") else { return nil }
            hangs.add(())
            goesOn.wait()
            goesOn.signal()
            return nil
        }
        return (hangs, goesOn)
    }

    @Test("a read of one route's backlog that hangs holds up neither the loop nor what another route has in memory")
    func hangingRead() async throws {
        let world = try SourceWorld(recentBytes: 1 << 20, segmentSize: 1 << 20)
        let delivery = ThreadExecutor(label: "delivery")
        let (backlog, cursor) = try await world.source("a", on: delivery)
        let (other, _) = try await world.source("b", on: delivery)
        for _ in 0..<30 { try await world.commit("a", 1, size: 100_000) }
        try await world.commit("b", 1)
        // The other keeps up: what comes from now on it has from memory.
        var events = other.batches().makeAsyncIterator()
        let first = try #require(await events.next())
        #expect(first.first == 30)
        try other.commit(through: Offset(lane: first.lane, number: first.end))

        let (hangs, goesOn) = self.hangReads(world)
        var held = backlog.batches().makeAsyncIterator()
        await hangs.wait(forCount: 1)
        let loop = Loop(delivery)
        for number in 1...20 {
            try await world.commit("b", 1)
            let next = try #require(await events.next())
            #expect(next.first == UInt64(30 + number))
            await loop.turn()
        }
        #expect(await loop.turns == 20 && hangs.count == 1 && cursor.sequence == 0)
        goesOn.signal()
        var read = 0
        while read < 30 { read += Int(try #require(await held.next()).count) }
        backlog.close()
        other.close()
        await world.spool.close()
    }

    @Test("where the device fails, and is waited for, only those wait who need it; they go on when it gives")
    func failingDevice() async throws {
        let world = try SourceWorld(recentBytes: 0, segmentSize: 1 << 20)
        for _ in 0..<12 { try await world.commit("a", 1, size: 100_000) }
        let (first, failed) = (world.spool.durableEnd, Happenings<Void>())
        for _ in 0..<30 { try await world.commit("b", 1, size: 100_000) }
        for _ in 0..<12 { try await world.commit("a", 1, size: 100_000) }
        let (source, cursor) = try await world.source("a")
        let (other, _) = try await world.source("b")
        let goesOn = DispatchSemaphore(value: 0)
        // What the first segment's reader asks for fails at once, and then hangs, as a device does that is waited for.
        world.disk.fail { call, path in
            guard call == .read, path.contains("00001.segment@") else { return nil }
            failed.add(())
            if failed.count == 1 { return EIO }
            goesOn.wait()
            goesOn.signal()
            return nil
        }
        var held = source.batches().makeAsyncIterator()
        await failed.wait(forCount: 2)
        var events = other.batches().makeAsyncIterator()
        var read = 0
        while read < 30 { read += Int(try #require(await events.next()).count) }
        #expect(cursor.sequence == 0 && first == 12)
        goesOn.signal()
        read = 0
        while read < 24 { read += Int(try #require(await held.next()).count) }
        #expect(world.spool.missing.isEmpty)
        source.close()
        other.close()
        await world.spool.close()
    }

    @Test("a source that is closed while its read hangs moves no cursor when the read comes back")
    func closed() async throws {
        let world = try SourceWorld(recentBytes: 0, segmentSize: 8 << 20)
        let (source, cursor) = try await world.source("a")
        // More than one read passes over.
        for _ in 0..<60 { try await world.commit("b", 1, size: 50_000) }
        try await world.commit("a", 4)
        let (hangs, goesOn) = self.hangReads(world)
        var events = source.batches().makeAsyncIterator()
        await hangs.wait(forCount: 1)
        source.close()
        goesOn.signal()
        #expect(await events.next() == nil)
        #expect(cursor.sequence == 0)
        await world.spool.close()
    }

    @Test("what a reading that is over still had on its way is handed to nobody, and counts once when the next one has it")
    func lateRead() async throws {
        let world = try SourceWorld(recentBytes: 0)
        let (source, _) = try await world.source("a")
        try await world.commit("a", 4)
        let (hangs, goesOn) = self.hangReads(world)
        var late = source.batches().makeAsyncIterator()
        await hangs.wait(forCount: 1)
        var next = source.batches().makeAsyncIterator()
        goesOn.signal()
        #expect(await late.next() == nil)
        #expect(await next.next().map { $0.first..<$0.end } == 0..<4)
        try await world.commit("a", 4)
        #expect(await next.next().map { $0.first..<$0.end } == 4..<8)
        try source.commit(through: Offset(lane: source.cursor.lane, number: 4))
        #expect(source.lag == 4)
        source.close()
        await world.spool.close()
    }
}
