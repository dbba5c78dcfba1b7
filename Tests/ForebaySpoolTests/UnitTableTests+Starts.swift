import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What a start finds in the table, and writes again.
extension UnitTableTests {
    @Test("what a start finds is written again, and is durable only then: the process before may have ended with a sync that failed")
    func foundAgain() throws {
        let needed = [self.segment(1, [1: 5]), self.segment(2, [2: 1])]
        func isNeeded(by table: UnitTable) -> [Bool] { needed.map(table.needs) }
        var table = try self.open()
        try table.add([unit(1, "a"), unit(2, "b"), unit(3, "c")])
        table.settle(1, through: 5, oldestAcceptedAt: nil)
        table.end(2)
        try table.sync()
        func live(_ table: UnitTable) -> [[UInt64]] { table.live.map { [$0.number, $0.settled] } }
        _ = self.watched.calls()
        table = try self.open()
        let writes = [String](repeating: "write units", count: 3)
        #expect(self.watched.calls() == ["open units", "sync units", "syncFolder ."] + writes + ["sync units"])
        #expect(isNeeded(by: table) == [false, false] && live(table) == [[1, 5], [3, 0]])
        #expect(try [0, 1].map { try self.slot($0)?.value } == [5, 5] && self.slot(2)?.isEnded == true && self.slot(3)?.isEnded == true)
        // Without room it holds what it held, until it is written.
        self.watched.fail { $0 == "write units" ? ENOSPC : nil }
        table = try self.open()
        let moved = Happenings<Void>()
        table.whenMoved({ moved.add(()) }, makeRoom: { false }, mayPass: { _ in true })
        #expect(isNeeded(by: table) == [true, true] && table.forget(present: []).isEmpty && moved.count == 1)
        self.watched.fail(nil)
        try table.sync()
        #expect(isNeeded(by: table) == [false, false] && table.forget(present: []) == [2])
        // A sync that fails ends the start.
        let syncs = Happenings<Void>()
        self.watched.fail { call in
            guard call == "sync units" else { return nil }
            syncs.add(())
            return syncs.count == 2 ? EIO : nil
        }
        #expect(throws: ForebayError.self) { try self.open() }
        // What takes nothing more is moved away, and all of it written to another place.
        self.watched.fail { $0 == "write units" ? EIO : nil }
        table = try self.open()
        #expect(live(table) == [[1, 5], [3, 0]])
        #expect(try Folder(self.watched.disk).entries(self.watched.directory + "/quarantine").count == 1)
        self.watched.fail(nil)
        table.settle(1, through: 6, oldestAcceptedAt: nil)
        try table.sync()
        let again = try self.open()
        #expect(again.live.map(\.settled) == [6, 0] && again.live.map(\.topic) == ["a", "c"] && again.nextNumber == 4)
    }

    @Test(
        "what takes nothing more is not missed where the start that replaces it is refused at any call",
        arguments: [("write ", EIO), ("sync ", EIO), ("syncFolder ", EIO), ("open ", EIO), ("rename ", EIO), ("rename ", EINVAL)], 1...3)
    func replacedInBetween(_ refused: (call: String, number: Int32), _ nth: Int) throws {
        var table = try self.open()
        try table.add([unit(1, "a"), unit(2, "b", partition: 3)])
        table.settle(1, through: 5, oldestAcceptedAt: nil)
        table.end(2)
        try table.sync()
        let count = Happenings<Void>()
        self.watched.fail { tried in
            if tried == "write units" { return EIO }
            guard tried.hasPrefix(refused.call), tried.contains("quarantine") || tried == "rename units" else { return nil }
            count.add(())
            return count.count == nth ? refused.number : nil
        }
        _ = try? self.open()
        self.watched.fail(nil)
        table = try self.open()
        #expect(table.live.map(\.number) == [1] && table.live.map(\.settled) == [5] && table.nextNumber == 3)
    }

    @Test("what replaces a table is durable, and its name is, before it takes the place; and then that is")
    func replacesDurably() throws {
        var table = try self.open()
        try table.add([unit(1, "a"), unit(2, "b", partition: 3)])
        table.settle(1, through: 5, oldestAcceptedAt: nil)
        try table.sync()
        let refused = Happenings<Void>()
        self.watched.fail { tried in
            guard tried == "write units", refused.count == 0 else { return nil }
            refused.add(())
            return EIO
        }
        _ = self.watched.calls()
        table = try self.open()
        let calls = self.watched.calls(), made = calls.drop { $0 != "open quarantine/units" }
        let steps = made.filter { $0.contains("sync") || $0.contains("rename") }.prefix(5)
        #expect(
            Array(steps) == [
                "sync quarantine/units", "syncFolder quarantine", "rename units", "syncFolder quarantine", "syncFolder .",
            ], "\(calls)")
        #expect(made.prefix { $0 != "sync quarantine/units" }.contains("write quarantine/units"))
        #expect(table.live.map(\.number) == [1, 2] && table.live.map(\.settled) == [5, 0])
        table.settle(1, through: 9, oldestAcceptedAt: nil)
        try table.sync()
        #expect(try [0, 1].map { try self.slot($0)?.generation } == [6, 5], "the older of the two is written over")
        _ = self.watched.calls()
        try table.sync()
        #expect(self.watched.calls().isEmpty, "nothing is to be synced")
        table = try self.open()
        #expect(table.live.map(\.settled) == [9, 0], "of its slots the newer ones count")
    }
}
