import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What a log goes on without, and an operator is told of all the same: in a line of the process's log, once, with the file and the reason.
@Suite("Spool: what an operator is warned of", .timeLimit(.minutes(1)))
struct WarningTests {
    /// The lines that say something of a folder, and what their data must have.
    private func told(_ log: LogCapture, of folder: String) -> [LogRecord] {
        log.records.filter { record in record.level >= .warning && record.data.contains { $0.value.contains(folder) } }
    }

    private func messages(_ log: LogCapture, of folder: String) -> [String] {
        self.told(log, of: folder).map { String($0.message.prefix { $0 != ";" && $0 != ":" }) }
    }

    @Test("a start: of what it could not mend, which the next one finds again")
    func start() async throws {
        typealias World = RecoveryTableTests.World
        let notSealed = "a segment could not be sealed"
        for (what, isClean, damage, failing, expected) in [
            ("no footer", false, { _ in }, [(.truncate, "4.segment", ENOSPC)], [notSealed]),
            (
                "nothing is written", false, { _ in }, [(.write, "4.segment", EIO)],
                ["the last groups could not be written again", notSealed]
            ),
            (
                "files",
                true,
                { world in
                    try world.change(world.path(2)) { $0[40] ^= 4 }
                    try world.change(world.directory + "/registry.copy") { $0[30] ^= 1 }
                    try world.remove(world.directory + "/lock")
                    try SystemDisk().makeFolder(world.directory + "/lock")
                }, [(.write, "2.segment", EIO), (.open, "/registry.new", ENOSPC)],
                [
                    "something that is no file has the name of one", "one copy of a segment's header was damaged",
                    "a segment's header could not be written", "the registry of cursors could not be written",
                ]
            ),
        ] as [(String, Bool, (World) throws -> Void, [(FaultDisk.Call, String, Int32)], [String])] {
            let world = try await World(isClean: isClean), disk = FaultDisk()
            try damage(world)
            disk.fail { call, path in failing.first { call == $0.0 && path.hasSuffix($0.1) }?.2 }
            let log = LogCapture()
            defer { log.close() }
            let spool = try world.fixture.open(on: disk)
            #expect(self.messages(log, of: world.directory) == expected, "\(what)")
            #expect(try spool.events().map(\.0) == Array(0..<7) && spool.damage == SpoolDamage(), "\(what)")
            disk.fail(nil)
            await spool.close()
        }
    }

    @Test("a segment that can't be ended or sealed, with its file and why; it is as it was")
    func notEnded() throws {
        let log = LogCapture()
        defer { log.close() }
        let path = "/none/" + UUID().uuidString, id = spoolID("0123456789ABCDEF")
        var info = SegmentInfo(
            header: SegmentHeader(log: id, origin: id, number: 1, base: 0, salt: 1, madeAt: 0), path: path, end: 3, dataEnd: 8192,
            size: 9000)
        let seal = SegmentSeal(SystemDisk())
        seal.end(&info, checksum: 0)
        #expect(self.messages(log, of: path) == ["a damaged segment could not be ended"] && !info.hasFooter && info.size == 9000)
        seal.seal(&info, checksum: 0)
        #expect(self.messages(log, of: path).dropFirst() == ["a segment could not be sealed"] && !info.hasFooter && info.size == 9000)
        #expect(self.told(log, of: path).allSatisfy { $0["file"] == path && $0["error"]?.contains("open") == true })
        info.isDamaged = true
        seal.seal(&info, checksum: 0)
        #expect(self.told(log, of: path).count == 2, "a damaged one stays as it is")
    }

    @Test("a refused group that can't be taken back, and a file that was removed while it was in use")
    func commits() async throws {
        let log = LogCapture()
        defer { log.close() }
        let fixture = SpoolFixture(), disk = FaultDisk()
        let spool = try fixture.open(on: disk)
        try await spool.append("a", ["0"])
        disk.fail { call, path in
            guard path.contains("/segments/") else { return nil }
            return call == .write ? ENOSPC : call == .truncate ? EIO : nil
        }
        await #expect(throws: ForebayError.self) { try await spool.append("a", ["no"]) }
        disk.fail(nil)
        let refused = try fixture.segmentFiles()
        #expect(self.messages(log, of: fixture.directory) == ["a group that was refused could not be taken back"])
        #expect(self.told(log, of: fixture.directory).map { $0["file"] } == refused)
        try await spool.append("a", ["1"])
        let file = try #require(try fixture.segmentFiles().last)
        #expect(try spool.events().map(\.1) == ["0", "1"])
        try FileManager.default.removeItem(atPath: file)
        for _ in 0..<2 {
            let error = await #expect(throws: ForebayError.self) { try await spool.append("a", ["no"]) }
            #expect(error?.message == spool.fault && spool.fault?.hasPrefix(file + " was removed while it was in use") == true)
        }
        let told = self.told(log, of: fixture.directory).dropFirst()
        #expect(told.map(\.message) == ["nothing can be kept any more: start the node again"] && told.map { $0["reason"] } == [spool.fault])
        #expect(told.map(\.level) == [.error])
        await spool.close()
    }

    @Test("a next segment that can't be made ready: no file and no room is left of it")
    func prepare() async throws {
        let log = LogCapture()
        defer { log.close() }
        let fixture = SpoolFixture(), disk = FaultDisk()
        let budget = try SpoolBudget(capacity: 1 << 30, directory: fixture.directory, disk: disk)
        let spool = try fixture.open(preparesNext: true, on: disk, budget: budget)
        disk.fail { call, path in
            guard path.hasSuffix("/prepared-1") else { return nil }
            if call == .remove { disk.tell((free: 7 << 20, total: 1 << 40)) }
            return call == .write ? EMFILE : nil
        }
        await spool.releasePassedSegments()
        #expect(await eventually { !self.told(log, of: fixture.directory).isEmpty })
        #expect(self.messages(log, of: fixture.directory) == ["the next segment could not be prepared"])
        await spool.close()
        disk.fail(nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.segmentsFolder).isEmpty && budget.usedBytes == 0)
        #expect(budget.roomBesideBallast == 7 << 20, "what the disk has now")
    }

    @Test("an alarm that can't be written is warned of when that begins, and again when it has been written between")
    func alarm() throws {
        let log = LogCapture()
        defer { log.close() }
        let disk = FaultDisk(), folder = NSTemporaryDirectory() + "forebay-warned-" + UUID().uuidString
        try SystemDisk().makeFolder(folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }  // A temporary folder.
        let reporter = SpoolReporter(directory: folder, metrics: SpoolMetrics(MetricsRegistry()), time: ManualClock())
        let file = AlarmFile(disk: disk, directory: folder, log: spoolID("0123456789ABCDEF"), budget: nil)
        try reporter.remember(file, passed: 0, firstSegment: 0)
        func warnings() -> Int {
            self.told(log, of: folder).count { $0.message.hasPrefix("an alarm could not be written to disk") && $0["folder"] == folder }
        }
        for (isFailing, isSaved, count) in [(true, false, 1), (true, false, 1), (false, true, 1), (true, false, 2), (false, true, 2)] {
            disk.fail { call, path in call == .write && isFailing && path.contains("/alarms") ? EIO : nil }
            reporter.report(SpoolAlarm(file: folder, text: UUID().uuidString))
            #expect(reporter.isSaved == isSaved && warnings() == count)
        }
        #expect(
            self.messages(log, of: folder).prefix(2) == [
                "something of the log is damaged or gone", "an alarm could not be written to disk",
            ],
            "first what it is")
    }

    @Test("the logs of a data folder that could not be written down, at a start and at a stop")
    func registry() async throws {
        let text = "the registry of logs could not be written"
        let failing: @Sendable (DataFolderWorld) -> Void = { world in
            world.disk.fail { [data = world.data] call, path in call == .open && path == data + "/registry.new" ? ENOSPC : nil }
        }
        let log = LogCapture()
        defer { log.close() }
        // A start, with something that waits; and a stop.
        var world = try await KnownLogsTests.filled()
        for name in LogRegistry.files { try FileManager.default.removeItem(atPath: "\(world.data)/\(name)") }
        failing(world)
        try world.start()
        #expect(self.messages(log, of: world.data) == [text] && self.told(log, of: world.data).first?["folder"] == world.data)
        await world.stop()
        #expect(self.messages(log, of: world.data) == [text, text], "what the start could not write is tried with each change")
        #expect(self.told(log, of: world.data).allSatisfy { $0["folder"] == world.data })
        world.disk.fail(nil)
        // How far the spool went.
        world = DataFolderWorld()
        try world.start()
        try await world.commit(0..<1)
        failing(world)
        await world.stop()
        #expect(self.messages(log, of: world.data) == [text])
        world.disk.fail(nil)
        // The spool is gone: entered before a new one is made, if that can be written.
        world = DataFolderWorld()
        try SystemDisk().makeFolder(world.base)
        try SystemDisk().makeFolder(world.data)
        try Data().write(to: URL(filePath: world.data + "/ballast"))
        failing(world)
        #expect(throws: ForebayError.self) { try world.start() }
        #expect(self.messages(log, of: world.data) == [text, "something of the log is damaged or gone"])
        world.disk.fail(nil)
        await world.stop()
        try world.start()
        #expect(world.spool.alarms.map(\.file) == [world.data + "/spool"])
        await world.stop()
    }

    @Test("what was given up and can't be removed; dead letters that a renamed route can't take over, beside its own")
    func sideLogs() async throws {
        let log = LogCapture()
        defer { log.close() }
        let world = try await KnownLogsTests.filled()
        try world.start(["y"])
        try await world.append(2..<3)
        await world.stop()
        try FileManager.default.createDirectory(atPath: world.data + "/forgotten/setaside.z", withIntermediateDirectories: true)
        try Data("x".utf8).write(to: URL(filePath: world.data + "/forgotten/setaside.z/file"))
        world.disk.fail { call, path in call == .remove && path.contains("/forgotten/") ? EIO : nil }
        try world.start(["y"], formerly: ["x"])
        let told = self.told(log, of: world.data).filter { $0.level == .warning }
        #expect(told.count { $0.message == "what was given up could not be removed from disk" } == 1)
        let refused = told.filter { $0["folder"] == world.data + "/deadletters/x" }
        #expect(
            refused.map { $0["route"] } == ["y"] && refused.map { $0["formerly"] } == ["x"]
                && refused.map { $0["what"] } == ["dead letters"])
        world.disk.fail(nil)
        await world.stop()
        try world.start(["y"], formerly: ["x"])
        #expect(!FileManager.default.fileExists(atPath: world.data + "/forgotten/setaside.z"))
        await world.stop()
    }

    @Test("something that has a file's name and can't be moved away is told of all the same")
    func notPutAside() throws {
        let log = LogCapture()
        defer { log.close() }
        let watched = WatchedDisk(), folder = Folder(watched.disk)
        try SystemDisk().makeFolder(watched.directory + "/lock")
        watched.fail { $0.hasPrefix("rename ") ? EIO : nil }
        #expect(throws: ForebayError.self) { try folder.putAsideUnlessFile(watched.directory + "/lock", of: watched.directory) }
        let told = self.told(log, of: watched.directory)
        #expect(told.map(\.level) == [.error] && told.map { $0["path"] } == [watched.directory + "/lock"])
        watched.fail(nil)
        try folder.putAsideUnlessFile(watched.directory + "/lock", of: watched.directory)
        try folder.putAsideUnlessFile(watched.directory + "/lock", of: watched.directory)
        #expect(self.told(log, of: watched.directory).count == 2, "nothing is there any more")
    }
}
