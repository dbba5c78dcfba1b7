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
