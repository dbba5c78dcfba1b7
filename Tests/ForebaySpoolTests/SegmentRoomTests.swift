import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

@Suite("Spool: the room for a log's segments")
struct SegmentRoomTests {
    private func room(_ world: SegmentsWorld) -> SegmentRoom {
        SegmentRoom(world.configuration, world.view, world.budget, world.sweeper)
    }

    @Test("a segment takes what is usual, less where room is short, and nothing where that is not worth a file; whole blocks")
    func capacity() throws {
        let world = try SegmentsWorld(.spool, segmentSize: 1 << 20), room = self.room(world)
        let usual = SegmentWriter.capacity(for: 100, segmentSize: world.configuration.segmentSize)
        #expect(try room.capacity(toFit: 100, leaving: 0) == usual)
        #expect(try room.capacity(toFit: 1 << 20, leaving: 0) > 1 << 20)
        let least = SegmentWriter.capacity(for: 100, segmentSize: world.configuration.leastSegment)
        for (left, expected) in [(usual, 1 << 20), (usual - 1, (1 << 20) - 4096), (least + 4096, 77_824), (least, 73_728)] {
            try world.leave(left)
            #expect(try room.capacity(toFit: 100, leaving: 0) == expected)
        }
        try world.leave(least - 1)
        #expect { try room.capacity(toFit: 100, leaving: 0) } throws: { ($0 as? ForebayError)?.code == .spoolFull }
        #expect(try room.capacity(toFit: 100, leaving: 1) == 73_728, "with what goes behind it there is room")
        room.took(1)
        #expect { try room.capacity(toFit: 100, leaving: 1) } throws: { ($0 as? ForebayError)?.code == .spoolFull }
    }

    @Test("a segment that was not prepared grows in steps, up to its size, and no further than there is room; one that was has all of it")
    func grow() throws {
        let world = try SegmentsWorld(.setAside, segmentSize: 4 << 20), room = self.room(world), step = 1 << 20
        func begin(prepared: Bool = false) throws -> SegmentWriter {
            let header = SegmentHeader(
                log: spoolID("0123456789ABCDEF"), origin: spoolID("0123456789ABCDEF"), number: 3, base: 0, salt: 1, madeAt: 0)
            let folder = world.configuration.directory
            let file = prepared ? try PreparedSegment.fill(world.configuration.disk, folder + "/prepared-1", size: 4096) : nil
            try? FileManager.default.removeItem(atPath: SegmentFile.path(of: 3, in: folder))  // Of the one before, if there is one.
            return try SegmentWriter.make(
                header, in: folder, on: world.configuration.disk, prepared: file, capacity: try room.capacity(toFit: 100, leaving: 0))
        }
        var active = try begin()
        #expect(active.capacity == step && active.ahead == step - active.tally.position && active.fits(100))
        let used = world.budget.usedBytes, files = world.budget.fileBytes
        #expect(room.grow(active, toFit: step) && active.capacity == 2 * step && active.fits(step) && world.segment(3).size == 2 * step)
        #expect(world.budget.usedBytes == used + step && world.budget.fileBytes == files)
        #expect(room.grow(active, toFit: 3 * step) && active.capacity > 3 * step, "as much as a group needs")
        #expect(!room.grow(active, toFit: 4 * step) && active.capacity < 4 * step, "it would be larger than a segment is")
        #expect(room.grow(active, toFit: 4 * step - 64 * 1024) && active.capacity == 4 * step)
        #expect(!room.grow(active, toFit: 4 * step), "it has its size")

        active = try begin()
        let lack = active.lack(of: step)
        for (left, fits) in [(lack - 1, false), (0, false), (-5, false), ((lack + 4095) / 4096 * 4096, true)] {
            try world.leave(left)
            #expect(room.grow(active, toFit: step) == fits && active.capacity == (fits ? step + left : step), "\(left)")
        }
        try world.leave(1 << 24)
        let prepared = try begin(prepared: true)
        #expect(prepared.ahead == 0 && !room.grow(prepared, toFit: 2 * step))
    }

    @Test("a side log lets go of what is settled before it is refused a segment, and counts on what goes behind the new one")
    func settled() throws {
        let world = try SegmentsWorld(.deadLetters), room = self.room(world)
        let removed = try RemovedLetters(
            world.configuration.disk, directory: world.configuration.directory, log: spoolID("0123456789ABCDEF"), end: 30
        ) { _ in }
        world.view.change { $0.retention = .letters(removed) }
        try world.leave(0)
        #expect { try room.capacity(toFit: 100, leaving: 0) } throws: { ($0 as? ForebayError)?.code == .spoolFull }
        #expect(world.numbers == [1, 2, 3])
        try removed.add([0..<20], start: 0, end: 30)
        #expect { try room.capacity(toFit: 100_000, leaving: 0) } throws: { ($0 as? ForebayError)?.code == .spoolFull }
        #expect(world.numbers == [3], "they were let go of")
        // The last goes as soon as it has a successor.
        try world.leave(0)
        try removed.add([20..<30], start: 0, end: 30)
        #expect(try room.capacity(toFit: 0, leaving: 100_000) >= SegmentWriter.capacity(for: 0, segmentSize: 0))
        room.sweepBehindNew()
        #expect(world.numbers == [3], "the newest has the log's place")
    }

    @Test("what must go on is tried again with the reserve; what a disk has refused is none until it has some again")
    func refused() throws {
        for (kind, givesRoom, tries) in [(LogKind.spool, false, 1), (.spool, true, 2), (.setAside, false, 2), (.deadLetters, false, 2)] {
            let world = try SegmentsWorld(kind, ballast: 64 << 10), room = self.room(world)
            world.budget.makeBallast()
            var tried = 0
            #expect {
                try room.withReserve(givesRoom) { () throws(ForebayError) in
                    tried += 1
                    throw .disk("write", "f", ENOSPC)
                }
            } throws: {
                ($0 as? ForebayError)?.code == .spoolFull
            }
            #expect(tried == tries, "\(kind)")
            room.refused(isFull: false, of: 100)
            #expect(!world.view.takesNoFile)
            room.refused(isFull: true, of: 100)
            #expect(world.view.takesNoFile)
        }
    }
}
