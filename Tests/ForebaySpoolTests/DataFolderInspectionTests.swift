import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

/// A data folder, and a log in it, looked at from outside while others change it.
@Suite("Inspection: a folder, and what changes while it is looked at")
struct DataFolderInspectionTests {
    @Test("what says that a node has had its logs in a folder: any of them, or a copy of their registry, but no segments of its own")
    func isDataFolder() throws {
        let folder = NSTemporaryDirectory() + "forebay-folder-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }  // A temporary folder.
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        #expect(try !DataFolderInspection.isDataFolder(folder) && !DataFolderInspection.isDataFolder(folder + "/none"))
        for name in ["spool", "setaside", "deadletters"] + LogRegistry.files {
            try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
            #expect(try DataFolderInspection.isDataFolder(folder), "\(name)")
            try FileManager.default.createDirectory(atPath: folder + "/segments", withIntermediateDirectories: true)
            #expect(try !DataFolderInspection.isDataFolder(folder), "a log's own folder")
            for name in [name, "segments"] { try FileManager.default.removeItem(atPath: "\(folder)/\(name)") }
        }
    }

    @Test("what was looked at is told of all logs together")
    func sums() async throws {
        let world = try await KnownLogsTests.filled()
        let whole = try DataFolderInspection(directory: world.data).verify()
        let parts = try ["spool", "setaside/x", "deadletters/x"].map { try SpoolInspection(directory: "\(world.data)/\($0)").verify() }
        #expect(parts.allSatisfy { $0.segments > 0 && $0.frames > 0 && $0.events > 0 && $0.bytes > 0 })
        #expect(whole.segments == parts.reduce(0) { $0 + $1.segments } && whole.frames == parts.reduce(0) { $0 + $1.frames })
        #expect(whole.events == parts.reduce(0) { $0 + $1.events } && whole.bytes == parts.reduce(0) { $0 + $1.bytes })
        #expect(whole.problems.isEmpty)
    }

    @Test("a log in the place of another kind is named, without a place in it")
    func otherKind() async throws {
        let world = try await KnownLogsTests.filled()
        try FileManager.default.removeItem(atPath: world.data + "/spool")
        try FileManager.default.copyItem(atPath: world.data + "/deadletters/x", toPath: world.data + "/spool")
        let problem = try #require(try DataFolderInspection(directory: world.data).verify().problems.first)
        #expect(problem.file == world.data + "/spool" && problem.position == 0 && problem.missing == 0..<0)
    }

    /// A log with a cursor whose file is gone: something to tell.
    private func damaged() async throws -> SpoolFixture {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        for route in ["a", "b"] { _ = try await spool.forward(route) }
        try await spool.append("a", ["0"])
        await spool.close()
        try FileManager.default.removeItem(atPath: fixture.directory + "/cursors/forward.b")
        return fixture
    }

    /// How often the mark is opened: as often in each attempt.
    private final class Attempts: Sendable {
        let disk = FaultDisk()
        private let opened = Mutex(0)

        var count: Int { self.opened.withLock { $0 } }

        /// - Parameter body: the error of a call that opens it, by how many there were before.
        func watch(_ body: @escaping @Sendable (Int) -> Int32?) {
            self.opened.withLock { $0 = 0 }
            self.disk.fail { call, path in
                guard call == .open, path.hasSuffix("/mark") else { return nil }
                return body(
                    self.opened.withLock { count in
                        defer { count += 1 }
                        return count
                    })
            }
        }
    }

    @Test("a file that goes while a start is rehearsed has it rehearsed again, five times in all; any other failure is told at once")
    func goes() async throws {
        let fixture = try await self.damaged(), attempts = Attempts()
        let inspection = try SpoolInspection(directory: fixture.directory, disk: attempts.disk)
        attempts.watch { _ in nil }
        #expect(try inspection.rehearse(beside: []).count == 1)
        let once = attempts.count
        #expect(once > 0)
        for failing in 1...4 {
            attempts.watch { $0 < failing ? ENOENT : nil }
            #expect(try inspection.rehearse(beside: []).count == 1 && attempts.count == failing + once)
        }
        attempts.watch { _ in ENOENT }
        #expect(throws: ForebayError.self) { try inspection.rehearse(beside: []) }
        #expect(attempts.count == 5)
        attempts.watch { _ in EMFILE }
        #expect(throws: ForebayError.self) { try inspection.rehearse(beside: []) }
        #expect(attempts.count == 1)
    }

    @Test("what is found while segments come and go is looked at again, five times in all; what is found otherwise, or nothing, once")
    func comeAndGo() async throws {
        let fixture = try await self.damaged(), attempts = Attempts()
        let inspection = try SpoolInspection(directory: fixture.directory, disk: attempts.disk)
        attempts.watch { _ in nil }
        _ = try inspection.rehearse(beside: [])
        let once = attempts.count, folder = fixture.segmentsFolder
        attempts.watch { count in
            // No segment of this log: it changes nothing else.
            try? Data().write(to: URL(filePath: "\(folder)/notes-\(count)"))  // Where it can't be, the next line of the test says so.
            return nil
        }
        #expect(try inspection.rehearse(beside: []).count == 1 && attempts.count == once, "other files are no segments")
        attempts.watch { count in
            try? FileManager.default.copyItem(  // The same.
                atPath: SegmentFile.path(of: 1, in: folder), toPath: SegmentFile.path(of: 100 + UInt64(count), in: folder))
            return nil
        }
        #expect(try inspection.rehearse(beside: []).count == 1 && attempts.count == 5 * once)
        try FileManager.default.removeItem(atPath: fixture.directory + "/cursors/forward.a")
        let log = LogCapture()
        defer { log.close() }
        attempts.watch { _ in nil }
        #expect(try inspection.rehearse(beside: []).count == 2)
        let told = log.records.filter { record in
            ["folder", "file"].contains { record[$0]?.hasPrefix(fixture.directory) ?? false }
        }
        #expect(told.isEmpty, "it is not told in the log: nothing has happened")
        let sound = SpoolFixture()
        let spool = try sound.open()
        try await spool.append("a", ["0"])
        await spool.close()
        let other = try SpoolInspection(directory: sound.directory, disk: attempts.disk), path = sound.segmentsFolder
        attempts.watch { count in
            try? FileManager.default.copyItem(  // The same.
                atPath: SegmentFile.path(of: 1, in: path), toPath: SegmentFile.path(of: 200 + UInt64(count), in: path))
            return nil
        }
        #expect(try other.rehearse(beside: []).isEmpty && attempts.count == once)
    }

    @Test("alarms of a log that nobody has open: none where there was nothing, and acknowledging nothing writes nothing")
    func offline() async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        try await spool.append("a", ["0"])
        await spool.close()
        let alarms = LogAlarms(directory: fixture.directory)
        #expect(try alarms.unacknowledged() == SpoolDamage() && alarms.acknowledge() == SpoolDamage())
        #expect(AlarmFile.names.allSatisfy { !FileManager.default.fileExists(atPath: "\(fixture.directory)/\($0)") })
        let again = try fixture.open()
        again.report(MissingRange(sequences: 0..<1, segment: 1, position: 8192, reason: "planted", events: 1))
        await again.close()
        #expect(try alarms.unacknowledged().missing.count == 1 && alarms.acknowledge().missing.count == 1)
        let seen = try Data(contentsOf: URL(filePath: fixture.directory + "/alarms"))
        #expect(try alarms.acknowledge() == SpoolDamage() && alarms.unacknowledged() == SpoolDamage())
        #expect(try Data(contentsOf: URL(filePath: fixture.directory + "/alarms")) == seen)
    }
}
