import ForebayCore
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

extension HadBackTests {
    @Test(
        "the newest that was lost and put back is missed when it is lost once more, in the middle of the log and as its oldest",
        arguments: [false, true], [0, 1, 2])
    func lostOnceMore(isOldest: Bool, idleStarts: Int) async throws {
        let first = SpoolFixture(segmentSize: 64 << 10)
        var spool = try first.open { $0.recentBytes = 0 }
        _ = try await self.open(spool)
        let known = try await self.append(spool, "old", 12, padding: 12_000)
        // Killed, so that no mark says how far the newest went.
        let fixture = try first.crashed()
        await spool.close()
        let path = try #require(try fixture.segmentFiles().last)
        let bytes = try Data(contentsOf: URL(filePath: path))
        let lost = try #require(try SpoolInspection(directory: fixture.directory).segments.last)
        try FileManager.default.removeItem(atPath: path)
        for start in 0..<2 {
            spool = try fixture.open { $0.recentBytes = 0 }
            _ = try await self.open(spool)
            _ = try await self.append(spool, "new\(start)-", 9, padding: 12_000)
            await spool.close()
        }
        try bytes.write(to: URL(filePath: path))
        for start in 0...idleStarts {
            spool = try fixture.open { $0.recentBytes = 0 }
            let cursors = try await self.open(spool)
            #expect(spool.missing.isEmpty && spool.alarms.isEmpty, "start \(start): \(spool.missing) \(spool.alarms)")
            if isOldest, start == idleStarts {
                for cursor in cursors { cursor.rest(at: lost.base, ordinal: cursor.ordinal) }
                await spool.syncCursors()
                #expect(try fixture.segmentFiles().first == path, "it is the oldest now")
            }
            await spool.close()
        }
        try FileManager.default.removeItem(atPath: path)
        spool = try fixture.open { $0.recentBytes = 0 }
        var found: [String] = []
        for cursor in try await self.open(spool) { found += try self.waiting(spool, cursor).map(\.value) }
        let missing = known.suffix(Int(lost.end - lost.base)).map(\.value)
        #expect(!missing.isEmpty && missing.allSatisfy { !found.contains($0) })
        #expect(found.count { $0.hasPrefix("new") } == 18)
        #expect(spool.missing.map(\.sequences) == [lost.base..<lost.end], "\(spool.missing)")
        await spool.close()
    }

    @Test(
        "of a damaged one that was away and is back nothing is cut off, also where nothing of it can be read",
        arguments: [false, true], [1, 2])
    func damagedAndBack(isAllLost: Bool, starts: Int) async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try fixture.open { $0.recentBytes = 0 }
        _ = try await self.open(spool)
        _ = try await self.append(spool, "old", 14, padding: 12_000)
        await spool.close()
        let path = try #require(try fixture.segmentFiles().last)
        // Whole behind the mark, and then cut in an event.
        let whole = try Data(contentsOf: URL(filePath: path))
        let places = (0..<14).compactMap { whole.firstRange(of: Data("old\($0) ".utf8))?.lowerBound }
        #expect(places.count > 1)
        let bytes = whole.prefix((isAllLost ? places[0] : places[places.count - 1]) + 3000)
        try bytes.write(to: URL(filePath: path))
        spool = try fixture.open { $0.recentBytes = 0 }
        _ = try await self.open(spool)
        #expect(!spool.missing.isEmpty)
        await spool.close()
        let damaged = try Data(contentsOf: URL(filePath: path))
        #expect(damaged.starts(with: bytes))
        try FileManager.default.removeItem(atPath: path)
        // After one start the next segment is there that was made without it, after two it is not.
        for start in 0..<starts {
            spool = try fixture.open { $0.recentBytes = 0 }
            let cursors = try await self.open(spool)
            _ = try await self.append(spool, "new\(start)-", starts == 1 ? 1 : 9, padding: 12_000)
            for cursor in cursors { cursor.move(to: spool.durableEnd, settled: spool.lag(of: cursor)) }
            await spool.syncCursors()
            await spool.close()
        }
        try damaged.write(to: URL(filePath: path))
        spool = try fixture.open { $0.recentBytes = 0 }
        _ = try await self.open(spool)
        await spool.syncCursors()
        #expect(!spool.missing.isEmpty && !FileManager.default.fileExists(atPath: path), "nobody needs it")
        let kept = fixture.directory + "/quarantine/" + URL(filePath: path).lastPathComponent
        #expect(FileManager.default.contents(atPath: kept)?.starts(with: bytes) == true, "but for whoever looks for its events")
        await spool.close()
    }

    @Test(
        "of two newest that were lost one after the other, the second has sequences that nothing later gets, also where the mark goes with it",
        arguments: [0, 1, 2], [false, true])
    func lostTwiceInARow(idleStarts: Int, isMarkLost: Bool) async throws {
        let first = SpoolFixture(segmentSize: 64 << 10)
        var spool = try first.open { $0.recentBytes = 0 }
        _ = try await self.open(spool)
        _ = try await self.append(spool, "old", 6)
        for cursor in spool.allCursors { cursor.move(to: spool.durableEnd, settled: 2) }
        await spool.close()
        try FileManager.default.removeItem(atPath: try #require(try first.segmentFiles().last))
        spool = try first.open { $0.recentBytes = 0 }
        _ = try await self.open(spool)
        let known = try await self.append(spool, "between", 3)
        // Killed, so that no mark says how far it went.
        let fixture = try first.crashed()
        await spool.close()
        let path = try #require(try fixture.segmentFiles().last)
        let bytes = try Data(contentsOf: URL(filePath: path))
        let lost = try #require(try SpoolInspection(directory: fixture.directory).segments.last)
        try FileManager.default.removeItem(atPath: path)
        if isMarkLost { try FileManager.default.removeItem(atPath: fixture.directory + "/mark") }
        for _ in 0..<idleStarts {
            await (try fixture.open { $0.recentBytes = 0 }).close()
        }
        spool = try fixture.open { $0.recentBytes = 0 }
        let cursors = try await self.open(spool)
        _ = try await self.append(spool, "new", 9, padding: 12_000)
        let newest = try #require(try SpoolInspection(directory: fixture.directory).segments.last)
        #expect(newest.base >= lost.base + SpoolFormat.gap && newest.base < lost.base + 2 * SpoolFormat.gap, "\(lost.base) \(newest.base)")
        for cursor in cursors {
            #expect(try self.waiting(spool, cursor).count == 3)
            cursor.move(to: spool.durableEnd, settled: 3)
        }
        await spool.syncCursors()
        await spool.close()
        try bytes.write(to: URL(filePath: path))
        spool = try fixture.open { $0.recentBytes = 0 }
        for cursor in try await self.open(spool) { #expect(try self.waiting(spool, cursor).isEmpty) }
        #expect(spool.missing.map(\.events) == [UInt64(known.count)], "\(spool.damage)")
        await spool.close()
    }
}
