import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// A cursor's file and the mark: what is written and what is synced, in which order, and what is read again.
@Suite("Spool: slots on the disk", .timeLimit(.minutes(1)))
struct CursorFileTests {
    private let log = spoolID("0123456789ABCDEF")
    private let watched = WatchedDisk()

    private func value(_ sequence: UInt64, _ ordinal: UInt64 = 0, owner: UInt64 = 9) -> SlotFile.Value {
        SlotFile.Value(sequence: sequence, ordinal: ordinal, owner: owner)
    }

    private var path: String { self.watched.directory + "/slots" }

    private func read(
        as kind: Slot.Kind = .cursor, owner: UInt64? = nil, log: String? = "0123456789ABCDEF", takesOlder: Bool = false
    ) throws -> SlotFile.Found? {
        try SlotFile.read(SystemDisk(), self.path, as: kind, log: log.map(spoolID), owner: owner, takesOlder: takesOlder)
    }

    private func damage(_ places: [Int]) throws {
        var bytes = try Data(contentsOf: URL(filePath: self.path))
        for place in places { bytes[place] ^= 1 }
        try bytes.write(to: URL(filePath: self.path))
    }

    @Test("a file is made with the value in both slots, durably; each move goes to the slot that is not the newest")
    func made() throws {
        #expect(try self.read() == nil)
        try Data(repeating: 7, count: 20_000).write(to: URL(filePath: self.path))
        let slots = try SlotFile.make(
            self.watched.disk, self.path, of: self.watched.directory, as: .cursor, log: self.log, self.value(5, 3))
        #expect(
            self.watched.calls() == [
                "open slots", "truncate slots", "write slots", "write slots", "sync slots", "write slots", "sync slots", "syncFolder .",
            ])
        var bytes = try Data(contentsOf: URL(filePath: self.path))
        #expect(bytes.count == 8192 && SlotFile.size == 8192)
        #expect(bytes[64..<4096].allSatisfy { $0 == 0 } && bytes[4160...].allSatisfy { $0 == 0 }, "nothing of what was there")
        for place in [0, 4096] {
            let slot = Array(bytes[place..<place + 64]).withUnsafeBytes { Slot(decoding: $0, as: .cursor, of: self.log) }
            #expect(slot == Slot(.cursor, log: self.log, generation: place == 0 ? 2 : 1, value: 5, ordinal: 3, owner: 9))
        }
        let first = try #require(try self.read())
        #expect(first.value == self.value(5, 3) && first.isWhole)

        for (sequence, place) in [(6, 4096), (7, 0), (8, 4096)] {
            try slots.write(self.value(UInt64(sequence)))
            #expect(self.watched.calls() == ["write slots"], "not synced")
            let now = try Data(contentsOf: URL(filePath: self.path))
            #expect(
                now[place..<place + 64] != bytes[place..<place + 64]
                    && now[(4096 - place)..<(4096 - place + 64)] == bytes[(4096 - place)..<(4096 - place + 64)])
            bytes = now
            #expect(try self.read()?.value == self.value(UInt64(sequence)))
        }
        try slots.writeBoth(self.value(1))
        #expect(self.watched.calls() == ["write slots", "sync slots", "write slots", "sync slots"])
        for damaged in [0, 4096] {
            try self.damage([damaged + 20])
            let found = try #require(try self.read())
            #expect(found.value == self.value(1) && !found.isWhole)
            try self.damage([damaged + 20])
        }
    }

    @Test("only slots of the log and of those who may own it count")
    func owners() throws {
        _ = try SlotFile.make(self.watched.disk, self.path, of: self.watched.directory, as: .cursor, log: self.log, self.value(5))
        #expect(try self.read(owner: 9)?.value == self.value(5) && self.read(log: nil)?.value == self.value(5))
        for found in [try self.read(owner: 8), try self.read(log: "GHJKMNPQRSTVWXYZ")] {
            #expect(found != nil && found?.value == nil && found?.isWhole == false)
        }
        try self.damage([3, 4099])
        var found = try #require(try self.read())
        #expect(found.value == nil && !found.isWhole)
        try self.damage([3, 4099])
        for size in [4160, 4159, 64, 63, 0] {
            try Data(contentsOf: URL(filePath: self.path)).prefix(size).write(to: URL(filePath: self.path))
            found = try #require(try self.read())
            #expect((found.value != nil) == (size >= 64) && found.isWhole == (size >= 4160), "\(size) bytes")
        }
        try FileManager.default.removeItem(atPath: self.path)
        try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: false)
        #expect(try self.read() == nil, "a folder is no file")
    }

    @Test("what was found is written again when it is taken; what is not whole, or another value, is written to both slots")
    func taken() throws {
        func take(_ value: SlotFile.Value) throws -> SlotFile {
            let found = try #require(try self.read())
            return try SlotFile.take(self.watched.disk, self.path, of: self.watched.directory, as: .cursor, log: self.log, found, value)
        }
        _ = try SlotFile.make(self.watched.disk, self.path, of: self.watched.directory, as: .cursor, log: self.log, self.value(5))
        _ = self.watched.calls()
        var slots = try take(self.value(5))
        #expect(self.watched.calls() == ["open slots", "write slots", "sync slots"], "a sync alone proves nothing after one that failed")
        try slots.write(self.value(6))
        #expect(try self.read()?.value == self.value(6), "it goes on with the generations")
        _ = self.watched.calls()
        slots = try take(self.value(4))
        #expect(self.watched.calls() == ["open slots", "write slots", "sync slots", "write slots", "sync slots"])
        #expect(try self.read()?.value == self.value(4))
        try self.damage([4100])
        _ = try take(self.value(4))
        #expect(self.watched.calls() == ["open slots", "write slots", "sync slots", "write slots", "sync slots"])
        #expect(try self.read()?.isWhole == true)
    }

    @Test(
        "a file that the device does not take any more is moved to quarantine and made anew; any other failure is told",
        arguments: [true, false])
    func replaced(isMade: Bool) throws {
        _ = try SlotFile.make(self.watched.disk, self.path, of: self.watched.directory, as: .cursor, log: self.log, self.value(5))
        let found = try #require(try self.read())
        func again() throws {
            let value = self.value(6)
            if isMade {
                _ = try SlotFile.make(self.watched.disk, self.path, of: self.watched.directory, as: .cursor, log: self.log, value)
            } else {
                _ = try SlotFile.take(self.watched.disk, self.path, of: self.watched.directory, as: .cursor, log: self.log, found, value)
            }
        }
        for (call, number) in [("write slots", ENOSPC), ("sync slots", EIO), ("open slots", EMFILE)] as [(String, Int32)] {
            self.watched.fail { $0 == call ? number : nil }
            let error = #expect(throws: ForebayError.self) { try again() }
            #expect(error?.systemCode == number)
            #expect(!FileManager.default.fileExists(atPath: self.watched.directory + "/quarantine"))
        }
        for copy in ["slots", "slots.2", "slots.3"] {
            let isBad = Happenings<Void>()
            self.watched.fail { call in
                if call.hasPrefix("rename") { isBad.add(()) }
                return call == "write slots" && isBad.count == 0 ? EIO : nil
            }
            try again()
            #expect(FileManager.default.fileExists(atPath: self.watched.directory + "/quarantine/" + copy))
            #expect(try self.read()?.value == self.value(6) && self.read()?.isWhole == true)
        }
        _ = self.watched.calls()
        let isBad = Happenings<Void>()
        self.watched.fail { call in
            if call.hasPrefix("rename") { isBad.add(()) }
            return call == "write slots" && isBad.count == 0 ? EIO : nil
        }
        try again()
        let calls = self.watched.calls()
        if isMade {
            #expect(calls.suffix(11).prefix(3) == ["rename quarantine/slots.4", "syncFolder quarantine", "syncFolder ."])
        } else {
            let expected = [
                "sync quarantine/slots.4", "syncFolder quarantine", "rename slots", "syncFolder quarantine", "syncFolder .", "open slots",
            ]
            #expect(calls.suffix(6) == expected, "what can be read goes only when the new one is durable")
        }
    }

    // MARK: Cursors

    /// Of which nothing is kept back.
    private var budget: SpoolBudget {
        get throws {
            let budget = try SpoolBudget(capacity: 1 << 30, directory: self.watched.directory, disk: self.watched.disk)
            _ = self.watched.calls()
            return budget
        }
    }

    private func cursor(
        _ broken: BrokenWord = BrokenWord(), moved: Happenings<Void> = Happenings(),
        mayPass: @escaping @Sendable (UInt64) -> Bool = { _ in true }
    ) throws -> SpoolCursor {
        let value = self.value(5, 2)
        let slots = try SlotFile.make(self.watched.disk, self.path, of: self.watched.directory, as: .cursor, log: self.log, value)
        _ = self.watched.calls()
        let ahead = SettledAheadFile(
            disk: self.watched.disk, directory: self.watched.directory, log: self.log, name: "forward/orders",
            routes: [RouteID(name: "orders")])
        return SpoolCursor(
            name: "forward/orders", routes: [RouteID(name: "orders")], slots: slots, value: value, ahead: ahead, budget: try self.budget,
            moved: { moved.add(()) }, mayPass: mayPass,
            onDiskFailure: { broken($0) })
    }

    @Test("a move is written at once, tells the keeper once until it has synced, and is durable after that")
    func moves() throws {
        let moved = Happenings<Void>()
        let cursor = try self.cursor(moved: moved)
        #expect(
            cursor.stage == "forward" && cursor.route == "orders" && (cursor.sequence, cursor.ordinal, cursor.syncedSequence) == (5, 2, 5))
        try cursor.sync()
        #expect(self.watched.calls().isEmpty && moved.count == 0, "nothing to sync")
        for sequence in [0, 4, 5] as [UInt64] { cursor.move(to: sequence, settled: 1) }
        #expect(self.watched.calls().isEmpty && moved.count == 0 && cursor.ordinal == 2, "not backwards, and not where it stands")
        cursor.move(to: 6, settled: 1)
        #expect(self.watched.calls() == ["write slots"] && moved.count == 1)
        cursor.move(to: 9, settled: 2)
        #expect(self.watched.calls() == ["write slots"] && moved.count == 1, "it knows")
        #expect((cursor.sequence, cursor.ordinal, cursor.syncedSequence) == (9, 5, 5))
        #expect(try self.read()?.value == self.value(9, 5))
        try cursor.sync()
        #expect(self.watched.calls() == ["sync slots"] && cursor.syncedSequence == 9)
        try cursor.sync()
        #expect(self.watched.calls().isEmpty)
        cursor.move(to: 10, settled: 0)
        #expect(moved.count == 2 && cursor.ordinal == 5)
    }

    @Test("where a hole was the count is set, also at the same place, and not below it")
    func rests() throws {
        let moved = Happenings<Void>()
        let cursor = try self.cursor(moved: moved)
        cursor.rest(at: 4, ordinal: 9)
        cursor.rest(at: 5, ordinal: 2)
        #expect(self.watched.calls().isEmpty && moved.count == 0)
        cursor.rest(at: 5, ordinal: 4)
        #expect(self.watched.calls() == ["write slots"] && (cursor.sequence, cursor.ordinal) == (5, 4))
        cursor.rest(at: 8, ordinal: 3)
        #expect((cursor.sequence, cursor.ordinal) == (8, 3) && moved.count == 1)
        #expect(try self.read()?.value == self.value(8, 3))
    }

    @Test("a move that finds no room counts, and is written when there is some; one that the device refuses ends the process")
    func refused() async throws {
        let (broken, moved) = (BrokenWord(), Happenings<Void>())
        let cursor = try self.cursor(broken, moved: moved)
        self.watched.fail { $0 == "write slots" ? ENOSPC : nil }
        cursor.move(to: 6, settled: 1)
        #expect((cursor.sequence, cursor.ordinal) == (6, 3) && moved.count == 1)
        cursor.rest(at: 6, ordinal: 3)
        #expect(moved.count == 1)
        #expect(try !cursor.sync() && cursor.syncedSequence == 5 && self.read()?.value == self.value(5, 2))
        self.watched.fail(nil)
        #expect(try cursor.sync() && cursor.syncedSequence == 6 && self.read()?.value == self.value(6, 3))
        _ = self.watched.calls()
        #expect(try cursor.sync() && self.watched.calls().isEmpty, "once")
        self.watched.fail { $0 == "sync slots" ? EIO : nil }
        cursor.move(to: 7, settled: 1)
        #expect(throws: ForebayError.self) { try cursor.sync() }
        #expect(cursor.syncedSequence == 6, "what is not durable frees nothing")
        self.watched.fail { $0 == "write slots" ? EIO : nil }
        #expect(await broken.happens { cursor.move(to: 8, settled: 1) } == .systemCall)
    }

    @Test("what may not be passed yet is not written, and the keeper is told once; as soon as it may be, it is, with the next sync")
    func held() throws {
        let (moved, allowed) = (Happenings<Void>(), Happenings<Void>())
        let cursor = try self.cursor(moved: moved, mayPass: { $0 <= 6 || allowed.count > 0 })
        cursor.move(to: 6, settled: 1)
        #expect(try self.read()?.value == self.value(6, 3) && cursor.sync() && moved.count == 1)
        for sequence in [7, 8] as [UInt64] { cursor.move(to: sequence, settled: 1) }
        #expect(moved.count == 2, "it knows")
        #expect(try !cursor.sync() && cursor.syncedSequence == 6 && self.read()?.value == self.value(6, 3))
        allowed.add(())
        #expect(try cursor.sync() && cursor.syncedSequence == 8 && self.read()?.value == self.value(8, 5))
    }

    // MARK: The mark

    @Test("the mark is written and synced when it changes, and left alone when it does not")
    func mark() throws {
        let value = SpoolMark.Value(durable: 5, released: 3, newest: 2)
        let slots = try SlotFile.make(
            self.watched.disk, self.path, of: self.watched.directory, as: .mark, log: self.log, SlotFile.Value(value))
        #expect(try self.read(as: .mark)?.value == SlotFile.Value(sequence: 5, ordinal: 3, owner: 2))
        let mark = SpoolMark(slots: slots, value: value, budget: try self.budget)
        _ = self.watched.calls()
        try mark.set { $0.durable = 5 }
        #expect(self.watched.calls().isEmpty)
        try mark.set { $0.released = 4 }
        #expect(self.watched.calls() == ["write slots", "sync slots"])
        try mark.set { $0.released = 4 }
        #expect(self.watched.calls().isEmpty)
        self.watched.fail { $0 == "write slots" ? ENOSPC : nil }
        #expect(throws: ForebayError.self) { try mark.set { $0.newest = 7 } }
        self.watched.fail(nil)
        #expect(try self.read(as: .mark)?.value.map(SpoolMark.Value.init) == SpoolMark.Value(durable: 5, released: 4, newest: 2))
        try mark.set { $0.newest = 7 }
        #expect(try self.read(as: .mark)?.value.map(SpoolMark.Value.init) == SpoolMark.Value(durable: 5, released: 4, newest: 7))
    }
}
