import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// A segment that nobody needs, in the hands of several at once, gone already, or on a disk that refuses: what is done of it, and once.
@Suite("Segments: letting one go", .timeLimit(.minutes(1)))
struct SweeperTests {
    private typealias World = SegmentsWorld

    @Test("while one thread removes a segment, or cuts it, another leaves it alone, and nothing is left to be tried again")
    func once() throws {
        for call in ["remove 1", "truncate 1"] {
            let world = try World(), (sweeper, segment) = (world.sweeper, world.segment(1))
            let others = Happenings<Bool>()
            world.watched.fail { tried in
                guard tried == call, others.count == 0 else { return nil }
                others.add(true)
                others.add(sweeper.remove(segment))
                others.add(sweeper.hollow(segment))
                return nil
            }
            #expect(call == "remove 1" ? sweeper.remove(segment) : sweeper.hollow(segment))
            #expect(others.all == [true, true, true])
            #expect(world.watched.calls().count { $0 == call } == 1, "\(call)")
            #expect(world.budget.usedBytes == 2 * World.size + (call == "remove 1" ? 0 : 12_288))
        }
    }

    @Test("what was found of a segment counts no more once it is gone, or of another size")
    func changedMeanwhile() throws {
        let world = try World()
        let first = world.segment(1), second = world.segment(2)
        #expect(world.sweeper.remove(first) && world.sweeper.hollow(second))
        #expect(world.numbers == [2, 3] && world.budget.usedBytes == World.size + 12_288)
        var smaller = world.segment(2)
        smaller.size -= 4096
        _ = world.watched.calls()
        for stale in [first, second, smaller] { #expect(world.sweeper.remove(stale)) }
        for stale in [first, second] { #expect(world.sweeper.hollow(stale)) }
        #expect(world.watched.calls().isEmpty && world.budget.usedBytes == World.size + 12_288)
        #expect(world.sweeper.remove(world.segment(2)) && world.numbers == [3] && world.budget.usedBytes == World.size)
    }

    @Test("one that is cut has a header and a footer that says how far it went, and nothing else, on disk and to those who ask")
    func cut() throws {
        let world = try World()
        let header = try Data(contentsOf: URL(filePath: world.segment(2).path)).prefix(8192)
        #expect(world.sweeper.hollow(world.segment(2)))
        let found = world.segment(2)
        #expect(found.isHusk && found.size == 12_288 && found.dataEnd == 8192 && found.index.isEmpty && found.routes.entries.isEmpty)
        let bytes = try Data(contentsOf: URL(filePath: found.path))
        #expect(bytes.count == 12_288 && bytes.prefix(8192) == header)
        let footer = try #require(try SegmentFooter.read(from: SystemDisk().open(found.path, []), size: bytes.count, salt: found.salt))
        #expect(footer.end == 20 && footer.dataEnd == 8192 && footer.checksum == 0 && footer.index.isEmpty && footer.ordinals.isEmpty)
        _ = world.watched.calls()
        #expect(world.sweeper.hollow(found) && world.watched.calls().isEmpty, "once")
    }

    @Test("a damaged one is kept whole for the operator, until it can go")
    func damaged() throws {
        let world = try World()
        world.view.damaged(2)
        #expect(world.sweeper.hollow(world.segment(2)) && world.watched.calls().isEmpty)
        #expect(world.sweeper.remove(world.segment(2)) && FileManager.default.fileExists(atPath: world.watched.directory + "/quarantine/2"))
    }

    @Test("one that somebody removed takes no room any more")
    func removedBySomebody() throws {
        let world = try World()
        try FileManager.default.removeItem(atPath: world.segment(2).path)
        #expect(world.sweeper.hollow(world.segment(2)) && world.segment(2).size == 0 && world.reporter.alarms.isEmpty)
        #expect(world.budget.usedBytes == 2 * World.size && world.segment(2).isHusk)
    }

    @Test("one that can't be cut is told of once, however often it is tried")
    func toldOfOnce() throws {
        let log = LogCapture()
        defer { log.close() }
        let world = try World()
        world.watched.fail { $0 == "truncate 2" ? EBUSY : nil }
        for _ in 0..<3 { #expect(!world.sweeper.hollow(world.segment(2))) }
        let path = world.segment(2).path
        #expect(log.records(label: "spool").count { $0["file"] == path && $0.level == .error } == 1)
        #expect(world.reporter.alarms.map(\.file) == [path] && world.budget.usedBytes == 3 * World.size)
        world.watched.fail(nil)
        #expect(world.sweeper.hollow(world.segment(2)) && world.reporter.alarms.isEmpty)
    }

    @Test("without room for the mark a spool's segment goes all the same, whose cursors say as much; a set-aside log's stays")
    func noRoomForTheMark() throws {
        for kind in [LogKind.spool, .setAside] {
            let world = try World(kind)
            world.watched.fail { $0 == "write mark" ? ENOSPC : nil }
            #expect(world.sweeper.remove(world.segment(1)) == (kind == .spool))
            #expect(FileManager.default.fileExists(atPath: world.watched.directory + "/1") == (kind == .setAside))
            #expect(world.reporter.alarms.map(\.kind) == (kind == .spool ? [] : [.stays]))
            world.watched.fail(nil)
            #expect(kind == .spool || world.sweeper.remove(world.segment(1)))
            #expect(world.numbers == [2, 3] && world.reporter.alarms.isEmpty)
        }
    }

    @Test("a sync that fails ends the process, and nothing is said of a segment that stays")
    func syncFails() async throws {
        let world = try World(), sweeper = world.sweeper, segment = world.segment(1)
        world.watched.fail { $0 == "syncFolder ." ? EIO : nil }
        #expect(await world.broken.happens { _ = sweeper.remove(segment) } == .syncFailed)
        #expect(world.reporter.alarms.isEmpty)
    }
}
