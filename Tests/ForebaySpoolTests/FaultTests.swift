import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebaySpool

/// Calls on the disk that fail: what can't be done is refused or passed, and goes on by itself when it can be done again.
@Suite("Spool: calls that fail")
struct FaultTests {
    private let large = String(repeating: "f", count: 20_000)

    func filled(_ fixture: SpoolFixture, _ count: Int = 12, isClean: Bool = true) async throws -> SpoolFixture {
        let spool = try fixture.open()
        _ = try await spool.cursor("forward/a", route: routeA)
        _ = try await spool.cursor("forward/b", route: routeB)
        for number in 0..<count {
            _ = try await spool.commit([submission([(number % 2 == 0 ? routeA : routeB, ["\(number)" + self.large])])])
        }
        let copy = isClean ? nil : try fixture.crashed()
        await spool.close()
        return copy ?? fixture
    }

    @Test("a bad sector in a sealed segment is damage like any other: named, passed, the rest served", arguments: [false, true])
    func badSector(everywhere: Bool) async throws {
        let fixture = try await self.filled(SpoolFixture(segmentSize: 64 << 10))
        let bad = try fixture.segmentFiles()[1]
        let disk = FaultDisk()
        disk.fail { call, path in
            guard call == .read, path.hasPrefix(bad), let at = path.split(separator: "@").last else { return nil }
            let numbers = at.split(separator: "+").compactMap { Int($0) }
            let range = numbers[0]..<numbers[0] + numbers[1]
            return everywhere || range.overlaps(32_768..<36_864) ? EIO : nil
        }
        let spool = try fixture.open(on: disk)
        let read = try spool.events()
        let missing = Set(spool.missing.flatMap { Array($0.sequences) })
        #expect(!missing.isEmpty && Set(read.map(\.0)).union(missing) == Set(0..<12))
        #expect(missing.count <= (everywhere ? 4 : 2))
        _ = try await spool.commit([submission([(routeA, ["on"])])])
        await spool.close()
    }

    @Test(
        "where the device gives nothing of several segments it is away: the log is not opened, nothing is given up, and all is there later")
    func deviceAway() async throws {
        // Two are several.
        let fixture = try await self.filled(SpoolFixture(segmentSize: 64 << 10), 8)
        let files = try fixture.segmentFiles()
        #expect(files.count == 2)
        let disk = FaultDisk()
        disk.fail { call, path in call == .read && path.contains("/segments/") ? EIO : nil }
        #expect { try fixture.open(on: disk) } throws: { ($0 as? ForebayError)?.systemCode == EIO }
        #expect(try fixture.segmentFiles() == files)
        disk.fail { _, _ in nil }
        let spool = try fixture.open(on: disk)
        #expect(try spool.events().count == 8 && spool.missing.isEmpty)
        await spool.close()
    }

    @Test("a file that can't be opened any more is passed; too many open files are waited for")
    func cannotOpen() async throws {
        let fixture = try await self.filled(SpoolFixture(segmentSize: 64 << 10))
        let disk = FaultDisk()
        let spool = try fixture.open(on: disk)
        let bad = try fixture.segmentFiles()[1]
        disk.fail { call, path in call == .open && path == bad ? EMFILE : nil }
        #expect(throws: ForebayError.self) { try spool.events() }
        #expect(spool.missing.isEmpty, "that passes")
        disk.fail { call, path in call == .open && path == bad ? EIO : nil }
        let read = try spool.events()
        let missing = Set(spool.missing.flatMap { Array($0.sequences) })
        #expect(!missing.isEmpty && Set(read.map(\.0)).union(missing) == Set(0..<12))
        await spool.close()
    }

    @Test(
        "a call that fails while a segment is begun refuses the group, and the next one finds all in order",
        arguments: [FaultDisk.Call.open, .rename, .write], [ENOSPC, EMFILE, EIO])
    func roll(_ call: FaultDisk.Call, _ number: Int32) async throws {
        // A failed write to a segment in use ends the process instead.
        guard call != .write || number == ENOSPC else { return }
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let disk = FaultDisk()
        var spool = try fixture.open(on: disk)
        var stored: [String] = []
        var refused = 0
        for number_ in 0..<24 {
            let value = "\(number_)" + self.large
            if number_ % 3 == 1 { disk.fail { $0 == call && $1.contains("/segments/") ? number : nil } }
            do throws(ForebayError) {
                _ = try await spool.commit([submission([(routeA, [value])])])
                stored.append(value)
            } catch {
                refused += 1
                #expect(error.recovery != .stop)
            }
            disk.fail(nil)
            if number_ % 7 == 0 {
                _ = try await spool.commit([submission([(routeB, ["b"])])])
                stored.append("b")
            }
        }
        #expect(refused > 0)
        #expect(try spool.events().map(\.1) == stored)
        let copy = try fixture.crashed()
        await spool.close()
        for again in [fixture, copy] {
            spool = try again.open()
            #expect(try spool.events().map(\.1) == stored)
            #expect(spool.missing.isEmpty && spool.alarms.isEmpty)
            await spool.close()
        }
    }

    @Test("a cursor moves on while its sync takes its time")
    func slowSync() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let disk = FaultDisk()
        let spool = try fixture.open(on: disk)
        let cursor = try await spool.cursor("forward/a", route: routeA)
        _ = try await spool.commit([submission([(routeA, (0..<100).map { "\($0)" })])])
        let (entered, leave) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let isSlow = Mutex(true)
        disk.fail { call, path in
            guard call == .sync, path.contains("/cursors/"), isSlow.withLock({ $0 }) else { return nil }
            entered.signal()
            leave.wait()
            return nil
        }
        cursor.move(to: 1, settled: 1)
        let tidying = Task { await spool.syncCursors() }
        entered.wait()
        isSlow.withLock { $0 = false }
        cursor.move(to: 50, settled: 49)
        #expect(cursor.sequence == 50 && spool.lag(of: cursor) == 50, "nobody waits for the disk")
        #expect(cursor.syncedSequence == 0)
        leave.signal()
        await tidying.value
        #expect(cursor.syncedSequence == 1, "what moved meanwhile is not known to be durable")
        await spool.syncCursors()
        #expect(cursor.syncedSequence == 50)
        await spool.close()
    }

    @Test("a segment that a kill left and that can't be sealed counts with the bytes that it has, and is sealed by a later start")
    func notSealed() async throws {
        for number in [ENOSPC, EIO] {
            let running = SpoolFixture()
            var spool = try running.open()
            for value in ["0", "1", "2"] { try await spool.append("a", [value]) }
            let fixture = try running.crashed()
            await spool.close()
            let path = try fixture.segmentFiles()[0]
            // Room that was kept for what did not come.
            let bytes = try Data(contentsOf: URL(filePath: path))
            try (bytes + Data(count: 64 << 10)).write(to: URL(filePath: path))
            let disk = FaultDisk()
            disk.fail { call, path in call == .write && path.hasSuffix(".segment") ? number : nil }
            let budget = try SpoolBudget(capacity: 1 << 30, directory: fixture.directory, disk: disk)
            spool = try fixture.open(on: disk, budget: budget)
            let left = try Data(contentsOf: URL(filePath: path)).count
            #expect(left < bytes.count + (64 << 10) && spool.byteCount == left && budget.usedBytes == left)
            #expect(try spool.events().map(\.1) == ["0", "1", "2"] && spool.damage == SpoolDamage())
            let again = try fixture.crashed()
            await spool.close()
            spool = try again.open()
            #expect(try spool.events().map(\.1) == ["0", "1", "2"] && spool.view.read { $0.segments.map(\.hasFooter) } == [true])
            try await spool.append("a", ["3"])
            #expect(try spool.events().map(\.1) == ["0", "1", "2", "3"])
            await spool.close()
        }
    }

    @Test("a bad sector under a cursor or the mark: the file is replaced, and the start goes on", arguments: ["cursors/forward.a", "mark"])
    func badSlot(_ name: String) async throws {
        let fixture = try await self.filled(SpoolFixture(segmentSize: 64 << 10))
        let disk = FaultDisk()
        let path = fixture.directory + "/" + name
        let isBad = Mutex(true)
        disk.fail { call, file in
            guard isBad.withLock({ $0 }) else { return nil }
            if call == .rename { isBad.withLock { $0 = false } }  // It is another file then.
            return (call == .write || call == .read) && (file == path || file.hasPrefix(path + "@")) ? EIO : nil
        }
        let spool = try fixture.open(on: disk)
        let cursor = try await spool.cursor("forward/a", route: routeA)
        #expect(try spool.events().count == 12 && spool.missing.isEmpty)
        cursor.move(to: 12, settled: 6)
        await spool.close()
        let again = try fixture.open()
        #expect(try await again.cursor("forward/a", route: routeA).sequence == 12)
        await again.close()
    }

    @Test(
        "one that can be read and not written is not missed where the start that replaces it is refused in between",
        arguments: ["cursors/forward.a", "mark"], [FaultDisk.Call.openFolder, .syncFolder, .open, .write])
    func badSlotTwice(_ name: String, _ call: FaultDisk.Call) async throws {
        let fixture = try await self.filled(SpoolFixture(segmentSize: 64 << 10))
        let spool = try fixture.open()
        try await spool.forward("a").move(to: 4, settled: 2)
        await spool.close()
        let disk = FaultDisk()
        let path = fixture.directory + "/" + name
        disk.fail { tried, file in
            if tried == .write, file == path { return EIO }
            return tried == call && file.contains("/quarantine") ? EIO : nil
        }
        #expect(throws: ForebayError.self) { try fixture.open(on: disk) }
        let again = try fixture.open()
        #expect(again.damage == SpoolDamage())
        #expect(try await again.forward("a").sequence == 4)
        await again.close()
    }

    @Test("a log whose folder is taken away says so, and takes nothing more")
    func folderGone() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open()
        _ = try await spool.commit([submission([(routeA, ["kept"])])])
        #expect(spool.fault == nil)
        try FileManager.default.removeItem(atPath: fixture.directory)
        #expect(spool.fault != nil)
        await #expect(throws: ForebayError.self) { try await spool.commit([submission([(routeA, ["no"])])]) }
        await #expect(throws: ForebayError.self) { try await spool.commit([submission([(routeA, ["no"])])]) }
    }

    @Test("a folder that can't be listed stops the start; nothing is taken for lost", arguments: ["segments", "cursors"])
    func unlisted(_ folder: String) async throws {
        let fixture = try await self.filled(SpoolFixture(segmentSize: 64 << 10))
        let files = try fixture.segmentFiles()
        let disk = FaultDisk()
        disk.fail { call, path in call == .list && path.hasSuffix(folder) ? EIO : nil }
        #expect(throws: ForebayError.self) { try fixture.open(on: disk) }
        disk.fail(nil)
        let spool = try fixture.open(on: disk)
        #expect(try spool.events().map(\.0) == Array(0..<12))
        #expect(spool.missing.isEmpty && spool.alarms.isEmpty && spool.allCursors.allSatisfy { spool.lag(of: $0) == 6 })
        #expect(try Set(fixture.segmentFiles()).isSuperset(of: files))
        await spool.close()
    }

    @Test("a segment with a number that no log comes to is nobody's", arguments: [UInt64.max, UInt64.max - 1, UInt64.max / 4])
    func absurdNumber(_ number: UInt64) async throws {
        let fixture = try await self.filled(SpoolFixture(segmentSize: 64 << 10))
        let text = String(number)
        let name = String(repeating: "0", count: 20 - text.count) + text
        try FileManager.default.copyItem(atPath: fixture.segmentFiles()[0], toPath: "\(fixture.segmentsFolder)/\(name).segment")
        for round in 0..<2 {
            let spool = try fixture.open()
            _ = try await spool.commit([submission([(routeA, ["more"])])])
            #expect(try spool.events().count == 13 + round && spool.missing.isEmpty)
            await spool.close()
        }
    }
}
