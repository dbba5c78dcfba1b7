import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What was missed, and passed, before it was put back.
extension HadBackTests {
    @Test("the oldest: away, put back, and away again, they are missed each time", arguments: [LogKind.spool, .deadLetters])
    func oldest(_ kind: LogKind) async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try fixture.open { $0.kind = kind }
        if kind == .spool { _ = try await self.open(spool) }
        _ = try await self.append(spool, "old", 20, padding: 12_000)
        await spool.close()
        let paths = Array(try fixture.segmentFiles().prefix(2))
        let kept = try paths.map { try Data(contentsOf: URL(filePath: $0)) }
        for count in [1, 2, 1] {
            for path in paths[..<count] { try FileManager.default.removeItem(atPath: path) }
            #expect(try !SpoolInspection(directory: fixture.directory).verify().problems.isEmpty)
            for _ in 0..<2 {
                spool = try fixture.open { $0.kind = kind }
                #expect(spool.missing.first?.sequences.lowerBound == 0 && spool.missing.count == 1, "\(count)")
                await spool.close()
            }
            for (path, bytes) in zip(paths, kept) { try bytes.write(to: URL(filePath: path)) }
            for _ in 0..<2 {
                spool = try fixture.open { $0.kind = kind }
                #expect(spool.damage == SpoolDamage())
                await spool.close()
            }
        }
    }

    @Test("what a route has passed meanwhile stays told, and its file is kept; what nobody has passed is read", arguments: [true, false])
    func passed(isPassed: Bool) async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try fixture.open { $0.recentBytes = 0 }
        var cursors = try await self.open(spool)
        let known = try await self.append(spool, "old", 24, padding: 12_000)
        await spool.close()
        let path = try fixture.segmentFiles()[1]
        let kept = try Data(contentsOf: URL(filePath: path))
        try FileManager.default.removeItem(atPath: path)
        spool = try fixture.open { $0.recentBytes = 0 }
        cursors = try await self.open(spool)
        // Two of three go over it; the last one stands before it.
        for cursor in cursors[..<2] {
            #expect(try self.waiting(spool, cursor).count < 8)
            if isPassed { cursor.move(to: spool.durableEnd, settled: 6) }
        }
        let lost = spool.missing
        #expect(!lost.isEmpty)
        await spool.close()
        try kept.write(to: URL(filePath: path))
        for _ in 0..<2 {
            spool = try fixture.open { $0.recentBytes = 0 }
            cursors = try await self.open(spool)
            #expect(spool.missing.map(\.sequences) == (isPassed ? lost.map(\.sequences) : []))
            for (place, cursor) in cursors.enumerated() {
                let expected = place < 2 && isPassed ? [] : known.filter { $0.route == cursor.route }
                #expect(try self.waiting(spool, cursor) == expected)
            }
            await spool.close()
        }
        spool = try fixture.open { $0.recentBytes = 0 }
        for cursor in try await self.open(spool) { cursor.move(to: spool.durableEnd, settled: 8) }
        await spool.syncCursors()
        let quarantine = fixture.directory + "/quarantine"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: quarantine)) ?? []
        #expect(names == (isPassed ? [URL(filePath: path).lastPathComponent] : []))
        #expect(!FileManager.default.fileExists(atPath: path))
        await spool.close()
    }

    @Test("the newest, of which no mark told all: what was passed without it is told of when it is back, and its file is kept")
    func passedNewest() async throws {
        for isPassed in [true, false] {
            let first = SpoolFixture(segmentSize: 64 << 10)
            var spool = try first.open { $0.recentBytes = 0 }
            _ = try await self.open(spool)
            let known = try await self.append(spool, "old", 24, padding: 12_000)
            // A kill: the mark is as old as the segment.
            let fixture = try first.crashed()
            await spool.close()
            let path = try #require(try fixture.segmentFiles().last)
            let kept = try Data(contentsOf: URL(filePath: path))
            try FileManager.default.removeItem(atPath: path)
            spool = try fixture.open { $0.recentBytes = 0 }
            var cursors = try await self.open(spool)
            let newer = try await self.append(spool, "new", 6)
            if isPassed {
                for cursor in cursors {
                    _ = try self.waiting(spool, cursor)
                    cursor.move(to: spool.durableEnd, settled: 8)
                }
            }
            await spool.close()
            try kept.write(to: URL(filePath: path))
            for _ in 0..<2 {
                spool = try fixture.open { $0.recentBytes = 0 }
                cursors = try await self.open(spool)
                var found: [Known] = []
                for cursor in cursors { found += try self.waiting(spool, cursor) }
                if isPassed {
                    #expect(found.isEmpty && spool.missing.reduce(0) { $0 + $1.events } > 0, "\(spool.damage)")
                } else {
                    #expect(Set(found.map(\.id)) == Set((known + newer).map(\.id)) && spool.damage == SpoolDamage(), "\(spool.damage)")
                }
                await spool.syncCursors()
                await spool.close()
            }
            guard isPassed else { continue }
            let places = ["segments", "quarantine"].map { "\(fixture.directory)/\($0)/\(URL(filePath: path).lastPathComponent)" }
            #expect(places.contains { FileManager.default.fileExists(atPath: $0) }, "nobody has it any more")
        }
    }

    @Test("what a route has passed, where that can't be written just then: it is as soon as it can be", arguments: [false, true])
    func passedWithoutRoom(isClosed: Bool) async throws {
        let first = SpoolFixture(segmentSize: 64 << 10), disk = FaultDisk()
        var spool = try first.open { $0.recentBytes = 0 }
        _ = try await self.open(spool)
        _ = try await self.append(spool, "old", 24, padding: 12_000)
        await spool.close()
        let path = try first.segmentFiles()[1]
        let kept = try Data(contentsOf: URL(filePath: path))
        try FileManager.default.removeItem(atPath: path)
        spool = try first.open(on: disk) { $0.recentBytes = 0 }
        let cursors = try await self.open(spool)
        disk.fail { call, path in call == .open && path.contains("/alarms.") ? ENOSPC : nil }
        for cursor in cursors {
            _ = try self.waiting(spool, cursor)
            cursor.move(to: spool.durableEnd, settled: 8)
        }
        let lost = spool.missing.map(\.sequences)
        #expect(!lost.isEmpty)
        await spool.syncCursors()
        // Killed before there is room: no cursor is beyond what nobody would tell of.
        var killed = try first.crashed().open { $0.recentBytes = 0 }
        #expect(try await self.open(killed).allSatisfy { $0.sequence <= lost[0].lowerBound })
        await killed.close()
        // With what is had back, nothing is lost.
        let copy = try first.crashed()
        try kept.write(to: URL(filePath: copy.segmentsFolder + "/" + URL(filePath: path).lastPathComponent))
        killed = try copy.open { $0.recentBytes = 0 }
        #expect(killed.damage == SpoolDamage())
        #expect(try await self.open(killed).flatMap { try self.waiting(killed, $0) }.count == 24)
        await killed.close()
        disk.fail(nil)
        if isClosed { await spool.close() } else { await spool.syncCursors() }
        let fixture = try first.crashed()
        if !isClosed { await spool.close() }
        try kept.write(to: URL(filePath: fixture.segmentsFolder + "/" + URL(filePath: path).lastPathComponent))
        spool = try fixture.open { $0.recentBytes = 0 }
        #expect(spool.missing.map(\.sequences) == lost)
        await spool.close()
    }
}

extension HadBackTests {
    @Test("a cursor whose file is gone, too, begins in front of the oldest segments that are: had back, they are its own")
    func oldestAndCursor() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try fixture.open { $0.recentBytes = 0 }
        _ = try await self.open(spool)
        let known = try await self.append(spool, "old", 24, padding: 12_000)
        await spool.close()
        let path = try fixture.segmentFiles()[0]
        let bytes = try Data(contentsOf: URL(filePath: path))
        try FileManager.default.removeItem(atPath: path)
        for name in try FileManager.default.contentsOfDirectory(atPath: fixture.directory + "/cursors").sorted().prefix(2) {
            try FileManager.default.removeItem(atPath: fixture.directory + "/cursors/" + name)
        }
        spool = try fixture.open { $0.recentBytes = 0 }
        #expect(!spool.missing.isEmpty)
        _ = try await self.open(spool)
        await spool.close()
        try bytes.write(to: URL(filePath: path))
        spool = try fixture.open { $0.recentBytes = 0 }
        let cursors = try await self.open(spool)
        #expect(try cursors.flatMap { try self.waiting(spool, $0) }.count == known.count)
        await spool.close()
    }
}
