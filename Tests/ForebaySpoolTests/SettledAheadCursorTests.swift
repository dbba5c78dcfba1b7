import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebaySpool

/// The same through a spool: starts, names, and the logs that it stands on.
@Suite("Settled ahead of a cursor")
struct SettledAheadCursorTests {
    private func cursor(_ spool: Spool, _ name: String = "orders", formerly: [String] = []) async throws -> SpoolCursor {
        try await spool.cursor("forward/\(name)", route: RouteID(name: name), formerly: formerly.map { "forward/\($0)" })
    }

    private func fill(_ spool: Spool, _ route: String = "orders", _ count: Int = 20) async throws {
        _ = try await spool.commit([submission([(RouteID(name: route), (0..<count).map { "\($0)" })])])
    }

    @Test("it stands on side logs: gone, shorter, another, or damaged, nothing is passed, in this process and in those after it")
    func witnesses() async throws {
        var generator = SystemRandomNumberGenerator()
        let (log, other) = (SpoolID.random(using: &generator), SpoolID.random(using: &generator))
        let fits = [LogWitness(log: log, end: 10, losses: 0)]
        let wrong: [[LogWitness]] = [
            [], [LogWitness(log: log, end: 9, losses: 0)], [LogWitness(log: other, end: 10, losses: 0)],
            [LogWitness(log: log, end: 11, losses: 1)],
        ]
        for found in wrong {
            let fixture = SpoolFixture()
            for (start, witnesses) in [fits, fits, found, fits].enumerated() {
                let spool = try fixture.open()
                if start == 0 { try await self.fill(spool) }
                let cursor = try await self.cursor(spool)
                let ahead = try cursor.openAhead(end: spool.durableEnd, witnesses: witnesses)
                #expect(ahead.settled.ranges == (start == 1 ? [3..<7] : []), "start \(start) with \(found)")
                if start == 0 { cursor.keep(SettledAhead(ranges: [3..<7], witnesses: fits), isFinal: true) }
                await spool.close()
            }
        }
    }

    @Test("a side log that was found damaged vouches for nothing from before, acknowledged or not, in this process and in those after it")
    func damagedWitness() async throws {
        for isAcknowledged in [false, true] {
            let fixture = SpoolFixture()
            let side = SpoolFixture()
            for start in 0..<4 {
                let (spool, log) = (try fixture.open(), try side.open())
                if start == 0 {
                    try await self.fill(spool)
                    try await self.fill(log)
                }
                let cursor = try await self.cursor(spool)
                let ahead = try cursor.openAhead(end: spool.durableEnd, witnesses: [log.witness])
                // What was settled when the damage was known stands on what is left.
                let expected = [[], [3..<7], [], [4..<6]] as [[Range<UInt64>]]
                #expect(ahead.settled.ranges == expected[start], "start \(start)")
                if start == 0 { cursor.keep(SettledAhead(ranges: [3..<7], witnesses: [log.witness]), isFinal: true) }
                if start == 1 {
                    log.report(MissingRange(sequences: 3..<4, segment: 1, position: 8192, reason: "planted", events: 1))
                    if isAcknowledged { _ = try await log.acknowledgeAlarms() }
                    cursor.keep(SettledAhead(ranges: [3..<8], witnesses: [log.witness]), isFinal: true)
                }
                if start == 2 { cursor.keep(SettledAhead(ranges: [4..<6], witnesses: [log.witness]), isFinal: true) }
                await spool.close()
                await log.close()
            }
        }
    }

    @Test("where its folder is moved away while the log is in use, none is made in its place, and put back it says what it said")
    func folderAway() async throws {
        let fixture = SpoolFixture(), manager = FileManager.default
        var spool = try fixture.open()
        try await self.fill(spool)
        var cursor = try await self.cursor(spool)
        cursor.keep(SettledAhead(ranges: [3..<7]), isFinal: false)
        await spool.syncCursors()
        let (folder, away) = (fixture.directory + "/ahead", fixture.directory + "/elsewhere")
        try manager.moveItem(atPath: folder, toPath: away)
        cursor.keep(SettledAhead(ranges: [3..<9]), isFinal: false)
        await spool.close()
        #expect(!manager.fileExists(atPath: folder))
        try manager.moveItem(atPath: away, toPath: folder)
        spool = try fixture.open()
        cursor = try await self.cursor(spool)
        #expect(try cursor.openAhead(end: spool.durableEnd, witnesses: []).settled.ranges == [3..<7])
        await spool.close()
    }

    @Test("damage that was told of before a kill, and acknowledged while the node was down: the same")
    func acknowledgedOffline() async throws {
        let fixture = SpoolFixture(), side = SpoolFixture()
        var (spool, log) = (try fixture.open(), try side.open())
        try await self.fill(spool)
        try await self.fill(log)
        try await self.cursor(spool).keep(SettledAhead(ranges: [3..<7], witnesses: [log.witness]), isFinal: true)
        await spool.close()
        log.report(MissingRange(sequences: 3..<4, segment: 0, position: 8192, reason: "planted", events: 1))
        await log.close()
        #expect(try LogAlarms(directory: side.directory).acknowledge().missing.count == 1)
        for _ in 0..<2 {
            (spool, log) = (try fixture.open(), try side.open())
            #expect(log.damage == SpoolDamage())
            #expect(try await self.cursor(spool).openAhead(end: spool.durableEnd, witnesses: [log.witness]).settled.ranges == [])
            await spool.close()
            await log.close()
        }
    }

    @Test("a route that has another name passes what was settled under the old one; not where the name had events of its own before")
    func renamed() async throws {
        for hadEvents in [false, true] {
            let fixture = SpoolFixture()
            var spool = try fixture.open()
            if hadEvents {
                try await self.fill(spool, "new", 3)
                // Its route was given up: nobody counts them.
                try await spool.forget(self.cursor(spool, "new"))
            }
            try await self.fill(spool, "old")
            try await self.fill(spool, "other")
            let kept = SettledAhead(ranges: [5..<9, 11..<20], sentBelow: 22)
            try await self.cursor(spool, "old").keep(kept, isFinal: true)
            await spool.close()
            for formerly in [["old"], ["old"], []] {
                spool = try fixture.open()
                let heir = try await self.cursor(spool, "new", formerly: formerly)
                let ahead = try heir.openAhead(end: spool.durableEnd, witnesses: [])
                #expect(ahead.settled == (hadEvents ? SettledAhead() : kept), "\(formerly)")
                #expect(!FileManager.default.fileExists(atPath: SettledAheadFile.path(of: "forward/old", in: fixture.directory)))
                await spool.close()
            }
        }
    }

    @Test("what can't be written under a route's new name is told of, and delivered again; the takeover goes on")
    func renamedWithoutRoom() async throws {
        let log = LogCapture()
        defer { log.close() }
        let fixture = SpoolFixture()
        let disk = FaultDisk()
        var spool = try fixture.open()
        try await self.fill(spool, "old")
        try await self.cursor(spool, "old").keep(SettledAhead(ranges: [5..<9]), isFinal: true)
        await spool.close()
        spool = try fixture.open(on: disk)
        disk.fail { call, path in call == .write && path.contains("/ahead/") ? ENOSPC : nil }
        let heir = try await self.cursor(spool, "new", formerly: ["old"])
        disk.fail(nil)
        #expect(try heir.openAhead(end: spool.durableEnd, witnesses: []).settled == SettledAhead() && spool.lag(of: heir) == 20)
        let told = log.records(label: "spool").filter {
            $0.message.hasPrefix("what is settled ahead of a cursor could not be written;")
        }
        #expect(told.map { $0["cursor"] } == ["forward/new"] && told.map { $0["from"] } == ["forward/old"])
        #expect(told.first?["error"]?.isEmpty == false)
        await spool.close()
    }

    @Test("a clean stop syncs the log's own folder once at most, however many routes have something to say")
    func folderIsMadeOnce() async throws {
        let fixture = SpoolFixture()
        let disk = FaultDisk()
        let spool = try fixture.open(on: disk)
        let names = (0..<20).map { "r\($0)" }
        for name in names {
            try await self.fill(spool, name, 2)
            try await self.cursor(spool, name).keep(SettledAhead(ranges: [1..<2]), isFinal: true)
        }
        let synced = Atomic<Int>(0), directory = fixture.directory
        disk.fail { call, path in
            if call == .syncFolder, path == directory { synced.wrappingAdd(1, ordering: .relaxed) }
            return nil
        }
        await spool.syncCursors()
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory + "/ahead").count == names.count)
        #expect(synced.load(ordering: .relaxed) <= 2)
        await spool.close()
    }

    @Test("what is in the way of it stops no start: no room, a disk that does not read, no descriptors, a folder in its place")
    func inTheWay() async throws {
        for (call, number) in [(.write, ENOSPC), (.open, ENOSPC), (.rename, ENOSPC), (.read, EIO), (.open, EMFILE), (nil, 0)]
            as [(FaultDisk.Call?, Int32)]
        {
            let fixture = SpoolFixture()
            var spool = try fixture.open()
            try await self.fill(spool)
            try await self.cursor(spool).keep(SettledAhead(ranges: [3..<7]), isFinal: true)
            await spool.close()
            let path = fixture.directory + "/ahead/forward.orders"
            #expect(FileManager.default.fileExists(atPath: path))
            if call == nil {
                try FileManager.default.removeItem(atPath: path)
                try FileManager.default.createDirectory(atPath: path + "/x", withIntermediateDirectories: true)
            }
            let disk = FaultDisk()
            spool = try fixture.open(on: disk)
            let cursor = try await self.cursor(spool)
            disk.fail { tried, path in tried == call && path.contains("/ahead/") ? number : nil }
            let ahead = try cursor.openAhead(end: spool.durableEnd, witnesses: [])
            // What could be read counts; what could not says nothing.
            let isRead = number == ENOSPC && call != .open
            #expect(ahead.settled.ranges == (isRead ? [3..<7] : []), "\(String(describing: call)) \(number)")
            disk.fail(nil)
            await spool.close()
            guard number == EMFILE else { continue }
            spool = try fixture.open()
            let again = try await self.cursor(spool).openAhead(end: spool.durableEnd, witnesses: [])
            #expect(again.settled.ranges == [3..<7], "it was not looked at, and stays what it was")
            await spool.close()
        }
    }

    @Test("a route under another name, and one that took others over, passes nothing that it does not know to be its own")
    func names() async throws {
        let fixture = SpoolFixture()
        var spool = try fixture.open()
        try await self.fill(spool, "old")
        try await self.fill(spool, "orders")
        for (name, ranges) in [("old", [1..<39]), ("orders", [21..<23])] as [(String, [Range<UInt64>])] {
            let cursor = try await self.cursor(spool, name)
            cursor.keep(SettledAhead(ranges: ranges), isFinal: true)
        }
        await spool.close()
        spool = try fixture.open()
        let heir = try await self.cursor(spool, "orders", formerly: ["old"])
        #expect(try heir.openAhead(end: spool.durableEnd, witnesses: []) == SpoolCursor.Ahead())
        heir.keep(SettledAhead(ranges: [2..<5]), isFinal: true)
        await spool.close()
        // The old name is a route again, and takes its events back.
        spool = try fixture.open()
        let back = try await self.cursor(spool, "old")
        #expect(try back.openAhead(end: spool.durableEnd, witnesses: []) == SpoolCursor.Ahead())
        let rest = try await self.cursor(spool, "orders")
        #expect(try rest.openAhead(end: spool.durableEnd, witnesses: []) == SpoolCursor.Ahead())
        await spool.close()
    }

    @Test("given up, nothing of it is left; a name that comes back begins with nothing")
    func forgotten() async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        try await self.fill(spool)
        let cursor = try await self.cursor(spool)
        cursor.keep(SettledAhead(ranges: [3..<7]), isFinal: false)
        await spool.syncCursors()
        let file = SettledAheadFile.path(of: "forward/orders", in: fixture.directory)
        #expect(FileManager.default.fileExists(atPath: file))
        try await spool.forget(cursor)
        #expect(!FileManager.default.fileExists(atPath: file))
        await spool.close()
    }

    @Test("once the cursor is past it the file goes; where it can't be written, nothing stops")
    func goes() async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        try await self.fill(spool)
        let cursor = try await self.cursor(spool)
        let file = SettledAheadFile.path(of: "forward/orders", in: fixture.directory)
        try FileManager.default.createDirectory(atPath: file + "~", withIntermediateDirectories: true)
        cursor.keep(SettledAhead(ranges: [3..<7]), isFinal: false)
        cursor.move(to: 2, settled: 2)
        await spool.syncCursors()
        #expect(!FileManager.default.fileExists(atPath: file) && cursor.syncedSequence == 2)
        try FileManager.default.removeItem(atPath: file + "~")
        cursor.keep(SettledAhead(ranges: [3..<8]), isFinal: false)
        await spool.syncCursors()
        #expect(FileManager.default.fileExists(atPath: file))
        cursor.move(to: 20, settled: 18)
        await spool.syncCursors()
        #expect(!FileManager.default.fileExists(atPath: file))
        await spool.close()
    }
}
