import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// The table of a set-aside log's units: what is written and synced when, which places are used again, and when a segment is not needed.
@Suite("Set aside: the table of units", .timeLimit(.minutes(1)))
struct UnitTableTests {
    let watched = WatchedDisk()
    private let log = spoolID("0123456789ABCDEF")

    func open(_ broken: BrokenWord = BrokenWord()) throws -> UnitTable {
        let (disk, log) = (self.watched.disk, self.log)
        return try UnitTable(
            disk, directory: self.watched.directory, log: log,
            inventory: { file throws(ForebayError) in try UnitInventory(table: file, log: log, segments: [], disk: disk) },
            onDiskFailure: { broken($0) })
    }

    func bytes() throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: self.watched.directory + "/units"))) }

    func slot(_ place: Int) throws -> Slot? {
        let bytes = try self.bytes()
        return Array(bytes[place * 4096..<place * 4096 + 64]).withUnsafeBytes { Slot(decoding: $0, as: .unit, of: self.log) }
    }

    /// A segment with so many events of units, in order.
    func segment(_ number: UInt64, _ ordinals: [UInt64: UInt64]) -> SegmentInfo {
        var info = SegmentInfo(
            header: SegmentHeader(log: self.log, origin: self.log, number: number, base: 0, salt: 1, madeAt: 0), path: "", end: 100,
            dataEnd: 9000, size: 9000)
        for (unit, ordinal) in ordinals { info.routes.raise(RouteID(rawValue: unit), to: ordinal) }
        return info
    }

    @Test("it is made durably; a unit stands in both slots, durably, before it is used")
    func made() throws {
        let table = try self.open()
        #expect(self.watched.calls() == ["open units", "sync units", "syncFolder ."])
        #expect(table.byteCount == 0 && table.nextNumber == 1 && table.live.isEmpty)
        try table.add([unit(3, "a"), unit(5, "b")])
        #expect(table.takeGrowth() == 2 * 8192 && table.takeGrowth() == 0)
        #expect(self.watched.calls() == ["write units", "write units", "sync units"])
        #expect(table.byteCount == 2 * 8192 && table.nextNumber == 6 && table.live.map(\.number) == [3, 5])
        #expect(
            try [0, 1, 2, 3].map { try self.slot($0)?.generation } == [2, 1, 2, 1]
                && [0, 1, 2, 3].map { try self.slot($0)?.owner } == [3, 3, 5, 5])
        let blocks = try self.bytes()
        for place in 0..<4 {
            let found = Array(blocks[place * 4096..<(place + 1) * 4096]).withUnsafeBytes { UnitIdentity(decoding: $0) }
            #expect(found == UnitIdentity(unit(place < 2 ? 3 : 5, place < 2 ? "a" : "b")))
            let end = 512 + 40 + "a".utf8.count + "UNKNOWN_TOPIC_OR_PART".utf8.count + "no such topic".utf8.count
            let rest = Array(blocks[place * 4096 + 64..<place * 4096 + 512]) + blocks[place * 4096 + end..<(place + 1) * 4096]
            #expect(rest.allSatisfy { $0 == 0 }, "nothing else stands there")
        }
        try table.add([unit(3, "a")])
        try table.add([])
        #expect(self.watched.calls().isEmpty, "it is known")
        try table.add([unit(3, "a"), unit(4, "c")])
        #expect(table.takeGrowth() == 8192 && table.nextNumber == 6 && table.live.map(\.number) == [3, 4, 5])
        let again = try self.open()
        #expect(again.live == table.live && again.nextNumber == 6 && again.byteCount == 3 * 8192)
    }

    @Test("a cursor that moves is written at once, told of once, and synced together with others")
    func moves() throws {
        let table = try self.open(), moved = Happenings<Void>()
        table.whenMoved({ moved.add(()) }, makeRoom: { false }, mayPass: { _ in true })
        try table.add([unit(1), unit(2)])
        _ = self.watched.calls()
        try table.sync()
        #expect(self.watched.calls().isEmpty && moved.count == 0)
        table.settle(1, through: 0, oldestAcceptedAt: nil)
        table.settle(1, through: 0, oldestAcceptedAt: 1000)
        table.settle(7, through: 5, oldestAcceptedAt: nil)
        #expect(self.watched.calls().isEmpty && moved.count == 0, "nothing moves")
        table.settle(1, through: 4, oldestAcceptedAt: nil)
        #expect(
            self.watched.calls() == ["write units"] && moved.count == 1 && table.settled(1) == 4 && table.live[0].oldestAcceptedAt == 1000)
        table.settle(1, through: 3, oldestAcceptedAt: 5)
        #expect(self.watched.calls().isEmpty, "not backwards")
        table.settle(1, through: 4, oldestAcceptedAt: 1234)
        table.settle(2, through: 9, oldestAcceptedAt: 99)
        #expect(self.watched.calls() == ["write units", "write units"] && moved.count == 1)
        #expect(try self.slot(1) == Slot(.unit, log: self.log, generation: 3, value: 4, ordinal: 1000, owner: 1))
        #expect(try self.slot(0) == Slot(.unit, log: self.log, generation: 4, value: 4, ordinal: 1234, owner: 1))
        #expect(try self.slot(3) == Slot(.unit, log: self.log, generation: 3, value: 9, ordinal: 99, owner: 2))
        #expect(table.live.map(\.settled) == [4, 9] && table.live.map(\.oldestAcceptedAt) == [1234, 99])
        try table.sync()
        #expect(self.watched.calls() == ["sync units"], "all together")
        try table.sync()
        #expect(self.watched.calls().isEmpty)
        table.end(2)
        #expect(moved.count == 2 && table.settled(2) == nil && table.live.map(\.number) == [1] && table.nextNumber == 3)
        #expect(try self.slot(2)?.isEnded == true)
        table.end(2)
        table.settle(2, through: 20, oldestAcceptedAt: nil)
        #expect(self.watched.calls() == ["write units"], "what has ended stays as it is")
        #expect(try self.open().live.map { [$0.number, $0.settled] } == [[1, 4]])
    }

    @Test("the oldest event of a unit that was empty is the first that is appended")
    func oldest() throws {
        let table = try self.open()
        try table.add([unit(1), unit(2)])
        table.settle(1, through: 3, oldestAcceptedAt: nil)
        _ = self.watched.calls()
        table.beginAppend([1, 2])
        table.endAppend([1, 2], [1: (position: 3, acceptedAt: 7), 2: (position: 5, acceptedAt: 8)])
        #expect(table.live.map(\.oldestAcceptedAt) == [7, 1000] && self.watched.calls() == ["write units"])
        table.beginAppend([1])
        table.endAppend([1], [1: (position: 3, acceptedAt: 7)])
        table.beginAppend([1])
        table.endAppend([1], [1: (position: 2, acceptedAt: 9)])
        #expect(self.watched.calls().isEmpty)
        table.end(1)
        #expect(table.live.map(\.number) == [2], "nothing is on its way any more")
    }

    @Test("a segment is needed while a unit is not durably past its last event there, or nobody knows the unit")
    func needs() throws {
        let table = try self.open()
        try table.add([unit(1), unit(2)])
        let both = self.segment(1, [1: 4, 2: 2]), first = self.segment(2, [1: 4])
        #expect(table.needs(both) && table.needs(first) && !table.needs(self.segment(3, [:])) && table.needs(self.segment(4, [9: 1])))
        table.settle(1, through: 3, oldestAcceptedAt: nil)
        try table.sync()
        #expect(table.needs(first))
        table.settle(1, through: 4, oldestAcceptedAt: nil)
        #expect(table.needs(first), "not synced")
        try table.sync()
        #expect(!table.needs(first) && table.needs(both), "the other one is not past it")
        table.end(2)
        #expect(table.needs(both))
        try table.sync()
        #expect(!table.needs(both))
        // Which one needed it is remembered, and asked again.
        let third = self.segment(5, [1: 6, 2: 9])
        #expect(table.needs(third))
        table.settle(1, through: 6, oldestAcceptedAt: nil)
        try table.sync()
        #expect(!table.needs(third))
    }

    @Test("the place of a unit that has ended is used again when no segment has frames of it, above what was written there")
    func forget() throws {
        let table = try self.open()
        try table.add([unit(1), unit(2), unit(3)])
        for number in [1, 2] as [UInt64] { table.end(number) }
        let segments = [self.segment(1, [1: 4, 3: 1]), self.segment(2, [1: 6]), self.segment(3, [2: 1])]
        #expect(table.forget(present: segments).isEmpty, "the end is not durable")
        try table.sync()
        #expect(table.forget(present: segments).isEmpty)
        #expect(table.forget(present: Array(segments[1...])).isEmpty, "the second one still has some")
        #expect(table.forget(present: [segments[2]]) == [1] && table.forget(present: [segments[2]]).isEmpty)
        _ = self.watched.calls()
        _ = table.takeGrowth()
        try table.add([unit(4, "d")])
        #expect(table.takeGrowth() == 0 && table.nextNumber == 5 && table.byteCount == 3 * 8192)
        #expect(try [0, 1].map { try self.slot($0)?.owner } == [4, 4] && Set([0, 1].map { try self.slot($0)?.generation }) == [4, 5])
        #expect(table.forget(present: []) == [2] && table.live.map(\.number) == [3, 4])
        try table.add([unit(5), unit(6)])
        #expect(table.takeGrowth() == 8192, "one place again, and a new one")
        try table.add([unit(1, "again")])
        #expect(table.takeGrowth() == 8192, "what a number had once is another's now")
        let again = try self.open()
        #expect(again.live == table.live && again.nextNumber == 7)
    }

    @Test("units that are added as ended are never shown, and forgotten like others")
    func addedAsEnded() throws {
        let table = try self.open()
        try table.add([unit(8)], isEnded: true)
        #expect(table.takeGrowth() == 8192)
        #expect(table.live.isEmpty && table.settled(8) == nil && table.nextNumber == 9 && !table.needs(self.segment(1, [8: 3])))
        #expect(try self.slot(0)?.isEnded == true && self.slot(1)?.isEnded == true)
        let again = try self.open()
        #expect(again.live.isEmpty && again.nextNumber == 9 && !again.needs(self.segment(1, [8: 3])))
        for table in [table, again] {
            #expect(table.forget(present: []).isEmpty, "the highest number")
            try table.add([unit(9)])
            #expect(table.forget(present: [self.segment(1, [8: 3])]).isEmpty && table.forget(present: []) == [8])
        }
    }

    @Test("a unit that found no room is not known, and is tried again at the same place")
    func noRoom() throws {
        let table = try self.open()
        try table.add([unit(1)])
        self.watched.fail { $0 == "write units" ? ENOSPC : nil }
        var error = #expect(throws: ForebayError.self) { try table.add([unit(2)]) }
        #expect(error?.code == .spoolFull && table.live.map(\.number) == [1] && table.settled(2) == nil)
        self.watched.fail { $0 == "write units" ? EDQUOT : nil }
        error = #expect(throws: ForebayError.self) { try table.add([unit(2)]) }
        #expect(error?.code == .spoolFull)
        self.watched.fail(nil)
        try table.add([unit(3)])
        try table.add([unit(2)])
        #expect(table.takeGrowth() == 3 * 8192, "its place was kept, and is counted")
        #expect(try self.slot(2)?.owner == 2 && self.slot(4)?.owner == 3 && table.byteCount == 3 * 8192)
        self.watched.fail { $0 == "write units" ? ENOSPC : nil }
        let segment = self.segment(1, [1: 5])
        table.settle(1, through: 5, oldestAcceptedAt: nil)
        try table.sync()
        #expect(table.settled(1) == 5 && table.needs(segment), "it moves")
        #expect(try self.open().settled(1) == 0, "on the disk it does not")
        self.watched.fail(nil)
        try table.sync()
        #expect(!table.needs(segment))
        #expect(try self.open().settled(1) == 5, "with the first sync that finds room")
        #expect(table.live.map(\.number) == [1, 2, 3])
    }

    @Test("of a cursor that moved twice only what was written counts; whoever can make room for the rest is asked")
    func noRoomForTheSecond() throws {
        let table = try self.open(), moved = Happenings<Void>(), asked = Happenings<Void>()
        try table.add([unit(1), unit(2)])
        table.whenMoved(
            { moved.add(()) },
            makeRoom: {
                asked.add(())
                return asked.count > 1
            }, mayPass: { _ in true })
        table.settle(1, through: 3, oldestAcceptedAt: nil)
        self.watched.fail { [asked] in $0 == "write units" && asked.count < 2 ? ENOSPC : nil }
        table.settle(1, through: 5, oldestAcceptedAt: nil)
        table.end(2)
        try table.sync()
        #expect(table.needs(self.segment(1, [1: 3])) && table.needs(self.segment(2, [2: 1])) && asked.count == 1)
        table.settle(1, through: 5, oldestAcceptedAt: 77)
        #expect(moved.count == 2, "it is to be tried again, and was told of once")
        try table.sync()
        #expect(!table.needs(self.segment(1, [1: 5])) && !table.needs(self.segment(2, [2: 1])) && asked.count == 2 && moved.count == 2)
        #expect(try self.open().live.map { [$0.number, $0.settled] } == [[1, 5]])
    }

    @Test("a number that stands in two pairs counts once: an end before all, then the one that is settled further; the other place is free")
    func twice() throws {
        func pair(_ number: UInt64, settled: UInt64, isEnded: Bool = false, generation: UInt64, hasIdentity: Bool = true) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: 8192)
            bytes.withUnsafeMutableBytes { bytes in
                Slot(.unit, log: self.log, generation: generation, value: settled, ordinal: 5, owner: number, isEnded: isEnded)
                    .encode(to: bytes.baseAddress!)
                if hasIdentity { UnitIdentity(unit(number, "t\(settled)")).encode(to: bytes.baseAddress!) }
            }
            return bytes
        }
        func inventory(_ pairs: [UInt8]...) throws -> UnitInventory {
            try UnitInventory(table: MemoryFile(pairs.flatMap { $0 }), log: self.log, segments: [], disk: self.watched.disk)
        }
        let cases: [(name: String, first: (UInt64, Bool), second: (UInt64, Bool), kept: Int)] = [
            ("the second is further", (3, false), (4, false), 1), ("the first is further", (4, false), (3, false), 0),
            ("they are as far", (3, false), (3, false), 0), ("the second has ended", (9, false), (3, true), 1),
            ("the first has ended", (3, true), (9, false), 0),
        ]
        for (name, first, second, kept) in cases {
            let found = try inventory(
                pair(7, settled: first.0, isEnded: first.1, generation: 11), pair(7, settled: second.0, isEnded: second.1, generation: 22))
            #expect(
                found.found.count == 1 && found.found[7]?.pair == kept && found.found[7]?.generation == (kept == 0 ? 11 : 22), "\(name)")
            #expect(found.free.map(\.pair) == [1 - kept] && found.free.map(\.generation) == [kept == 0 ? 22 : 11], "\(name)")
            #expect(found.highest == 7 && found.pairCount == 2 && found.units.isEmpty == (first.1 || second.1))
        }
        let nameless = try inventory(pair(5, settled: 2, isEnded: true, generation: 3, hasIdentity: false)).ended
        #expect(nameless.map(\.partitionCount) == [0] && nameless.map(\.since) == [0] && nameless.map(\.topic) == [""])
        #expect(try inventory(pair(5, settled: 0, generation: 3)).units.map(\.end) == [0])
        let mixed = try inventory(
            pair(3, settled: 1, generation: 1), [UInt8](repeating: 0, count: 8192), pair(9, settled: 2, generation: 5, hasIdentity: false))
        #expect(
            mixed.found.keys.sorted() == [3] && mixed.highest == 9 && mixed.free.map(\.pair) == [1, 2]
                && mixed.free.map(\.generation) == [0, 5])
        #expect(mixed.units.map(\.oldestAcceptedAt) == [5] && mixed.units.map(\.end) == [1] && mixed.lost.isEmpty && mixed.orphans.isEmpty)
    }

    @Test("a unit that the device refuses ends the process; a cursor's failed sync is told")
    func deviceRefuses() async throws {
        let broken = BrokenWord(), table = try self.open(broken)
        try table.add([unit(1)])
        table.settle(1, through: 5, oldestAcceptedAt: nil)
        self.watched.fail { $0 == "sync units" ? EIO : nil }
        let error = #expect(throws: ForebayError.self) { try table.sync() }
        #expect(error?.code == .syncFailed && table.needs(self.segment(1, [1: 5])))
        #expect(await broken.happens { try? table.add([unit(2)]) } == .syncFailed)
    }
}
