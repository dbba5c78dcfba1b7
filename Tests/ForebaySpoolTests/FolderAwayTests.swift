import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

/// A folder of ours is moved away under a running node, or has something else in its place: nothing in it is lost by that.
@Suite("Folders taken away under a running node")
struct FolderAwayTests {
    static let spools = ["", "/spool", "/spool/segments"]

    @Test(
        "the spool: a backlog is read, new segments begun and old ones let go of, while it is away and when it is back",
        arguments: spools, DataFolderWorld.How.allCases)
    func spool(_ name: String, _ how: DataFolderWorld.How) async throws {
        let world = DataFolderWorld()
        try world.start()
        let idle = try await world.spool.cursor("forward/idle", route: RouteID(name: "idle"))
        let a = try await world.spool.cursor("forward/a", route: routeA)
        let b = try await world.spool.cursor("forward/b", route: routeB)
        await world.spool.releasePassedSegments()
        try await world.commit(0..<10)
        let open = world.spool.reader(route: routeA, from: 0)
        #expect(try open.read(upTo: 1).count == 1, "it has a segment open")

        let putBack = try world.take(name, how)
        #expect(try DataFolderWorld.numbers(world.spool.events(route: routeB)) == [1, 3, 5, 7, 9])
        #expect(try DataFolderWorld.numbers(world.spool.events(route: RouteID(name: "idle"))) == [])
        var rest: [Batch] = []
        while !open.isCaughtUp { rest += try open.read(upTo: 1 << 20) }
        #expect(rest.map(\.first) == [2, 4, 6, 8])
        #expect(try world.spool.waits(for: b) && !world.spool.waits(for: idle))
        #expect(try world.spool.oldestAcceptedAt(of: a) == 1000)
        // All but the last two are settled.
        a.move(to: 8, settled: 4)
        b.move(to: 8, settled: 4)
        idle.move(to: 8, settled: 0)
        await world.spool.syncCursors()
        #expect(world.spool.start == 8)
        try await world.commit(10..<12)
        #expect(world.isSound())

        try putBack()
        #expect(world.spool.fault == nil)
        try await world.commit(12..<14)
        #expect(try DataFolderWorld.numbers(world.spool.events(from: 8)) == [8, 9, 10, 11, 12, 13])
        #expect(world.isSound())
        await world.stop()
        try world.start()
        #expect(world.isSound())
        #expect(try await world.spool.cursor("forward/a", route: routeA).sequence == 8)
        #expect(try DataFolderWorld.numbers(world.spool.events()) == [8, 9, 10, 11, 12, 13])
        #expect(try SpoolInspection(directory: world.data + "/spool").verify().problems.isEmpty)
        await world.stop()
    }

    @Test("the node is stopped while it is away: its last word went with the folder", arguments: spools, DataFolderWorld.How.allCases)
    func stopped(_ name: String, _ how: DataFolderWorld.How) async throws {
        let world = DataFolderWorld()
        try world.start()
        let a = try await world.spool.cursor("forward/a", route: routeA)
        _ = try await world.spool.cursor("forward/b", route: routeB)
        await world.spool.releasePassedSegments()
        try await world.commit(0..<8)
        try await world.append(0..<4)
        let putBack = try world.take(name, how)
        #expect(try DataFolderWorld.numbers(world.spool.events(route: routeA)) == [0, 2, 4, 6])
        a.move(to: 5, settled: 3)
        await world.spool.syncCursors()
        await world.stop()
        try putBack()

        try world.start()
        #expect(world.isSound())
        let again = try await world.spool.cursor("forward/a", route: routeA)
        let b = try await world.spool.cursor("forward/b", route: routeB)
        await world.spool.releasePassedSegments()
        #expect(again.sequence == 5 && b.sequence == 0 && world.spool.lag(of: again) == 1 && world.spool.lag(of: b) == 4)
        #expect(try DataFolderWorld.numbers(world.spool.events(route: routeB)) == [1, 3, 5, 7])
        #expect(try DataFolderWorld.numbers(world.spool.events(route: routeA, from: 5)) == [6])
        #expect(world.setAside.unit(1)?.end == 4 && world.letters.count == 4)
        await world.stop()
    }

    @Test(
        "what is set aside: drained, added to and swept, while it is away and when it is back",
        arguments: ["", "/setaside", "/setaside/x", "/setaside/x/segments"], DataFolderWorld.How.allCases)
    func setAside(_ name: String, _ how: DataFolderWorld.How) async throws {
        let world = DataFolderWorld()
        try world.start()
        try await world.append(0..<6)
        let open = world.setAside.scan([1: 0])
        #expect(try open.read(upTo: 1).count == 1)
        let putBack = try world.take(name, how)
        #expect(try DataFolderWorld.numbers(world.setAside.scan([1: 0]).all()[1] ?? []) == [0, 1, 2, 3, 4, 5])
        #expect(try DataFolderWorld.numbers(open.all()[1] ?? []) == [1, 2, 3, 4, 5])
        world.setAside.settle(1, through: 3, oldestAcceptedAt: nil)
        await world.setAside.syncCursors()
        try await world.append(6..<8)
        #expect(world.isSound() && world.setAside.fault != nil)
        try putBack()
        #expect(world.isSound() && world.setAside.fault == nil)
        #expect(try DataFolderWorld.numbers(world.setAside.scan([1: 3]).all()[1] ?? []) == [3, 4, 5, 6, 7])
        await world.stop()
        try world.start()
        #expect(world.isSound() && world.setAside.unit(1)?.settled == 3)
        #expect(try DataFolderWorld.numbers(world.setAside.scan([1: 3]).all()[1] ?? []) == [3, 4, 5, 6, 7])
        await world.stop()
    }

    @Test(
        "dead letters: listed and added to, while they are away and when they are back",
        arguments: ["", "/deadletters", "/deadletters/x", "/deadletters/x/segments"], DataFolderWorld.How.allCases)
    func deadLetters(_ name: String, _ how: DataFolderWorld.How) async throws {
        let world = DataFolderWorld()
        try world.start()
        try await world.append(0..<4)
        let putBack = try world.take(name, how)
        #expect(try await world.letters.list(after: nil, limit: 10).map(\.offset) == [0, 1, 2, 3])
        try await world.append(4..<6)
        #expect(try await world.letters.list(after: 2, limit: 10).map(\.offset) == [3, 4, 5])
        #expect(world.letters.damage == SpoolDamage())
        #expect(world.letters.fault != nil)
        try putBack()
        #expect(world.letters.fault == nil)
        await world.stop()
        try world.start()
        #expect(try await world.letters.list(after: nil, limit: 10).map(\.offset) == [0, 1, 2, 3, 4, 5])
        #expect(world.letters.damage == SpoolDamage())
        await world.stop()
    }

    @Test(
        "the first event that is set aside, and the first dead letter, go to the folder where it is",
        arguments: [("", "/setaside"), ("", "/deadletters"), ("/setaside", "/setaside"), ("/deadletters", "/deadletters")],
        DataFolderWorld.How.allCases)
    func first(_ names: (taken: String, made: String), _ how: DataFolderWorld.How) async throws {
        let world = DataFolderWorld()
        try world.start()
        let putBack = try world.take(names.taken, how)
        try await world.append(0..<2)
        try putBack()
        #expect(try SystemDisk().entries(world.data + names.made) == ["x"])
        await world.stop()
        try world.start()
        #expect(world.setAside.unit(1)?.end == 2 && world.letters.count == 2)
        await world.stop()
    }

    @Test("what goes to quarantine goes with the folder", arguments: spools.prefix(2), DataFolderWorld.How.allCases)
    func quarantine(_ name: String, _ how: DataFolderWorld.How) async throws {
        let world = DataFolderWorld()
        try world.start()
        let a = try await world.spool.cursor("forward/a", route: routeA)
        await world.spool.releasePassedSegments()
        try await world.commit(0..<4)
        let first = world.spool.view.read { $0.segments[0] }
        let bytes = try #require(FileHandle(forUpdatingAtPath: first.path))
        try bytes.seek(toOffset: UInt64(first.header.dataStart + 2000))
        try bytes.write(contentsOf: Data([0]))
        let putBack = try world.take(name, how)
        #expect(try DataFolderWorld.numbers(world.spool.events(from: 0)) == [1, 2, 3])
        a.move(to: 2, settled: 1)
        await world.spool.syncCursors()
        try putBack()
        #expect(world.spool.missing.map(\.sequences) == [0..<1])
        #expect(try SystemDisk().entries(world.data + "/spool/quarantine")?.count == 1)
        await world.stop()
    }

    @Test("removed for good: that is no loss of single files; it is told, nothing is passed and nothing taken", arguments: spools)
    func removed(_ name: String) async throws {
        let world = DataFolderWorld()
        try world.start()
        let a = try await world.spool.cursor("forward/a", route: routeA)
        await world.spool.releasePassedSegments()
        try await world.commit(0..<6)
        try FileManager.default.removeItem(atPath: world.data + name)
        let reader = world.spool.reader(of: a)
        for _ in 0..<2 {
            let error = #expect(throws: ForebayError.self) { try reader.read(upTo: 1 << 20) }
            #expect(error?.systemCode == ESTALE && error?.recovery == .rewindAndRestart)
        }
        #expect(reader.next == 0 && a.sequence == 0 && world.isSound())
        #expect(world.spool.fault?.contains("\(world.data)/spool") == true && world.spool.fault?.contains("was removed") == true)
        await #expect(throws: ForebayError.self) { try await world.commit(6..<8) }
        // Another one in its place is not the one that was opened.
        try FileManager.default.createDirectory(atPath: world.data + "/spool/segments", withIntermediateDirectories: true)
        #expect(world.spool.fault?.contains("was removed") == true)
        #expect(throws: ForebayError.self) { try reader.read(upTo: 1 << 20) }
    }

    @Test("one file that is gone from a folder that is there may be a loss, and is told as one, also where the folder has been away")
    func oneFile() async throws {
        let world = DataFolderWorld()
        try world.start()
        let a = try await world.spool.cursor("forward/a", route: routeA)
        _ = try await world.spool.cursor("forward/b", route: routeB)
        await world.spool.releasePassedSegments()
        try await world.commit(0..<6)
        let putBack = try world.take("", .moved)
        try FileManager.default.removeItem(atPath: SegmentFile.path(of: 2, in: world.base + "/away/spool/segments"))
        try putBack()
        #expect(try DataFolderWorld.numbers(world.spool.events()) == [0, 1, 4, 5])
        #expect(world.spool.missing.map(\.sequences) == [2..<4] && a.sequence == 0)
        await world.stop()
    }

    @Test("what is told of: where a folder is not, and what has its place; of a lock, that it was removed and the folder was not")
    func faults() async throws {
        let world = DataFolderWorld()
        try world.start()
        try await world.commit(0..<2)
        #expect(world.spool.fault == nil)
        for (name, told) in [
            ("", "/spool"), ("/spool", "/spool"), ("/spool/segments", "/spool/segments"), ("/spool/cursors", "/spool/cursors"),
        ] {
            let gone = try world.take(name, .moved)
            #expect(world.spool.fault?.hasPrefix("\(world.data)\(told) is gone") == true)
            try gone()
            let replaced = try world.take(name, .replaced)
            let text = name == told ? "is not the folder that this node opened" : "is gone"
            #expect(world.spool.fault?.hasPrefix("\(world.data)\(told) \(text)") == true, "\(world.spool.fault ?? "-")")
            try replaced()
            #expect(world.spool.fault == nil, "it accepts again")
        }
        try FileManager.default.removeItem(atPath: world.data + "/spool/lock")
        let fault = try #require(world.spool.fault)
        // Nobody else gets the log for that.
        let refused = #expect(throws: ForebayError.self) { try DataFolderWorld(in: world.base).start() }
        #expect(refused?.code == .spoolLocked && !FileManager.default.fileExists(atPath: world.data + "/spool/lock"))
        #expect(fault.hasPrefix("\(world.data)/spool/lock was removed") && !fault.contains("folder was") && !fault.contains("back"))
        await world.stop()
    }

    @Test("a copy of the registry of logs that is damaged is told of once, and written anew")
    func registryCopy() async throws {
        let log = LogCapture()
        defer { log.close() }
        let world = DataFolderWorld()
        func told() -> Int {
            log.records.count { $0.message.hasPrefix("one copy of the registry of logs was damaged") && $0["folder"] == world.data }
        }
        for name in LogRegistry.files {
            try world.start()
            try await world.append(0..<1)
            await world.stop()
            let before = told()
            let path = world.data + "/" + name
            let whole = try Data(contentsOf: URL(filePath: path))
            try Data(whole.dropLast(2)).write(to: URL(filePath: path))
            try world.start()
            #expect(told() == before + 1 && world.isSound(), "\(name)")
            await world.stop()
            try world.start()
            #expect(told() == before + 1, "\(name)")
            await world.stop()
        }
    }

    @Test("it is moved away in the middle of a start that finds no room at first: the second attempt is of the same folder")
    func duringStart() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let (folder, away) = (fixture.directory + "/spool", fixture.directory + "/away")
        var spool = try fixture.open { $0.directory = folder }
        try await spool.append("a", ["0", "1"])
        let id = spool.id
        await spool.close()
        try Data(count: 128 << 10).write(to: URL(filePath: fixture.directory + "/ballast"))
        let disk = FaultDisk()
        let budget = try SpoolBudget(capacity: 1 << 30, directory: fixture.directory, disk: disk, ballast: 128 << 10)
        disk.fail { call, path in call == .write && path == folder + "/mark" && rename(folder, away) == 0 ? ENOSPC : nil }
        spool = try fixture.open(on: disk, budget: budget) { $0.directory = folder }
        disk.fail(nil)
        #expect(!FileManager.default.fileExists(atPath: fixture.directory + "/ballast"), "there was a second attempt")
        #expect(spool.id == id && spool.alarms.isEmpty && spool.missing.isEmpty)
        #expect(try spool.events().map(\.1) == ["0", "1"])
        #expect(spool.fault?.hasPrefix("\(folder) is gone") == true)
        #expect(rename(away, folder) == 0, "nothing was made in its place")
        #expect(spool.fault == nil)
        try await spool.append("a", ["2"])
        await spool.close()
        spool = try fixture.open { $0.directory = folder }
        #expect(try spool.id == id && spool.events().map(\.1) == ["0", "1", "2"])
        await spool.close()
    }
}
