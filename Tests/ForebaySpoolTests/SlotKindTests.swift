import ForebayCore
import ForebayTelemetry
import Foundation
import Testing

@testable import ForebaySpool

/// A file of ours in the place of another: it says nothing there. What it stands for counts as damaged, nothing that waits is passed, and
/// nothing is said to be lost.
@Suite("Spool: a file in the place of another")
struct SlotKindTests {
    /// What is copied, and over what, in the log's folder.
    private static let files = ["mark", "cursors/forward.a", "cursors/forward.b", "registry", "registry.copy"]

    private func copy(_ from: String, over to: String) throws {
        let bytes = try Data(contentsOf: URL(filePath: from))
        try bytes.write(to: URL(filePath: to))
    }

    /// Twelve events of two routes in several segments; `a` has settled four, `b` nothing.
    private func spool() async throws -> SpoolFixture {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open()
        let a = try await spool.cursor("forward/a", route: routeA)
        _ = try await spool.cursor("forward/b", route: routeB)
        for number in 0..<12 {
            let value = "\(number)" + String(repeating: "k", count: 20_000)
            _ = try await spool.commit([submission([(number % 2 == 0 ? routeA : routeB, [value])])])
        }
        a.move(to: 8, settled: 4)
        await spool.close()
        return fixture
    }

    /// Two units with six events each; one has settled two.
    private func aside() async throws -> SetAsideFixture {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let log = try fixture.open()
        try await log.append(new: [unit(1, "one"), unit(2, "two")], [])
        for number in 0..<6 {
            let value = "\(number)" + String(repeating: "k", count: 15_000)
            try await log.append(new: [], [ForebaySpoolTests.aside(1, [value]), ForebaySpoolTests.aside(2, [value])])
        }
        log.settle(1, through: 2, oldestAcceptedAt: nil)
        await log.close()
        return fixture
    }

    private func check(_ fixture: SpoolFixture, _ what: String, starts: Int = 2) async throws {
        for start in 0..<starts {
            let spool = try fixture.open { $0.recentBytes = 0 }
            let a = try await spool.cursor("forward/a", route: routeA), b = try await spool.cursor("forward/b", route: routeB)
            #expect([0, 8].contains(a.sequence) && b.sequence == 0, "\(what), start \(start)")
            #expect(try spool.events(route: routeB).map(\.0) == [1, 3, 5, 7, 9, 11], "\(what), start \(start)")
            #expect(try spool.events(route: routeA, from: a.sequence).map(\.0).suffix(2) == [8, 10], "\(what), start \(start)")
            #expect(spool.missing.isEmpty && spool.durableEnd == 12, "\(what), start \(start): nothing is lost")
            let newest = spool.alarms.filter { $0.text.contains("newest") }
            #expect(newest.isEmpty, "\(what), start \(start)")
            let lag = spool.lag(of: b)
            #expect(lag == 6, "\(what), start \(start)")
            await spool.close()
        }
    }

    @Test("of the spool", arguments: files, files)
    func ofTheSpool(from: String, to: String) async throws {
        let fixture = try await self.spool()
        try self.copy(fixture.directory + "/" + from, over: fixture.directory + "/" + to)
        try await self.check(fixture, "\(from) over \(to)")
    }

    @Test("a table of units in the place of any of them", arguments: files)
    func unitsOver(to: String) async throws {
        let fixture = try await self.spool()
        // Of this log, as far as a slot tells.
        let id = try #require(try SpoolInspection(directory: fixture.directory).id)
        var bytes = Data(count: UnitPair.size)
        bytes.withUnsafeMutableBytes { target in
            for (block, generation) in [(0, 40), (4096, 41)] as [(Int, UInt64)] {
                Slot(.unit, log: id, generation: generation, value: 12, ordinal: 6, owner: 1).encode(to: target.baseAddress! + block)
                UnitIdentity(unit(1)).encode(to: target.baseAddress! + block)
            }
        }
        try bytes.write(to: URL(filePath: fixture.directory + "/" + to))
        try await self.check(fixture, "units over \(to)")
    }

    @Test(
        "of what is set aside", arguments: ["mark", "registry", "registry.copy", "units"], ["mark", "registry", "registry.copy", "units"])
    func ofWhatIsSetAside(from: String, to: String) async throws {
        let fixture = try await self.aside()
        try self.copy(fixture.directory + "/" + from, over: fixture.directory + "/" + to)
        for start in 0..<2 {
            let log = try fixture.open()
            let topics = to == "units" && from != to ? ["topic", "topic"] : ["one", "two"]
            #expect(log.units.map(\.number) == [1, 2] && log.units.map(\.topic) == topics, "\(from) over \(to), start \(start)")
            #expect([0, 2].contains(log.units[0].settled) && log.units[1].settled == 0, "\(from) over \(to), start \(start)")
            let found = try log.scan([1: log.units[0].settled, 2: 0]).all()
            #expect(found[1]?.map(\.0).suffix(4) == [2, 3, 4, 5] && found[2]?.map(\.0) == [0, 1, 2, 3, 4, 5], "\(from) over \(to)")
            #expect(log.damage.missing.isEmpty, "\(from) over \(to), start \(start): nothing is lost")
            #expect(!log.damage.alarms.contains { $0.text.contains("newest") }, "\(from) over \(to), start \(start)")
            await log.close()
        }
    }

    @Test("one log's file in the place of another's", arguments: ["mark", "registry", "registry.copy"])
    func ofAnotherLog(name: String) async throws {
        let fixture = try await self.spool(), other = try await self.spool(), aside = try await self.aside()
        try self.copy(other.directory + "/" + name, over: fixture.directory + "/" + name)
        try await self.check(fixture, "another spool's \(name)")
        try self.copy(aside.directory + "/" + name, over: fixture.directory + "/" + name)
        try await self.check(fixture, "a set-aside log's \(name)")
        try self.copy(aside.directory + "/units", over: fixture.directory + "/mark")
        try await self.check(fixture, "a set-aside log's units")
    }

    @Test("a unit's place in the table, taken by a slot that is none", arguments: ["mark", "cursor"])
    func unitsSlots(kind: String) async throws {
        let fixture = try await self.aside()
        let id = try #require(try SpoolInspection(directory: fixture.directory).id)
        // What an older version wrote told no kind: then a unit's slot is one whose second part stands beside it.
        for told in [nil, kind == "mark" ? Slot.Kind.mark : .cursor] {
            let copy = try fixture.crashed()
            var slot = [UInt8](repeating: 0, count: 4096)
            slot.withUnsafeMutableBytes {
                Slot(told, log: id, generation: 50, value: 6, ordinal: 0, owner: 2).encode(to: $0.baseAddress!)
            }
            try copy.change(copy.tablePath) { $0.replaceSubrange(0..<8192, with: slot + slot) }
            let log = try copy.open()
            #expect(log.units.map(\.number) == [1, 2])
            #expect(try log.scan([2: log.units[1].settled]).values(of: 2).count == 6)
            await log.close()
        }
    }

    @Test("what version 2 wrote is read whole, and says its kinds from the first start on", arguments: [true, false])
    func versionTwo(isKilled: Bool) async throws {
        let fixture = try await self.spool(), aside = try await self.aside()
        try Self.age(fixture.directory, units: false)
        try Self.age(aside.directory, units: true)
        if isKilled {
            // The start is cut short when the mark and one cursor have been written anew.
            let id = try #require(try SpoolInspection(directory: fixture.directory).id)
            for (path, kind) in [("mark", Slot.Kind.mark), ("cursors/forward.a", .cursor)] {
                let path = fixture.directory + "/" + path
                let found = try #require(try SlotFile.read(SystemDisk(), path, as: kind, log: id, takesOlder: true))
                let value = try #require(found.value)
                _ = try SlotFile.take(SystemDisk(), path, of: fixture.directory, as: kind, log: id, found, value)
            }
        }
        let told = LogCapture()
        defer { told.close() }
        for start in 0..<2 {
            let spool = try fixture.open()
            let lines = told.records(label: "spool").filter { $0["folder"] == fixture.directory && $0.message.contains("format version") }
            #expect(lines.map { $0.message.hasPrefix("the log was written in format version 2; ") } == [true], "start \(start): once")
            #expect(spool.alarms.isEmpty && spool.missing.isEmpty, "start \(start)")
            #expect(spool.allCursors.map(\.sequence) == [8, 0] && spool.allCursors.map { spool.lag(of: $0) } == [2, 6], "start \(start)")
            await spool.close()
            let log = try aside.open()
            #expect(log.damage == SpoolDamage() && log.units.map(\.settled) == [2, 0], "start \(start)")
            await log.close()
        }
        for path in ["mark", "cursors/forward.a", "cursors/forward.b"] {
            let bytes = try Data(contentsOf: URL(filePath: fixture.directory + "/" + path))
            #expect([60, 4156].allSatisfy { bytes[$0] == (path == "mark" ? 2 : 1) }, "\(path)")
        }
        let registry = try #require(try CursorRegistry.read(SystemDisk(), of: fixture.directory).registry)
        #expect(registry.hasKinds && registry.kind == .spool)
        // The segment that tells an older release not to.
        let last = try Data(contentsOf: URL(filePath: try #require(try fixture.segmentFiles().last)))
        #expect(last[12] == 3)
        // From now on a slot that tells no kind is none.
        try Self.age(fixture.directory + "/cursors/forward.a", isSlots: true)
        let spool = try fixture.open()
        #expect(spool.alarms.map { $0.file.hasSuffix("forward.a") } == [true] && spool.allCursors.map(\.sequence) == [0, 0])
        await spool.close()
    }

    /// Makes of a log one as version 2 wrote it: no kinds in slots, registry and segments of version 2.
    static func age(_ directory: String, units: Bool) throws {
        try self.age(directory + "/mark", isSlots: true)
        for name in try FileManager.default.contentsOfDirectory(atPath: directory + "/cursors") {
            try self.age(directory + "/cursors/" + name, isSlots: true)
        }
        if units { try self.age(directory + "/units", isSlots: true) }
        var registry = try #require(try CursorRegistry.read(SystemDisk(), of: directory).registry)
        (registry.version, registry.kind) = (2, nil)
        try registry.write(SystemDisk(), to: directory)
        for name in try FileManager.default.contentsOfDirectory(atPath: directory + "/segments") {
            let path = directory + "/segments/" + name
            var bytes = try Data(contentsOf: URL(filePath: path))
            for copy in [0, 4096] {
                bytes[copy + 12] = 2
                bytes.withUnsafeMutableBytes { buffer in
                    buffer.baseAddress!.put(SpoolFormat.crc(UnsafeRawBufferPointer(buffer).part(copy + 12, 116)), at: copy + 8)
                }
            }
            try bytes.write(to: URL(filePath: path))
        }
    }

    static func age(_ path: String, isSlots: Bool) throws {
        var bytes = try Data(contentsOf: URL(filePath: path))
        for place in stride(from: 0, to: bytes.count, by: 4096) {
            bytes[place + 60] = 0
            bytes.withUnsafeMutableBytes { buffer in
                buffer.baseAddress!.put(SpoolFormat.crc(UnsafeRawBufferPointer(buffer).part(place + 8, 56)), at: place + 4)
            }
        }
        try bytes.write(to: URL(filePath: path))
    }
}
