import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What a start finds and says, to the file, sequence and position; and where the log goes on.
@Suite("Spool: what a start finds")
struct RecoveryTableTests {
    /// Seven events of two routes, two a segment but for the last; `a` (the even ones) and `b` have settled so far.
    final class World {
        let fixture: SpoolFixture
        let segments: [SegmentInfo]
        let id: SpoolID
        private(set) var spool: Spool?

        init(isClean: Bool = true, a: UInt64 = 0, b: UInt64 = 0) async throws {
            let first = SpoolFixture(segmentSize: 64 << 10)
            let spool = try first.open()
            let cursors = [try await spool.cursor("forward/a", route: routeA), try await spool.cursor("forward/b", route: routeB)]
            for number in 0..<7 {
                let route = number % 2 == 0 ? routeA : routeB
                _ = try await spool.commit([submission([(route, ["\(number)" + String(repeating: "r", count: 40_000)])])])
            }
            for (cursor, place) in zip(cursors, [a, b]) where place > 0 {
                cursor.move(to: place, settled: (place + (cursor.route == "a" ? 1 : 0)) / 2)
            }
            self.id = spool.id
            self.segments = spool.view.read { $0.segments }
            let copy = isClean ? nil : try first.crashed()
            await spool.close()
            self.fixture = copy ?? first
        }

        var directory: String { self.fixture.directory }

        func path(_ number: UInt64) -> String { SegmentFile.path(of: number, in: self.fixture.segmentsFolder) }

        func change(_ path: String, _ body: (inout Data) -> Void) throws {
            var bytes = try Data(contentsOf: URL(filePath: path))
            body(&bytes)
            try bytes.write(to: URL(filePath: path))
        }

        func remove(_ path: String) throws { try FileManager.default.removeItem(atPath: path) }

        func open() async throws -> Spool {
            let spool = try self.fixture.open { $0.recentBytes = 0 }
            self.spool = spool
            return spool
        }

        func alarms() -> [String] {
            (self.spool?.alarms ?? []).map { "\($0.file.split(separator: "/").last!): \($0.text.prefix { $0 != ";" && $0 != ":" })" }
        }

        func missing() -> [String] {
            (self.spool?.missing ?? []).map { "\($0.sequences) in \($0.segment) at \($0.position): \($0.reason)" }
        }

        func quarantine() -> [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: self.directory + "/quarantine")) ?? []).sorted()
        }

        /// Appends one event, and says into which segment.
        func append() async throws -> (segment: UInt64, receipt: DurableReceipt) {
            let receipt = try await self.spool!.commit([submission([(routeA, ["more"])])])[0]
            return (self.spool!.view.read { $0.segments.last!.number }, receipt)
        }
    }

    static func name(_ number: UInt64) -> String { String(SegmentFile.path(of: number, in: "").dropFirst()) }

    static func damageHeader(_ bytes: inout Data) {
        bytes[40] ^= 4
        bytes[4096 + 40] ^= 4
    }

    @Test("a sound log goes on behind its last segment, sealed or not", arguments: [true, false])
    func sound(isClean: Bool) async throws {
        let world = try await World(isClean: isClean)
        #expect(world.segments.map(\.base) == [0, 2, 4, 6])
        let spool = try await world.open()
        #expect(world.alarms().isEmpty && world.missing().isEmpty && spool.durableEnd == 7 && spool.start == 0 && spool.segmentCount == 4)
        let found = spool.view.read { $0.segments }
        #expect(found.map(\.end) == [2, 4, 6, 7] && found.allSatisfy(\.hasFooter) && !found.contains { $0.isActive || $0.isDamaged })
        #expect(found.map(\.size) == [94_208, 94_208, 94_208, 53_248] && found.map(\.dataEnd) == [90_112, 90_112, 90_112, 49_152])
        #expect(found.map(\.index) == [0, 2, 4, 6].map { [SegmentFooter.IndexEntry(sequence: $0, position: 8192)] })
        let routes: [[RouteID: UInt64]] = [[routeA: 1, routeB: 1], [routeA: 2, routeB: 2], [routeA: 3, routeB: 3], [routeA: 4]]
        #expect(found.map(\.routes) == routes.map { RouteTable($0) })
        #expect(try spool.events().map(\.0) == Array(0..<7))
        for segment in found { #expect(try Data(contentsOf: URL(filePath: segment.path)).count == segment.size) }
        let (segment, receipt) = try await world.append()
        #expect(segment == 5 && receipt.origin == world.id && receipt.firstSequences == [7])
        let footer = try #require(try SegmentFooter.read(from: SystemDisk().open(world.path(4), []), size: 53_248, salt: found[3].salt))
        #expect(spool.view.read { $0.segments.last?.header.previousChecksum } == footer.checksum && footer.checksum != 0)
        #expect(spool.view.read { $0.segments.last?.header.previousNumber } == 4)
        await spool.close()
    }

    @Test("segments that are gone, or whose header can't be read: what is missing is named")
    func gone() async throws {
        var world = try await World()
        try world.change(world.path(2), Self.damageHeader)
        var spool = try await world.open()
        #expect(world.alarms() == ["\(Self.name(2)): neither copy of the segment's header can be read"] && world.missing().isEmpty)
        #expect(world.quarantine() == [Self.name(2)])
        #expect(try spool.events().map(\.0) == [0, 1, 4, 5, 6] && world.missing() == ["2..<4 in 2 at 0: a segment is gone"])
        #expect(try await world.append().segment == 5)
        await spool.close()

        world = try await World()
        try world.remove(world.path(2))
        spool = try await world.open()
        #expect(try spool.events().count == 5 && world.alarms().isEmpty && world.missing() == ["2..<4 in 2 at 0: a segment is gone"])
        #expect(spool.view.read { $0.segments.map(\.end) } == [2, 6, 7], "it ends where its own events do")
        await spool.close()

        for (a, b, expected) in [
            (0, 0, ["0..<2 in 2 at 0: the oldest segments are gone"]), (5, 1, ["1..<2 in 2 at 0: the oldest segments are gone"]),
            (5, 2, []), (2, 7, []),
        ]
            as [(UInt64, UInt64, [String])]
        {
            world = try await World(a: a, b: b)
            try world.remove(world.path(1))
            spool = try await world.open()
            #expect(world.missing() == expected && world.alarms().isEmpty && spool.start == 2, "cursors at \(a) and \(b)")
            await spool.close()
        }
    }

    @Test("the oldest segment gone from a log that no cursor reads yet: all of it is missed, from the first event on")
    func goneUnread() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try fixture.open()
        for number in 0..<5 { try await spool.append("a", ["\(number)" + String(repeating: "r", count: 40_000)]) }
        #expect(spool.allCursors.isEmpty)
        await spool.close()
        try FileManager.default.removeItem(atPath: try fixture.segmentFiles()[0])
        spool = try fixture.open()
        #expect(spool.missing.map(\.sequences) == [0..<2] && spool.missing.map(\.events) == [2])
        await spool.close()
    }

    @Test(
        "the newest segment lost: what may be lost is named, ids are of a new kind from then on, its number is not used again",
        arguments: [true, false])
    func newest(isClean: Bool) async throws {
        for isGone in [true, false] {
            let world = try await World(isClean: isClean)
            if isGone { try world.remove(world.path(4)) } else { try world.change(world.path(4), Self.damageHeader) }
            var spool = try await world.open()
            let header = isGone ? [] : ["\(Self.name(4)): neither copy of the segment's header can be read"]
            #expect(world.alarms() == header + ["\(Self.name(4)): the newest segment is gone or can't be read"])
            #expect(world.missing() == (isClean ? ["6..<7 in 4 at 90112: the log ends below a mark"] : []))
            #expect(spool.durableEnd == (isClean ? 7 : 6), "a mark says how far it was, or none does")
            let (segment, receipt) = try await world.append()
            #expect(segment == 5 && receipt.origin != world.id && receipt.firstSequences == [SpoolFormat.gap + (isClean ? 7 : 6)])
            await spool.close()
            // It stays told until somebody acknowledges it.
            let told = (world.alarms(), world.missing())
            for isAcknowledged in [false, true] {
                spool = try await world.open()
                if isAcknowledged {
                    #expect(world.alarms().isEmpty && world.missing().isEmpty)
                } else {
                    #expect(world.alarms() == told.0 && world.missing() == told.1)
                    let seen = try await spool.acknowledgeAlarms()
                    #expect(seen.alarms.count == told.0.count && seen.missing.count == told.1.count)
                }
                #expect(try await world.append().receipt.origin == receipt.origin)
                if !isAcknowledged { await spool.close() }
            }
            await spool.close()
        }
    }

    @Test("the newest segment and the mark lost at once: a cursor that stands beyond what is left tells of it")
    func newestAndMark() async throws {
        let mark = "mark: it is gone or can't be read"
        for (a, isTold) in [(7, true), (6, false), (0, false)] as [(UInt64, Bool)] {
            let world = try await World(a: a)
            for path in [world.path(4), world.directory + "/mark"] { try world.remove(path) }
            for isAgain in [false, true] {
                let spool = try await world.open()
                let newest = isTold ? ["\(Self.name(4)): the newest segment is gone or can't be read"] : []
                #expect(world.alarms() == newest + (isAgain ? [] : [mark]))
                #expect(world.missing().isEmpty && spool.durableEnd == (isTold ? 7 : 6), "its only event was settled")
                if isAgain {
                    let (segment, receipt) = try await world.append()
                    #expect(segment == (isTold ? 5 : 4) && (receipt.origin != world.id) == isTold, "the cursor at \(a)")
                    #expect(receipt.firstSequences == [isTold ? SpoolFormat.gap + 7 : 6])
                }
                await spool.close()
            }
        }
        let world = try await World(a: 7, b: 6)
        for path in (1...4).map({ world.path($0) }) + [world.directory + "/mark"] { try world.remove(path) }
        let spool = try await world.open()
        #expect(world.alarms() == ["\(Self.name(1)): the newest segment is gone or can't be read", mark])
        #expect(try await world.append().receipt.origin != world.id)
        await spool.close()
    }

    @Test("damage inside a segment, where it is")
    func inside() async throws {
        let next = 8192 + 40_960
        for (what, change, events, expected) in [
            ("a payload", { $0[8192 + 100] ^= 1 }, [0, 1, 3, 4, 5, 6], ["2..<3 in 2 at 8192: the checksum of a frame is wrong"]),
            ("a frame's header", { $0[8192 + 30] ^= 1 }, [0, 1, 3, 4, 5, 6], ["2..<3 in 2 at \(next): frames are missing"]),
            ("the last frame's header", { $0[next + 30] ^= 1 }, [0, 1, 2, 4, 5, 6], ["3..<4 in 2 at \(next): frames are missing"]),
            ("the footer", { $0[$0.count - 4096 + 24] ^= 1 }, [0, 1, 2, 3, 4, 5, 6], []),
            ("the trailer", { $0[$0.count - 1] ^= 1 }, [0, 1, 2, 3, 4, 5, 6], []),
            ("the end", { $0.removeLast($0.count - next) }, [0, 1, 2, 4, 5, 6], ["3..<4 in 2 at \(next): frames are missing"]),
            ("all but the header", { $0.removeLast($0.count - 8192) }, [0, 1, 4, 5, 6], ["2..<4 in 2 at 8192: frames are missing"]),
        ] as [(String, (inout Data) -> Void, [UInt64], [String])] {
            let world = try await World()
            try world.change(world.path(2), change)
            let spool = try await world.open()
            #expect(try spool.events().map(\.0) == events && world.missing() == expected, "\(what)")
            #expect(world.alarms().isEmpty && spool.durableEnd == 7, "\(what)")
            #expect(spool.view.read { $0.segments.map(\.isDamaged) } == [false, !expected.isEmpty, false, false], "\(what)")
            #expect(spool.view.read { $0.segments[1].end } == 4)
            await spool.close()
        }
    }

    @Test("what stands in the segment that was written to last, above and below what marks cover")
    func tail() async throws {
        // Of the last segment's only group no mark speaks: it is torn, not lost.
        var world = try await World(isClean: false)
        try world.change(world.path(4)) { $0[8192 + 100] ^= 1 }
        var spool = try await world.open()
        #expect(world.missing().isEmpty && spool.durableEnd == 6)
        #expect(try Data(contentsOf: URL(filePath: world.path(4))).count == 8192 + 4096, "its room is given back")
        #expect(try await world.append().receipt.firstSequences == [6])
        await spool.close()
        // A cursor has passed it: it was durable.
        world = try await World(isClean: false, a: 7)
        try world.change(world.path(4)) { $0[8192 + 30] ^= 1 }
        spool = try await world.open()
        #expect(world.missing().isEmpty && spool.durableEnd == 7, "and delivered, so nothing is lost")
        #expect(spool.view.read { $0.segments.last?.isDamaged } == true && spool.view.read { $0.segments.last?.hasFooter } == false)
        #expect(try await world.append().receipt.firstSequences == [7])
        await spool.close()
    }

    @Test("what is mended or left alone without a loss is told in the log")
    func logged() async throws {
        let log = LogCapture()
        defer { log.close() }
        let world = try await World(a: 5)
        try world.change(world.path(2)) { $0[40] ^= 4 }
        try world.change(world.path(3)) { $0[4096 + 40] ^= 4 }
        try world.change(world.directory + "/cursors/forward.a") { $0[20] ^= 1 }
        let stranger = world.fixture.segmentsFolder + "/notes", copy = world.path(77)
        try Data("x".utf8).write(to: URL(filePath: stranger))
        try FileManager.default.copyItem(atPath: world.path(1), toPath: copy)
        let pristine = try [2, 3].map { try Data(contentsOf: URL(filePath: world.path($0))) }
        let spool = try await world.open()
        #expect(world.alarms().isEmpty && world.missing().isEmpty)
        for path in [world.path(2), world.path(3), world.directory + "/cursors/forward.a", stranger, copy] {
            #expect(log.records(label: "spool").count { $0["file"] == path && $0.level == .warning } == 1, "\(path)")
        }
        for (number, before) in zip([2, 3] as [UInt64], pristine) {
            let now = try Data(contentsOf: URL(filePath: world.path(number)))
            #expect(
                now[..<4096] == now[4096..<8192].withUnsafeBytes { Data($0) } && now[8192...] == before[8192...],
                "both copies are sound again")
            #expect(try SegmentHeader.read(from: SystemDisk().open(world.path(number), [])).isWhole)
        }
        #expect(try await world.append().segment == 78, "no name that is taken is used")
        await spool.close()
    }
}
