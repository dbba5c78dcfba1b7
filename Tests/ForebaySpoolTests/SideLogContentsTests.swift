import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// Side logs as folders: counted, taken over, given up, whatever stands where they go.
@Suite("Side logs: folders")
struct SideLogContentsTests {
    /// A data folder with side logs of some routes.
    private final class World {
        let watched = WatchedDisk()
        let threads = SpoolThreads()
        let budget: SpoolBudget

        init() throws { self.budget = try SpoolBudget(capacity: 1 << 30, directory: self.watched.directory, disk: self.watched.disk) }
        deinit { self.threads.end() }

        var data: String { self.watched.directory }

        func folder(_ kind: SideLogFolder.Kind, _ route: String) -> SideLogFolder {
            SideLogFolder(kind, of: route, in: self.data, disk: self.watched.disk)
        }

        private func open(_ kind: LogKind) -> @Sendable (String) throws(ForebayError) -> Spool {
            let (threads, budget, disk) = (self.threads, self.budget, self.watched.disk)
            return { folder throws(ForebayError) in
                var configuration = SpoolConfiguration(directory: folder, kind: kind, segmentSize: 64 << 10) { fatalError("\($0)") }
                configuration.disk = disk
                return try Spool.open(configuration, budget: budget, threads: threads, metrics: SpoolMetrics(MetricsRegistry()))
            }
        }

        /// A log with so many events, of which some are settled.
        func aside(_ route: String, _ count: Int, settled: UInt64 = 0) async throws {
            let log = try SetAsideLog(directory: self.data + "/setaside/\(route)", disk: self.watched.disk, open: self.open(.setAside))
            try await log.append(new: [unit(1), unit(2)], [ForebaySpoolTests.aside(1, (0..<count).map { "\($0)" })])
            log.settle(1, through: settled, oldestAcceptedAt: nil)
            await log.close()
        }

        func letters(_ route: String, _ count: Int) async throws {
            let letters = try DeadLetters(
                route: route, directory: self.data + "/deadletters/\(route)", disk: self.watched.disk, threads: self.threads,
                open: self.open(.deadLetters))
            let letter = DeadLetter(
                topic: "t", code: "c", reason: "r", eventID: "id", offset: Offset(lane: .spool(.none), number: 0),
                record: batch(routeA, ["x"]).withUnsafeBytes { Array($0) })
            _ = try await letters.append([DeadLetter](repeating: letter, count: count))
            await letters.close()
        }

        /// All files and folders, from the data folder on.
        var names: [String] { get throws { try FileManager.default.subpathsOfDirectory(atPath: self.data).sorted() } }

        func bytes(_ path: String) throws -> [String: Int] {
            var found: [String: Int] = [:]
            for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
                let attributes = try FileManager.default.attributesOfItem(atPath: path + "/" + name)
                if attributes[.type] as? FileAttributeType == .typeRegular { found[name] = attributes[.size] as? Int }
            }
            return found
        }
    }

    @Test("logs are found by their folders, with what waits in them and what they take")
    func found() async throws {
        let world = try World()
        #expect(try SideLogFolder.all(.setAside, in: world.data, disk: world.watched.disk).isEmpty)
        try await world.aside("b", 5, settled: 2)
        try await world.aside("a", 3)
        try await world.letters("a", 4)
        try FileManager.default.createDirectory(atPath: world.data + "/setaside/empty", withIntermediateDirectories: false)
        let found = try SideLogFolder.all(.setAside, in: world.data, disk: world.watched.disk)
        #expect(
            found.map(\.route) == ["a", "b"] && found.map(\.kind) == [.setAside, .setAside] && found[0].path == world.data + "/setaside/a")
        #expect(try found.map { try $0.eventCount() } == [3, 3] && world.folder(.deadLetters, "a").eventCount() == 4)
        #expect(try world.folder(.setAside, "empty").eventCount() == 0 && !world.folder(.setAside, "empty").holdsLog && found[0].holdsLog)
        #expect(SideLogFolder.Kind.allCases.map(\.rawValue) == ["setaside", "deadletters"])
        let files = try world.bytes(found[0].path)
        #expect(try found[0].size() == files.values.reduce(0, +) && files.keys.contains("units"))
        #expect(try world.folder(.setAside, "none").size() == 0 && world.folder(.deadLetters, "none").eventCount() == 0)
    }

    @Test("a log is taken over by its new name, durably; one that waits under that name is not replaced")
    func takeOver() async throws {
        let world = try World()
        #expect(try world.folder(.setAside, "new").takeOver(world.folder(.setAside, "old")) == .nothing)
        try await world.aside("old", 3)
        _ = world.watched.calls()
        #expect(try world.folder(.setAside, "new").takeOver(world.folder(.setAside, "old")) == .taken)
        #expect(world.watched.calls() == ["rename setaside/new", "syncFolder setaside"])
        #expect(try world.folder(.setAside, "new").eventCount() == 3 && !world.folder(.setAside, "old").holdsLog)

        try await world.aside("old", 1)
        #expect(try world.folder(.setAside, "new").takeOver(world.folder(.setAside, "old")) == .refused)
        #expect(try world.folder(.setAside, "new").eventCount() == 3 && world.folder(.setAside, "old").eventCount() == 1)
        try await world.letters("l", 1)
        try await world.letters("k", 1)
        #expect(try world.folder(.deadLetters, "l").takeOver(world.folder(.deadLetters, "k")) == .refused)

        // One in which all is settled makes way, and so does a folder that holds no log.
        try await world.aside("done", 4, settled: 4)
        #expect(try world.folder(.setAside, "done").takeOver(world.folder(.setAside, "old")) == .taken)
        #expect(try world.folder(.setAside, "done").eventCount() == 1 && !world.names.contains { $0.hasPrefix("forgotten/") })
        try FileManager.default.createDirectory(atPath: world.data + "/setaside/empty", withIntermediateDirectories: false)
        #expect(try world.folder(.setAside, "empty").takeOver(world.folder(.setAside, "done")) == .taken)
    }

    @Test(
        "what is kept for the operator, or can't be read, may be something: it is not replaced",
        arguments: ["quarantine", "damage", "unreadable"])
    func keptForTheOperator(_ what: String) async throws {
        let world = try World()
        try await world.aside("old", 1)
        try await world.aside("new", 2, settled: 2)
        let path = world.data + "/setaside/new"
        switch what {
        case "quarantine":
            try FileManager.default.createDirectory(atPath: path + "/quarantine", withIntermediateDirectories: false)
            try Data("x".utf8).write(to: URL(filePath: path + "/quarantine/x"))
        case "damage":
            let segment = path + "/segments/00000000000000000001.segment"
            var bytes = try Data(contentsOf: URL(filePath: segment))
            bytes[8192 + 70] ^= 1
            try bytes.write(to: URL(filePath: segment))
        default: world.watched.fail { $0.hasPrefix("open setaside/new/segments") ? EMFILE : nil }
        }
        #expect(try world.folder(.setAside, "new").takeOver(world.folder(.setAside, "old")) == .refused)
        #expect(try world.folder(.setAside, "old").holdsLog)
    }

    @Test("a log that is given up is set apart first, durably, then removed; its budget gets back what it counted")
    func giveUp() async throws {
        let world = try World()
        try await world.aside("a", 3)
        try await world.aside("stays", 3)
        let path = world.data + "/setaside/a"
        try FileManager.default.createDirectory(atPath: path + "/quarantine", withIntermediateDirectories: false)
        try Data(count: 12_345).write(to: URL(filePath: path + "/quarantine/x"))
        try Data(count: 4321).write(to: URL(filePath: path + "/registry.new"))
        let counted = try world.bytes(path).filter { $0.key == "units" || $0.key.hasPrefix("segments/") }.values.reduce(0, +)
        #expect(counted > 0)
        let used = world.budget.usedBytes
        _ = world.watched.calls()
        try world.folder(.setAside, "a").giveUp(world.budget)
        #expect(world.budget.usedBytes == used - counted)
        let calls = world.watched.calls().filter { !$0.hasPrefix("open") && !$0.contains("syncFolder /") }
        #expect(
            calls.prefix(5) == [
                "makeFolder forgotten", "syncFolder .", "rename forgotten/setaside.a", "syncFolder forgotten", "syncFolder setaside",
            ])
        #expect(
            calls.last == "remove forgotten/setaside.a" && calls.dropFirst(5).allSatisfy { $0.hasPrefix("remove forgotten/setaside.a") })
        #expect(try !world.names.contains { $0.hasPrefix("setaside/a") || $0.hasPrefix("forgotten/") })
        #expect(try world.folder(.setAside, "stays").eventCount() == 3)
        _ = world.watched.calls()
        try world.folder(.setAside, "a").giveUp(world.budget)
        #expect(world.budget.usedBytes == used - counted && world.watched.calls().isEmpty, "there is nothing")
        try await world.letters("a", 2)
        let before = world.budget.usedBytes
        try world.folder(.deadLetters, "a").giveUp()
        #expect(
            try world.budget.usedBytes == before && !world.folder(.deadLetters, "a").holdsLog, "one that was not opened was not counted")
    }

    @Test("what a kill left of a log that was given up goes with the next start, and does not stand in the way of another")
    func leftovers() async throws {
        let world = try World()
        for round in 1...3 {
            try await world.aside("a", round)
            world.watched.fail { $0.hasPrefix("remove forgotten") ? EIO : nil }
            let used = world.budget.usedBytes
            #expect(throws: ForebayError.self) { try world.folder(.setAside, "a").giveUp(world.budget) }
            #expect(world.budget.usedBytes == used, "what is still there still counts")
            world.watched.fail(nil)
        }
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: world.data + "/forgotten").sorted() == [
                "setaside.a", "setaside.a.2", "setaside.a.3",
            ])
        try Data("x".utf8).write(to: URL(filePath: world.data + "/forgotten/file"))
        try SideLogFolder.removeLeftovers(in: world.data, disk: world.watched.disk)
        #expect(try FileManager.default.contentsOfDirectory(atPath: world.data + "/forgotten").isEmpty)
        try SideLogFolder.removeLeftovers(in: world.data + "/none", disk: world.watched.disk)
    }

    @Test("on a full disk the reserve makes room for the name of what goes")
    func fullDisk() async throws {
        let world = try World()
        try await world.aside("a", 1)
        world.watched.disk.tell((free: 200 << 20, total: 1 << 40))
        let budget = try SpoolBudget(capacity: 1 << 30, directory: world.data, disk: world.watched.disk, ballast: 1 << 20)
        budget.makeBallast()
        let isFull = Happenings<Void>()
        world.watched.fail { call in
            if call == "remove ballast" { isFull.add(()) }
            return call.hasPrefix("makeFolder") && isFull.count == 0 ? ENOSPC : nil
        }
        try world.folder(.setAside, "a").giveUp(budget)
        #expect(isFull.count == 1 && !FileManager.default.fileExists(atPath: world.data + "/setaside/a"))
    }
}
