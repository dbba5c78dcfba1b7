import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

extension KnownLogsTests {
    @Test(
        "a log that is away at a start is missed, and had back at a later one with all that is in it",
        arguments: ["setaside", "deadletters"])
    func hadBack(_ kind: String) async throws {
        let world = try await Self.filled()
        let path = "\(world.data)/\(kind)/x"
        try FileManager.default.moveItem(atPath: path, toPath: world.base + "/away")
        try world.start()
        #expect(Self.alarms(world) == [kind == "setaside" ? Self.aside : Self.letters])
        await world.stop()
        #expect(try DataFolderInspection(directory: world.data).verify().problems.count == 1)
        try FileManager.default.moveItem(atPath: world.base + "/away", toPath: path)
        #expect(try DataFolderInspection(directory: world.data).verify().problems.isEmpty, "as the start that follows")
        try world.start()
        #expect(Self.alarms(world) == [] && world.setAside.unit(1)?.end == 2 && world.letters.count == 2)
        await world.stop()
        try FileManager.default.removeItem(atPath: path)
        try world.start()
        #expect(Self.alarms(world) == [kind == "setaside" ? Self.aside : Self.letters], "it is known again")
        await world.stop()
    }

    @Test("a log that is given up while an inspection looks is not missed by it; one that is deleted is")
    func givenUpMeanwhile() async throws {
        let world = try await Self.filled()
        try world.start()
        await world.setAside.close()
        let inspection = try DataFolderInspection(directory: world.data)
        try world.logs.folder(.setAside, "x").giveUp(world.budget)
        #expect(try inspection.verify().problems.isEmpty)
        let next = try DataFolderInspection(directory: world.data)
        try FileManager.default.removeItem(atPath: world.data + "/deadletters/x")
        #expect(try next.verify().problems.map(\.file) == [world.data + "/deadletters/x"])
        await world.stop()
    }

    @Test("what is wrong with several logs is told log by log, the spool's first")
    func logByLog() async throws {
        let world = try await Self.filled()
        let names = ["spool"] + SideLogFolder.Kind.allCases.map { "\($0.rawValue)/x" }
        for name in names {
            let folder = "\(world.data)/\(name)/segments"
            let file = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).sorted().first)
            var bytes = try Data(contentsOf: URL(filePath: "\(folder)/\(file)"))
            bytes[8192 + 100] ^= 1
            try bytes.write(to: URL(filePath: "\(folder)/\(file)"))
        }
        let problems = try DataFolderInspection(directory: world.data).verify().problems
        #expect(
            problems.map { problem in names.first { problem.file.hasPrefix("\(world.data)/\($0)/segments/") } } == names, "\(problems)")
    }

    @Test("a log in the place of one of another kind: a start is refused, and an inspection says so")
    func otherKind() async throws {
        let world = try await Self.filled()
        for (from, to) in [("spool", "setaside/x"), ("deadletters/x", "spool"), ("setaside/x", "deadletters/x")] {
            let copy = DataFolderWorld()
            try FileManager.default.createDirectory(atPath: copy.base, withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: world.data, toPath: copy.data)
            try FileManager.default.removeItem(atPath: "\(copy.data)/\(to)")
            try FileManager.default.copyItem(atPath: "\(world.data)/\(from)", toPath: "\(copy.data)/\(to)")
            let problems = try DataFolderInspection(directory: copy.data).verify().problems
            #expect(problems.contains { $0.file.hasSuffix(to) && $0.reason.hasPrefix("a log of ") }, "\(from)")
            #expect { try copy.start() } throws: { "\($0)".contains("\(to) is a log of ") }
        }
    }

    @Test(
        "a spool that is gone, and that no registry names, is missed after a start that was cut short, too",
        arguments: ["ballast", "setaside/x"])
    func cutShort(_ left: String) async throws {
        let world = try await Self.filled()
        try Data(count: 4096).write(to: URL(filePath: world.data + "/ballast"))
        for name in LogRegistry.files + ["spool", "setaside/x", "deadletters/x", "ballast"] where name != left {
            try FileManager.default.removeItem(atPath: "\(world.data)/\(name)")
        }
        for _ in 0..<2 { try await Self.startCutShort(world) }
        for isAcknowledged in [false, true, true] {
            try world.start()
            #expect(world.spool.alarms.map(\.file) == (isAcknowledged ? [] : [world.data + "/spool"]))
            if !isAcknowledged { _ = try await world.spool.acknowledgeAlarms() }
            await world.stop()
        }
    }

    /// A new spool is there, and nothing was told: the process is killed before.
    private static func startCutShort(_ world: DataFolderWorld) async throws {
        let disk = try DataFolderLogs.hold(world.data, on: SystemDisk())
        let known = try KnownLogs(in: world.data, disk: disk)
        var configuration = SpoolConfiguration(directory: world.data + "/spool", segmentSize: 64 << 10) { fatalError("\($0)") }
        configuration.disk = disk
        let budget = try SpoolBudget(capacity: 1 << 30, directory: world.data, disk: disk)
        let spool = try known.open(configuration, budget: budget, threads: world.threads, metrics: SpoolMetrics(MetricsRegistry()))
        _ = try await spool.cursor("forward/x", route: routeA)
        await spool.close()
    }

    @Test("a spool that a start cut short has missed, and is back, is not missed any more")
    func cutShortHadBack() async throws {
        let world = try await Self.filled()
        for name in LogRegistry.files { try FileManager.default.removeItem(atPath: "\(world.data)/\(name)") }
        try FileManager.default.moveItem(atPath: world.data + "/spool", toPath: world.base + "/away")
        try await Self.startCutShort(world)
        try FileManager.default.removeItem(atPath: world.data + "/spool")
        try FileManager.default.moveItem(atPath: world.base + "/away", toPath: world.data + "/spool")
        #expect(try DataFolderInspection(directory: world.data).verify().problems.isEmpty)
        try world.start()
        #expect(world.isSound() && world.spool.durableEnd == 4)
        await world.stop()
    }

    @Test("one log gone, another begun in its place and gone: the return of one does not take away the alarm of the other")
    func goneOneAfterTheOther() async throws {
        for back in ["first", "second"] {
            let world = try await Self.filled()
            let path = world.data + "/setaside/x"
            for name in ["first", "second"] {
                try FileManager.default.moveItem(atPath: path, toPath: "\(world.base)/\(name)")
                try world.start()
                if name == "first" { try await world.append(0..<2) }
                await world.stop()
            }
            try world.start()
            #expect(Self.alarms(world) == [Self.aside, Self.aside])
            await world.stop()
            if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
            try FileManager.default.moveItem(atPath: "\(world.base)/\(back)", toPath: path)
            try world.start()
            #expect(Self.alarms(world) == [Self.aside], "\(back)")
            await world.stop()
        }
    }

    @Test("a spool that no registry names takes nothing: a start that can't enter it fails, but for want of room where something waits")
    func notEntered() async throws {
        for number in [EIO, ENOSPC] {
            for isFilled in [false, true] {
                let world = isFilled ? try await Self.filled() : DataFolderWorld()
                let registry = world.data + "/registry.new"
                for name in LogRegistry.files where isFilled { try FileManager.default.removeItem(atPath: "\(world.data)/\(name)") }
                world.disk.fail { call, path in call == .write && path == registry ? number : nil }
                let isTaken = isFilled && number == ENOSPC
                if !isTaken {
                    #expect(throws: ForebayError.self) { try world.start() }
                    world.disk.fail(nil)
                    await world.stop()
                }
                try world.start()
                #expect(world.isSound() && world.spool.durableEnd == (isFilled ? 4 : 0))
                await world.stop()
                // One that is known is not held up by what can't be written.
                world.disk.fail(nil)
                try world.start()
                await world.stop()
                world.disk.fail { call, path in call == .write && path == registry ? number : nil }
                try world.start()
                #expect(world.isSound())
                await world.stop()
            }
        }
    }

    @Test("a spool in which nothing was ever accepted is not missed where the registry is, and the reserve's file or a side log is there")
    func unusedIsThere() async throws {
        let world = DataFolderWorld()
        try world.start()
        try await world.append(0..<1)
        await world.stop()
        for name in LogRegistry.files { try FileManager.default.removeItem(atPath: "\(world.data)/\(name)") }
        try Data().write(to: URL(filePath: world.data + "/ballast"))
        try world.start()
        #expect(Self.alarms(world) == [] && world.spool.durableEnd == 0 && world.letters.count == 1)
        await world.stop()
    }
}
