import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

/// Several things lost at once, and starts that end in the middle.
extension RecoveryTableTests {
    private static let newest = "the newest segment is gone or can't be read"
    private static let header = "neither copy of the segment's header can be read"

    /// What the mark says from now on.
    private func mark(_ world: World, newest: UInt64) throws {
        let path = world.directory + "/mark"
        let found = try #require(try SlotFile.read(SystemDisk(), path, as: .mark, log: world.id))
        var value = try #require(found.value)
        value.owner = newest
        _ = try SlotFile.take(SystemDisk(), path, of: world.directory, as: .mark, log: world.id, found, value)
    }

    @Test("several of the newest can't be read, and no mark says which was the last: it is the one with the highest number")
    func newestOfSeveral() async throws {
        let world = try await World()
        for number in [3, 4] as [UInt64] { try world.change(world.path(number), Self.damageHeader) }
        try world.remove(world.directory + "/mark")
        let spool = try await world.open()
        #expect(
            world.alarms() == [
                "\(Self.name(3)): \(Self.header)", "\(Self.name(4)): \(Self.header)", "\(Self.name(4)): \(Self.newest)",
                "mark: it is gone or can't be read",
            ])
        #expect(world.quarantine() == [Self.name(3), Self.name(4)])
        #expect(try await world.append().segment == 5)
        await spool.close()
    }

    @Test("all segments are gone: all that the mark covers is missed, from the beginning of the log")
    func allGone() async throws {
        let world = try await World()
        for number in 1...4 as ClosedRange<UInt64> { try world.remove(world.path(number)) }
        let spool = try await world.open()
        #expect(world.alarms() == ["\(Self.name(4)): \(Self.newest)"])
        #expect(world.missing() == ["0..<7 in 4 at 0: the log ends below a mark"] && spool.durableEnd == 7)
        #expect(try await world.append().segment == 5)
        await spool.close()
    }

    @Test("a segment beside one that is gone is sound: it goes to no quarantine later")
    func besideGone() async throws {
        for number in 1...4 as ClosedRange<UInt64> {
            let world = try await World()
            try world.remove(world.path(number))
            let spool = try await world.open()
            _ = try spool.events()
            #expect(!spool.missing.isEmpty && !spool.view.read { $0.segments.contains { $0.isDamaged } }, "\(number)")
            await spool.close()
        }
    }

    @Test("a newest segment that has events counts, also where no mark knows it and the one before it is gone")
    func unmarked() async throws {
        let world = try await World(isClean: false)
        try self.mark(world, newest: 3)
        try world.remove(world.path(3))
        let spool = try await world.open()
        #expect(try spool.events().map(\.0) == [0, 1, 2, 3, 6] && world.alarms().isEmpty)
        #expect(world.missing() == ["4..<6 in 3 at 0: a segment is gone"])
        #expect(try await world.append().receipt.origin == world.id)
        await spool.close()
    }

    @Test("without a mark and a segment, a cursor that stands at an event tells that there was one; one at the beginning does not")
    func cursorAlone() async throws {
        for count in 0...1 {
            let fixture = SpoolFixture()
            var spool = try fixture.open()
            let cursor = try await spool.forward("a")
            for _ in 0..<count { try await spool.append("a", ["x"]) }
            if count > 0 { cursor.move(to: 1, settled: 1) }
            await spool.close()
            for path in try fixture.segmentFiles() + [fixture.directory + "/mark"] { try FileManager.default.removeItem(atPath: path) }
            spool = try fixture.open()
            let told = spool.alarms.map { URL(filePath: $0.file).lastPathComponent }
            #expect(told == (count > 0 ? [Self.name(1)] : []) + ["mark"])
            try await spool.append("a", ["y"])
            #expect(spool.view.read { $0.segments.first?.number } == (count > 0 ? 2 : 1))
            await spool.close()
        }
    }

    @Test("what is moved away at a start is told of before, so that a start that ends there leaves it told", arguments: [false, true])
    func toldBefore(isForeign: Bool) async throws {
        let log = LogCapture()
        defer { log.close() }
        let world = try await World(), path = world.path(3)
        if isForeign {
            try world.remove(path)
            let other = try await World()
            try FileManager.default.copyItem(atPath: other.path(3), toPath: path)
        } else {
            try world.change(path, Self.damageHeader)
        }
        let disk = FaultDisk()
        disk.fail { call, path in call == .rename && path.contains("/quarantine/") ? EIO : nil }
        #expect(throws: ForebayError.self) { try world.fixture.open(on: disk) }
        let text = isForeign ? "a segment of another log" : Self.header
        #expect(log.records(label: "spool").filter { $0["file"] == path }.map { $0["what"]?.hasPrefix(text) } == [true])
        // Whatever becomes of the file meanwhile: what had events of this log stays told.
        try world.remove(path)
        let spool = try await world.open()
        #expect(world.alarms() == (isForeign ? [] : ["\(Self.name(3)): \(text)"]))
        await spool.close()
    }

    @Test("where the newest is lost nothing is moved away before new ids are durable")
    func idsBefore() async throws {
        let world = try await World()
        try world.change(world.path(4), Self.damageHeader)
        try world.remove(world.path(2))
        let other = try await World()
        try FileManager.default.copyItem(atPath: other.path(2), toPath: world.path(2))
        let disk = FaultDisk()
        disk.fail { call, path in call == .open && path.hasSuffix("/registry.new") ? EIO : nil }
        #expect(throws: ForebayError.self) { try world.fixture.open(on: disk) }
        #expect(world.quarantine().isEmpty)
        let spool = try await world.open()
        #expect(world.quarantine() == [Self.name(2), Self.name(4)])
        #expect(try await world.append().receipt.origin != world.id)
        await spool.close()
    }

    /// The calls of a start that write a segment or sync it, by its number.
    private func writes(_ world: World) async throws -> [String] {
        let disk = FaultDisk(), calls = Mutex<[String]>([])
        disk.fail { call, path in
            if path.hasSuffix(".segment"), [.write, .sync, .truncate].contains(call) {
                calls.withLock { $0.append("\(call) \(path.dropLast(8).suffix(1))") }
            }
            return nil
        }
        let spool = try world.fixture.open(on: disk)
        let found = calls.withLock { $0 }
        await spool.close()
        return found
    }

    @Test("the copies of a header are written one after the other, each durably; of what is sound nothing is written")
    func headerCopies() async throws {
        let world = try await World()
        #expect(try await self.writes(world).isEmpty)
        for copy in [0, 4096] {
            try world.change(world.path(2)) { $0[copy + 40] ^= 4 }
            #expect(try await self.writes(world) == ["write 2", "sync 2", "write 2", "sync 2"])
            #expect(try await self.writes(world).isEmpty)
        }
    }

    @Test("each segment names the one before it, with what its footer says; the first one names none")
    func chain() async throws {
        let world = try await World()
        let segments = world.segments
        #expect(segments[0].header.previousNumber == 0 && segments[0].header.previousChecksum == 0 && segments[0].header.previousEnd == 0)
        for (before, segment) in zip(segments, segments.dropFirst()) {
            let file = try SystemDisk().open(before.path, [])
            let footer = try #require(try SegmentFooter.read(from: file, size: file.size(), salt: before.salt))
            #expect(segment.header.previousNumber == before.number && segment.header.previousEnd == footer.end)
            #expect(segment.header.previousChecksum == footer.checksum && footer.checksum != 0)
        }
    }

    @Test("headers of which the second copy can't be read, and the first is damaged: that is damage, and no device that is away")
    func halfReadable() async throws {
        let world = try await World()
        for number in 1...4 as ClosedRange<UInt64> { try world.change(world.path(number)) { $0[40] ^= 4 } }
        let disk = FaultDisk()
        disk.fail { call, path in
            guard call == .read, path.contains("/segments/"), let at = path.split(separator: "@").last else { return nil }
            let numbers = at.split(separator: "+").compactMap { Int($0) }
            return (numbers[0]..<numbers[0] + numbers[1]).overlaps(4096..<8192) ? EIO : nil
        }
        let spool = try world.fixture.open(on: disk)
        #expect(spool.alarms.count { $0.text.hasPrefix(Self.header) } == 4)
        await spool.close()
    }

    @Test("what a start could not write down as lost, because the disk takes no alarm, the next one finds and tells of again")
    func notWritten() async throws {
        let world = try await World()
        try world.remove(world.path(1))
        let disk = FaultDisk()
        disk.fail { call, path in call == .write && path.contains("/alarms") ? EIO : nil }
        var spool = try world.fixture.open(on: disk)
        #expect(spool.missing.map(\.sequences) == [0..<2])
        let crashed = try world.fixture.crashed()
        disk.fail(nil)
        await spool.close()
        spool = try crashed.open()
        #expect(spool.missing.map(\.sequences) == [0..<2])
        await spool.close()
    }

    @Test("a segment under the name of one that is gone is none, whichever of the two numbers is the higher one")
    func otherName() async throws {
        for (number, other, expected) in [(1, 4, [2, 3, 4, 5, 6]), (4, 1, [0, 1, 2, 3, 4, 5])] as [(UInt64, UInt64, [UInt64])] {
            let world = try await World()
            try world.remove(world.path(number))
            try FileManager.default.copyItem(atPath: world.path(other), toPath: world.path(number))
            let spool = try await world.open()
            #expect(try spool.events().map(\.0) == expected)
            #expect(FileManager.default.fileExists(atPath: world.path(number)) && world.quarantine().isEmpty)
            await spool.close()
        }
    }

    @Test("a start after which nothing came leaves as much behind to miss the newest by, also where it made the mark anew")
    func idle() async throws {
        for isMarkGone in [false, true] {
            let world = try await World()
            if isMarkGone { try world.remove(world.directory + "/mark") }
            await (try world.open()).close()
            try world.remove(world.path(4))
            let spool = try await world.open()
            #expect(world.alarms().contains("\(Self.name(4)): \(Self.newest)"))
            #expect(world.missing() == ["6..<7 in 4 at 90112: the log ends below a mark"] && spool.durableEnd == 7)
            await spool.close()
        }
    }

    @Test("of a segment whose end the disk can't read nothing is cut off when the one behind it is gone")
    func endUnreadBesideGone() async throws {
        let world = try await World()
        let path = world.path(2)
        let bytes = try Data(contentsOf: URL(filePath: path))
        try world.remove(world.path(3))
        // Its second event, and its footer.
        let disk = self.disk(failing: 49_152..<1 << 20, of: path)
        for isRead in [false, true] {
            let spool = try world.fixture.open(on: isRead ? SystemDisk() : disk) { $0.recentBytes = 0 }
            #expect(try spool.events().map(\.0) == (isRead ? [0, 1, 2, 3, 6] : [0, 1, 2, 6]))
            #expect(spool.missing.contains { $0.sequences.contains(4) } && FileManager.default.contents(atPath: path) == bytes)
            await spool.close()
        }
    }

    @Test("the newest is lost, and one is put back that had been let go of: what was let go of between them is not missed")
    func oldBesideNewestLost() async throws {
        let world = try await World(a: 4, b: 5)
        let bytes = try Data(contentsOf: URL(filePath: world.path(1)))
        var spool = try await world.open()
        for route in ["a", "b"] { _ = try await spool.forward(route) }
        await spool.releasePassedSegments()
        for _ in 0..<3 { await spool.syncCursors() }
        #expect(spool.start == 4)
        await spool.close()
        try bytes.write(to: URL(filePath: world.path(1)))
        for number in [3, 4] as [UInt64] { try world.remove(world.path(number)) }
        spool = try await world.open()
        #expect(spool.missing.map(\.sequences) == [4..<7], "\(world.missing())")
        await spool.close()
    }

    @Test("a last group that was read, and can't be a moment later, stops no start")
    func badBetween() async throws {
        let world = try await World(isClean: false)
        let disk = FaultDisk(), reads = Happenings<String>(), path = world.path(4)
        disk.fail { call, place in
            guard call == .read, place.hasPrefix(path), place.hasSuffix("@8192+40960") else { return nil }
            reads.add(place)
            return EIO
        }
        let spool = try world.fixture.open(on: disk) { $0.recentBytes = 0 }
        #expect(reads.count > 0 && spool.durableEnd == 7 && spool.missing.isEmpty)
        await spool.close()
    }
}
