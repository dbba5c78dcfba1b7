import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

extension KnownLogsTests {
    @Test("a log whose giving up was written to one copy alone, and failed, is still there: it is missed when it is gone")
    func halfWritten() async throws {
        let world = try await Self.filled()
        try world.start()
        let copy = world.data + "/registry.copy.new"
        world.disk.fail { call, path in call == .write && path == copy ? EIO : nil }
        #expect(throws: ForebayError.self) { try world.logs.folder(.setAside, "x").giveUp(world.budget) }
        world.disk.fail(nil)
        #expect(world.setAside.unit(1)?.end == 2)
        await world.stop()
        try FileManager.default.removeItem(atPath: world.data + "/setaside/x")
        try world.start()
        #expect(Self.alarms(world) == [Self.aside])
        await world.stop()
    }

    @Test("what stands in the files already is not written again")
    func notWrittenAgain() async throws {
        let world = try await Self.filled()
        try world.start()
        let writes = Happenings<String>(), data = world.data
        world.disk.fail { call, path in
            if call == .write, path.hasPrefix(data + "/registry") { writes.add(path) }
            return nil
        }
        for _ in 0..<3 { world.logs.finishStop(empty: []) }
        await world.stop()
        #expect(writes.all.isEmpty)
        try world.start()
        try await world.commit(4..<5)
        await world.stop()
        #expect(writes.count == 2, "how far the spool goes, in both")
    }

    @Test("one that was given up while the node runs is not taken up again with what is opened then")
    func givenUpBeforeAnother() async throws {
        let world = try await Self.filled()
        try world.start(["x", "y"])
        try world.logs.folder(.setAside, "x").giveUp(world.budget)
        try await world.append(2..<3)
        let registry = try LogRegistry.read(SystemDisk(), of: world.data).registry
        #expect(registry?.logs.keys.sorted() == ["deadletters/x", "deadletters/y", "setaside/y", "spool"])
        await world.stop()
        try world.start(["x", "y"])
        #expect(Self.alarms(world) == [])
        await world.stop()
    }

    @Test(
        "a single event is as much to wait for as many: its spool takes up where the registry finds no room, and is not taken for a new one"
    )
    func singleEvent() async throws {
        let world = DataFolderWorld()
        try world.start()
        _ = try await world.spool.cursor("forward/x", route: routeA)
        try await world.commit(0..<1)
        await world.stop()
        for name in LogRegistry.files { try FileManager.default.removeItem(atPath: "\(world.data)/\(name)") }
        let registry = world.data + "/registry.new"
        world.disk.fail { call, path in call == .write && path == registry ? ENOSPC : nil }
        try world.start()
        #expect(world.isSound() && world.spool.durableEnd == 1)
        await world.stop()
        world.disk.fail(nil)
        // As after a start that missed it and was cut short.
        var cutShort = LogRegistry()
        cutShort.logs = [KnownLogs.spool: SpoolID.none]
        try cutShort.write(SystemDisk(), to: world.data)
        try world.start()
        #expect(world.isSound() && world.spool.durableEnd == 1)
        await world.stop()
    }

    @Test("first it is told that the registry can't be read, then what is gone all the same")
    func toldInOrder() async throws {
        let world = try await Self.filled()
        for name in LogRegistry.files { try Data("garbage".utf8).write(to: URL(filePath: "\(world.data)/\(name)")) }
        try FileManager.default.removeItem(atPath: world.data + "/spool")
        try world.start()
        #expect(Self.alarms(world) == ["registry: the registry of logs can't be read", "spool: the spool is gone"])
        await world.stop()
    }

    @Test("what a former name left, and is empty, goes with the start that finds it so, and is not missed by it")
    func emptyFormer() async throws {
        let world = try await Self.filled()
        try world.start(["y"])
        try await world.append(2..<3)
        await world.stop()
        try world.start(["y", "x"])
        world.setAside.settle(1, through: 2, oldestAcceptedAt: nil)
        let copy = DataFolderWorld()
        try SystemDisk().makeFolder(copy.base)
        try FileManager.default.copyItem(atPath: world.data, toPath: copy.data)
        await world.stop()
        try copy.start(["y"], formerly: ["x"])
        #expect(!Self.alarms(copy).contains(Self.aside) && !FileManager.default.fileExists(atPath: copy.data + "/setaside/x"))
        #expect(copy.setAside.unit(1)?.end == 1)
        await copy.stop()
    }

    @Test("a copy of a log that is open is refused as one, also where the registry can't be written")
    func copyMeanwhile() async throws {
        let world = DataFolderWorld()
        try world.start(["y"])
        try await world.append(0..<1)
        try await world.commit(0..<1)
        let (mine, copy) = (world.data + "/setaside/y", world.data + "/setaside/x")
        try FileManager.default.copyItem(atPath: mine, toPath: copy)
        world.disk.fail { call, path in call == .write && path.hasSuffix("/data/registry.new") ? EIO : nil }
        #expect {
            try SetAsideLog(directory: copy, disk: world.held, open: world.opening(.setAside))
        } throws: {
            "\($0)".contains("\(copy) is a copy of \(mine)")
        }
        world.disk.fail(nil)
        await world.stop()
    }

    @Test("a log that is given up takes no other's name along that is gone")
    func givenUpAlone() async throws {
        let world = try await Self.filled()
        try FileManager.default.removeItem(atPath: world.data + "/deadletters/x")
        let known = try KnownLogs(in: world.data, disk: SystemDisk())
        try DataFolderLogs(routes: [], directory: world.data, known: known).folder(.setAside, "x").giveUp(world.budget)
        try world.start()
        #expect(Self.alarms(world) == [Self.letters])
        await world.stop()
    }

    @Test("an empty log that can't be looked at when the node stops is told; how far the others went is known all the same")
    func emptyNotLookedAt() async throws {
        let log = LogCapture()
        defer { log.close() }
        let world = try await Self.filled()
        try world.start(["y"])
        try await world.commit(4..<6)
        world.disk.fail { call, path in call == .open && path.contains("/setaside/x/registry") ? EMFILE : nil }
        world.logs.finishStop(empty: [(.setAside, "x")])
        let told = log.records(label: "node").filter { $0["folder"] == world.data && $0.message == "empty logs could not be looked at" }
        #expect(told.map(\.level) == [.warning] && told.first?["error"]?.contains("/setaside/x/registry") == true)
        world.disk.fail(nil)
        #expect(try LogRegistry.read(SystemDisk(), of: world.data).registry?.ends["spool"] == 6)
        await world.stop()
    }
}
