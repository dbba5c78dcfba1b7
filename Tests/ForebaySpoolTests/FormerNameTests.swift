import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebaySpool

/// Routes that are renamed, and names that come back: each event belongs to one cursor, whatever its route is called by then.
@Suite("Spool: former names")
struct FormerNameTests {
    @Test("a name that is a route's own again takes back what waits of it, and what comes is delivered once", arguments: [false, true])
    func nameComesBack(killed: Bool) async throws {
        var fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try fixture.open()
        let a = try await spool.forward("a")
        try await spool.append("a", ["a0", "a1", "a2"])
        a.move(to: 1, settled: 1)
        func restart() async throws {
            let copy = killed ? try fixture.crashed() : nil
            await spool.close()
            if let copy { fixture = copy }
            spool = try fixture.open()
        }
        try await restart()
        let b = try await spool.forward("b", formerly: ["a"])
        try await spool.append("b", ["b0"])
        #expect(try spool.waiting(b) == ["a1", "a2", "b0"] && spool.lag(of: b) == 3)
        b.move(to: 2, settled: 1)
        try await restart()
        // Both are routes now, in either order of opening.
        _ = try await spool.forward(killed ? "a" : "b")
        _ = try await spool.forward(killed ? "b" : "a")
        let (now, other) = (try await spool.forward("a"), try await spool.forward("b"))
        try await spool.append("a", ["a3"])
        try await spool.append("b", ["b1"])
        #expect(try spool.waiting(now) == ["a2", "a3"] && spool.lag(of: now) == 2)
        #expect(try spool.waiting(other) == ["b0", "b1"] && spool.lag(of: other) == 2)
        try await restart()
        let (again, rest) = (try await spool.forward("a"), try await spool.forward("b"))
        #expect(try spool.waiting(again) == ["a2", "a3"] && spool.lag(of: again) == 2 && spool.alarms.isEmpty)
        #expect(try spool.waiting(rest) == ["b0", "b1"] && spool.lag(of: rest) == 2)
        await spool.close()
    }

    @Test("a takeover, and a name that comes back, killed at every call that changes the disk", arguments: [false, true])
    func killedEverywhere(comesBack: Bool) async throws {
        let base = SpoolFixture(segmentSize: 64 << 10)
        let first = try base.open()
        for route in ["a", "b", "c"] { _ = try await first.forward(route) }
        for number in 0..<9 { try await first.append(["a", "b", "c"][number % 3], ["\(number)"]) }
        let former = try await first.forward("a")
        former.move(to: 1, settled: 1)
        await first.close()
        if comesBack {
            let spool = try base.open()
            _ = try await spool.forward("b", formerly: ["a"])
            await spool.close()
        }
        for kill in 0... {
            let world = try base.crashed()
            let disk = FaultDisk()
            let spool = try world.open(on: disk)
            let calls = Mutex(0)
            disk.fail { call, _ in
                guard [.rename, .remove, .syncFolder, .makeFolder, .write, .sync, .truncate].contains(call) else { return nil }
                return calls.withLock { calls in
                    calls += 1
                    return calls > kill ? EROFS : nil
                }
            }
            let isThrough: Bool
            do {
                _ = comesBack ? try await spool.forward("a") : try await spool.forward("b", formerly: ["a"])
                isThrough = true
            } catch { isThrough = false }
            disk.fail(nil)
            let left = try world.crashed()
            await spool.close()
            let next = try left.open()
            if comesBack { _ = try await next.forward("a") }
            let b = try await next.forward("b", formerly: comesBack ? [] : ["a"])
            #expect(next.alarms.isEmpty && next.missing.isEmpty, "killed at call \(kill)")
            // It stood further back than the one that it takes over: what that had settled comes again.
            let own = try next.waiting(b)
            #expect(
                own == (comesBack ? ["1", "4", "7"] : ["0", "1", "3", "4", "6", "7"]) && next.lag(of: b) == UInt64(own.count), "at \(kill)")
            if comesBack {
                let a = try await next.forward("a")
                let waiting = try next.waiting(a)
                #expect(waiting == ["3", "6"] && next.lag(of: a) == 2, "at \(kill)")
            }
            await next.close()
            if isThrough { break }
            #expect(kill < 100)
        }
    }

    @Test("there and back, and through a third name: no event twice, none lost")
    func thereAndBack() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var expected: [String] = []
        var name = "a"
        for (round, next) in ["a", "b", "a", "c", "b", "a"].enumerated() {
            let spool = try fixture.open()
            // An idle one beside it, and one that stays behind.
            _ = try await spool.forward("idle")
            let behind = try await spool.forward("behind")
            let cursor = try await spool.forward(next, formerly: next == name ? [] : [name])
            #expect(try spool.waiting(cursor) == expected, "round \(round)")
            #expect(spool.lag(of: cursor) == UInt64(expected.count), "round \(round)")
            try await spool.append(next, ["\(round)x", "\(round)y"])
            try await spool.append("behind", ["\(round)"])
            expected += ["\(round)x", "\(round)y"]
            let reader = spool.reader(of: cursor)
            if let first = try reader.read(upTo: 1).first {
                cursor.move(to: max(cursor.sequence, first.first) + 1, settled: 1)
                expected.removeFirst()
            }
            #expect(spool.lag(of: behind) == UInt64(round + 1))
            #expect(Set(spool.allCursors.map(\.route)) == ["idle", "behind", next])
            name = next
            await spool.close()
        }
    }

    @Test("a name whose successor is gone, too, begins where it was taken over, not at the oldest event")
    func successorGone() async throws {
        let fixture = SpoolFixture()
        var spool = try fixture.open()
        let a = try await spool.forward("a")
        try await spool.append("a", ["a0", "a1"])
        a.move(to: 2, settled: 2)
        await spool.close()
        spool = try fixture.open()
        let b = try await spool.forward("b", formerly: ["a"])
        try await spool.forget(b)
        #expect(try spool.waiting(try await spool.forward("a")).isEmpty)
        await spool.close()
    }

    @Test("on a full disk a cursor can be given up: the reserve's file makes room for that")
    func givenUpOnAFullDisk() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let disk = FaultDisk()
        let budget = try SpoolBudget(capacity: 1 << 30, directory: fixture.directory, disk: disk, ballast: 128 << 10)
        let spool = try fixture.open(on: disk, budget: budget)
        let (a, b) = (try await spool.forward("a"), try await spool.forward("b"))
        for number in 0..<8 { try await spool.append("a", ["\(number)" + String(repeating: "f", count: 20_000)]) }
        await spool.releasePassedSegments()
        let ballast = fixture.directory + "/ballast"
        #expect(await eventually { FileManager.default.fileExists(atPath: ballast) })
        b.move(to: 8, settled: 0)
        await spool.syncCursors()
        disk.fail { call, path in
            call == .open && path.hasSuffix(".new") && FileManager.default.fileExists(atPath: ballast) ? ENOSPC : nil
        }
        let before = spool.segmentCount
        try await spool.forget(a)
        #expect(spool.allCursors.map(\.route) == ["b"] && spool.segmentCount < before)
        await spool.close()
    }

    @Test("what each cursor holds, of a running log and of one that nobody has open")
    func held() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open()
        var cursors: [SpoolCursor] = []
        for route in ["a", "b", "c"] { cursors.append(try await spool.forward(route)) }
        for number in 0..<12 {
            try await spool.append(["a", "b", "c"][number % 3], ["\(number)" + String(repeating: "h", count: 30_000)])
        }
        await spool.releasePassedSegments()
        // a has everything to do, b half, c nothing.
        for (cursor, sequence) in [(cursors[1], 6), (cursors[2], 12)] {
            cursor.move(to: UInt64(sequence), settled: UInt64(sequence / 3))
        }
        await spool.syncCursors()
        let held = cursors.map(spool.held)
        #expect(held[0].bytes == spool.byteCount && held[0].bytesAlone > 0 && held[0].bytesAlone < held[0].bytes)
        #expect(held[1].bytes < held[0].bytes && held[1].bytesAlone == 0, "a needs these, too")
        #expect(held[2].bytesAlone == 0)
        let oldest = try cursors.map { try spool.oldestAcceptedAt(of: $0) }
        #expect(oldest == [1000, 1000, nil])
        let before = spool.byteCount
        try await spool.forget(cursors[0])
        #expect(before - spool.byteCount == held[0].bytesAlone)
        let lags = [cursors[1], cursors[2]].map(spool.lag)
        await spool.close()
        let waiting = try SpoolInspection(directory: fixture.directory).waiting()
        #expect(waiting.map(\.delivery.cursor) == ["forward/b", "forward/c"] && waiting.map(\.events) == lags)
    }
}

/// The side logs of routes that are renamed or given up, with the process killed at every call that changes the disk.
@Suite("Side logs: taken over, given up")
struct SideLogFolderTests {
    private let data = NSTemporaryDirectory() + "forebay-side-" + UUID().uuidString

    /// A log has several segments.
    private static let padding = String(repeating: "p", count: 100_000)

    private func fill(_ kind: SideLogFolder.Kind, _ route: String, _ count: Int) async throws {
        let folder = SideLogFolder(kind, of: route, in: self.data)
        let budget = try SpoolBudget(capacity: 1 << 30, directory: self.data)
        let threads = SpoolThreads()
        let metrics = SpoolMetrics(MetricsRegistry())
        let open = { @Sendable (path: String) throws(ForebayError) in
            try Spool.open(
                SpoolConfiguration(
                    directory: path, kind: kind == .setAside ? .setAside : .deadLetters, segmentSize: 256 << 10,
                    onDiskFailure: { fatalError("\($0)") }), budget: budget, threads: threads, metrics: metrics)
        }
        switch kind {
        case .setAside:
            let log = try SetAsideLog(directory: folder.path, open: open)
            try await log.append(new: [unit(1)], [aside(1, (0..<max(1, count)).map { "\(route)\($0)" + Self.padding })])
            // One that was drained has a log and no events.
            if count == 0 { log.settle(1, through: 1, oldestAcceptedAt: nil) }
            await log.close()
        case .deadLetters:
            let log = try DeadLetters(route: route, directory: folder.path, threads: threads, open: open)
            let record = batch(RouteID(name: route), ["dead" + Self.padding]).withUnsafeBytes { Array($0) }
            for number in 0..<count {
                _ = try await log.append([
                    DeadLetter(
                        topic: "t", code: "C", reason: "r", eventID: "\(route)\(number)",
                        offset: Offset(lane: .partition(topic: "t", 0), number: 0),
                        record: record)
                ])
            }
            await log.close()
        }
    }

    private func counts(_ kind: SideLogFolder.Kind) throws -> [String: UInt64] {
        Dictionary(uniqueKeysWithValues: try SideLogFolder.all(kind, in: self.data).map { ($0.route, try $0.eventCount()) })
    }

    /// Runs the body again and again, each time killed one call later, until it is through; each time a start follows that is not killed.
    private func killedEverywhere(
        _ restore: () async throws -> Void, _ body: (any Disk) throws -> Void, _ check: (_ call: Int) throws -> Void
    ) async throws {
        for kill in 0... {
            try? FileManager.default.removeItem(atPath: self.data)  // What the last one left, or nothing.
            try await restore()
            let disk = FaultDisk()
            let calls = Mutex(0)
            disk.fail { call, _ in
                guard [.rename, .remove, .syncFolder, .makeFolder, .write, .sync, .truncate].contains(call) else { return nil }
                return calls.withLock { calls in
                    calls += 1
                    return calls > kill ? EIO : nil
                }
            }
            let isThrough: Bool
            do {
                try body(disk)
                isThrough = true
            } catch { isThrough = false }
            try body(SystemDisk())
            try check(kill)
            if isThrough { break }
            #expect(kill < 100)
        }
        try? FileManager.default.removeItem(atPath: self.data)  // Cleaning up is a courtesy.
    }

    @Test("a log goes to the new name whole, over one of its own that is empty, whenever the process is killed", arguments: [false, true])
    func takenOver(hasEmptyOne: Bool) async throws {
        try await self.killedEverywhere {
            try await self.fill(.setAside, "old", 5)
            try await self.fill(.setAside, "other", 3)
            if hasEmptyOne { try await self.fill(.setAside, "new", 0) }
        } _: { disk in
            try SideLogFolder.removeLeftovers(in: self.data, disk: disk)
            let old = SideLogFolder(.setAside, of: "old", in: self.data, disk: disk)
            _ = try SideLogFolder(.setAside, of: "new", in: self.data, disk: disk).takeOver(old)
        } _: { kill in
            let (counts, left) = (try self.counts(.setAside), try SystemDisk().entries("\(self.data)/forgotten") ?? [])
            #expect(counts == ["new": 5, "other": 3] && left.isEmpty, "killed at call \(kill)")
        }
    }

    @Test("one that has events of its own, or something in quarantine, is not replaced")
    func refused() async throws {
        for kind in SideLogFolder.Kind.allCases {
            try await self.fill(kind, "old", 2)
            try await self.fill(kind, "new", 1)
            let (old, new) = (SideLogFolder(kind, of: "old", in: self.data), SideLogFolder(kind, of: "new", in: self.data))
            #expect(try new.takeOver(old) == .refused)
            #expect(try self.counts(kind) == ["old": 2, "new": 1])
            #expect(try new.takeOver(SideLogFolder(kind, of: "nobody", in: self.data)) == .nothing)
        }
        try await self.fill(.setAside, "kept", 0)
        let kept = SideLogFolder(.setAside, of: "kept", in: self.data)
        try FileManager.default.createDirectory(atPath: kept.path + "/quarantine", withIntermediateDirectories: true)
        _ = FileManager.default.createFile(atPath: kept.path + "/quarantine/00000000000000000001.segment", contents: Data([1]))
        #expect(try kept.takeOver(SideLogFolder(.setAside, of: "old", in: self.data)) == .refused)
        try? FileManager.default.removeItem(atPath: self.data)  // Cleaning up is a courtesy.
    }

    @Test("a takeover that is refused because the route has events of its own does not read them all, at each start")
    func refusedAtOnce() async throws {
        let bytes = Mutex(0), disk = FaultDisk()
        disk.fail { call, path in
            if call == .read, let count = path.split(separator: "+").last.flatMap({ Int($0) }) { bytes.withLock { $0 += count } }
            return nil
        }
        for kind in SideLogFolder.Kind.allCases {
            try await self.fill(kind, "old", 2)
            try await self.fill(kind, "new", 40)
            let old = SideLogFolder(kind, of: "old", in: self.data, disk: disk)
            let new = SideLogFolder(kind, of: "new", in: self.data, disk: disk)
            let size = try new.size()
            bytes.withLock { $0 = 0 }
            #expect(try new.takeOver(old) == .refused)
            let read = bytes.withLock { $0 }
            #expect(size > 2 << 20 && read < size / 4, "\(kind): \(read) of \(size) bytes")
        }
        try? FileManager.default.removeItem(atPath: self.data)  // Cleaning up is a courtesy.
    }

    @Test("what is given up goes whole, and its room with it, whenever the process is killed")
    func givenUp() async throws {
        try await self.killedEverywhere {
            for kind in SideLogFolder.Kind.allCases {
                try await self.fill(kind, "old", 5)
                try await self.fill(kind, "other", 3)
            }
        } _: { disk in
            try SideLogFolder.removeLeftovers(in: self.data, disk: disk)
            for kind in SideLogFolder.Kind.allCases {
                let folder = SideLogFolder(kind, of: "old", in: self.data, disk: disk)
                let count = try folder.eventCount()
                #expect(count == 5 || count == 0, "whole, or gone")
                try folder.giveUp()
            }
        } _: { kill in
            for kind in SideLogFolder.Kind.allCases {
                let counts = try self.counts(kind)
                #expect(counts == ["other": 3], "killed at call \(kill)")
            }
            let left = try SystemDisk().entries("\(self.data)/forgotten") ?? []
            #expect(left.isEmpty, "killed at call \(kill)")
        }
    }

    @Test("a file that can't be looked at stops nothing")
    func unreadable() async throws {
        try await self.fill(.deadLetters, "old", 1)
        let disk = FaultDisk()
        disk.fail { call, path in call == .open && path.hasSuffix(".segment") ? EACCES : nil }
        let folder = SideLogFolder(.deadLetters, of: "old", in: self.data, disk: disk)
        #expect(try folder.size() > 0, "the others")
        try folder.giveUp()
        #expect(try folder.holdsLog == false)
        try? FileManager.default.removeItem(atPath: self.data)  // Cleaning up is a courtesy.
    }

    @Test("the budget gets back what the log had taken")
    func budget() async throws {
        try await self.fill(.setAside, "old", 5)
        let folder = SideLogFolder(.setAside, of: "old", in: self.data)
        let budget = try SpoolBudget(capacity: 1 << 30, directory: self.data)
        let (threads, metrics) = (SpoolThreads(), SpoolMetrics(MetricsRegistry()))
        let log = try SetAsideLog(directory: folder.path) { path throws(ForebayError) in
            try Spool.open(
                SpoolConfiguration(directory: path, kind: .setAside, segmentSize: 256 << 10, onDiskFailure: { fatalError("\($0)") }),
                budget: budget, threads: threads, metrics: metrics)
        }
        #expect(budget.usedBytes > 0)
        await log.close()
        try folder.giveUp(budget)
        #expect(budget.usedBytes == 0)
        try? FileManager.default.removeItem(atPath: self.data)  // Cleaning up is a courtesy.
    }
}
