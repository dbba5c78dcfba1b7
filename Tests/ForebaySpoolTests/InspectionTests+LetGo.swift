import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

extension InspectionTests {
    /// Twelve events in several segments.
    private func made() async throws -> (SpoolFixture, [SegmentInfo]) {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open()
        _ = try await spool.forward("a")
        for number in 0..<12 { try await spool.append("a", ["\(number)" + String(repeating: "x", count: 20_000)]) }
        let segments = spool.view.read { $0.segments }
        await spool.close()
        return (fixture, segments)
    }

    private func reasons(_ verdict: SpoolInspection.Verdict) -> [String] { verdict.problems.map(\.reason) }

    @Test("of a segment that goes after something wrong was found in it nothing is told; whether it is missed, the next look says")
    func goesMeanwhile() async throws {
        let (fixture, segments) = try await self.made()
        let path = segments[1].path, disk = FaultDisk(), opened = Atomic<Int>(0)
        var bytes = try Data(contentsOf: URL(filePath: path))
        bytes[8192 + 100] ^= 1
        try bytes.write(to: URL(filePath: path))
        let inspection = try SpoolInspection(directory: fixture.directory, disk: disk)
        disk.fail { call, opening in
            guard call == .open, opening == path, opened.wrappingAdd(1, ordering: .relaxed).newValue == 3 else { return nil }
            unlink(path)
            return nil
        }
        let verdict = try inspection.verify()
        #expect(verdict.problems.isEmpty, "\(verdict.problems)")
        #expect(verdict.events == 12 - (segments[1].end - segments[1].base))
        let next = try SpoolInspection(directory: fixture.directory).verify()
        #expect(self.reasons(next) == ["a segment is gone"] && next.problems.map(\.missing) == [segments[1].base..<segments[1].end])
    }

    @Test("what can't be opened for another reason than that it went stops the inspection")
    func unopened() async throws {
        let (fixture, segments) = try await self.made()
        let path = segments[1].path, disk = FaultDisk()
        for (number, isGone) in [(ENOENT, false), (EMFILE, false), (EMFILE, true)] {
            let inspection = try SpoolInspection(directory: fixture.directory, disk: disk)
            disk.fail { call, opening in
                guard call == .open, opening == path else { return nil }
                if isGone { unlink(path) }
                return number
            }
            let error = #expect(throws: ForebayError.self) { try inspection.verify() }
            #expect(error?.systemCode == number)
            disk.fail(nil)
        }
    }

    @Test("the newest goes on, is sealed, and is cut to its header while it is looked at: nobody needs what it had")
    func newestIsCut() async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        _ = try await spool.forward("a")
        try await spool.append("a", ["0", "1"])
        let copy = try fixture.crashed()
        await spool.close()
        let inspection = try SpoolInspection(directory: copy.directory)
        let path = try copy.segmentFiles()[0]
        let header = try SegmentHeader.read(from: SystemDisk().open(path, [])).outcome.get()
        for end in [2, 5] as [UInt64] {
            let file = try SystemDisk().open(path, .write)
            try file.truncate(to: header.dataStart)
            try file.write(
                SegmentFooter(end: end, dataEnd: header.dataStart, checksum: 0, index: [], ordinals: [routeA: end]).encode(
                    salt: header.salt),
                at: header.dataStart)
            let verdict = try inspection.verify()
            #expect(!self.reasons(verdict).contains("the footer names another end") && verdict.events == 0, "\(verdict.problems)")
        }
    }

    @Test("events from a place on are shown also where segments before it are gone")
    func dumpBehind() async throws {
        let (fixture, segments) = try await self.made()
        let inspection = try SpoolInspection(directory: fixture.directory)
        try FileManager.default.removeItem(atPath: segments[0].path)
        var seen: [UInt64] = []
        try inspection.dump(from: segments[0].end) { _, sequence, _ in
            seen.append(sequence)
            return true
        }
        #expect(seen == (segments[0].end..<12).map { $0 })
        #expect(throws: ForebayError.self) { try inspection.dump(from: segments[0].end - 1) { _, _, _ in true } }
    }

    @Test("a folder with a segment's name is none")
    func folder() async throws {
        let (fixture, segments) = try await self.made()
        try FileManager.default.createDirectory(
            atPath: SegmentFile.path(of: 99, in: fixture.segmentsFolder), withIntermediateDirectories: false)
        #expect(try SpoolInspection(directory: fixture.directory).segments.map(\.number) == segments.map(\.number))
    }

    @Test("what a log is for where no registry says it: by its table of units, or by the folder that it lies in")
    func kinds() async throws {
        let world = try await KnownLogsTests.filled()
        try FileManager.default.createDirectory(atPath: world.data + "/elsewhere", withIntermediateDirectories: false)
        for (path, kind, moved) in [
            ("spool", LogKind.spool, LogKind.spool), ("deadletters/x", .deadLetters, .spool), ("setaside/x", .setAside, .setAside),
        ] {
            let folder = "\(world.data)/\(path)", other = "\(world.data)/elsewhere/x"
            #expect(try SpoolInspection(directory: folder).kind == kind)
            for name in CursorRegistry.files { try FileManager.default.removeItem(atPath: "\(folder)/\(name)") }
            #expect(try SpoolInspection(directory: folder).kind == kind)
            try FileManager.default.copyItem(atPath: folder, toPath: other)
            #expect(try SpoolInspection(directory: other).kind == moved)
            try FileManager.default.removeItem(atPath: other)
        }
    }

    @Test("a route that had another name has the name of the first cursor that counts it")
    func routeNames() async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        _ = try await spool.forward("old")
        try await spool.append("old", ["0"])
        _ = try await spool.forward("new", formerly: ["old"])
        _ = try await spool.cursor("mirror/old", route: RouteID(name: "old"))
        await spool.close()
        let inspection = try SpoolInspection(directory: fixture.directory)
        #expect(inspection.name(of: RouteID(name: "old")) == "new" && inspection.name(of: RouteID(name: "new")) == "new")
    }

    @Test("where no registry says it, slots that tell no kind count by the version of the segments: up to 2", arguments: [2, 3] as [UInt8])
    func olderSlots(version: UInt8) async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        _ = try await spool.forward("a")
        try await spool.append("a", ["0", "1"])
        let id = spool.id
        await spool.close()
        for name in CursorRegistry.files { try FileManager.default.removeItem(atPath: "\(fixture.directory)/\(name)") }
        var slots = [UInt8](repeating: 0, count: 8192)
        slots.withUnsafeMutableBytes { bytes in
            Slot(nil, log: id, generation: 5, value: 1, ordinal: 1, owner: SpoolCursor.owner("forward/a")).encode(to: bytes.baseAddress!)
        }
        try Data(slots).write(to: URL(filePath: fixture.directory + "/cursors/forward.a"))
        let path = try fixture.segmentFiles()[0]
        var bytes = try Data(contentsOf: URL(filePath: path))
        for copy in [0, 4096] {
            bytes[copy + 12] = version
            bytes.withUnsafeMutableBytes { buffer in
                buffer.baseAddress!.put(SpoolFormat.crc(UnsafeRawBufferPointer(buffer).part(copy + 12, 116)), at: copy + 8)
            }
        }
        try bytes.write(to: URL(filePath: path))
        #expect(try SpoolInspection(directory: fixture.directory).cursors.map(\.sequence) == (version == 2 ? [1] : []))
    }

    @Test("segments that were begun and never used are none, however many; that they were begun says where the one before them ended")
    func unused() async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        for value in ["0", "1"] { try await spool.append("a", [value]) }
        let copy = try fixture.crashed()
        let first = spool.view.read { $0.segments[0].header }
        await spool.close()
        for number in [2, 3] as [UInt64] {
            var header = SegmentHeader(log: first.log, origin: first.origin, number: number, base: 2, salt: number, madeAt: 0)
            (header.previousNumber, header.previousEnd) = (number - 1, 2)
            var bytes = [UInt8](repeating: 0, count: header.dataStart)
            bytes.withUnsafeMutableBytes { header.encode(to: $0) }
            try Data(bytes).write(to: URL(filePath: SegmentFile.path(of: number, in: copy.segmentsFolder)))
            let inspection = try SpoolInspection(directory: copy.directory)
            #expect(try inspection.segments.map(\.number) == [1] && inspection.verify().problems.isEmpty)
            // The second group is not there: without the segment behind it, it would be a torn tail.
            let path = try copy.segmentFiles()[0]
            let whole = try Data(contentsOf: URL(filePath: path))
            var torn = whole
            torn[12_288 + 30] ^= 1
            try torn.write(to: URL(filePath: path))
            let problems = try SpoolInspection(directory: copy.directory).verify().problems
            #expect(problems.map { "\($0.position) \($0.missing) \($0.reason)" } == ["12288 1..<2 frames are missing"])
            try whole.write(to: URL(filePath: path))
        }
    }
}
