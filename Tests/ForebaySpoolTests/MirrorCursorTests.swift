import ForebayCore
import ForebayTestKit
import Testing

@testable import ForebaySpool

/// Two cursors on one route: a mirror's beside the forward's.
@Suite("Spool: the cursors of mirrors")
struct MirrorCursorTests {
    @Test(
        "a route that was renamed, and whose events both cursors have passed and the log has let go of: neither cursor waits"
    )
    func renamedAndLetGo() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try fixture.open()
        _ = try await spool.forward("a")
        await spool.close()
        spool = try fixture.open()
        // The forward counts what came under either name, the mirror what comes under the new one.
        var cursors = [try await spool.forward("b", formerly: ["a"]), try await spool.mirror("b", formerly: ["a"])]
        let other = try await spool.forward("other")
        try await spool.append("b", ["b0", "b1", "b2"])
        #expect(cursors.map(spool.lag) == [3, 3])
        for cursor in cursors { cursor.move(to: 3, settled: 3) }
        for number in 0..<3 { try await spool.append("other", [String(repeating: "\(number)", count: 60 << 10)]) }
        other.move(to: 5, settled: 2)
        for cursor in cursors { cursor.move(to: 6, settled: 0) }
        await spool.releasePassedSegments()
        await spool.syncCursors()
        await spool.close()
        for start in 0..<2 {
            spool = try fixture.open()
            #expect(spool.start >= 5, "what b had is gone from the log")
            cursors = [try await spool.forward("b", formerly: ["a"]), try await spool.mirror("b", formerly: ["a"])]
            #expect(cursors.map(spool.lag) == [0, 0], "start \(start)")
            try await spool.append("b", ["more"])
            #expect(cursors.map(spool.lag) == [1, 1], "start \(start)")
            for cursor in cursors { cursor.move(to: spool.durableEnd, settled: 1) }
            await spool.close()
        }
    }

    @Test(
        "one that had nothing left when its mirror was removed is given up, one that had something stays; both are back", arguments: [0, 1])
    func removed(left: Int) async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try fixture.open()
        _ = try await spool.forward("a")
        try await spool.append("a", ["before"])
        let cursor = try await spool.mirror("a")
        try await spool.append("a", ["a1", "a2"])
        #expect(try spool.waiting(cursor) == ["a1", "a2"])
        cursor.move(to: 3 - UInt64(left), settled: 2 - UInt64(left))
        await spool.close()
        for number in 3..<5 {
            spool = try fixture.open()
            _ = try await spool.forward("a")
            let held = try await spool.removedCursors { $0.delivery.stage == .forward }
            #expect(held.map(\.name) == (left == 0 ? [] : ["mirror/a"]))
            try await spool.append("a", ["a\(number)"])
            await spool.close()
        }
        spool = try fixture.open()
        _ = try await spool.forward("a")
        let again = try await spool.mirror("a")
        try await spool.append("a", ["a5"])
        let expected = left == 0 ? ["a5"] : ["a2", "a3", "a4", "a5"]
        #expect(try spool.waiting(again) == expected && spool.lag(of: again) == UInt64(expected.count) && spool.alarms.isEmpty)
        await spool.close()
    }

    @Test("a segment stays until the forward and the mirror have passed it, whichever is first", arguments: ["forward/a", "mirror/a"])
    func segmentsStay(first: String) async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open()
        let cursors = [try await spool.forward("a"), try await spool.mirror("a")]
        await spool.releasePassedSegments()
        let values = (0..<3).map { String(repeating: "\($0)", count: 60 << 10) }
        for value in values { try await spool.append("a", [value]) }
        for cursor in cursors where cursor.name == first { cursor.move(to: 3, settled: 3) }
        await spool.syncCursors()
        for cursor in cursors where cursor.name != first {
            #expect(spool.start == 0, "the other one waits")
            #expect(try spool.waiting(cursor) == values)
            cursor.move(to: 3, settled: 3)
        }
        await spool.syncCursors()
        #expect(spool.start == 2 && cursors.map(spool.lag) == [0, 0])
        await spool.close()
    }

    @Test("given up with nothing left, and its route later, too: nothing of the route comes back")
    func givenUpBeforeItsRoute() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try fixture.open()
        _ = (try await spool.forward("a"), try await spool.mirror("a"))
        await spool.close()
        spool = try fixture.open()
        let forward = try await spool.forward("a")
        #expect(try await spool.removedCursors { $0.delivery.stage == .forward }.isEmpty)
        try await spool.append("a", ["a0", "a1"])
        forward.move(to: 2, settled: 2)
        await spool.close()
        for _ in 0..<2 {
            spool = try fixture.open()
            #expect(try await spool.removedCursors { _ in false }.isEmpty)
            await spool.close()
            spool = try fixture.open()
            #expect(spool.allCursors.isEmpty && spool.alarms.isEmpty)
            await spool.close()
        }
    }
}

extension Spool {
    /// The cursor with which a route's events are mirrored.
    fileprivate func mirror(_ route: String, formerly: [String] = []) async throws -> SpoolCursor {
        try await self.cursor(
            "mirror/\(route)", route: RouteID(name: route), formerly: formerly.map { "mirror/\($0)" }, beginning: .end)
    }
}
