import ForebayCore
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

@Suite("Spool: the file that is ready for the next segment")
struct NextSegmentTests {
    private func prepared(_ world: SegmentsWorld, _ number: Int) throws -> PreparedSegment {
        #expect(world.view.claimPrepared())
        world.budget.add(65_536)
        return try PreparedSegment.fill(world.configuration.disk, "\(world.configuration.directory)/prepared-\(number)", size: 65_536)
    }

    @Test("there is one at a time, until it is a segment; its room is the segment's then")
    func begun() throws {
        let world = try SegmentsWorld(.spool), used = world.budget.usedBytes
        var next = NextSegment(world.configuration.disk, world.view, world.budget)
        #expect(next.file == nil && next.size == 0)
        let first = try self.prepared(world, 1)
        var isTaken = next.take(first)
        #expect(isTaken && next.size == 65_536 && next.file === first)
        let other = try PreparedSegment.fill(world.configuration.disk, "\(world.configuration.directory)/prepared-2", size: 4096)
        isTaken = next.take(other)
        #expect(!isTaken && next.file === first && !world.view.claimPrepared())
        next.begun(from: nil)
        #expect(next.file === first, "the segment was made of another")
        next.begun(from: first)
        #expect(next.file == nil && world.budget.usedBytes == used + 65_536)
        #expect(world.view.claimPrepared(), "another may be made")
    }

    @Test("one that is dropped gives its room back, and its name")
    func drop() throws {
        let world = try SegmentsWorld(.spool), used = world.budget.usedBytes
        var next = NextSegment(world.configuration.disk, world.view, world.budget)
        next.drop()
        #expect(world.budget.usedBytes == used)
        let first = try self.prepared(world, 1)
        _ = next.take(first)
        for _ in 0..<2 { next.drop() }
        #expect(next.file == nil && world.budget.usedBytes == used && !FileManager.default.fileExists(atPath: first.path))
        #expect(world.view.claimPrepared())
    }

    private func writer(_ world: SegmentsWorld, _ number: UInt64) throws -> SegmentWriter {
        let header = SegmentHeader(
            log: spoolID("0123456789ABCDEF"), origin: spoolID("0123456789ABCDEF"), number: number, base: 0, salt: 1, madeAt: 0)
        return try SegmentWriter.make(
            header, in: world.configuration.directory, on: world.configuration.disk, prepared: nil, capacity: 256 << 10)
    }

    private func fill(_ writer: SegmentWriter, _ size: Int) throws {
        let plan = GroupPlan([Submission(batches: [batch(routeA, [String(repeating: "n", count: size)])], ack: AckToken { _ in })])
        writer.advance(try writer.write(plan, durable: 0, ordinals: [:]), size: plan.size)
    }

    @Test("it is asked for once a segment, when half of that is written, unless there is one")
    func ask() throws {
        let world = try SegmentsWorld(.spool), asked = Happenings<Void>()
        var next = NextSegment(world.configuration.disk, world.view, world.budget)
        next.ask = { asked.add(()) }
        var active = try self.writer(world, 7)
        next.askIfDue(active, segmentSize: 256 << 10)
        try self.fill(active, 100_000)
        next.askIfDue(active, segmentSize: 256 << 10)
        #expect(asked.count == 0)
        try self.fill(active, 40_000)
        for _ in 0..<3 { next.askIfDue(active, segmentSize: 256 << 10) }
        #expect(asked.count == 1)
        _ = next.take(try self.prepared(world, 1))
        next.begun(from: next.file)
        active = try self.writer(world, 8)
        next.askIfDue(active, segmentSize: 256 << 10)
        #expect(asked.count == 1)
        try self.fill(active, 140_000)
        _ = next.take(try self.prepared(world, 2))
        next.askIfDue(active, segmentSize: 256 << 10)
        #expect(asked.count == 1, "there is one")
        next.drop()
        next.askIfDue(active, segmentSize: 256 << 10)
        #expect(asked.count == 2, "it could not be used")
    }

    @Test("half is that of what a segment may grow to; where there is no room for that, of what it has")
    func askOfOneThatGrows() throws {
        for (left, asks) in [(200 << 10, false), (100 << 10, false), (8 << 10, true), (-5, true)] {
            let world = try SegmentsWorld(.spool), asked = Happenings<Void>()
            var next = NextSegment(world.configuration.disk, world.view, world.budget)
            next.ask = { asked.add(()) }
            let active = try self.writer(world, 7)
            try self.fill(active, 140_000)
            try world.leave(left)
            next.askIfDue(active, segmentSize: 512 << 10)
            #expect((asked.count == 1) == asks, "\(left)")
        }
    }
}
