import ForebayCore
import ForebayTestKit
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

extension UnitTableTests {
    @Test("whoever can make room is asked where a cursor found none, be it a single one, and not otherwise")
    func asksForRoom() throws {
        let table = try self.open(), asked = Happenings<Void>()
        table.whenMoved(
            {},
            makeRoom: {
                asked.add(())
                return true
            }, mayPass: { _ in true })
        try table.add([unit(1)])
        table.settle(1, through: 1, oldestAcceptedAt: nil)
        try table.sync()
        #expect(asked.count == 0)
        self.watched.fail { [asked] in $0 == "write units" && asked.count == 0 ? ENOSPC : nil }
        table.settle(1, through: 2, oldestAcceptedAt: nil)
        try table.sync()
        #expect(asked.count == 1)
        #expect(try self.open().settled(1) == 2)
    }

    @Test("a cursor that moves while others are synced is told of once, whatever found no room before")
    func movesMeanwhile() throws {
        let table = try self.open(), moved = Happenings<Void>(), synced = Happenings<Void>()
        try table.add([unit(1), unit(2), unit(3)])
        table.whenMoved({ moved.add(()) }, makeRoom: { false }, mayPass: { _ in true })
        table.settle(2, through: 1, oldestAcceptedAt: nil)
        self.watched.fail { call in
            if call == "sync units", synced.count == 0 {
                synced.add(())
                table.settle(3, through: 1, oldestAcceptedAt: nil)
            }
            return call == "write units" ? ENOSPC : nil
        }
        table.settle(1, through: 1, oldestAcceptedAt: nil)
        #expect(moved.count == 1)
        try table.sync()
        #expect(synced.count == 1 && moved.count == 2)
    }

    @Test(
        "a start to which the table is refused for another reason than its device's ends; the table stays where it is",
        arguments: [EROFS, EACCES])
    func refused(_ number: Int32) throws {
        try self.open().add([unit(1)])
        self.watched.fail { $0 == "write units" ? number : nil }
        let error = #expect(throws: ForebayError.self) { try self.open() }
        #expect(error?.systemCode == number)
        self.watched.fail(nil)
        #expect(try Folder(self.watched.disk).entries(self.watched.directory + "/quarantine").isEmpty)
        #expect(try self.open().live.map(\.number) == [1])
    }

    @Test("what is remembered of segments and of units that ended goes when they do, and is not searched for while it holds")
    func remembered() {
        var state = UnitTableState()
        #expect(state.highest == 0 && state.pairs.count == 0)
        for number in [1, 2] as [UInt64] { state.entries[number] = state.place(for: unit(number)) }
        let log = spoolID("0123456789ABCDEF")
        let segments = (1...3 as ClosedRange<UInt64>).map { number in
            var info = SegmentInfo(
                header: SegmentHeader(log: log, origin: log, number: number, base: 0, salt: 1, madeAt: 0), path: "", end: 9, dataEnd: 9000,
                size: 9000)
            info.routes = RouteTable([RouteID(rawValue: 1): 4, RouteID(rawValue: 2): 4])
            return info
        }
        var needs = segments.map { state.needs($0) }
        #expect(needs == [true, true, true] && state.holders == [1: 1, 2: 1, 3: 1])
        var forgotten = state.forget(present: segments)
        #expect(forgotten.isEmpty && state.holders.count == 3)
        forgotten = state.forget(present: Array(segments[1...]))
        #expect(forgotten.isEmpty && state.holders.isEmpty, "some are gone")
        needs = segments.map { state.needs($0) }
        #expect(needs == [true, true, true])
        state.entries[1]!.isEnded = true
        state.synced([state.entries[1]!])
        needs = segments.map { state.needs($0) }
        #expect(needs == [true, true, true] && state.holders == [1: 2, 2: 2, 3: 2], "now for the other one")
        forgotten = state.forget(present: [segments[1]])
        #expect(forgotten.isEmpty && state.entries[1]?.lastSeenIn == 2)
        forgotten = state.forget(present: segments)
        #expect(forgotten.isEmpty && state.entries[1]?.lastSeenIn == 2)
        forgotten = state.forget(present: [])
        #expect(forgotten == [1] && state.ended.isEmpty && state.entries.keys.sorted() == [2])
    }
}
