import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

@Suite("Spool: the files of next segments")
struct SegmentMakerTests {
    private func maker(_ world: SegmentsWorld) throws -> SegmentMaker {
        try FileManager.default.createDirectory(atPath: world.configuration.segments, withIntermediateDirectories: true)
        return SegmentMaker(world.configuration, world.view, world.budget, world.sweeper)
    }

    @Test("one at a time is filled, under a name of its own, and charged; one that nobody needs is given back")
    func fill() throws {
        let world = try SegmentsWorld(.spool), used = world.budget.usedBytes
        var maker = try self.maker(world)
        var made = maker.fill()
        let first = try #require(made)
        #expect(first.size == world.configuration.segmentSize && world.budget.usedBytes == used + first.size)
        #expect(try Data(contentsOf: URL(filePath: first.path)) == Data(count: first.size))
        made = maker.fill()
        #expect(made == nil && world.budget.usedBytes == used + first.size)
        maker.discard(first)
        #expect(world.budget.usedBytes == used && !FileManager.default.fileExists(atPath: first.path))
        made = maker.fill()
        let second = try #require(made)
        #expect(second.path != first.path)
        maker.discard(second)
        try world.leave(world.configuration.segmentSize - 1)
        made = maker.fill()
        #expect(made == nil && world.view.claimPrepared(), "there is no room: nothing was begun")
    }

    @Test("what fails on the way leaves no file, takes no room, and is tried again when it is asked for again")
    func fails() throws {
        let world = try SegmentsWorld(.spool), used = world.budget.usedBytes
        var maker = try self.maker(world)
        for call in ["open", "write", "sync"] {
            world.watched.fail { $0.hasPrefix("\(call) segments/prepared") ? ENOSPC : nil }
            let (made, takesFile) = (maker.fill(), maker.takesFile())
            #expect(made == nil && !takesFile && world.budget.usedBytes == used, "\(call)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: world.configuration.segments).isEmpty)
        }
        world.watched.fail(nil)
        let (takesFile, made) = (maker.takesFile(), maker.fill())
        #expect(takesFile && made != nil && world.budget.usedBytes == used + world.configuration.segmentSize)
    }

    @Test("a segment's file is used again if it is of about the size and whole, in the spool alone")
    func reuse() throws {
        let size = SegmentsWorld.size
        for (kind, segmentSize, isDamaged, isReused) in [
            (LogKind.spool, size, false, true), (.spool, size * 4 / 3, false, true), (.spool, size / 2, false, true),
            (.spool, size * 2, false, false), (.spool, size / 3, false, false), (.spool, size, true, false),
            (.setAside, size, false, false),
        ] {
            let world = try SegmentsWorld(kind, segmentSize: segmentSize), used = world.budget.usedBytes
            var maker = try self.maker(world), segment = world.segment(1)
            segment.isDamaged = isDamaged
            switch maker.reuse(segment) {
            case .not: #expect(!isReused && world.numbers == [1, 2, 3])
            case .file(let file):
                let prepared = try #require(file)
                #expect(isReused && prepared.size == size && world.numbers == [2, 3])
                #expect(!FileManager.default.fileExists(atPath: segment.path) && FileManager.default.fileExists(atPath: prepared.path))
                if case .file = maker.reuse(world.segment(2)) { Issue.record("there is one") }
            }
            #expect(world.budget.usedBytes == used)
        }
    }

    @Test("one that can't be renamed stays; one that can't be opened afterwards is gone, with its room")
    func reuseFails() throws {
        let world = try SegmentsWorld(.spool, segmentSize: SegmentsWorld.size), used = world.budget.usedBytes
        var maker = try self.maker(world)
        world.watched.fail { $0.hasPrefix("rename") ? EMFILE : nil }
        guard case .not = maker.reuse(world.segment(1)) else {
            Issue.record("it was renamed")
            return
        }
        #expect(world.numbers == [1, 2, 3] && world.budget.usedBytes == used)
        world.watched.fail { $0.hasPrefix("open segments/prepared") ? EMFILE : nil }
        guard case .file(nil) = maker.reuse(world.segment(1)) else {
            Issue.record("it was opened")
            return
        }
        #expect(world.numbers == [2, 3] && world.budget.usedBytes == used - SegmentsWorld.size && world.view.claimPrepared())
    }
}
