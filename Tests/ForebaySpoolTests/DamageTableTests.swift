import ForebayCore
import ForebayTelemetry
import Foundation
import Testing

@testable import ForebaySpool

/// What a damaged or missing file means, row by row as docs/reference/spool-format.md has it: nothing is lost in silence, nothing is said
/// to be lost that is not, and the log goes on.
@Suite("Spool: damaged and missing files")
struct DamageTableTests {
    /// A spool with three routes over several segments, killed: `a` is behind, `b` is settled, `c` has settled some.
    private final class World {
        let fixture: SpoolFixture
        let values: [(route: RouteID, sequence: UInt64, value: String)]
        let isClean: Bool

        /// - Parameter last: bytes of the last event.
        init(isClean: Bool) async throws {
            let first = SpoolFixture(segmentSize: 64 << 10)
            let spool = try first.open()
            var cursors: [SpoolCursor] = []
            for name in ["a", "b", "c"] { cursors.append(try await spool.cursor("forward/\(name)", route: RouteID(name: name))) }
            await spool.releasePassedSegments()
            var values: [(RouteID, UInt64, String)] = []
            for number in 0..<24 as Range<UInt64> {
                let route = cursors[Int(number % 3)].routes[0]
                let value = "\(number)" + String(repeating: "w", count: 12_000)
                _ = try await spool.commit([submission([(route, [value])])])
                values.append((route, number, value))
            }
            cursors[1].move(to: 24, settled: 8)
            cursors[2].move(to: 9, settled: 3)
            await spool.syncCursors()
            self.values = values
            self.isClean = isClean
            if isClean {
                await spool.close()
                self.fixture = first
            } else {
                self.fixture = try first.crashed()
                await spool.close()
            }
        }

        var directory: String { self.fixture.directory }

        /// Opens it, as often as asked, and accounts for every event of each route at or above where its cursor stood.
        func check(_ damage: Damage, starts: Int = 2) async throws {
            var told = 0
            // What was told of once need not be again.
            var missing: Set<UInt64> = []
            for start in 0..<starts {
                let spool = try self.fixture.open()
                var cursors: [SpoolCursor] = []
                for name in ["c", "b", "a"] { cursors.append(try await spool.cursor("forward/\(name)", route: RouteID(name: name))) }
                await spool.releasePassedSegments()
                var found: [UInt64: String] = [:]
                for cursor in cursors {
                    let reader = spool.reader(of: cursor)
                    while true {
                        let batches = try reader.read(upTo: 64 << 10)
                        if batches.isEmpty, reader.isCaughtUp { break }
                        for batch in batches {
                            batch.forEachEvent { event, sequence in found[sequence] = String(decoding: event.value!, as: UTF8.self) }
                        }
                    }
                }
                missing.formUnion(spool.missing.flatMap { Array($0.sequences) })
                for (route, sequence, value) in self.values {
                    let settled: UInt64 = route == routeA ? 0 : route == routeB ? 24 : 9
                    guard sequence >= settled else { continue }
                    if found[sequence] != nil {
                        #expect(found[sequence] == value, "\(damage), start \(start)")
                    } else {
                        #expect(missing.contains(sequence), "\(damage), start \(start): \(sequence) is lost in silence")
                    }
                }
                let mayBeMissing = self.mayBeMissing(damage)
                #expect(
                    missing.isSubset(of: mayBeMissing),
                    "\(damage), start \(start): nothing of \(missing.subtracting(mayBeMissing)) was harmed")
                told += spool.missing.count + spool.alarms.count
                if start == 0 {
                    #expect(spool.alarms.isEmpty == !damage.alarms, "\(damage): \(spool.alarms)")
                    #expect(spool.missing.isEmpty == !damage.loses, "\(damage): \(spool.missing)")
                }
                // It goes on.
                _ = try await spool.commit([submission([(routeA, ["more"])])])
                #expect(try spool.events(from: spool.durableEnd - 1).map(\.1) == ["more"])
                await spool.close()
            }
            #expect((told > 0) == (damage.alarms || damage.loses), "\(damage)")
        }

        /// The sequences in the harmed file.
        private func mayBeMissing(_ damage: Damage) -> Set<UInt64> { self.harmed }

        var harmed: Set<UInt64> = []

        func segment(_ place: Int) throws -> String {
            let files = try self.fixture.segmentFiles()
            let path = files[place < 0 ? files.count + place : place]
            let inspection = try SpoolInspection(directory: self.directory)
            let found = try #require(inspection.segments.first { $0.file.hasSuffix(path.suffix(28)) })
            self.harmed = Set(found.base..<max(found.base, found.end))
            return path
        }

        /// A segment is away for a start that accepts more, and is put back.
        func startWithout(_ place: Int) async throws {
            let path = try self.segment(place)
            self.harmed = []
            try FileManager.default.moveItem(atPath: path, toPath: self.directory + "/away")
            let spool = try self.fixture.open()
            #expect(!spool.alarms.isEmpty || !spool.missing.isEmpty)
            for name in ["a", "b", "c"] {
                _ = try await spool.cursor("forward/\(name)", route: RouteID(name: name))
                _ = try await spool.commit([submission([(RouteID(name: name), ["meanwhile"])])])
            }
            await spool.close()
            try FileManager.default.moveItem(atPath: self.directory + "/away", toPath: path)
        }

        func change(_ path: String, _ body: (inout Data) -> Void) throws {
            var bytes = try Data(contentsOf: URL(filePath: path))
            body(&bytes)
            try bytes.write(to: URL(filePath: path))
        }
    }

    enum Damage: CaseIterable {
        case frame, headerCopy, otherHeaderCopy, header, headerOfNewest, middleGone, oldestGone, newestGone, newestBack, oldestBack,
            cutShort, cutToNothing, footer
        case copy, foreign, stranger
        case cursorSlot, cursorEmpty, cursorGarbage, cursorGone, cursorOfAnother, cursorOfNobody
        case registry, registryCopy, registries, registriesAndCursor, registryOfAnother, mark, markGone, lock, leftovers

        /// Whether events can't be read any more.
        var loses: Bool {
            [.frame, .header, .headerOfNewest, .middleGone, .oldestGone, .newestGone, .cutShort, .cutToNothing].contains(self)
        }

        /// Whether something else is told of.
        var alarms: Bool {
            [
                .header, .headerOfNewest, .newestGone, .foreign, .cursorEmpty, .cursorGarbage, .cursorGone, .cursorOfAnother, .registries,
                .registriesAndCursor, .registryOfAnother, .mark, .markGone,
            ].contains(self)
        }
    }

    @Test("each damage is told of, loses no more than it harmed, and the log goes on", arguments: Damage.allCases, [true, false])
    func row(_ damage: Damage, isClean: Bool) async throws {
        let world = try await World(isClean: isClean)
        let directory = world.directory, files = FileManager.default
        func cursor(_ name: String) -> String { directory + "/cursors/forward.\(name)" }
        switch damage {
        case .frame: try world.change(try world.segment(1)) { $0[8192 + 3000] ^= 4 }
        case .headerCopy: try world.change(try world.segment(1)) { $0[40] ^= 4 }
        case .otherHeaderCopy: try world.change(try world.segment(1)) { $0[4096 + 40] ^= 4 }
        case .header:
            try world.change(try world.segment(1)) {
                $0[40] ^= 4
                $0[4096 + 9] ^= 4
            }
        case .headerOfNewest:
            try world.change(try world.segment(-1)) {
                $0[40] ^= 4
                $0[4096 + 9] ^= 4
            }
        case .middleGone: try files.removeItem(atPath: try world.segment(1))
        case .oldestGone: try files.removeItem(atPath: try world.segment(0))
        case .newestGone: try files.removeItem(atPath: try world.segment(-1))
        case .newestBack: try await world.startWithout(-1)
        case .oldestBack: try await world.startWithout(0)
        case .cutShort: try world.change(try world.segment(1)) { $0.removeLast($0.count - 30_000) }
        case .cutToNothing: try world.change(try world.segment(1)) { $0.removeLast($0.count - 8192) }
        case .footer: try world.change(try world.segment(0)) { $0[$0.count - 3] ^= 1 }
        case .copy:
            let path = try world.segment(1)
            try files.copyItem(atPath: path, toPath: directory + "/segments/old-" + path.suffix(28))
            try files.copyItem(atPath: path, toPath: directory + "/segments/00000000000000000099.segment")
        case .foreign:
            let other = try await World(isClean: true)
            let path = try other.segment(0)
            try files.copyItem(atPath: path, toPath: directory + "/segments/00000000000000000098.segment")
            try world.change(directory + "/segments/00000000000000000098.segment") { bytes in
                for copy in [0, 4096] {
                    bytes[copy + 32] = 98
                    bytes.withUnsafeMutableBytes { buffer in
                        buffer.baseAddress!.put(SpoolFormat.crc(UnsafeRawBufferPointer(buffer).part(copy + 12, 116)), at: copy + 8)
                    }
                }
            }
        case .stranger: try Data("hello".utf8).write(to: URL(filePath: directory + "/segments/notes.segment"))
        case .cursorSlot: try world.change(cursor("c")) { $0[10] ^= 1 }
        case .cursorEmpty: try world.change(cursor("c")) { $0.removeAll() }
        case .cursorGarbage: try world.change(cursor("c")) { $0 = Data(repeating: 7, count: 8192) }
        case .cursorGone: try files.removeItem(atPath: cursor("c"))
        case .cursorOfAnother:
            try files.removeItem(atPath: cursor("c"))
            try files.copyItem(atPath: cursor("b"), toPath: cursor("c"))
        case .cursorOfNobody: try files.copyItem(atPath: cursor("b"), toPath: cursor("nobody"))
        case .registry: try world.change(directory + "/registry") { $0[20] ^= 1 }
        case .registryCopy: try files.removeItem(atPath: directory + "/registry.copy")
        case .registries:
            try files.removeItem(atPath: directory + "/registry")
            try world.change(directory + "/registry.copy") { $0[20] ^= 1 }
        case .registriesAndCursor:
            for name in CursorRegistry.files + ["cursors/forward.c"] { try files.removeItem(atPath: directory + "/" + name) }
        case .registryOfAnother:
            let other = try await World(isClean: true)
            for name in CursorRegistry.files {
                try files.removeItem(atPath: directory + "/\(name)")
                try files.copyItem(atPath: other.directory + "/\(name)", toPath: directory + "/\(name)")
            }
        case .mark: try world.change(directory + "/mark") { $0 = Data(repeating: 0, count: 8192) }
        case .markGone: try files.removeItem(atPath: directory + "/mark")
        case .lock: try files.removeItem(atPath: directory + "/lock")
        case .leftovers:
            for name in ["prepared", "prepared-7", "new-3", "filling"] {
                try Data(count: 5000).write(to: URL(filePath: directory + "/segments/\(name)"))
            }
        }
        try await world.check(damage)
    }

    @Test("after the newest segment was lost no id is given twice")
    func newIDs() async throws {
        let world = try await World(isClean: false)
        try FileManager.default.removeItem(atPath: try world.segment(-1))
        let spool = try world.fixture.open()
        let receipt = try await spool.commit([submission([(routeA, ["next"])])])[0]
        #expect(receipt.origin != spool.id, "another origin")
        let origin = receipt.origin
        await spool.close()
        let again = try world.fixture.open()
        #expect(try await again.commit([submission([(routeA, ["next"])])])[0].origin == origin, "and it stays")
        await again.close()
    }

    @Test("a segment that can't be made is no reason to lose: the next number is taken when a file has the name")
    func takenName() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open()
        _ = try await spool.commit([submission([(routeA, ["0"])])])
        for number in 2..<5 {
            try Data("mine".utf8).write(to: URL(filePath: SegmentFile.path(of: UInt64(number), in: fixture.segmentsFolder)))
        }
        for number in 1..<12 { _ = try await spool.commit([submission([(routeA, ["\(number)" + String(repeating: "x", count: 20_000)])])]) }
        await spool.close()
        #expect(try Data(contentsOf: URL(filePath: SegmentFile.path(of: 3, in: fixture.segmentsFolder))) == Data("mine".utf8))
        let again = try fixture.open()
        #expect(try again.events().count == 12 && again.missing.isEmpty)
        await again.close()
    }
}
