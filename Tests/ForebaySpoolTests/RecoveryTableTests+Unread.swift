import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What the disk can't read, this time or for ever, in the segment that was written to last.
extension RecoveryTableTests {
    @Test(
        "what was accepted last and the disk can't read is told of, and kept, and its numbers are not given again",
        arguments: [8192, 12_288, 40_960], [false, true])
    func tailUnread(from bad: Int, isReadSoon: Bool) async throws {
        let world = try await World(isClean: false)
        let path = world.path(4)
        let bytes = try Data(contentsOf: URL(filePath: path))
        let disk = self.disk(failing: bad..<bad + 4096, of: path)
        for start in 0..<3 {
            let spool = try world.fixture.open(on: disk) { $0.recentBytes = 0 }
            let missing = spool.missing.map { "\($0.sequences) in \($0.segment) at \($0.position): \($0.reason)" }
            #expect(missing == ["6..<7 in 4 at 8192: the disk can't read what was accepted last, so more may be lost"], "start \(start)")
            #expect(try Data(contentsOf: URL(filePath: path)) == bytes, "nothing is cut off")
            #expect(try spool.events().map(\.0).prefix(6) == [0, 1, 2, 3, 4, 5])
            #expect(spool.durableEnd <= 6 || start == 2)
            if start > 0, !isReadSoon {
                let receipt = try await spool.commit([submission([(routeA, ["more"])])])[0]
                #expect(receipt.origin != world.id && receipt.firstSequences[0] >= SpoolFormat.gap)
            }
            await spool.close()
        }
        // It can be read again.
        let spool = try await world.open()
        let found = try spool.events().map(\.0).filter { $0 < SpoolFormat.gap }
        #expect(found == Array(0..<(isReadSoon ? 7 : 6)), "what is there is served, but behind what was begun since")
        let (segment, receipt) = try await world.append()
        #expect(segment == (isReadSoon ? 5 : 7) && receipt.origin != world.id && receipt.firstSequences[0] >= SpoolFormat.gap)
        for route in ["a", "b"] {
            let cursor = try await spool.forward(route)
            cursor.rest(at: spool.durableEnd, ordinal: cursor.ordinal + spool.lag(of: cursor))
        }
        await spool.releasePassedSegments()
        for _ in 0..<3 { await spool.syncCursors() }
        #expect(world.quarantine() == [Self.name(4)] && !spool.missing.isEmpty, "until somebody acknowledges it")
        await spool.close()
    }

    @Test("of a group of several frames all is told that can be named, whichever of them the disk can't read", arguments: 0..<3)
    func groupUnread(frame: Int) async throws {
        let first = SpoolFixture(segmentSize: 1 << 20)
        var spool = try first.open()
        try await spool.append("a", ["before"])
        let large = String(repeating: "g", count: 20_000)
        _ = try await spool.commit([submission([(routeA, [large, large]), (routeB, [large]), (routeA, [large])])])
        let path = try #require(spool.view.read { $0.segments.last?.path })
        let fixture = try first.crashed()
        await spool.close()
        let copy = path.replacingOccurrences(of: first.directory, with: fixture.directory)
        let bytes = try Data(contentsOf: URL(filePath: copy))
        // The second group begins with the second block behind the header's.
        let starts = [12_288, 12_288 + 40_200, 12_288 + 60_400].map { $0 / 4096 * 4096 }
        spool = try fixture.open(on: self.disk(failing: starts[frame]..<starts[frame] + 4096, of: copy)) { $0.recentBytes = 0 }
        #expect(
            spool.missing.map(\.sequences) == [1..<(frame == 2 ? 4 : 5)] && spool.missing.map(\.position) == [12_288], "\(spool.missing)")
        #expect(try spool.events().map(\.0).contains(0) && Data(contentsOf: URL(filePath: copy)) == bytes)
        #expect(try await spool.commit([submission([(routeA, ["more"])])])[0].firstSequences[0] >= SpoolFormat.gap)
        await spool.close()
    }

    @Test("what the disk can't read behind a torn tail says nothing: a group stands where the one before it ends")
    func unreadBehindTheTail() async throws {
        for (isTorn, bad, isTold) in [
            (false, 1, true), (false, 2, false), (true, 1, false), (true, 12, false),
        ] {
            let world = try await World(isClean: false)
            let path = world.path(4)
            let end = world.segments[3].dataEnd
            try world.change(path) { bytes in
                bytes += Data(count: 16_384)
                if isTorn { bytes[8192 + 4] ^= 1 }
            }
            let position = isTorn ? 8192 + bad * 4096 : end + (bad - 1) * 4096
            let disk = self.disk(failing: position..<position + 4096, of: path)
            let spool = try world.fixture.open(on: disk) { $0.recentBytes = 0 }
            #expect(spool.missing.isEmpty != isTold, "\(isTorn) \(bad)")
            #expect(spool.durableEnd == (isTorn ? 6 : 7), "\(isTorn) \(bad)")
            await spool.close()
        }
    }

    @Test("a group that was torn and could not be read is cut off no more, and not served, when the disk can read it")
    func tornAndUnread() async throws {
        let world = try await World(isClean: false)
        let path = world.path(4)
        try world.change(path) { $0[20_480] ^= 1 }
        var spool = try world.fixture.open(on: self.disk(failing: 8192..<12_288, of: path))
        #expect(spool.missing.map(\.sequences) == [6..<7])
        await spool.close()
        for _ in 0..<2 {
            spool = try await world.open()
            #expect(try spool.events().map(\.0) == Array(0..<6) && spool.missing.map(\.sequences) == [6..<7], "no more than was told")
            await spool.close()
        }
    }

    @Test("of several that were told of as gone one is back, whose end the disk can't read: that is told of as lost in it, and not cut off")
    func unreadOfSeveralGone() async throws {
        let world = try await World()
        let path = world.path(2)
        let bytes = try Data(contentsOf: URL(filePath: path))
        for number in [1, 2, 3] as [UInt64] { try world.remove(world.path(number)) }
        var spool = try await world.open()
        #expect(spool.missing.map(\.sequences) == [0..<6])
        await spool.close()
        try bytes.write(to: URL(filePath: path))
        // Its second event, and its footer.
        let disk = self.disk(failing: 49_152..<1 << 20, of: path)
        for start in 0..<3 {
            spool = try world.fixture.open(on: start == 0 ? disk : SystemDisk()) { $0.recentBytes = 0 }
            #expect(spool.missing.contains { $0.segment == 2 && !$0.isGone && $0.sequences == 3..<4 }, "start \(start): \(world.missing())")
            #expect(FileManager.default.contents(atPath: path) == bytes, "start \(start)")
            await spool.close()
        }
    }

    @Test("a segment whose first group the disk can't read is not taken for one that was never used")
    func unreadFirstGroup() async throws {
        let world = try await World(isClean: false)
        try self.makeUnused(world)
        let path = world.path(5)
        try world.change(path) { $0 += Data(count: 8192) }
        let disk = self.disk(failing: 8192..<12_288, of: path)
        let spool = try world.fixture.open(on: disk) { $0.recentBytes = 0 }
        #expect(spool.missing.map(\.sequences) == [7..<8] && spool.missing.map(\.segment) == [5])
        #expect(FileManager.default.contents(atPath: path)?.count == 16_384)
        await spool.close()
    }
}
