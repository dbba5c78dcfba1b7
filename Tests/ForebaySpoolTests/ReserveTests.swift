import ForebayCore
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebaySpool

/// A full disk, and who has the reserve on it: others take what is free, and on a file system that copies what is written over even a
/// cursor needs room.
@Suite("Spool: the reserve", .timeLimit(.minutes(2)))
struct ReserveTests {
    /// A spool, and beside it what shares its budget and disk; no room from ``fill()`` on, but what the ballast gives.
    private struct Node {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let disk = FaultDisk()
        let budget: SpoolBudget
        let spool: Spool

        init(ballast: Int = 128 << 10) async throws {
            self.budget = try SpoolBudget(capacity: 64 << 20, directory: self.fixture.directory, disk: self.disk, ballast: ballast)
            self.spool = try self.fixture.open(on: self.disk, roomInterval: 20, cursorSyncInterval: 600_000, budget: self.budget)
            await self.spool.releasePassedSegments()
            let path = self.ballast
            if ballast > 0 { #expect(await eventually { FileManager.default.fileExists(atPath: path) }) }
            // Behind the keeper, which makes it.
            await self.spool.syncCursors()
        }

        var ballast: String { self.fixture.directory + "/ballast" }
        var hasBallast: Bool { FileManager.default.fileExists(atPath: self.ballast) }

        /// - Parameters:
        ///   - named: of the files that find no room: what their paths contain.
        ///   - isTold: whether the file system says that it is full.
        func fill(_ named: String..., isTold: Bool = true) {
            let ballast = self.ballast
            let isGone = Mutex(false)
            if isTold { self.disk.tell((free: 0, total: 1 << 40)) }
            self.budget.refresh()
            self.disk.fail { call, path in
                if call == .remove, path == ballast { isGone.withLock { $0 = true } }
                return call == .write && named.contains { path.contains($0) } && !isGone.withLock { $0 } ? ENOSPC : nil
            }
        }

        func sideLog(_ kind: LogKind) -> @Sendable (String) throws(ForebayError) -> Spool {
            let (disk, budget, threads, metrics) = (self.disk, self.budget, self.fixture.threads, SpoolMetrics(self.fixture.metrics))
            return { folder throws(ForebayError) in
                var configuration = SpoolConfiguration(directory: folder, kind: kind, segmentSize: 1 << 20) { fatalError("\($0)") }
                configuration.disk = disk
                return try Spool.open(configuration, budget: budget, threads: threads, metrics: metrics)
            }
        }

        func letter(_ value: String) -> DeadLetter {
            DeadLetter(
                topic: "t", code: "MSG_SIZE_TOO_LARGE", reason: "", eventID: "id", offset: Offset(lane: .spool(self.spool.id), number: 0),
                record: batch(routeA, [value]).withUnsafeBytes { Array($0) })
        }
    }

    @Test("a group of a side log whose segment can't grow any more has the reserve, and others' groups have not")
    func groups() async throws {
        let node = try await Node()
        let path = node.fixture.directory
        let aside = try SetAsideLog(directory: path + "/aside", disk: node.disk, open: node.sideLog(.setAside))
        let letters = try DeadLetters(
            route: "a", directory: path + "/letters", disk: node.disk, threads: node.fixture.threads, open: node.sideLog(.deadLetters))
        try await aside.append(new: [unit(1), unit(2)], [ForebaySpoolTests.aside(1, ["first"]), ForebaySpoolTests.aside(2, ["other"])])
        _ = try await letters.append([node.letter("first")])
        _ = try await node.spool.commit([submission([(routeA, ["first"])])])
        // What lies in the way of one lies in the way of all: each begins anew with the reserve there.
        for attempt in 0..<3 {
            node.fill("/segments/")
            await #expect(throws: ForebayError.self) { try await node.spool.commit([submission([(routeA, ["refused"])])]) }
            #expect(node.hasBallast, "new events have no right to it")
            if attempt.isMultiple(of: 2) {
                try await aside.append(new: [], [ForebaySpoolTests.aside(1, ["\(attempt)"])])
            } else {
                _ = try await letters.append([node.letter("\(attempt)")])
            }
            #expect(!node.hasBallast)
            node.disk.fail(nil)
            node.disk.tell(nil)
            let ballast = node.ballast
            _ = node.spool.isFull
            await node.spool.lookForRoom()
            #expect(FileManager.default.fileExists(atPath: ballast), "it is made again when there is room")
        }
        #expect(try aside.scan([1: 0]).values(of: 1) == ["first", "0", "2"])
        #expect(letters.count == 2)
        _ = try await node.spool.commit([submission([(routeA, ["again"])])])
        #expect(try node.spool.events().map(\.1) == ["first", "again"])
        await aside.close()
        await letters.close()
        await node.spool.close()
    }

    @Test("a cursor and the mark that find no room where they are written over have the reserve")
    func cursor() async throws {
        let node = try await Node()
        let cursor = try await node.spool.cursor("forward/a", route: routeA)
        _ = try await node.spool.commit([submission([(routeA, (0..<10).map { "\($0)" })])])
        node.fill("/cursors/", "/mark")
        cursor.move(to: 4, settled: 4)
        #expect(!node.hasBallast)
        #expect(try await node.fixture.crashed().open().cursor("forward/a", route: routeA).sequence == 4)
        await node.spool.syncCursors()
        #expect(cursor.syncedSequence == 4)
        await node.spool.close()
    }

    @Test("with the reserve spent cursors wait: they count in memory, hold what they held, and are written when there is room")
    func cursorsWait() async throws {
        let node = try await Node(ballast: 0)
        let spool = node.spool
        let a = try await spool.cursor("forward/a", route: routeA), b = try await spool.cursor("forward/b", route: routeB)
        for number in 0..<12 {
            let route = number % 2 == 0 ? routeA : routeB
            _ = try await spool.commit([submission([(route, ["\(number)" + String(repeating: "q", count: 20_000)])])])
        }
        a.move(to: 2, settled: 1)
        b.move(to: 2, settled: 1)
        await spool.syncCursors()
        let segments = spool.segmentCount
        for end in [4, 7, 10] as [UInt64] {
            node.fill("/cursors/forward.a")
            a.move(to: end, settled: end / 2 - a.sequence / 2)
            b.move(to: end, settled: end / 2 - b.sequence / 2)
            #expect(a.sequence == end && spool.lag(of: a) == 6 - end / 2, "it goes on")
            await spool.syncCursors()
            #expect(a.syncedSequence == 2 && b.syncedSequence == end && spool.segmentCount == segments, "what it may need is held")
            // A kill: the other slot is untouched, so the place that was durable counts.
            let copy = try node.fixture.crashed().open()
            #expect(copy.alarms.isEmpty && copy.missing.isEmpty)
            #expect(try await copy.cursor("forward/a", route: routeA).sequence == 2)
            #expect(try await copy.cursor("forward/b", route: routeB).sequence == end)
            await copy.close()
        }
        node.disk.fail(nil)
        #expect(await eventually { a.syncedSequence == 10 }, "nobody moves it: it is tried again by itself")
        #expect(await eventually { spool.segmentCount < segments })
        await spool.close()
        let again = try node.fixture.open()
        #expect(try await again.cursor("forward/a", route: routeA).sequence == 10)
        await again.close()
    }

    @Test(
        "units that settle and end where the table has no room are written when there is some; none is taken for another",
        arguments: [
            false, true,
        ])
    func units(hasReserve: Bool) async throws {
        let node = try await Node(ballast: hasReserve ? 128 << 10 : 0)
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let log = try fixture.open(on: node.disk, budget: node.budget)
        let large = String(repeating: "x", count: 30_000)
        for number in 1...6 { try await log.append(new: [unit(UInt64(number))], [aside(UInt64(number), [large, large])]) }
        log.settle(1, through: 1, oldestAcceptedAt: 2000)
        await log.syncCursors()
        let segments = try fixture.segmentFiles().count
        node.fill("/units", isTold: false)
        log.settle(1, through: 2, oldestAcceptedAt: nil)
        log.end(1)
        log.settle(2, through: 1, oldestAcceptedAt: 3000)
        log.settle(2, through: 2, oldestAcceptedAt: nil)
        try await log.append(new: [], [aside(3, ["more"])])
        #expect(log.units.map(\.number) == [2, 3, 4, 5, 6] && log.unit(2)?.settled == 2)
        await log.syncCursors()
        let copy = try fixture.crashed().open()
        #expect(copy.damage == SpoolDamage())
        #expect(copy.units.map(\.number) == (hasReserve ? [2, 3, 4, 5, 6] : [1, 2, 3, 4, 5, 6]))
        #expect(copy.unit(2)?.settled == (hasReserve ? 2 : 0), "at least what was durable")
        if !hasReserve { #expect(copy.unit(1)?.settled == 1 && copy.unit(1)?.oldestAcceptedAt == 2000) }
        await copy.close()
        if !hasReserve { #expect(try fixture.segmentFiles().count == segments + 1, "what may be needed is held") }
        node.disk.fail(nil)
        await log.syncCursors()
        #expect(log.unit(3)?.end == 3)
        await log.close()
        let again = try fixture.open()
        #expect(again.damage == SpoolDamage() && again.units.map(\.number) == [2, 3, 4, 5, 6])
        #expect(again.unit(2)?.settled == 2 && again.unit(3)?.end == 3)
        #expect(try again.scan([3: 0]).values(of: 3).count == 3)
        await again.close()
        await node.spool.close()
    }

    @Test("what the first attempt of a start has found is told, though it found no room and the second one does not find it")
    func alarmsOfTheFirstAttempt() async throws {
        let running = SpoolFixture(segmentSize: 64 << 10)
        var spool = try running.open()
        for number in 0..<12 { _ = try await spool.commit([submission([(routeA, ["\(number)" + String(repeating: "q", count: 20_000)])])]) }
        let fixture = try running.crashed()
        await spool.close()
        let segment = try fixture.segmentFiles()[1]
        var bad = try Data(contentsOf: URL(filePath: segment))
        for copy in [0, 4096] { bad[copy + 40] ^= 1 }
        try bad.write(to: URL(filePath: segment))
        let disk = FaultDisk()
        try Data(count: 128 << 10).write(to: URL(filePath: fixture.directory + "/ballast"))
        let budget = try SpoolBudget(capacity: 1 << 30, directory: fixture.directory, disk: disk, ballast: 128 << 10)
        let isGone = Mutex(false), ballast = fixture.directory + "/ballast"
        disk.fail { call, path in
            if call == .remove, path == ballast { isGone.withLock { $0 = true } }
            return call == .write && path.hasSuffix("/mark") && !isGone.withLock { $0 } ? ENOSPC : nil
        }
        spool = try fixture.open(on: disk, budget: budget)
        #expect(isGone.withLock { $0 }, "there were two attempts")
        #expect(spool.alarms.map(\.file) == [segment])
        await spool.close()
    }
}
