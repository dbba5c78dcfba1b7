import ForebayCore
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

/// What is settled ahead of a cursor: when the keeper is told, and what stands on the disk then.
@Suite("Settled ahead of a cursor: what is written when")
struct CursorAheadTests {
    private let watched = WatchedDisk()
    private let moved = Happenings<Void>()
    private let log = spoolID("0123456789ABCDEF"), side = spoolID("GHJKMNPQRSTVWXYZ")

    private var file: SettledAheadFile {
        SettledAheadFile(disk: SystemDisk(), directory: self.watched.directory, log: self.log, name: "forward/a", routes: [routeA])
    }

    private func cursor(at sequence: UInt64 = 5) throws -> SpoolCursor {
        try Folder(SystemDisk()).make(SettledAheadFile.folder(in: self.watched.directory))
        let value = SlotFile.Value(sequence: sequence, ordinal: 0, owner: 9), directory = self.watched.directory
        let slots = try SlotFile.make(self.watched.disk, directory + "/slots", of: directory, as: .cursor, log: self.log, value)
        let budget = try SpoolBudget(capacity: 1 << 30, directory: directory, disk: self.watched.disk)
        let moved = self.moved
        let cursor = SpoolCursor(
            name: "forward/a", routes: [routeA], slots: slots, value: value,
            ahead: SettledAheadFile(disk: self.watched.disk, directory: directory, log: self.log, name: "forward/a", routes: [routeA]),
            budget: budget, moved: { moved.add(()) }, mayPass: { _ in true }, onDiskFailure: { fatalError("\($0)") })
        _ = self.watched.calls()
        return cursor
    }

    private var onDisk: SpoolCursor.Ahead? { get throws { try self.file.read(end: 1000) } }

    private static let name = "ahead/forward.a"
    private static let written = ["open \(name)~", "write \(name)~", "sync \(name)~", "rename \(name)", "syncFolder ahead"]

    @Test("what is new is told once until it is written, and written once; what is the same is not")
    func kept() throws {
        let cursor = try self.cursor()
        #expect(try cursor.openAhead(end: 1000, witnesses: []) == SpoolCursor.Ahead() && self.watched.calls().isEmpty)
        cursor.keep(SettledAhead(), isFinal: false)
        #expect(self.moved.count == 0)
        for end in [7, 8] as [UInt64] { cursor.keep(SettledAhead(ranges: [6..<end]), isFinal: false) }
        #expect(self.moved.count == 1 && self.watched.calls().isEmpty)
        try cursor.sync()
        #expect(self.watched.calls() == Self.written)
        #expect(try self.onDisk == SpoolCursor.Ahead(settled: SettledAhead(ranges: [6..<8])))
        cursor.keep(SettledAhead(ranges: [6..<8]), isFinal: false)
        try cursor.sync()
        #expect(self.moved.count == 1 && self.watched.calls().isEmpty)
        cursor.keep(SettledAhead(ranges: [6..<8]), isFinal: true)
        #expect(self.moved.count == 2)
        try cursor.sync()
        #expect(try self.onDisk?.isFinal == true)
    }

    @Test("that a process ended in order is written also where nothing is settled ahead, and not any more once another has begun")
    func final() throws {
        let cursor = try self.cursor()
        cursor.begin()
        #expect(self.moved.count == 0)
        cursor.keep(SettledAhead(sentBelow: 3), isFinal: true)
        try cursor.sync()
        #expect(try self.onDisk == SpoolCursor.Ahead(settled: SettledAhead(sentBelow: 3), isFinal: true))
        for _ in 0..<2 { cursor.begin() }
        #expect(self.moved.count == 2)
        try cursor.sync()
        #expect(try self.onDisk == nil, "there is nothing else to say")
        for isFinal in [true, false] {
            try self.file.write(SpoolCursor.Ahead(settled: SettledAhead(ranges: [6..<8]), isFinal: isFinal))
            let next = try self.cursor()
            #expect(try next.openAhead(end: 1000, witnesses: []).isFinal == isFinal)
            #expect(self.watched.calls() == ["open \(Self.name)"] + (isFinal ? Self.written : []))
            #expect(try self.onDisk == SpoolCursor.Ahead(settled: SettledAhead(ranges: [6..<8])), "something may be sent from now on")
        }
    }

    @Test("what the cursor has passed is not taken over, nor written again; once it stands behind all of it the file goes")
    func passed() throws {
        let cursor = try self.cursor()
        try self.file.write(SpoolCursor.Ahead(settled: SettledAhead(ranges: [3..<5, 6..<8, 20..<22])))
        let found = try cursor.openAhead(end: 1000, witnesses: [])
        #expect(found.settled.ranges == [6..<8, 20..<22])
        cursor.keep(found.settled, isFinal: false)
        #expect(self.moved.count == 0, "it is there")
        cursor.move(to: 21, settled: 0)
        try cursor.sync()
        #expect(try self.onDisk?.settled.ranges == [3..<5, 6..<8, 20..<22] && self.moved.count == 1)
        cursor.move(to: 22, settled: 0)
        try cursor.sync()
        #expect(try self.onDisk == nil)
        _ = self.watched.calls()
        try cursor.sync()
        #expect(self.watched.calls().isEmpty)
    }

    @Test("what a side log vouches for counts while nothing more of that was found lost than at the start")
    func witnesses() throws {
        for (atStart, kept, isKept) in [
            (3, 3, true), (3, 4, false), (3, 2, false), (0, 0, true), (nil, 0, true), (nil, 1, false),
        ] as [(UInt64?, UInt64, Bool)] {
            let cursor = try self.cursor()
            let other = LogWitness(log: self.log, end: 9, losses: 77)
            _ = try cursor.openAhead(
                end: 1000, witnesses: [other] + (atStart.map { [LogWitness(log: self.side, end: 8, losses: $0)] } ?? []))
            let ahead = SettledAhead(
                ranges: [0..<1, 6..<8], sentBelow: 2, witnesses: [other, LogWitness(log: self.side, end: 8, losses: kept)])
            cursor.keep(ahead, isFinal: true)
            try cursor.sync()
            let written = try #require(try self.onDisk?.settled)
            #expect(written.ranges == (isKept ? [0..<1, 6..<8] : []) && written.sentBelow == (isKept ? 2 : 8), "\(kept), \(atStart ?? 0)")
            try self.file.remove()
        }
    }
}
