import ForebayCore
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

/// Segments that were away for a while, and are put back as docs/how-to/after-damage.md says: what they hold and what was accepted without
/// them stand side by side.
@Suite("Spool: segments that are had back")
struct HadBackTests {
    private static let routes = ["a", "b", "c"]

    struct Known: Equatable {
        let route: String
        let value: String
        let id: String
    }

    /// Accepts events of all routes in turn, one a group.
    func append(_ spool: Spool, _ text: String, _ count: Int, padding: Int = 0) async throws -> [Known] {
        var known: [Known] = []
        for number in 0..<count {
            let route = Self.routes[number % Self.routes.count], value = "\(text)\(number)"
            let sent = value + String(repeating: " ", count: padding)
            let receipt = try await spool.commit([submission([(RouteID(name: route), [sent])])])[0]
            known.append(
                Known(route: route, value: value, id: EventID.text(origin: receipt.origin, sequence: receipt.firstSequences[0])))
        }
        return known
    }

    func open(_ spool: Spool) async throws -> [SpoolCursor] {
        var cursors: [SpoolCursor] = []
        for route in Self.routes.reversed() {
            cursors.insert(try await spool.cursor("forward/\(route)", route: RouteID(name: route)), at: 0)
        }
        await spool.releasePassedSegments()
        return cursors
    }

    /// What waits for a cursor, in the order in which it is read.
    func waiting(_ spool: Spool, _ cursor: SpoolCursor) throws -> [Known] {
        let reader = spool.reader(of: cursor)
        var found: [Known] = []
        while true {
            for batch in try reader.read(upTo: 64 << 10) {
                #expect(batch.lane == .spool(spool.id), "one log is one lane")
                batch.forEachEvent { event, sequence in
                    let value = String(decoding: event.value!, as: UTF8.self).trimmingCharacters(in: .whitespaces)
                    found.append(
                        Known(route: cursor.route, value: value, id: EventID.text(origin: batch.origin!, sequence: sequence)))
                }
            }
            if reader.isCaughtUp { return found }
        }
    }

    private func isCounted(_ range: MissingRange) -> Bool { range.sequences.count < 100 }

    enum Loss: CaseIterable { case moved, headerDamaged, twoMoved }

    @Test(
        "the newest segment: whatever was accepted without it, over any number of starts, all is read in order, and nothing is said lost",
        arguments: Loss.allCases, [false, true])
    func newest(_ loss: Loss, isClean: Bool) async throws {
        for idleStarts in 0...2 {
            let first = SpoolFixture(segmentSize: 64 << 10)
            var spool = try first.open()
            var cursors = try await self.open(spool)
            var known = try await self.append(spool, "old", 12 + idleStarts * 4, padding: 12_000)
            // Some of one route's is settled.
            cursors[1].move(to: 2, settled: 1)
            await spool.syncCursors()
            if isClean { await spool.close() }
            let fixture = try first.crashed()
            if !isClean { await spool.close() }
            let lost = Array(try fixture.segmentFiles().suffix(loss == .twoMoved ? 2 : 1))
            let kept = try lost.map { try Data(contentsOf: URL(filePath: $0)) }
            for path in lost {
                if loss == .headerDamaged {
                    let file = try FileHandle(forUpdating: URL(filePath: path))
                    try file.write(contentsOf: Data(count: 8192))
                    try file.close()
                } else {
                    try FileManager.default.removeItem(atPath: path)
                }
            }
            for _ in 0..<idleStarts {
                spool = try fixture.open()
                _ = try await self.open(spool)
                #expect(spool.alarms.contains { $0.text.hasPrefix("the newest segment is gone") }, "until something new is on disk")
                #expect(spool.missing.allSatisfy(self.isCounted))
                await spool.close()
            }
            for start in 0..<2 {
                spool = try fixture.open()
                _ = try await self.open(spool)
                #expect(!spool.alarms.isEmpty, "it stays told")
                known += try await self.append(spool, "new\(start)-", 7, padding: 9_000)
                #expect(spool.missing.allSatisfy(self.isCounted), "what lies between is not said to be lost: \(spool.missing)")
                await spool.close()
            }
            #expect(Set(known.map(\.id)).count == known.count, "no id twice")
            for (path, bytes) in zip(lost, kept) {
                #expect(!FileManager.default.fileExists(atPath: path), "its name is still free")
                try bytes.write(to: URL(filePath: path))
            }
            // Now, and at every later start.
            for start in 0..<2 {
                spool = try fixture.open()
                cursors = try await self.open(spool)
                for cursor in cursors {
                    let expected = known.filter { $0.route == cursor.route && !($0.route == "b" && $0.value == "old1") }
                    let found = try self.waiting(spool, cursor)
                    #expect(found == expected, "\(loss), idle starts \(idleStarts), start \(start), route \(cursor.route)")
                }
                #expect(spool.missing.isEmpty && spool.alarms.isEmpty, "\(spool.missing) \(spool.alarms)")
                known += try await self.append(spool, "after\(start)-", 3)
                await spool.close()
            }
            #expect(try SpoolInspection(directory: fixture.directory).verify().problems.isEmpty)
            // It goes as any other, when nobody needs it any more.
            spool = try fixture.open()
            for cursor in try await self.open(spool) {
                cursor.rest(at: spool.durableEnd, ordinal: cursor.ordinal + spool.lag(of: cursor))
            }
            for _ in 0..<3 { await spool.syncCursors() }
            let segments = spool.segmentCount
            #expect(segments == 1 && spool.missing.isEmpty)
            #expect(try Folder(SystemDisk()).entries(fixture.directory + "/quarantine").count == (loss == .headerDamaged ? 1 : 0))
            await spool.close()
        }
    }

    @Test("the only segment, and the oldest: cursors that stood in it read it again", arguments: [false, true])
    func oldest(isOnly: Bool) async throws {
        let fixture = SpoolFixture(segmentSize: isOnly ? 1 << 20 : 64 << 10)
        var spool = try fixture.open()
        var cursors = try await self.open(spool)
        var known = try await self.append(spool, "old", 9, padding: 12_000)
        cursors[0].move(to: 1, settled: 1)
        await spool.syncCursors()
        await spool.close()
        let path = try fixture.segmentFiles()[0]
        #expect((try fixture.segmentFiles().count == 1) == isOnly)
        let bytes = try Data(contentsOf: URL(filePath: path))
        try FileManager.default.removeItem(atPath: path)
        spool = try fixture.open()
        _ = try await self.open(spool)
        #expect(!spool.missing.isEmpty && spool.missing.allSatisfy(self.isCounted), "\(spool.missing)")
        known += try await self.append(spool, "new", 4)
        await spool.close()
        try bytes.write(to: URL(filePath: path))
        spool = try fixture.open()
        cursors = try await self.open(spool)
        for cursor in cursors {
            let expected = known.filter { $0.route == cursor.route && $0.value != "old0" }
            #expect(try self.waiting(spool, cursor) == expected, "\(cursor.route)")
        }
        #expect(spool.missing.isEmpty && spool.alarms.isEmpty)
        await spool.close()
    }

    @Test("where nothing told that there was more, its sequences were given again: they are named, and what was accepted later is served")
    func givenAgain() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try fixture.open()
        _ = try await self.open(spool)
        var known = try await self.append(spool, "old", 4, padding: 12_000)
        let mark = try Data(contentsOf: URL(filePath: fixture.directory + "/mark"))
        known += try await self.append(spool, "more", 3, padding: 12_000)
        let killed = try fixture.crashed()
        await spool.close()
        let files = try killed.segmentFiles()
        #expect(files.count == 2)
        // The newest is away, a copy of another has its name, and the mark is older than both.
        let bytes = try Data(contentsOf: URL(filePath: files[1]))
        try Data(contentsOf: URL(filePath: files[0])).write(to: URL(filePath: files[1]))
        try mark.write(to: URL(filePath: killed.directory + "/mark"))
        spool = try killed.open()
        _ = try await self.open(spool)
        let end = spool.durableEnd
        let new = try await self.append(spool, "new", 2)
        await spool.close()
        try bytes.write(to: URL(filePath: files[1]))
        for start in 0..<2 {
            spool = try killed.open()
            let cursors = try await self.open(spool)
            var found: [String] = []
            for cursor in cursors { found += try self.waiting(spool, cursor).map(\.value) }
            #expect(new.allSatisfy { found.contains($0.value) }, "start \(start): \(found)")
            let lost = known.filter { !found.contains($0.value) }.count
            #expect(lost > 0 && spool.missing.map(\.sequences) == [end..<end + UInt64(lost)], "\(spool.missing)")
            #expect(spool.missing.first?.reason == "the segment was away, and its sequences were given again")
            await spool.close()
        }
        #expect(try SpoolInspection(directory: killed.directory).verify().problems.contains { $0.reason.contains("same sequences") })
        spool = try killed.open()
        for cursor in try await self.open(spool) { cursor.rest(at: spool.durableEnd, ordinal: 9) }
        for _ in 0..<3 { await spool.syncCursors() }
        #expect(try Folder(SystemDisk()).entries(killed.directory + "/quarantine").count == 1, "kept for the operator")
        await spool.close()
    }
}
