import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

/// What the file takes follows what is in it.
extension UnitTableTests {
    /// Units 1 to 40, of which these are left; the others' pairs are free.
    private func table(keeping kept: Set<UInt64> = [3, 21, 39]) throws -> UnitTable {
        let table = try self.open()
        let numbers = 1...40 as ClosedRange<UInt64>
        try table.add(numbers.map { unit($0, "t\($0)") })
        for number in numbers where kept.contains(number) { table.settle(number, through: number, oldestAcceptedAt: nil) }
        for number in numbers where !kept.contains(number) { table.end(number) }
        try table.sync()
        #expect(table.forget(present: []).count == 40 - kept.count - (kept.contains(40) ? 0 : 1), "the highest number stays")
        return table
    }

    private func settled(_ table: UnitTable) -> [UInt64: UInt64] {
        Dictionary(uniqueKeysWithValues: table.live.map { ($0.number, $0.settled) })
    }

    private func copy(_ bytes: Data) throws -> UnitTable {
        let other = UnitTableTests()
        try bytes.write(to: URL(filePath: other.watched.directory + "/units"))
        return try other.open()
    }

    @Test("what stands behind free pairs goes before them, durably, and then the file is cut; no number is given again")
    func shrinks() throws {
        let table = try self.table()
        _ = (self.watched.calls(), table.takeGrowth())
        try table.shrink()
        #expect(
            self.watched.calls() == [String](repeating: "write units", count: 3) + ["sync units", "truncate units", "sync units"])
        #expect(table.byteCount == 4 * 8192 && table.takeGrowth() == -36 * 8192)
        #expect(try self.bytes().count == 4 * 8192)
        #expect(self.settled(table) == [3: 3, 21: 21, 39: 39] && table.live.map(\.topic) == ["t3", "t21", "t39"])
        try table.shrink()
        #expect(self.watched.calls().isEmpty)
        // It goes on as before, in its new place.
        table.settle(39, through: 50, oldestAcceptedAt: 7)
        table.end(21)
        try table.sync()
        let again = try self.open()
        #expect(self.settled(again) == [3: 3, 39: 50] && again.nextNumber == 41 && again.live[1].oldestAcceptedAt == 7)
        #expect(again.live.map(\.topic) == ["t3", "t39"])
        try again.add([unit(41)])
        try again.sync()
        #expect(again.forget(present: []).sorted() == [21, 40], "a higher one is there")
    }

    @Test("few free pairs are left for the next units")
    func fewAreLeft() throws {
        let table = try self.table(keeping: Set(8...40))
        _ = self.watched.calls()
        try table.shrink()
        #expect(self.watched.calls().isEmpty && table.byteCount == 40 * 8192)
        try table.add([unit(50)])
        #expect(table.byteCount == 40 * 8192)
    }

    @Test("a kill anywhere in between loses nothing, brings nothing back that has ended, and is made good by the next time")
    func killed() throws {
        let table = try self.table()
        let states = Mutex<[Data]>([])
        let path = self.watched.directory + "/units"
        self.watched.fail { _ in
            if let bytes = try? Data(contentsOf: URL(filePath: path)) { states.withLock { $0.append(bytes) } }
            return nil
        }
        try table.shrink()
        self.watched.fail(nil)
        let found = states.withLock { $0 } + [try Data(contentsOf: URL(filePath: path))]
        #expect(found.count == 7)
        for bytes in found {
            let table = try self.copy(bytes)
            #expect(self.settled(table) == [3: 3, 21: 21, 39: 39] && table.nextNumber == 41)
            _ = table.forget(present: [])
            try table.shrink()
            #expect(table.byteCount == 4 * 8192 && self.settled(table) == [3: 3, 21: 21, 39: 39])
        }
    }

    @Test(
        "what the disk does not take now is tried again, and nothing is worse meanwhile",
        arguments: ["write units", "truncate units"], [ENOSPC, EIO])
    func refused(_ call: String, _ number: Int32) throws {
        let table = try self.table(), count = Happenings<Void>()
        self.watched.fail { tried in
            guard tried == call else { return nil }
            count.add(())
            return call == "truncate units" || count.count == 2 ? number : nil
        }
        try table.shrink()
        #expect(table.byteCount > 4 * 8192 && self.settled(table) == [3: 3, 21: 21, 39: 39])
        self.watched.fail(nil)
        #expect(self.settled(try self.open()) == [3: 3, 21: 21, 39: 39])
        table.settle(39, through: 60, oldestAcceptedAt: nil)
        try table.shrink()
        try table.sync()
        // A sector that takes nothing is left alone.
        #expect(table.byteCount == (call == "write units" && number == EIO ? 5 : 4) * 8192)
        #expect(self.settled(table) == [3: 3, 21: 21, 39: 60])
        #expect(self.settled(try self.open()) == [3: 3, 21: 21, 39: 60])
    }

    @Test("a sync that fails is told of", arguments: [1, 2])
    func syncFails(_ nth: Int) throws {
        let table = try self.table(), count = Happenings<Void>()
        self.watched.fail { tried in
            guard tried == "sync units" else { return nil }
            count.add(())
            return count.count == nth ? EIO : nil
        }
        let error = #expect(throws: ForebayError.self) { try table.shrink() }
        #expect(error?.code == .syncFailed)
    }

    @Test("a cursor that could not be written, or must wait, is not written by that either")
    func unwritten() throws {
        let table = try self.table()
        table.whenMoved({}, makeRoom: { false }, mayPass: { $0 != 39 })
        table.settle(39, through: 70, oldestAcceptedAt: nil)
        try table.shrink()
        #expect(self.settled(try self.open()) == [3: 3, 21: 21, 39: 39])
        table.whenMoved({}, makeRoom: { false }, mayPass: { _ in true })
        try table.sync()
        try table.shrink()
        #expect(table.byteCount == 4 * 8192)
        #expect(self.settled(try self.open()) == [3: 3, 21: 21, 39: 70])
    }

    @Test("a pair that was kept for a unit that found no room is free when the unit is over")
    func neverKnown() throws {
        let table = try self.open()
        self.watched.fail { $0 == "write units" ? ENOSPC : nil }
        #expect(throws: ForebayError.self) { try table.add([unit(1)]) }
        self.watched.fail(nil)
        #expect(table.growth(for: [unit(1)]) == 0 && table.growth(for: [unit(2)]) == 8192)
        table.end(1)
        #expect(table.growth(for: [unit(2)]) == 0 && table.nextNumber == 1)
        try table.add([unit(2)])
        #expect(table.byteCount == 8192 && table.growth(for: [unit(2), unit(3)]) == 8192)
    }
}
