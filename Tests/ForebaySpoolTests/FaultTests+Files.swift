import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

/// Of the files that a log has open, or uses again.
extension FaultTests {
    @Test("a call that fails where a file's name is asked for says nothing of it: events are accepted, and the log stays ours")
    func nameUnknown() async throws {
        let fixture = SpoolFixture()
        let disk = FaultDisk()
        let spool = try fixture.open(on: disk)
        try await spool.append("a", ["before"])
        disk.fail { call, _ in call == .hasName ? EIO : nil }
        try await spool.append("a", ["kept"])
        #expect(try spool.events().map(\.1) == ["before", "kept"])
        await spool.close()
        let lock = try SpoolLock(disk, directory: fixture.directory)
        #expect(lock.holds)
        disk.fail(nil)
        try FileManager.default.removeItem(atPath: fixture.directory + "/lock")
        #expect(!lock.holds, "asked without an error it knows")
    }

    @Test(
        "a passed segment's file that can't be had for its next use is removed: its room is given back, and the next one is made",
        arguments: [FaultDisk.Call.open, .rename])
    func notUsedAgain(_ failing: FaultDisk.Call) async throws {
        let fixture = SpoolFixture(segmentSize: 256 << 10)
        let disk = FaultDisk()
        let budget = try SpoolBudget(capacity: 1 << 30, directory: fixture.directory, disk: disk)
        let spool = try fixture.open(preparesNext: true, on: disk, cursorSyncInterval: 600_000, budget: budget)
        let cursor = try await spool.forward("a")
        await spool.releasePassedSegments()
        let size = fixture.segmentSize, value = String(repeating: "u", count: 60_000)  // Four of them fit.
        #expect(await eventually { spool.view.roomWithoutNewFile == size }, "the first one is made ready")
        for _ in 0..<2 { try await spool.append("a", [value]) }
        #expect(await eventually { spool.view.roomWithoutNewFile > size }, "and the second one, when less than half of it is left")
        #expect(budget.usedBytes == 2 * size)
        for _ in 0..<3 { try await spool.append("a", [value]) }
        #expect(spool.segmentCount == 2)
        disk.fail { call, path in call == failing && path.contains("/prepared-") ? EMFILE : nil }
        cursor.move(to: 4, settled: 4)
        await spool.syncCursors()
        let names = try FileManager.default.contentsOfDirectory(atPath: fixture.segmentsFolder)
        #expect(names.count == 1 && spool.segmentCount == 1 && budget.usedBytes == size, "\(names), \(budget.usedBytes) bytes")
        disk.fail(nil)
        try await spool.append("a", [value])
        #expect(await eventually { spool.view.roomWithoutNewFile > size }, "another one is made ready")
        #expect(budget.usedBytes == 2 * size)
        await spool.close()
    }

    @Test("what a start keeps above all marks it writes once more, and syncs, before the segment is ended")
    func keptIsWrittenAgain() async throws {
        let first = SpoolFixture()
        let spool = try first.open()
        try await spool.append("a", ["kept", "too"])
        let fixture = try first.crashed()
        await spool.close()
        let disk = FaultDisk()
        let calls = Mutex<[FaultDisk.Call]>([])
        let file = try fixture.segmentFiles()[0]
        disk.fail { call, path in
            if path == file, [.write, .sync, .truncate].contains(call) { calls.withLock { $0.append(call) } }
            return nil
        }
        let again = try fixture.open(on: disk)
        #expect(try again.events().map(\.1) == ["kept", "too"])
        #expect(calls.withLock { $0 } == [.write, .sync, .truncate, .write, .sync])
        await again.close()
    }

    @Test("a segment that finds no room for its footer has none, to those who ask as to a start; nothing of it is lost")
    func noRoomForFooter() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let disk = FaultDisk()
        let spool = try fixture.open(on: disk)
        disk.fail { call, path in call == .truncate && path.contains("/segments/") ? ENOSPC : nil }
        for number in 0..<3 { try await spool.append("a", ["\(number)" + String(repeating: "f", count: 40_000)]) }
        disk.fail(nil)
        for number in 3..<5 { try await spool.append("a", ["\(number)" + String(repeating: "f", count: 40_000)]) }
        let segments = spool.view.read { $0.segments }
        try #require(segments.count == 3)
        #expect(segments.map(\.hasFooter) == [false, true, false] && segments[0].size == segments[0].dataEnd)
        #expect(try spool.events().count == 5)
        await spool.close()
        let again = try fixture.open()
        #expect(try again.events().count == 5 && again.damage == SpoolDamage())
        #expect(again.view.read { $0.segments.map(\.hasFooter) } == [true, true, true], "a start ends it, now that there is room")
        await again.close()
    }

    @Test("a mark that finds no room holds nothing up, and is written with the next one")
    func markWithoutRoom() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let disk = FaultDisk()
        let spool = try fixture.open(on: disk) { $0.markInterval = 1 }
        let path = fixture.directory + "/mark"
        func mark() throws -> SlotFile.Value? { try SlotFile.read(SystemDisk(), path, as: .mark, log: spool.id)?.value }
        let tried = Mutex(0)
        disk.fail { call, file in
            guard call == .write, file == path || file.hasPrefix(path + "@") else { return nil }
            tried.withLock { $0 += 1 }
            return ENOSPC
        }
        for number in 0..<6 { try await spool.append("a", ["\(number)" + String(repeating: "m", count: 40_000)]) }
        #expect(await eventually { tried.withLock { $0 } > 2 })
        #expect(spool.durableEnd == 6 && spool.segmentCount > 2)
        #expect(try mark()?.sequence == 0)
        disk.fail(nil)
        let before = spool.segmentCount
        repeat { try await spool.append("a", ["more" + String(repeating: "m", count: 20_000)]) } while spool.segmentCount == before
        let (end, newest) = spool.view.read { ($0.durableEnd, $0.segments.last?.number) }
        #expect(await eventually { (try? mark())?.sequence == end && (try? mark())?.owner == newest })
        await spool.close()
    }

    @Test("a segment that is gone and the one behind it that can't be opened are each told of, and nothing is told twice")
    func goneBeforeUnopenable() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let disk = FaultDisk()
        var spool = try fixture.open()
        for number in 0..<12 { try await spool.append("a", ["\(number)" + String(repeating: "f", count: 40_000)]) }
        let segments = spool.view.read { $0.segments }
        try #require(segments.count > 3)
        await spool.close()
        try FileManager.default.removeItem(atPath: segments[1].path)
        spool = try fixture.open(on: disk)
        let bad = segments[2].path
        disk.fail { call, path in call == .open && path == bad ? EIO : nil }
        var told: [MissingRange] = []
        let reader = SpoolReader(
            view: spool.view, disk: disk, cache: ReadCache(limit: 0), metrics: spool.readers.metrics, routes: .all, from: 0,
            onMissing: { told.append($0) }, onLeftOut: { _ in })
        var read: [UInt64] = []
        while !reader.isCaughtUp { for batch in try reader.read(upTo: 1) { read += batch.first..<batch.end } }
        #expect(told.map(\.sequences) == [segments[1].base..<segments[1].end, segments[2].base..<segments[2].end])
        #expect(told.map(\.isGone) == [true, false] && told.map(\.position) == [0, 0])
        #expect(read == Array(0..<segments[0].end) + Array(segments[3].base..<12))
        await spool.close()
    }

    @Test("a segment that is being removed is nobody's any more: what of it can't be read meanwhile is no loss")
    func leaving() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let disk = FaultDisk()
        let spool = try fixture.open(on: disk, cursorSyncInterval: 600_000)
        let cursor = try await spool.forward("a")
        await spool.releasePassedSegments()
        for number in 0..<6 { try await spool.append("a", ["\(number)" + String(repeating: "l", count: 40_000)]) }
        let first = spool.view.read { $0.segments[0] }
        let view = spool.view, held = Happenings<Bool>()
        disk.fail { call, path in
            if call == .remove, path == first.path { held.add(view.holds(first.number)) }
            return call == .remove && path == first.path && held.count == 1 ? EIO : nil
        }
        cursor.move(to: first.end, settled: first.end)
        await spool.syncCursors()
        #expect(held.all == [false] && view.holds(first.number), "it could not go, and is there")
        await spool.syncCursors()
        #expect(held.all == [false, false] && spool.start == first.end)
        await spool.close()
    }

    @Test("a file that was made ready and can't become the next segment is removed: its room is given back, and another one is made")
    func notNext() async throws {
        let fixture = SpoolFixture(segmentSize: 256 << 10)
        let disk = FaultDisk()
        let budget = try SpoolBudget(capacity: 1 << 30, directory: fixture.directory, disk: disk)
        let spool = try fixture.open(preparesNext: true, on: disk, budget: budget)
        _ = try await spool.forward("a")
        await spool.releasePassedSegments()
        #expect(await eventually { spool.view.roomWithoutNewFile == fixture.segmentSize }, "one is made ready")
        let view = spool.view, charged = Happenings<Int>()
        disk.fail { call, path in
            if call == .remove, path.contains("/prepared-") { charged.add(view.claimPrepared() ? 0 : budget.usedBytes) }
            return call == .rename && path.hasSuffix(".segment") ? EIO : nil
        }
        await #expect(throws: ForebayError.self) { try await spool.append("a", ["refused"]) }
        #expect(charged.all == [fixture.segmentSize], "it takes its room until it is gone")
        #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.segmentsFolder).isEmpty && budget.usedBytes == 0)
        disk.fail(nil)
        try await spool.append("a", ["accepted"])
        #expect(try spool.events().map(\.1) == ["accepted"])
        await spool.close()
        #expect(budget.usedBytes == spool.byteCount)
    }

    @Test("the room that the disk has after a group was refused counts at once")
    func roomOfRefused() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10), disk = FaultDisk()
        let budget = try SpoolBudget(capacity: 16 << 20, directory: fixture.directory, disk: disk)
        let spool = try fixture.open(on: disk, budget: budget)
        try await spool.append("a", ["0"])
        disk.tell((free: 0, total: 1 << 40))
        disk.fail { call, path in
            guard path.contains("/segments/") else { return nil }
            if call == .truncate { disk.tell((free: 5 << 20, total: 1 << 40)) }
            return call == .write ? ENOSPC : nil
        }
        await #expect(throws: ForebayError.self) { try await spool.append("a", ["no"]) }
        let ahead = budget.usedBytes - budget.fileBytes
        #expect(ahead > 0 && budget.roomBesideBallast == (5 << 20) - ahead && spool.view.roomWithoutNewFile == 0)
        // Also where no new segment can be made.
        disk.fail { call, path in
            guard call == .open, path.hasSuffix("/new-2") else { return nil }
            disk.tell((free: 3 << 20, total: 1 << 40))
            return EMFILE
        }
        await #expect(throws: ForebayError.self) { try await spool.append("a", [String(repeating: "n", count: 80_000)]) }
        #expect(budget.roomBesideBallast == (3 << 20) - ahead)
        disk.fail(nil)
        disk.tell(nil)
        await spool.close()
    }

    @Test("a single segment that can't be read may be bad by itself: it is told of as lost, and the log goes on")
    func onlyOneIsBad() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10), disk = FaultDisk()
        var spool = try fixture.open()
        _ = try await spool.commit([submission([(routeA, ["0", "1"])])])
        await spool.close()
        let files = try fixture.segmentFiles()
        disk.fail { call, path in call == .read && path.hasPrefix(files[0]) ? EIO : nil }
        spool = try fixture.open(on: disk)
        #expect(files.count == 1 && !spool.alarms.isEmpty)
        _ = try await spool.commit([submission([(routeA, ["2"])])])
        #expect(try spool.events().map(\.1) == ["2"])
        await spool.close()
    }

    @Test("a group of several routes that no mark covers is kept whole")
    func groupOfRoutesIsKept() async throws {
        let first = SpoolFixture()
        let spool = try first.open()
        for group in [["0", "1"], ["2", "3", "4"]] {
            _ = try await spool.commit([submission([(routeA, group), (routeB, group), (RouteID(name: "c"), group)])])
        }
        let fixture = try first.crashed()
        await spool.close()
        let again = try fixture.open()
        #expect(try again.events().map(\.1) == ["0", "1", "0", "1", "0", "1", "2", "3", "4", "2", "3", "4", "2", "3", "4"])
        #expect(again.durableEnd == 15 && again.damage == SpoolDamage())
        await again.close()
    }
}
