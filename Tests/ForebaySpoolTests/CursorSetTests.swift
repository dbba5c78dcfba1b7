import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

/// A log's cursors at its opening, and beside each other.
@Suite("Spool: cursors of a log", .timeLimit(.minutes(1)))
struct CursorSetTests {
    private let fixture = SpoolFixture(segmentSize: 64 << 10)
    private var directory: String { self.fixture.directory }

    private func change(_ path: String, _ body: (inout Data) -> Void) throws {
        let url = URL(filePath: "\(self.directory)/\(path)")
        var bytes = try Data(contentsOf: url)
        body(&bytes)
        try bytes.write(to: url)
    }

    /// Sixteen events of `a` and `b`; `a` was at 5 when it was written last but once, and what both had passed is let go of.
    private func released() async throws -> (start: UInt64, second: SegmentInfo) {
        let spool = try self.fixture.open()
        let (a, b) = (try await spool.forward("a"), try await spool.forward("b"))
        for number in 0..<16 { try await spool.append(["a", "b"][number % 2], ["\(number)" + String(repeating: "c", count: 20_000)]) }
        await spool.releasePassedSegments()
        b.move(to: 14, settled: 7)
        a.move(to: 5, settled: 3)
        a.move(to: 9, settled: 2)
        await spool.syncCursors()
        let segments = spool.view.read { $0.segments }
        try #require(segments[0].base > 5 && segments[0].base < 9 && segments[1].base <= 14)
        await spool.close()
        return (segments[0].base, segments[1])
    }

    /// The slot that was written last.
    private func damageNewest(_ cursor: String) throws {
        let log = try #require(try SpoolInspection(directory: self.directory).id)
        try self.change("cursors/" + cursor) { bytes in
            let slots = [0, 4096].map { place in
                Array(bytes[place..<place + 64]).withUnsafeBytes { Slot(decoding: $0, as: .cursor, of: log)!.generation }
            }
            bytes[(slots[0] > slots[1] ? 0 : 4096) + 20] ^= 1
        }
    }

    @Test("where a cursor's newer slot is damaged it goes on from the older one, but not below what was let go of; that is told in the log")
    func olderSlot() async throws {
        let (start, _) = try await self.released()
        // Both slots say the same after a start: one that moved since is as it was.
        try self.damageNewest("forward.a")
        let log = LogCapture()
        defer { log.close() }
        let spool = try self.fixture.open()
        let a = try await spool.forward("a")
        #expect(a.sequence == start && a.ordinal == (start + 1) / 2 && spool.damage == SpoolDamage())
        let told = log.records(label: "spool").filter { $0["file"] == self.directory + "/cursors/forward.a" }
        #expect(told.map(\.level) == [.warning] && told.first?["sequence"] == "\(start)")
        #expect(told.first?.message.hasPrefix("one slot of a cursor was damaged") == true)
        #expect(try spool.waiting(a).count == Int(16 - start) / 2 && spool.lag(of: a) == UInt64(try spool.waiting(a).count))
        await spool.close()
        await (try self.fixture.open()).close()
        #expect(log.records(label: "spool").count { $0["file"] == self.directory + "/cursors/forward.a" } == 1, "it is whole again")
    }

    @Test("in front of what is missing at the log's beginning, so that what is had back of it is delivered")
    func olderSlotBeforeAHole() async throws {
        let (start, second) = try await self.released()
        try self.damageNewest("forward.a")
        try FileManager.default.removeItem(atPath: try self.fixture.segmentFiles()[0])
        let spool = try self.fixture.open()
        #expect(try await spool.forward("a").sequence == start && spool.start == second.base)
        await spool.close()
    }

    @Test("a cursor whose file is gone, where no mark tells what was let go of, begins at the oldest event that is left")
    func withoutAMark() async throws {
        let (start, _) = try await self.released()
        for path in ["cursors/forward.a", "mark"] { try FileManager.default.removeItem(atPath: "\(self.directory)/\(path)") }
        let spool = try self.fixture.open()
        #expect(try await spool.forward("a").sequence == start && spool.alarms.contains { $0.file.hasSuffix("/cursors/forward.a") })
        await spool.close()
    }

    @Test("after the registry was lost a cursor that is asked for is missed where something may have waited for it, and only there")
    func askedForLater() async throws {
        for hasEvents in [false, true] {
            let fixture = SpoolFixture()
            var spool = try fixture.open()
            _ = try await spool.forward("a")
            if hasEvents { try await spool.append("a", ["0"]) }
            await spool.close()
            for name in CursorRegistry.files { try FileManager.default.removeItem(atPath: "\(fixture.directory)/\(name)") }
            spool = try fixture.open()
            _ = try await spool.forward("a")
            #expect(spool.alarms.map(\.file) == [fixture.directory + "/registry"])
            _ = try await spool.forward("new")
            let expected = "the registry was lost, and there is no such cursor: it begins at the oldest event"
            #expect(spool.alarms.dropFirst().map(\.file) == (hasEvents ? [fixture.directory + "/cursors/forward.new"] : []))
            #expect(spool.alarms.dropFirst().allSatisfy { $0.text == expected })
            await spool.close()
        }
    }

    @Test("a log of dead letters has no cursors, whatever is lost, and no folder for what is settled ahead of them")
    func deadLetters() async throws {
        var spool = try self.fixture.open { $0.kind = .deadLetters }
        try await spool.append("a", ["0", "1"])
        await spool.close()
        for name in CursorRegistry.files { try FileManager.default.removeItem(atPath: "\(self.directory)/\(name)") }
        spool = try self.fixture.open { $0.kind = .deadLetters }
        #expect(spool.allCursors.isEmpty && spool.alarms.map(\.file) == [self.directory + "/registry"])
        #expect(!FileManager.default.fileExists(atPath: SettledAheadFile.folder(in: self.directory)))
        await spool.close()
    }

    @Test(
        "a copy of the registry that a start finds damaged is written anew: for want of room later, with a warning; any other failure stops"
    )
    func mended() async throws {
        var spool = try self.fixture.open()
        _ = try await spool.forward("a")
        await spool.close()
        let disk = FaultDisk(), log = LogCapture()
        defer { log.close() }
        func told() -> [LogRecord] {
            log.records(label: "spool").filter {
                $0["folder"] == self.directory && $0.message == "the registry of cursors could not be written"
            }
        }
        for (call, number) in [(.write, EIO), (.write, ENOSPC), (nil, 0)] as [(FaultDisk.Call?, Int32)] {
            try Data("x".utf8).write(to: URL(filePath: self.directory + "/registry.copy"))
            disk.fail { tried, path in tried == call && path.contains("/registry") ? number : nil }
            if number == EIO {
                #expect(throws: ForebayError.self) { try self.fixture.open(on: disk) }
            } else {
                spool = try self.fixture.open(on: disk)
                #expect(
                    try spool.allCursors.map(\.route) == ["a"]
                        && CursorRegistry.read(SystemDisk(), of: self.directory).isWhole == (call == nil))
                await spool.close()
            }
            #expect(told().count == (number == EIO ? 0 : 1))
        }
        #expect(told().first?.level == .warning && told().first?["error"]?.isEmpty == false)
        let new = SpoolFixture()
        disk.fail { call, path in call == .write && path.contains("/registry") ? ENOSPC : nil }
        #expect(throws: ForebayError.self, "a new log is not known without it") { try new.open(on: disk) }
    }

    @Test("events that come where all segments are gone are counted behind what a cursor has settled: they wait, and are seen to")
    func segmentsGone() async throws {
        var spool = try self.fixture.open()
        var cursor = try await spool.forward("a")
        for _ in 0..<3 { try await spool.append("a", ["settled"]) }
        cursor.move(to: 3, settled: 3)
        await spool.close()
        for path in try self.fixture.segmentFiles() { try FileManager.default.removeItem(atPath: path) }
        spool = try self.fixture.open()
        cursor = try await spool.forward("a")
        for number in 1...2 as ClosedRange<UInt64> {
            try await spool.append("a", ["new"])
            #expect(cursor.ordinal == 3 && spool.lag(of: cursor) == number)
        }
        await spool.close()
    }

    @Test("a stage's new cursor takes nothing from those of other stages on its route, whichever name comes first")
    func ofOtherStages() async throws {
        let spool = try self.fixture.open()
        for _ in 0..<3 { try await spool.append("a", ["x"]) }
        var cursors: [SpoolCursor] = []
        for stage in ["mirror", "archive", "forward", "zip"] {
            cursors.append(try await spool.cursor("\(stage)/a", route: routeA))
            #expect(cursors.allSatisfy { $0.routes == [routeA] && spool.lag(of: $0) == 3 }, "\(stage)")
        }
        #expect(spool.allCursors.count == 4)
        await spool.close()
    }

    @Test("a name that is given up changes nothing of others that were: each begins where it was given up itself")
    func givenUpApart() async throws {
        let spool = try self.fixture.open()
        let (a, b) = (try await spool.forward("a"), try await spool.forward("b"))
        try await spool.append("a", ["a0", "a1"])
        a.move(to: 1, settled: 1)
        try await spool.forget(a)
        try await spool.append("b", ["b0"])
        b.move(to: 3, settled: 1)
        try await spool.forget(b)
        let again = try await spool.forward("a")
        #expect(try again.sequence == 1 && spool.waiting(again) == ["a1"])
        #expect(try await spool.forward("b").sequence == 3)
        await spool.close()
    }

    @Test("a cursor's file that a kill left before it was registered is taken as it is, and durable, with its name, before it is")
    func leftover() async throws {
        var spool = try self.fixture.open()
        _ = try await spool.forward("a")
        try await spool.append("a", ["0"])
        let log = spool.id
        await spool.close()
        let path = LogIdentity.path(ofCursor: "forward/new", in: self.directory)
        _ = try SlotFile.make(
            SystemDisk(), path, of: self.directory, as: .cursor, log: log, SlotFile.Value(sequence: 0, ordinal: 0, owner: 1))
        let disk = FaultDisk(), calls = Mutex<[String]>([]), root = self.directory
        spool = try self.fixture.open(on: disk)
        disk.fail { call, path in
            guard [.sync, .syncFolder, .rename].contains(call) else { return nil }
            calls.withLock { $0.append("\(call) \(path.dropFirst(root.count + 1))") }
            return nil
        }
        _ = try await spool.forward("new")
        disk.fail(nil)
        let made = calls.withLock { $0 }.prefix { !$0.hasSuffix("registry.new") }
        #expect(made.last == "syncFolder cursors" && made.contains("sync cursors/forward.new"), "\(made)")
        await spool.close()
    }

    @Test("a takeover that is killed at any call leaves each cursor with the count of the routes that it is registered with")
    func takeoverIsCounted() async throws {
        let first = try self.fixture.open()
        let (a, b) = (try await first.forward("a"), try await first.forward("b"))
        for number in 0..<8 { try await first.append(number < 4 ? "a" : "b", ["\(number)"]) }
        a.move(to: 3, settled: 3)
        b.move(to: 6, settled: 2)
        await first.close()
        for kill in 0... {
            let world = try self.fixture.crashed()
            let disk = FaultDisk(), calls = Mutex(0)
            let spool = try world.open(on: disk)
            disk.fail { call, _ in
                guard [.rename, .remove, .syncFolder, .makeFolder, .write, .sync, .truncate].contains(call) else { return nil }
                return calls.withLock { calls in
                    calls += 1
                    return calls > kill ? EROFS : nil
                }
            }
            let isThrough = (try? await spool.forward("b", formerly: ["a"])) != nil  // What it fails with is not looked at.
            disk.fail(nil)
            let left = try world.crashed()
            await spool.close()
            let next = try left.open()
            for cursor in next.allCursors {
                #expect(next.lag(of: cursor) == UInt64(try next.waiting(cursor).count), "\(cursor.name), killed at call \(kill)")
            }
            await next.close()
            if isThrough { break }
            #expect(kill < 100)
        }
    }

    @Test("a route that takes over another's backlog says how many events that is")
    func takeoverIsTold() async throws {
        let log = LogCapture()
        defer { log.close() }
        var spool = try self.fixture.open()
        let old = try await spool.forward("told-old")
        try await spool.append("told-old", ["0", "1", "2"])
        try await spool.append("other", ["3"])
        old.move(to: 1, settled: 1)
        await spool.close()
        spool = try self.fixture.open()
        _ = try await spool.forward("told-new", formerly: ["told-old"])
        let told = log.records(label: "spool").filter { $0["from"] == "forward/told-old" && $0["cursor"] == "forward/told-new" }
        #expect(told.map { $0["events"] } == ["2"] && told.map { $0["sequence"] } == ["1"], "\(told)")
        await spool.close()
    }
}
