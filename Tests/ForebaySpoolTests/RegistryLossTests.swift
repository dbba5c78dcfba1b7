import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// Both copies of the registry are lost, and with them whose events a cursor counts beside its own route's.
@Suite("Spool: a lost registry")
struct RegistryLossTests {
    enum Order: CaseIterable { case registriesAtOnce, registriesLater, cursorToo, foreignRegistry }

    @Test(
        "both registries lost: whatever no cursor counts any more is kept, and goes to who has its name, or had it",
        arguments: Order.allCases)
    func registriesLost(_ order: Order) async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try fixture.open()
        // z became a, a became b; c is settled, d is behind, r is not configured any more.
        for (route, former) in [("z", nil), ("c", nil), ("d", nil), ("r", nil)] as [(String, String?)] {
            _ = try await spool.forward(route, formerly: former.map { [$0] } ?? [])
            try await spool.append(route, ["\(route)0", "\(route)1"])
        }
        for (route, former) in [("a", "z"), ("b", "a")] {
            await spool.close()
            spool = try fixture.open()
            let cursor = try await spool.forward(route, formerly: [former])
            try await spool.append(route, ["\(route)0"])
            #expect(spool.lag(of: cursor) == (route == "a" ? 3 : 4))
        }
        let c = try await spool.forward("c")
        c.move(to: spool.durableEnd, settled: 2)
        await spool.close()
        for name in CursorRegistry.files { try FileManager.default.removeItem(atPath: fixture.directory + "/" + name) }
        if order == .foreignRegistry {
            let other = SpoolFixture()
            let stranger = try other.open()
            _ = try await stranger.cursor("forward/x", route: RouteID(name: "x"))
            await stranger.close()
            for name in CursorRegistry.files {
                try FileManager.default.copyItem(atPath: other.directory + "/" + name, toPath: fixture.directory + "/" + name)
            }
        }
        if order == .cursorToo {
            for name in ["d", "r"] { try FileManager.default.removeItem(atPath: fixture.directory + "/cursors/forward.\(name)") }
        }
        if order == .registriesLater {
            // A start that opens nothing at all, and lets go of what it may.
            spool = try fixture.open()
            await spool.releasePassedSegments()
            for _ in 0..<3 { await spool.syncCursors() }
            await spool.close()
        }
        spool = try fixture.open()
        #expect(order == .registriesLater || !spool.alarms.isEmpty)
        let next = try await spool.forward("c")
        #expect(try spool.waiting(next).isEmpty && spool.lag(of: next) == 0)
        let d = try await spool.forward("d")
        #expect(try spool.waiting(d) == ["d0", "d1"] && spool.lag(of: d) == 2)
        let b = try await spool.forward("b", formerly: ["a"])
        #expect(try spool.waiting(b) == ["a0", "b0"] && spool.lag(of: b) == 2)
        await spool.releasePassedSegments()
        for _ in 0..<3 { await spool.syncCursors() }
        // What nobody has asked for yet is held, by a name that can be asked for.
        let held = Set(spool.allCursors.map(\.route)).subtracting(["b", "c", "d"])
        let unknown = held.subtracting(["r"])
        #expect(held.count == 2 && held.contains("r") == (order != .cursorToo) && unknown.allSatisfy { $0.hasPrefix("unknown-") })
        await spool.close()

        spool = try fixture.open()
        #expect(spool.alarms.isEmpty && spool.missing.isEmpty, "told once")
        let again = try await spool.forward("b", formerly: ["a", "z"])
        #expect(try spool.waiting(again) == ["z0", "z1", "a0", "b0"] && spool.lag(of: again) == 4)
        let r = try await spool.forward("r")
        #expect(try spool.waiting(r) == ["r0", "r1"] && spool.lag(of: r) == 2)
        #expect(Set(spool.allCursors.map(\.route)) == ["b", "c", "d", "r"])
        await spool.close()
        spool = try fixture.open()
        #expect(try spool.waiting(try await spool.forward("b")) == ["z0", "z1", "a0", "b0"] && spool.alarms.isEmpty)
        await spool.close()
    }

    @Test("what is kept under a name that nobody knows can be taken over by it, used as a name, or given up", arguments: 0..<3)
    func unknownName(way: Int) async throws {
        let fixture = SpoolFixture()
        var spool = try fixture.open()
        _ = try await spool.forward("a")
        _ = try await spool.forward("b")
        try await spool.append("a", ["a0", "a1"])
        await spool.close()
        for name in CursorRegistry.files + ["cursors/forward.a"] {
            try FileManager.default.removeItem(atPath: fixture.directory + "/" + name)
        }
        spool = try fixture.open()
        let name = "unknown-" + String(RouteID(name: "a").rawValue, radix: 16)
        let kept = try #require(spool.allCursors.first { $0.route == name })
        #expect(try spool.waiting(kept) == ["a0", "a1"] && spool.lag(of: kept) == 2 && spool.waits(for: kept))
        switch way {
        case 0:
            let b = try await spool.forward("b", formerly: [name])
            #expect(try spool.waiting(b) == ["a0", "a1"] && spool.allCursors.count == 1)
        case 1:
            _ = try await spool.forward(name)
            try await spool.append(name, ["own"])
            #expect(try spool.waiting(try await spool.forward(name)) == ["a0", "a1", "own"])
        default:
            kept.move(to: spool.durableEnd, settled: 2)
            try await spool.forget(kept)
            #expect(spool.allCursors.map(\.route) == ["b"])
            #expect(try spool.waiting(try await spool.forward("a")).isEmpty, "it does not come back with the name")
        }
        await spool.close()
    }

    @Test("a copy of a cursor's file is no cursor when the registry is lost; what has no other has one made for it")
    func copiedCursor() async throws {
        let fixture = SpoolFixture()
        var spool = try fixture.open()
        for route in ["a", "b"] {
            _ = try await spool.forward(route)
            try await spool.append(route, ["\(route)0"])
        }
        await spool.close()
        let folder = fixture.directory + "/cursors/"
        let bytes = try Data(contentsOf: URL(filePath: folder + "forward.a"))
        for name in ["old-forward.a", "forward.a.bak", "forward.b"] { try bytes.write(to: URL(filePath: folder + name)) }
        for name in CursorRegistry.files { try FileManager.default.removeItem(atPath: fixture.directory + "/" + name) }
        for _ in 0..<2 {
            spool = try fixture.open()
            let others = spool.allCursors.filter { $0.name != "forward/a" }
            #expect(others.count == 1 && others[0].routes == [RouteID(name: "b")], "\(others.map(\.name))")
            #expect(try spool.waiting(others[0]) == ["b0"])
            await spool.close()
        }
    }

    @Test("what is given up before all that nobody counts has found room does not come back with that")
    func givenUpWithoutRoom() async throws {
        let fixture = SpoolFixture()
        var spool = try fixture.open()
        for route in ["a", "b", "c"] {
            _ = try await spool.forward(route)
            try await spool.append(route, ["\(route)0"])
        }
        await spool.close()
        for name in CursorRegistry.files + ["cursors/forward.b"] {
            try FileManager.default.removeItem(atPath: fixture.directory + "/" + name)
        }
        let disk = FaultDisk()
        disk.fail { call, path in call == .write && path.contains("unknown-") ? ENOSPC : nil }
        spool = try fixture.open(on: disk)
        #expect(spool.allCursors.map(\.route) == ["a", "c"])
        try await spool.giveUp(try await spool.forward("c"))
        await spool.close()
        spool = try fixture.open()
        let held = spool.allCursors.filter { $0.route != "a" }
        #expect(try held.map { try spool.waiting($0) } == [["b0"]])
        await spool.close()
    }

    @Test("what was kept under a name that nobody knows, and given up by who took it over, does not come back with the name it had")
    func unknownGivenUp() async throws {
        let fixture = SpoolFixture()
        var spool = try fixture.open()
        for route in ["a", "b", "c"] { _ = try await spool.forward(route) }
        try await spool.append("a", ["a0"])
        await spool.close()
        for name in CursorRegistry.files + ["cursors/forward.a"] {
            try FileManager.default.removeItem(atPath: fixture.directory + "/" + name)
        }
        spool = try fixture.open()
        let name = "unknown-" + String(RouteID(name: "a").rawValue, radix: 16)
        let b = try await spool.forward("b", formerly: [name])
        try await spool.append("c", ["holds all"])
        try await spool.append("a", ["a1"])
        #expect(try spool.waiting(b) == ["a0", "a1"])
        try await spool.giveUp(b)
        await spool.close()
        spool = try fixture.open()
        #expect(try spool.waiting(try await spool.forward("a")).isEmpty)
        await spool.close()
    }

    @Test("what was kept under a name that nobody knows waits again when its segment, which was away, is put back")
    func unknownBack() async throws {
        let first = SpoolFixture(segmentSize: 64 << 10)
        var spool = try first.open { $0.recentBytes = 0 }
        let b = try await spool.forward("b")
        try await spool.append("b", ["b0"])
        b.move(to: 1, settled: 1)
        await spool.close()
        spool = try first.open { $0.recentBytes = 0 }
        try await spool.append("a", ["a0"])
        // Killed, so that no mark says that there was something.
        let fixture = try first.crashed()
        await spool.close()
        for name in CursorRegistry.files { try FileManager.default.removeItem(atPath: fixture.directory + "/" + name) }
        await (try fixture.open { $0.recentBytes = 0 }).close()
        // Sealed by that start, which the mark was not told.
        let path = try #require(try fixture.segmentFiles().last)
        let bytes = try Data(contentsOf: URL(filePath: path))
        try FileManager.default.removeItem(atPath: path)
        for name in ["mark"] { try FileManager.default.removeItem(atPath: fixture.directory + "/" + name) }
        func start() async throws -> [SpoolCursor] {
            spool = try fixture.open { $0.recentBytes = 0 }
            _ = try await spool.forward("b")
            let removed = try await spool.removedCursors { $0.route == "b" }
            await spool.releasePassedSegments()
            return removed
        }
        #expect(try await start().isEmpty)
        await spool.close()
        try bytes.write(to: URL(filePath: path))
        for _ in 0..<2 {
            let removed = try await start()
            #expect(try removed.map { try spool.waiting($0) } == [["a0"]])
            await spool.close()
        }
    }

    @Test(
        "which log it is one slot that is left of it says: the first or the second, of the mark or of a cursor",
        arguments: ["mark", "cursors/forward.a"], [0, 1])
    func oneSlot(file: String, slot: Int) async throws {
        let fixture = SpoolFixture()
        var spool = try fixture.open()
        let cursor = try await spool.forward("a")
        try await spool.append("a", ["x"])
        cursor.move(to: 1, settled: 1)
        await spool.syncCursors()
        let id = spool.id
        await spool.close()
        let gone = CursorRegistry.files + ["mark", "cursors/forward.a"].filter { $0 != file }
        for path in try fixture.segmentFiles() + gone.map({ "\(fixture.directory)/\($0)" }) {
            try FileManager.default.removeItem(atPath: path)
        }
        let path = URL(filePath: "\(fixture.directory)/\(file)")
        var bytes = try Data(contentsOf: path)
        bytes[(1 - slot) * 4096 + 9] ^= 1
        try bytes.write(to: path)
        spool = try fixture.open()
        #expect(spool.id == id && !spool.alarms.isEmpty)
        await spool.close()
    }

    @Test("the very first event is missed with its segment, also where the only cursor can't be read")
    func firstEvent() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try fixture.open()
        _ = try await spool.forward("a")
        for number in 0..<3 { try await spool.append("a", ["\(number)" + String(repeating: "f", count: 200_000)]) }
        let segments = spool.view.read { $0.segments }
        try #require(segments[0].end == 1 && segments.count == 3)
        await spool.close()
        try FileManager.default.removeItem(atPath: segments[0].path)
        try Data(count: 8192).write(to: URL(filePath: fixture.directory + "/cursors/forward.a"))
        spool = try fixture.open()
        #expect(spool.missing.map(\.sequences) == [0..<1] && spool.missing.map(\.isGone) == [true])
        await spool.close()
    }
}
