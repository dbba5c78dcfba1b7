import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// The registry of logs itself: its copies, and where it can't be written.
extension KnownLogsTests {
    private static let files = LogRegistry.files

    @Test(
        "one copy is gone, empty, garbage or a folder: the other one counts, and it is made anew", arguments: [0, 1],
        ["gone", "empty", "garbage", "folder"])
    func oneCopy(_ number: Int, _ damage: String) async throws {
        let world = try await Self.filled()
        let path = "\(world.data)/\(Self.files[number])"
        try Self.damage(path, damage)
        try FileManager.default.removeItem(atPath: world.data + "/setaside/x")
        try world.start()
        #expect(Self.alarms(world) == [Self.aside])
        await world.stop()
        let copies = Self.files.map { FileManager.default.contents(atPath: "\(world.data)/\($0)") }
        #expect(copies[0] != nil && copies[0] == copies[1])
    }

    private static func damage(_ path: String, _ how: String) throws {
        switch how {
        case "gone": try FileManager.default.removeItem(atPath: path)
        case "folder":
            try FileManager.default.removeItem(atPath: path)
            try FileManager.default.createDirectory(atPath: path + "/x", withIntermediateDirectories: true)
        case "empty": try Data().write(to: URL(filePath: path))
        default: try Data("forebay-logs 1\ngeneration 7\ncrc32c 0\n".utf8).write(to: URL(filePath: path))
        }
    }

    @Test("both copies can't be read: an alarm; made anew from the logs that are there")
    func bothCopies() async throws {
        let world = try await Self.filled()
        for name in Self.files { try Self.damage("\(world.data)/\(name)", "garbage") }
        try world.start()
        #expect(Self.alarms(world) == ["registry: the registry of logs can't be read"])
        await world.stop()
        try FileManager.default.removeItem(atPath: world.data + "/deadletters/x")
        try world.start()
        #expect(Self.alarms(world) == [Self.letters])
        await world.stop()
    }

    @Test("a folder of an older version has none: no alarm, and it has one from then on")
    func olderVersion() async throws {
        let world = try await Self.filled()
        for name in Self.files { try Self.damage("\(world.data)/\(name)", "gone") }
        try world.start()
        #expect(Self.alarms(world) == [])
        await world.stop()
        #expect(
            try LogRegistry.read(SystemDisk(), of: world.data).registry?.logs.keys.sorted() == ["deadletters/x", "setaside/x", "spool"])
    }

    @Test(
        "without a registry: side logs, or the reserve's file, and no spool is an alarm; a new folder is none",
        arguments: [("setaside/x", true), ("deadletters/x", true), ("ballast", true), ("nothing", false)], [true, false])
    func noRegistry(_ left: (name: String, isTold: Bool), isEmptied: Bool) async throws {
        let world = try await Self.filled()
        try Data(count: 4096).write(to: URL(filePath: world.data + "/ballast"))
        for name in Self.files + ["spool", "setaside/x", "deadletters/x", "ballast"] where name != left.name {
            try FileManager.default.removeItem(atPath: "\(world.data)/\(name)")
        }
        if isEmptied { try SystemDisk().makeFolder(world.data + "/spool") }
        try world.start()
        #expect(Self.alarms(world) == (left.isTold ? [Self.spool] : []))
        await world.stop()
    }

    @Test("a log is known before anything is in it; where that can't be written, nothing is taken for stored")
    func enteredFirst() async throws {
        let world = DataFolderWorld()
        try world.start()
        let before = world.budget.usedBytes
        world.disk.fail { call, path in call == .rename && path.hasSuffix("/data/registry") ? ENOSPC : nil }
        await #expect(throws: ForebayError.self) { try await world.append(0..<1) }
        world.disk.fail { call, path in call == .write && path.hasSuffix("/registry.copy.new") ? EIO : nil }
        await #expect(throws: ForebayError.self) { try await world.append(0..<1) }
        world.disk.fail(nil)
        let used = world.budget.usedBytes
        #expect(used == before)
        try await world.append(0..<1)
        #expect(world.budget.usedBytes > used && world.setAside.unit(1)?.end == 1 && world.letters.count == 1)
        #expect(try LogRegistry.read(SystemDisk(), of: world.data).registry?.logs.count == 3)
        await world.stop()
        try world.start()
        #expect(world.setAside.unit(1)?.end == 1 && world.letters.count == 1 && Self.alarms(world) == [])
        await world.stop()
    }

    @Test("a start does not need it written: a full disk")
    func fullDisk() async throws {
        let world = try await Self.filled()
        try Self.damage("\(world.data)/registry", "garbage")
        world.disk.fail { call, path in path.contains("/data/registry") && call != .read && !path.hasSuffix("y") ? ENOSPC : nil }
        try world.start()
        #expect(Self.alarms(world) == [] && world.setAside.unit(1)?.end == 2)
        world.disk.fail(nil)
        await world.stop()
    }

    @Test("what a start could not write on a full disk is written with the next log")
    func writtenLater() async throws {
        let world = try await Self.filled()
        for name in Self.files { try Self.damage("\(world.data)/\(name)", "gone") }
        world.disk.fail { call, path in call == .open && path.hasSuffix("/data/registry.new") ? ENOSPC : nil }
        try world.start(["y"])
        #expect(try LogRegistry.read(SystemDisk(), of: world.data).registry == nil)
        world.disk.fail(nil)
        try await world.append(0..<1)
        #expect(
            try LogRegistry.read(SystemDisk(), of: world.data).registry?.logs.keys.sorted() == ["deadletters/y", "setaside/y", "spool"])
        await world.stop()
    }
}
