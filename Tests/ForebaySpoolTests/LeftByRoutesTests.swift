import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What routes left in a data folder that are not configured any more: found, kept while something waits in it, given up when somebody
/// says so.
@Suite("Data folder: what routes left that are not configured", .timeLimit(.minutes(1)))
struct LeftByRoutesTests {
    @Test("the routes that left side logs are told by name; a folder without a log is none's")
    func removedRoutes() async throws {
        let world = try await KnownLogsTests.filled()
        try world.start(["y"])
        #expect(try world.logs.removedRoutes() == ["x"])
        try await world.append(2..<3)
        await world.stop()
        try FileManager.default.createDirectory(atPath: world.data + "/setaside/empty", withIntermediateDirectories: false)
        try FileManager.default.removeItem(atPath: world.data + "/deadletters/x")
        try FileManager.default.removeItem(atPath: world.data + "/setaside/y")
        try world.start(["w"])
        #expect(try world.logs.removedRoutes() == ["x", "y"])
        await world.stop()
        try world.start(["x", "y"])
        #expect(try world.logs.removedRoutes().isEmpty)
        await world.stop()
    }

    @Test("what is set aside under a former name, beside the route's own, is told as left behind until it is taken over")
    func leftBehind() async throws {
        let world = try await KnownLogsTests.filled()
        try world.start(["y"])
        try await world.append(2..<3)
        await world.stop()
        try world.start(["y"], formerly: ["v", "x"])
        #expect(try world.logs.leftBehind(by: "y") == ["x"] && world.logs.leftBehind(by: "x").isEmpty)
        world.setAside.settle(1, through: 1, oldestAcceptedAt: nil)
        await world.stop()
        try world.start(["y"], formerly: ["v", "x"])
        #expect(try world.logs.leftBehind(by: "y").isEmpty && world.setAside.unit(1)?.end == 2)
        await world.stop()
    }

    @Test("what a route left is given up whole: its cursor, and its logs, which are closed first; nobody misses any of it")
    func givenUp() async throws {
        let world = try await KnownLogsTests.filled()
        try world.start()
        let cursor = try await world.spool.cursor("forward/x", route: routeA)
        let open = SideLogs(deadLetters: world.letters, setAside: world.setAside)
        try await world.logs.giveUp("x", nil, of: world.spool, withSideLogs: false, closing: open, world.budget)
        #expect(world.spool.allCursors.count == 1 && world.letters.count == 2 && world.setAside.unit(1)?.end == 2)
        let seen = Happenings<Bool>(), data = world.data
        world.disk.fail { call, path in
            guard call == .rename, path.hasPrefix("\(data)/forgotten/") else { return nil }
            let name = path.dropFirst("\(data)/forgotten/".count).replacing(".x", with: "/x")
            seen.add((try? SpoolLock(SystemDisk(), directory: "\(data)/\(name)")) != nil)  // Refused while somebody has it.
            return nil
        }
        try await world.logs.giveUp("x", cursor, of: world.spool, withSideLogs: true, closing: open, world.budget)
        #expect(seen.all == [true, true], "nobody has it open")
        world.disk.fail(nil)
        #expect(world.spool.allCursors.isEmpty && world.budget.usedBytes == world.spool.byteCount)
        await #expect(throws: ForebayError.self) { try await world.append(2..<3) }
        for name in ["setaside/x", "deadletters/x", "forgotten/setaside.x", "forgotten/deadletters.x"] {
            #expect(!FileManager.default.fileExists(atPath: "\(world.data)/\(name)"), "\(name)")
        }
        await world.stop()
        try world.start()
        #expect(KnownLogsTests.alarms(world) == [])
        await world.stop()
    }

    @Test("a cursor that is given up takes what waited for it along: should its name come back, none of it does, now or after a start")
    func givenUpCursor() async throws {
        let fixture = SpoolFixture()
        var spool = try fixture.open()
        let kept = try await spool.forward("b")
        var cursor = try await spool.forward("a")
        for value in ["0", "1"] { try await spool.append("a", [value]) }
        try await spool.giveUp(cursor)
        #expect(spool.allCursors.map(\.name) == [kept.name])
        for _ in 0..<2 {
            cursor = try await spool.forward("a")
            #expect(try spool.lag(of: cursor) == 0 && spool.waiting(cursor).isEmpty)
            try await spool.giveUp(cursor)
            await spool.close()
            spool = try fixture.open()
        }
        await spool.close()
    }

    @Test("of the cursors that no route asks for, those with something before them are told; the others are given up")
    func removedCursors() async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        for name in ["a", "b", "c", "d"] { _ = try await spool.forward(name) }
        for route in ["a", "c", "d"] { try await spool.append(route, ["x"]) }
        try await spool.forward("d").move(to: 3, settled: 1)
        let held = try await spool.removedCursors { $0.route == "c" }
        #expect(held.map(\.route) == ["a"] && spool.allCursors.map(\.route).sorted() == ["a", "c"])
        await spool.close()
    }

    @Test("a mirror that has delivered all and is taken out while its route goes on is kept; with its route gone it is given up")
    func removedMirrors() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try fixture.open()
        for route in ["a", "b"] {
            try await spool.forward(route).move(to: 0, settled: 0)
            _ = try await spool.cursor("mirror/\(route)", route: RouteID(name: route))
        }
        for route in ["a", "b"] { try await spool.append(route, ["0"]) }
        for cursor in spool.allCursors { cursor.move(to: 2, settled: 1) }
        for start in 1...2 {
            await spool.close()
            spool = try fixture.open()
            let held = try await spool.removedCursors({ $0.name == "forward/a" }, goesOn: { $0.route == "a" })
            #expect(held.map(\.name) == ["mirror/a"], "start \(start)")
            #expect(try spool.waiting(held[0]) == Array(["1"].prefix(start - 1)), "what came since is kept for it")
            try await spool.append("a", ["\(start)"])
        }
        await spool.close()
    }

    @Test("what waits in a route's set-aside log is counted in events")
    func setAsideEvents() async throws {
        let world = DataFolderWorld()
        try world.start()
        let open = SideLogs(deadLetters: world.letters, setAside: world.setAside)
        #expect(open.setAsideEvents == 0)
        try await world.setAside.append(new: [unit(1), unit(2)], [aside(1, ["0", "1", "2"]), aside(2, ["0"])])
        world.setAside.settle(1, through: 1, oldestAcceptedAt: nil)
        #expect(open.setAsideEvents == 3 && SideLogs(deadLetters: world.letters, setAside: nil).setAsideEvents == 0)
        await world.stop()
    }

    @Test("side logs that never held anything are told as empty when they are closed")
    func closedEmpty() async throws {
        let world = DataFolderWorld()
        try world.start()
        #expect(await SideLogs(deadLetters: world.letters, setAside: world.setAside).close() == [.deadLetters, .setAside])
        await world.stop()
        #expect(try LogRegistry.read(SystemDisk(), of: world.data).registry?.logs.keys.sorted() == ["spool"])
    }

    @Test("a folder for side logs that can't be made stops a start; one that finds no room is made later", arguments: [EIO, ENOSPC])
    func foldersNotMade(_ number: Int32) async throws {
        let world = DataFolderWorld()
        world.disk.fail { call, path in call == .makeFolder && path.hasSuffix("/setaside") ? number : nil }
        guard number == ENOSPC else {
            #expect(throws: ForebayError.self) { try DataFolderLogs.hold(world.data, on: world.disk) }
            return
        }
        try world.start()
        world.disk.fail(nil)
        try await world.append(0..<1)
        #expect(world.setAside.unit(1)?.end == 1)
        await world.stop()
    }

    @Test("what a kill left of logs that were given up goes also where a route can't take over what it left")
    func leftovers() async throws {
        let world = try await KnownLogsTests.filled()
        try FileManager.default.createDirectory(atPath: world.data + "/forgotten/setaside.z", withIntermediateDirectories: true)
        world.disk.fail { call, path in call == .rename && path.hasSuffix("/setaside/y") ? EIO : nil }
        let logs = DataFolderLogs(routes: [.init(name: "y", formerly: ["x"])], directory: world.data, disk: world.disk)
        #expect(throws: ForebayError.self) { try logs.prepare() }
        #expect(!FileManager.default.fileExists(atPath: world.data + "/forgotten/setaside.z"))
    }
}
