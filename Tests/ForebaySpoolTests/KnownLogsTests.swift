import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What a start says of logs that are gone as a whole: row by row.
@Suite("Known logs: one that is gone is missed")
struct KnownLogsTests {
    /// A data folder in which every log holds something, at rest.
    static func filled() async throws -> DataFolderWorld {
        let world = DataFolderWorld()
        try world.start()
        _ = try await world.spool.cursor("forward/x", route: routeA)
        await world.spool.releasePassedSegments()
        try await world.commit(0..<4)
        try await world.append(0..<2)
        await world.stop()
        return world
    }

    static func alarms(_ world: DataFolderWorld) -> [String] {
        world.spool.alarms.map { "\($0.file.dropFirst(world.data.count + 1)): \($0.text.prefix { $0 != ";" && $0 != ":" })" }
    }

    static let spool = "spool: the spool is gone"
    static let aside = "setaside/x: the folder is gone, and what was set aside in it"
    static let letters = "deadletters/x: the folder is gone, and the dead letters in it"

    @Test(
        "a log's folder, or more than one, is gone, or empty: an alarm that names it, until it is acknowledged, each time anew; the others go on",
        arguments: [
            ["setaside/x"], ["deadletters/x"], ["spool"], ["setaside"], ["deadletters"], ["setaside/x", "spool"],
            ["setaside", "deadletters", "spool"],
        ], [true, false])
    func gone(_ names: [String], isEmptied: Bool) async throws {
        let world = try await Self.filled()
        #expect(try DataFolderInspection.isDataFolder(world.data) && DataFolderInspection(directory: world.data).verify().problems.isEmpty)
        for name in names {
            try FileManager.default.removeItem(atPath: "\(world.data)/\(name)")
            if isEmptied { try SystemDisk().makeFolder("\(world.data)/\(name)") }
        }
        let all = [("deadletters", Self.letters), ("setaside", Self.aside), ("spool", Self.spool)]
        let expected = all.filter { log in names.contains { $0.hasPrefix(log.0) } }.map(\.1)
        let problems = try DataFolderInspection(directory: world.data).verify().problems
        #expect(problems.map { "\($0.file.dropFirst(world.data.count + 1)): \($0.reason.prefix { $0 != ";" && $0 != ":" })" } == expected)
        #expect(try DataFolderInspection.isDataFolder(world.data))
        try world.start()
        #expect(Self.alarms(world) == expected)
        #expect(world.spool.missing.isEmpty)
        #expect((world.setAside.unit(1) == nil) == names.contains { $0.hasPrefix("setaside") })
        #expect((world.letters.count == 0) == names.contains { $0.hasPrefix("deadletters") })
        // It is made anew, and missed again should it be gone again.
        _ = try await world.spool.cursor("forward/x", route: routeA)
        try await world.commit(4..<6)
        try await world.append(2..<3)
        await world.stop()
        // It stays told until somebody acknowledges it, whatever comes to be in its place.
        for isAcknowledged in [false, true, true] {
            try world.start()
            #expect(Self.alarms(world) == (isAcknowledged ? [] : expected))
            if !isAcknowledged { #expect(try await world.spool.acknowledgeAlarms().alarms.count == expected.count) }
            await world.stop()
        }
        for name in names { try FileManager.default.removeItem(atPath: "\(world.data)/\(name)") }
        try world.start()
        #expect(Self.alarms(world) == expected)
        await world.stop()
    }

    @Test("a second loss of the same folder is told of again, acknowledged or not, also of one that was begun while the node ran")
    func again() async throws {
        for isAcknowledged in [false, true] {
            let world = try await Self.filled()
            try FileManager.default.removeItem(atPath: world.data + "/setaside/x")
            for round in 0..<3 {
                try world.start()
                // Of each log that is gone, until somebody has seen it.
                #expect(Self.alarms(world) == [String](repeating: Self.aside, count: isAcknowledged ? 1 : 2 * round + 1))
                if isAcknowledged { _ = try await world.spool.acknowledgeAlarms() }
                let losses = world.spool.witness.losses
                try await world.append(0..<2)
                await world.stop()
                try FileManager.default.removeItem(atPath: world.data + "/setaside/x")
                try world.start()
                #expect(Self.alarms(world) == [String](repeating: Self.aside, count: isAcknowledged ? 1 : 2 * round + 2))
                #expect(world.spool.witness.losses == losses + 1)
                if isAcknowledged { _ = try await world.spool.acknowledgeAlarms() }
                try await world.append(0..<2)
                await world.stop()
                try FileManager.default.removeItem(atPath: world.data + "/setaside/x")
            }
        }
    }

    @Test("a side log that is moved into the data folder of a node that was started once, empty, is read there: that node misses nothing")
    func movedToAnotherNode() async throws {
        for isStarted in [true, false] {
            let (world, other) = (try await Self.filled(), DataFolderWorld())
            if isStarted {
                try other.start()
                await other.stop()
            }
            try? FileManager.default.removeItem(atPath: other.data + "/setaside/x")  // Where the start has made one.
            try FileManager.default.createDirectory(atPath: other.data + "/setaside", withIntermediateDirectories: true)
            try FileManager.default.moveItem(atPath: world.data + "/setaside/x", toPath: other.data + "/setaside/x")
            for _ in 0..<2 {
                try other.start()
                #expect(Self.alarms(other) == (isStarted ? [] : [Self.spool]), "what an older version left has no registry either")
                #expect(other.setAside.unit(1) != nil)
                await other.stop()
            }
        }
    }

    @Test("told of, it is known by its place in the data folder, wherever that is")
    func movedDataFolder() async throws {
        let world = try await Self.filled()
        try FileManager.default.removeItem(atPath: world.data + "/deadletters/x")
        try world.start()
        await world.stop()
        let moved = DataFolderWorld()
        try SystemDisk().makeFolder(moved.base)
        try FileManager.default.copyItem(atPath: world.data, toPath: moved.data)
        try moved.start()
        #expect(Self.alarms(moved) == [Self.letters])
        await moved.stop()
    }

    @Test("a side log that is closed takes nothing more, and says then whether it holds something")
    func closed() async throws {
        let world = DataFolderWorld()
        try world.start()
        let (aside, letters) = (world.setAside!, world.letters!)
        try await world.append(0..<2)
        aside.settle(1, through: 2, oldestAcceptedAt: nil)
        #expect(await SideLogs(deadLetters: letters, setAside: aside).close() == [.setAside])
        await #expect(throws: ForebayError.self) { try await aside.append(new: [unit(2)], [ForebaySpoolTests.aside(2, ["x"])]) }
        await #expect(throws: ForebayError.self) { try await world.append(2..<3) }
        await #expect(throws: ForebayError.self) { try await letters.append([]) }
        await world.stop()
    }

    @Test("the same after a kill, with events that came since the start")
    func killed() async throws {
        let world = DataFolderWorld()
        try world.start()
        try await world.append(0..<2)
        let copy = DataFolderWorld()
        try SystemDisk().makeFolder(copy.base)
        try FileManager.default.copyItem(atPath: world.data, toPath: copy.data)
        await world.stop()
        for name in ["setaside/x", "deadletters/x"] { try FileManager.default.removeItem(atPath: "\(copy.data)/\(name)") }
        try copy.start()
        #expect(Self.alarms(copy) == [Self.letters, Self.aside])
        await copy.stop()
    }

    @Test("another spool in the place of the spool is not the one that was here")
    func anotherSpool() async throws {
        let (world, other) = (try await Self.filled(), try await Self.filled())
        try FileManager.default.removeItem(atPath: world.data + "/spool")
        try FileManager.default.copyItem(atPath: other.data + "/spool", toPath: world.data + "/spool")
        try world.start()
        #expect(Self.alarms(world) == [Self.spool])
        await world.stop()
    }

    @Test("what holds nothing when the node is stopped is not missed")
    func empty() async throws {
        let world = try await Self.filled()
        try world.start()
        world.setAside.settle(1, through: 2, oldestAcceptedAt: nil)
        await world.stop()
        try FileManager.default.removeItem(atPath: world.data + "/setaside/x")
        try world.start()
        #expect(Self.alarms(world) == [])
        // And what comes to hold something is.
        try await world.append(5..<6)
        await world.stop()
        try FileManager.default.removeItem(atPath: world.data + "/setaside/x")
        try world.start()
        #expect(Self.alarms(world) == [Self.aside])
        await world.stop()
    }

    @Test("a log that has another name now is not missed: taken over by a route that was renamed, or renamed by hand")
    func renamed() async throws {
        let world = try await Self.filled()
        try world.start(["y"], formerly: ["x"])
        #expect(Self.alarms(world) == [] && world.setAside.unit(1)?.end == 2 && world.letters.count == 2)
        await world.stop()
        for kind in SideLogFolder.Kind.allCases {
            try FileManager.default.moveItem(atPath: "\(world.data)/\(kind.rawValue)/y", toPath: "\(world.data)/\(kind.rawValue)/z")
        }
        // A command that gives up what is left under the old name finds nothing there, and nothing amiss.
        let known = try KnownLogs(in: world.data, disk: SystemDisk())
        try DataFolderLogs(routes: [], directory: world.data, known: known).folder(.setAside, "y").giveUp(world.budget)
        try world.start(["z"])
        #expect(Self.alarms(world) == [] && world.setAside.unit(1)?.end == 2 && world.letters.count == 2)
        await world.stop()
        try world.start(["z"])
        #expect(Self.alarms(world) == [])
        await world.stop()
    }

    @Test("what was given up is not missed, whenever a kill comes between; what is away can't be given up", arguments: [false, true])
    func givenUp(isKilled: Bool) async throws {
        let world = try await Self.filled()
        try world.start()
        await world.setAside.close()
        let aside = world.logs.folder(.setAside, "x")
        for how in DataFolderWorld.How.allCases {
            let putBack = try world.take("/setaside/x", how)
            #expect(throws: ForebayError.self, "\(how)") { try aside.giveUp(world.budget) }
            try putBack()
        }
        // Nor is another log in its place.
        let putBack = try world.take("/setaside/x", .moved)
        try FileManager.default.copyItem(atPath: world.data + "/deadletters/x", toPath: world.data + "/setaside/x")
        #expect(throws: ForebayError.self) { try aside.giveUp(world.budget) }
        try FileManager.default.removeItem(atPath: world.data + "/setaside/x")
        try putBack()
        if isKilled {
            world.disk.fail { call, path in call == .rename && path.contains("/forgotten/") ? EIO : nil }
            #expect(throws: ForebayError.self) { try aside.giveUp(world.budget) }
            world.disk.fail(nil)
        } else {
            try aside.giveUp(world.budget)
        }
        await world.stop()
        try world.start()
        #expect(Self.alarms(world) == [])
        #expect((world.setAside.unit(1) != nil) == isKilled, "whole or not at all")
        await world.stop()
    }

    @Test("a spool that is away at a start, and is had back: all that waited in it, and the one begun meanwhile is missed")
    func spoolHadBack() async throws {
        let world = try await Self.filled()
        try FileManager.default.moveItem(atPath: world.data + "/spool", toPath: world.base + "/away")
        try world.start()
        #expect(Self.alarms(world) == [Self.spool])
        let cursor = try await world.spool.cursor("forward/x", route: routeA)
        try await world.commit(4..<6)
        #expect(try DataFolderWorld.numbers(world.spool.events()) == [4, 5] && cursor.sequence == 0)
        await world.stop()
        try FileManager.default.moveItem(atPath: world.data + "/spool", toPath: world.base + "/since")
        try FileManager.default.moveItem(atPath: world.base + "/away", toPath: world.data + "/spool")
        try world.start()
        #expect(Self.alarms(world) == [Self.spool])
        #expect(try DataFolderWorld.numbers(world.spool.events()) == [0, 1, 2, 3])
        await world.stop()
    }
}
