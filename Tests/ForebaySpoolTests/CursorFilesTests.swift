import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

@Suite("Spool: the files of cursors")
struct CursorFilesTests {
    private let world: SegmentsWorld
    private let log = spoolID("0123456789ABCDEF")
    private let route = RouteID(name: "orders")
    private let other = RouteID(name: "bills")

    init() throws {
        self.world = try SegmentsWorld(.spool)
        let (route, other) = (self.route, self.other)
        self.world.view.change { $0.ordinals = [route: 12, other: 5] }
        for folder in ["cursors", "ahead"] {
            try FileManager.default.createDirectory(
                atPath: self.world.configuration.directory + "/" + folder, withIntermediateDirectories: true)
        }
        _ = self.world.watched.calls()
    }

    private var files: CursorFiles {
        CursorFiles(self.world.configuration, self.world.budget, self.log, self.world.reporter) {}
    }

    private var path: String { self.world.configuration.directory + "/cursors/forward.orders" }

    private func read() throws -> SlotFile.Found? {
        try SlotFile.read(SystemDisk(), self.path, as: .cursor, log: self.log, owner: SpoolCursor.owner("forward/orders"))
    }

    @Test("a new one stands at its place in both slots, durably, and counts its routes' events before that")
    func make() throws {
        try Data("something else".utf8).write(to: URL(filePath: self.path))
        let cursor = try self.files.make("forward/orders", [self.route, self.other], 30, self.world.view)
        #expect(cursor.sequence == 30 && cursor.syncedSequence == 30 && cursor.ordinal == 17)
        let found = try #require(try self.read())
        #expect(found.isWhole && found.value?.sequence == 30 && found.value?.ordinal == 17)
        #expect(self.world.watched.calls().last == "syncFolder cursors")
    }

    @Test("one that is written anew is durable, and at no moment what stood in its file before is lost")
    func rewrite() throws {
        let write = "write cursors/forward.orders"
        _ = try self.files.rewrite("forward/orders", [self.route], 30, self.world.view)
        #expect(self.world.watched.calls().contains("truncate cursors/forward.orders"), "it was not there")
        _ = try self.files.rewrite("forward/orders", [self.route], 20, self.world.view)
        let calls = self.world.watched.calls()
        #expect(calls.last == "syncFolder cursors" && !calls.contains { $0.hasPrefix("truncate") || $0.hasPrefix("remove") })
        var before: UInt64 = 20
        for number in 0..<calls.count(where: { $0 == write }) {
            let passed = Mutex(0), sequence = 10 + UInt64(number)
            self.world.watched.fail { call in
                guard call == write else { return nil }
                return passed.withLock { passed in
                    passed += 1
                    return passed > number ? ENOSPC : nil
                }
            }
            #expect(throws: ForebayError.self) { try self.files.rewrite("forward/orders", [self.route], sequence, self.world.view) }
            self.world.watched.fail(nil)
            let value = try #require(try self.read()?.value, "nothing of it is left after \(number) writes")
            #expect(value.sequence == (number == 0 ? before : sequence))
            before = value.sequence
        }
        #expect(before != 20, "one of several writes failed")
    }

    @Test("with a cursor goes what is settled ahead of it; of another's nothing does")
    func remove() throws {
        for name in ["forward/orders", "forward/bills"] {
            _ = try self.files.make(name, [RouteID(name: name)], 30, self.world.view)
            var settled = SettledAhead()
            settled.add([35..<40])
            try self.files.ahead(of: name, [RouteID(name: name)]).write(SpoolCursor.Ahead(settled: settled))
        }
        try self.files.remove("forward/orders")
        let directory = self.world.configuration.directory
        #expect(try Folder(SystemDisk()).entries(directory + "/cursors") == ["forward.bills"])
        #expect(!FileManager.default.fileExists(atPath: SettledAheadFile.path(of: "forward/orders", in: directory)))
        #expect(FileManager.default.fileExists(atPath: SettledAheadFile.path(of: "forward/bills", in: directory)))
        // One without such a file, too.
        _ = try self.files.make("forward/orders", [self.route], 30, self.world.view)
        try self.files.remove("forward/orders")
        #expect(try self.read() == nil)
    }
}
