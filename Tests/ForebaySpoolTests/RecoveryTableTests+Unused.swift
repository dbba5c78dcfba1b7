import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

extension RecoveryTableTests {
    /// A fifth segment without a frame.
    ///
    /// - Parameters:
    ///   - base: where the fourth ended when it was made.
    ///   - version: of the format.
    /// - Returns: the header of the fourth.
    @discardableResult
    func makeUnused(_ world: World, base: UInt64 = 7, version: UInt32 = SpoolFormat.version) throws -> SegmentHeader {
        let last = world.segments[3].header
        var header = SegmentHeader(log: last.log, origin: last.origin, number: 5, base: base, salt: 99, madeAt: 0)
        (header.version, header.previousNumber, header.previousEnd) = (version, 4, base)
        var bytes = Data(count: 8192)
        bytes.withUnsafeMutableBytes { header.encode(to: $0) }
        try bytes.write(to: URL(filePath: world.path(5)))
        return last
    }

    /// A start that ends where it removes the fifth: the file goes, and nothing that comes behind that.
    private func killWhileRemoving(_ world: World) throws {
        let disk = FaultDisk()
        disk.fail { call, path in call == .remove && path.hasSuffix("5.segment") ? EIO : nil }
        #expect(throws: ForebayError.self) { try world.fixture.open(on: disk) }
        try world.remove(world.path(5))
    }

    @Test("the segment before one that was never used is cut: as far as it was durable when that was made, it is missed, after a kill, too")
    func cutBeforeUnused() async throws {
        for isKilled in [false, true] {
            let world = try await World(isClean: false)
            try self.makeUnused(world)
            try world.change(world.path(4)) { $0 = $0.prefix(8192) }
            if isKilled { try self.killWhileRemoving(world) }
            let spool = try await world.open()
            #expect(world.alarms().isEmpty && world.missing() == ["6..<7 in 4 at 8192: the log ends below a mark"])
            #expect(spool.durableEnd == 7)
            let (segment, receipt) = try await world.append()
            #expect(segment == (isKilled ? 5 : 6) && receipt.firstSequences == [7], "no sequence is given twice")
            await spool.close()
        }
    }

    @Test("a segment that was made and never used goes, and is not missed, whenever the process is killed meanwhile")
    func unused() async throws {
        for (isKilled, version) in [(false, 3), (true, 3), (false, 2)] as [(Bool, UInt32)] {
            let world = try await World(isClean: false)
            let last = try self.makeUnused(world, version: version)
            let mark = try #require(try SlotFile.read(SystemDisk(), world.directory + "/mark", as: .mark, log: last.log))
            var value = try #require(mark.value)
            value.owner = 5
            _ = try SlotFile.take(SystemDisk(), world.directory + "/mark", of: world.directory, as: .mark, log: last.log, mark, value)
            if isKilled { try self.killWhileRemoving(world) }
            let spool = try await world.open()
            #expect(world.alarms().isEmpty && world.missing().isEmpty && spool.durableEnd == 7 && spool.segmentCount == 4)
            #expect(!FileManager.default.fileExists(atPath: world.path(5)))
            #expect(try await world.append().segment == (isKilled ? 5 : 6), "no name that was seen is used")
            await spool.close()
        }
    }

    @Test("one that could not be used goes where the one before it went on meanwhile, and marks tell of that")
    func unusedBesideOneThatWentOn() async throws {
        let world = try await World(isClean: false)
        let last = try self.makeUnused(world, base: 6)
        let mark = try #require(try SlotFile.read(SystemDisk(), world.directory + "/mark", as: .mark, log: last.log))
        var value = try #require(mark.value)
        (value.owner, value.sequence) = (4, 7)
        _ = try SlotFile.take(SystemDisk(), world.directory + "/mark", of: world.directory, as: .mark, log: last.log, mark, value)
        let inspection = try SpoolInspection(directory: world.directory)
        #expect(try inspection.verify().problems.isEmpty && inspection.segments.last?.end == 7)
        let spool = try await world.open()
        #expect(world.alarms().isEmpty && world.missing().isEmpty && spool.durableEnd == 7 && spool.segmentCount == 4)
        #expect(!FileManager.default.fileExists(atPath: world.path(5)))
        await spool.close()
    }

    @Test("one that was never used goes as well where it stands behind the log's only segment")
    func unusedBehindTheOnly() async throws {
        let first = SpoolFixture(segmentSize: 64 << 10)
        var spool = try first.open()
        try await spool.append("a", ["0", "1"])
        let last = try #require(spool.view.read { $0.segments.last })
        let fixture = try first.crashed()
        await spool.close()
        var header = SegmentHeader(log: last.header.log, origin: last.header.origin, number: 2, base: 2, salt: 99, madeAt: 0)
        (header.previousNumber, header.previousEnd) = (1, 2)
        var bytes = Data(count: 8192)
        bytes.withUnsafeMutableBytes { header.encode(to: $0) }
        let path = SegmentFile.path(of: 2, in: fixture.segmentsFolder)
        try bytes.write(to: URL(filePath: path))
        spool = try fixture.open()
        #expect(spool.segmentCount == 1 && spool.durableEnd == 2 && spool.damage == SpoolDamage())
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(try spool.events().map(\.0) == [0, 1])
        await spool.close()
    }

    @Test(
        "the newest segment is lost, and one behind it was never used: the newest may have gone on meanwhile",
        arguments: [true, false], [3, 2] as [UInt32])
    func unusedBehindLost(isGone: Bool, version: UInt32) async throws {
        let world = try await World(isClean: false)
        try self.makeUnused(world, base: 6, version: version)
        if isGone { try world.remove(world.path(4)) } else { try world.change(world.path(4), Self.damageHeader) }
        for isAgain in [false, true] {
            let spool = try await world.open()
            #expect(world.alarms().contains("\(Self.name(4)): the newest segment is gone or can't be read"), "\(world.alarms())")
            #expect(!FileManager.default.fileExists(atPath: world.path(5)))
            if isAgain {
                let (segment, receipt) = try await world.append()
                #expect(segment == 5 && receipt.origin != world.id, "no id is given twice")
                #expect(receipt.firstSequences[0] >= SpoolFormat.gap)
            }
            await spool.close()
        }
    }

    @Test("a newest segment without a frame is damaged, not unused, where a mark says that it had some: to an inspection as to a start")
    func emptied() async throws {
        let world = try await World(isClean: false)
        let last = try self.makeUnused(world)
        let mark = try #require(try SlotFile.read(SystemDisk(), world.directory + "/mark", as: .mark, log: last.log))
        var value = try #require(mark.value)
        (value.sequence, value.owner) = (8, 5)
        _ = try SlotFile.take(SystemDisk(), world.directory + "/mark", of: world.directory, as: .mark, log: last.log, mark, value)
        let problems = try SpoolInspection(directory: world.directory).verify().problems
        #expect(problems.map(\.file) == [world.path(5)] && problems.map(\.missing) == [7..<8])
        let spool = try await world.open()
        #expect(world.missing() == ["7..<8 in 5 at 8192: the log ends below a mark"])
        await spool.close()
    }

    @Test(
        "a segment without a frame that the mark knows is the newest, and no other one was: where the one before it is gone, that is missed"
    )
    func unusedAndMarked() async throws {
        let world = try await World(isClean: false)
        let last = try self.makeUnused(world)
        let mark = try #require(try SlotFile.read(SystemDisk(), world.directory + "/mark", as: .mark, log: last.log))
        var value = try #require(mark.value)
        (value.sequence, value.owner) = (7, 5)
        _ = try SlotFile.take(SystemDisk(), world.directory + "/mark", of: world.directory, as: .mark, log: last.log, mark, value)
        try world.remove(world.path(4))
        let spool = try await world.open()
        #expect(try spool.events().map(\.0) == Array(0..<6))
        #expect(world.alarms().isEmpty && world.missing() == ["6..<7 in 4 at 0: a segment is gone"])
        #expect(FileManager.default.fileExists(atPath: world.path(5)))
        #expect(try await world.append().receipt.origin == world.id)
        await spool.close()
    }

    @Test("a newer one that can't be read is the newest that is lost, whatever was never used before it")
    func unusedBeforeUnreadable() async throws {
        let world = try await World(isClean: false)
        try self.makeUnused(world, base: 6)
        try world.remove(world.path(4))
        try Data(count: 8192).write(to: URL(filePath: world.path(6)))
        let spool = try await world.open()
        #expect(
            world.alarms() == [
                "\(Self.name(6)): neither copy of the segment's header can be read",
                "\(Self.name(6)): the newest segment is gone or can't be read",
            ])
        #expect(world.quarantine() == [Self.name(6)])
        await spool.close()
    }

    @Test("what can't be read is moved away before what was never used goes: both are seen where the start ends there")
    func unusedGoesLast() async throws {
        let world = try await World(isClean: false)
        try self.makeUnused(world, base: 6)
        try world.change(world.path(4), Self.damageHeader)
        try self.killWhileRemoving(world)
        #expect(world.quarantine() == [Self.name(4)])
        let spool = try await world.open()
        #expect(world.alarms().contains("\(Self.name(4)): the newest segment is gone or can't be read"), "\(world.alarms())")
        await spool.close()
    }

    /// A log's first segments, as they are when the process is killed before the mark says anything of them.
    private func makeFirst(_ fixture: SpoolFixture, _ log: SpoolID, number: UInt64, base: UInt64) throws -> String {
        var header = SegmentHeader(log: log, origin: log, number: number, base: base, salt: 99, madeAt: 0)
        (header.previousNumber, header.previousEnd) = (number - 1, base)
        var bytes = Data(count: 8192)
        bytes.withUnsafeMutableBytes { header.encode(to: $0) }
        let path = SegmentFile.path(of: number, in: fixture.segmentsFolder)
        try bytes.write(to: URL(filePath: path))
        return path
    }

    @Test("a log's very first segment was made and never used: nothing is missed")
    func firstIsUnused() async throws {
        let fixture = SpoolFixture()
        var spool = try fixture.open()
        _ = try await spool.forward("a")
        let log = spool.id
        await spool.close()
        _ = try self.makeFirst(fixture, log, number: 1, base: 0)
        #expect(try SpoolInspection(directory: fixture.directory).segments.map(\.end) == [0])
        for _ in 0..<2 {
            spool = try fixture.open()
            #expect(spool.damage == SpoolDamage() && spool.durableEnd == 0)
            await spool.close()
        }
        spool = try fixture.open()
        let receipt = try await spool.commit([submission([(routeA, ["0"])])])[0]
        #expect(receipt.origin == log && receipt.firstSequences == [0])
        await spool.close()
    }

    @Test("the log's very first segment is lost, and the second one was never used")
    func firstIsLost() async throws {
        let first = SpoolFixture()
        var spool = try first.open()
        try await spool.append("a", ["0"])
        let log = spool.id
        let fixture = try first.crashed()
        await spool.close()
        try FileManager.default.removeItem(atPath: try fixture.segmentFiles()[0])
        let unused = try self.makeFirst(fixture, log, number: 2, base: 0)
        spool = try fixture.open()
        #expect(spool.alarms.map { URL(filePath: $0.file).lastPathComponent } == [Self.name(1)])
        #expect(!FileManager.default.fileExists(atPath: unused))
        let receipt = try await spool.commit([submission([(routeA, ["1"])])])[0]
        #expect(receipt.origin != log && receipt.firstSequences[0] >= SpoolFormat.gap)
        await spool.close()
    }
}
