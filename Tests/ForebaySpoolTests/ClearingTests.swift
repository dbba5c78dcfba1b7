import ForebayCore
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebaySpool

/// Segments that nobody needs any more, on a disk on which they can't go: each call fails that is made for it.
@Suite("Spool: what is passed gives its room back", .timeLimit(.minutes(5)))
struct ClearingTests {
    /// What goes wrong while segments are cleared.
    struct Fault: Sendable, CustomTestStringConvertible {
        let call: FaultDisk.Call
        let number: Int32
        var isForever = false
        /// The oldest segment is damaged: it goes to quarantine.
        var isDamaged = false
        /// Segments become the next one's file.
        var prepares = false

        var testDescription: String {
            "\(self.call) \(String(cString: strerror(self.number)))\(self.isForever ? ", until it is mended" : ", once")"
                + (self.isDamaged ? ", a damaged segment" : "") + (self.prepares ? ", used again" : "")
        }

        static let numbers = [ENOSPC, EIO, EMFILE, ENOENT]

        static var all: [Fault] {
            var all: [Fault] = []
            for number in Self.numbers {
                for isForever in [false, true] {
                    for call in [FaultDisk.Call.remove, .openFolder] {
                        all.append(Fault(call: call, number: number, isForever: isForever))
                        all.append(Fault(call: call, number: number, isForever: isForever, isDamaged: true))
                    }
                    for call in [FaultDisk.Call.rename, .makeFolder] {
                        all.append(Fault(call: call, number: number, isForever: isForever, isDamaged: true))
                    }
                    for call in [FaultDisk.Call.rename, .openFolder] {
                        all.append(Fault(call: call, number: number, isForever: isForever, prepares: true))
                    }
                }
            }
            return all
        }
    }

    /// Three routes in segments of two events or one, and a small event in the last: two have passed all, the third all but the last ones.
    struct Filled {
        let fixture: SpoolFixture
        let disk: FaultDisk
        let spool: Spool
        let cursors: [SpoolCursor]
        /// What the third is settled to.
        static let passed: UInt64 = 18, count: UInt64 = 25

        /// - Parameter roomInterval: milliseconds until it is tried again.
        init(prepares: Bool = false, ballast: Int = 0, roomInterval: Int = 60_000) async throws {
            self.fixture = SpoolFixture(segmentSize: 128 << 10)
            self.disk = FaultDisk()
            let budget = try SpoolBudget(capacity: 1 << 30, directory: self.fixture.directory, disk: self.disk, ballast: ballast)
            self.spool = try self.fixture.open(
                preparesNext: prepares, on: self.disk, roomInterval: roomInterval, cursorSyncInterval: 600_000, budget: budget)
            var cursors: [SpoolCursor] = []
            for name in ["a", "b", "c"] { cursors.append(try await self.spool.cursor("forward/\(name)", route: RouteID(name: name))) }
            self.cursors = cursors
            await self.spool.releasePassedSegments()
            for number in 0..<Self.count {
                let route = RouteID(name: ["a", "b", "c"][Int(number % 3)])
                let padding = String(repeating: "q", count: number < Self.count - 1 ? 40_000 : 1)
                _ = try await self.spool.commit([submission([(route, ["\(number)" + padding])])])
            }
        }

        func pass() async {
            self.cursors[0].move(to: Self.count, settled: 9)
            self.cursors[1].move(to: Self.count, settled: 8)
            self.cursors[2].move(to: Self.passed, settled: 6)
            await self.spool.syncCursors()
        }

        /// Whether the oldest segment is the one that the third needs. A segment has two events, or one when the next file was ready early.
        var isCleared: Bool {
            self.spool.view.read { $0.segments.first.map { $0.base <= Self.passed && $0.end > Self.passed } ?? false }
        }

        func damageOldest() {
            self.spool.view.damaged(self.spool.view.read { $0.segments[0].number })
        }

        /// Nothing is left of what was passed; what was not is there, now and after a kill.
        func expectCleared() async throws {
            #expect(self.isCleared && self.spool.segmentCount <= 5, "\(self.spool.start)")
            #expect(self.spool.alarms.isEmpty && self.spool.missing.isEmpty, "\(self.spool.alarms)")
            try await self.expectWhole(self.spool)
            try await self.expectSoundAfterKill()
        }

        func expectSoundAfterKill() async throws {
            let copy = try self.fixture.crashed()
            #expect(try SpoolInspection(directory: copy.directory).verify().problems.isEmpty)
            let spool = try copy.open()
            for name in ["a", "b", "c"] { _ = try await spool.cursor("forward/\(name)", route: RouteID(name: name)) }
            await spool.releasePassedSegments()
            #expect(spool.alarms.isEmpty && spool.missing.isEmpty, "\(spool.alarms) \(spool.missing)")
            try await self.expectWhole(spool)
            await spool.close()
        }

        private func expectWhole(_ spool: Spool) async throws {
            let lags = try await ["a", "b", "c"].asyncMap { try await spool.cursor("forward/\($0)", route: RouteID(name: $0)) }
            #expect(lags.map { spool.lag(of: $0) } == [0, 0, 2])
            let waiting = try spool.events(route: RouteID(name: "c"), from: Self.passed).map(\.0)
            #expect(waiting == [20, 23])
            #expect(try spool.events(from: Self.passed).map(\.0).starts(with: Self.passed..<Self.count))
        }
    }

    @Test("a call that fails stops nobody: the others go, an alarm tells, and it is tried again", arguments: Fault.all)
    func callFails(_ fault: Fault) async throws {
        let filled = try await Filled(prepares: fault.prepares, roomInterval: 20)
        if fault.isDamaged { filled.damageOldest() }
        let struck = Atomic<Int>(0)
        filled.disk.fail { call, path in
            guard call == fault.call, !fault.prepares || call != .rename || path.contains("/prepared-") else { return nil }
            if struck.wrappingAdd(1, ordering: .relaxed).newValue > 1, !fault.isForever { return nil }
            return fault.number
        }
        await filled.pass()
        let isUsedAgain = fault.prepares && fault.call == .rename
        #expect(isUsedAgain || struck.load(ordering: .relaxed) > 0, "it struck")
        if fault.isForever, !isUsedAgain {
            #expect(filled.spool.alarms.map(\.kind) == [.stays], "\(filled.spool.alarms)")
            // What goes, or is cut to its header, gives its room back: all but the one that stays.
            let whole = filled.spool.view.read { $0.segments.filter { $0.end <= Filled.passed && !$0.isHusk } }
            #expect(whole.count == 1 && filled.spool.view.read { $0.segments[0].number } == whole[0].number)
            #expect(filled.spool.missing.isEmpty)
            try await filled.expectSoundAfterKill()
        }
        _ = try await filled.spool.commit([submission([(RouteID(name: "a"), ["accepted all the while"])])])
        filled.cursors[0].move(to: Filled.count + 1, settled: 1)
        filled.disk.fail(nil)
        // Nobody moves a cursor's place far enough to matter, or at all: it is tried again by itself.
        #expect(await eventually { filled.isCleared && filled.spool.alarms.isEmpty })
        await filled.spool.syncCursors()
        try await filled.expectCleared()
        let kept = (try? FileManager.default.contentsOfDirectory(atPath: filled.fixture.directory + "/quarantine")) ?? []
        #expect(kept.count == (fault.isDamaged ? 1 : 0), "\(kept)")
        await filled.spool.close()
    }

    @Test(
        "where the oldest can't go, the others are cut to their headers; a call of that which fails stops nobody either",
        arguments: [FaultDisk.Call.open, .write, .truncate], [ENOSPC, EIO, EMFILE, ENOENT])
    func cuttingFails(_ call: FaultDisk.Call, _ number: Int32) async throws {
        let filled = try await Filled()
        let files = filled.spool.view.read { $0.segments.map(\.path) }
        filled.disk.fail { tried, path in
            if tried == .remove { return EIO }
            return tried == call && path == files[1] ? number : nil
        }
        await filled.pass()
        let alarm = try #require(filled.spool.alarms.first)
        #expect(filled.spool.alarms.count == 1 && alarm.kind == .stays && alarm.file == files[0], "\(alarm)")
        #expect(alarm.text.hasSuffix("(and 1 more)") == (number != ENOENT), "one that is gone does not stay")
        #expect(filled.spool.view.read { $0.segments.filter(\.isHusk).count } >= 7)
        try await filled.expectSoundAfterKill()
        filled.disk.fail(nil)
        await filled.spool.syncCursors()
        try await filled.expectCleared()
        await filled.spool.close()
    }

    @Test("a file that somebody removed under a running node is gone, whichever it is", arguments: [false, true], [0, 1, 4])
    func fileGone(isDamaged: Bool, _ place: Int) async throws {
        let filled = try await Filled()
        let segment = filled.spool.view.read { $0.segments[place] }
        if isDamaged { filled.spool.view.damaged(segment.number) }
        try FileManager.default.removeItem(atPath: segment.path)
        await filled.pass()
        try await filled.expectCleared()
        await filled.spool.close()
    }

    @Test("events in a file that was removed before they were delivered are named, and nothing stops")
    func unreadGone() async throws {
        let filled = try await Filled()
        let segment = filled.spool.view.read { $0.segments[0] }
        try FileManager.default.removeItem(atPath: segment.path)
        let reader = filled.spool.reader(route: nil, from: 0)
        var read: [UInt64] = []
        while !reader.isCaughtUp {
            for batch in try reader.readDisk(upTo: 1 << 20) { read += batch.first..<batch.first + UInt64(batch.count) }
        }
        #expect(read == Array(segment.end..<Filled.count))
        await filled.pass()
        #expect(filled.spool.missing.map(\.sequences) == [segment.base..<segment.end])
        #expect(filled.isCleared && filled.spool.alarms.isEmpty)
        await filled.spool.close()
    }

    @Test("no room for what clearing writes: it has the reserve", arguments: [FaultDisk.Call.makeFolder, .rename, .write])
    func reserve(_ call: FaultDisk.Call) async throws {
        let filled = try await Filled(ballast: 128 << 10)
        let ballast = filled.fixture.directory + "/ballast"
        #expect(await eventually { FileManager.default.fileExists(atPath: ballast) })
        filled.damageOldest()
        let gaveUp = Mutex(false)
        filled.disk.fail { tried, path in
            if tried == .remove, path == ballast { gaveUp.withLock { $0 = true } }
            guard tried == call, call != .write || path.hasSuffix("/mark") else { return nil }
            return gaveUp.withLock { $0 } ? nil : ENOSPC
        }
        await filled.pass()
        #expect(gaveUp.withLock { $0 })
        filled.disk.fail(nil)
        try await filled.expectCleared()
        await filled.spool.close()
    }

    @Test("with the reserve spent, on a file system that copies what is written over: what goes makes the room for the mark")
    func markHasNoRoom() async throws {
        let filled = try await Filled()
        let oldest = filled.spool.view.read { $0.segments[0].path }
        filled.disk.fail { call, path in
            call == .write && path.hasSuffix("/mark") && FileManager.default.fileExists(atPath: oldest) ? ENOSPC : nil
        }
        await filled.pass()
        try await filled.expectCleared()
        await filled.spool.close()
    }

    @Test("a folder whose sync failed ends the process, also here", arguments: [false, true])
    func syncFails(isDamaged: Bool) async throws {
        await #expect(processExitsWith: .failure) { [isDamaged] in
            let filled = try await Filled()
            if isDamaged { filled.damageOldest() }
            filled.disk.fail { call, path in
                call == .syncFolder && path.hasSuffix(isDamaged ? "/quarantine" : "/segments") ? EIO : nil
            }
            await filled.pass()
            exit(EXIT_SUCCESS)
        }
    }
}

extension Sequence where Element: Sendable {
    fileprivate func asyncMap<Result>(_ body: (Element) async throws -> Result) async rethrows -> [Result] {
        var results: [Result] = []
        for element in self { results.append(try await body(element)) }
        return results
    }
}
