import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

/// How much a hole took: what nobody had settled, each event once; and that it stays told until somebody acknowledges it.
@Suite("Spool: losses, counted and kept")
struct LossTests {
    /// Forty events of three routes over many segments, the route by the number: `a`, `b`, `c` and so on.
    final class World {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        private(set) var spool: Spool!
        private(set) var cursors: [SpoolCursor] = []
        static let names = ["a", "b", "c"]
        static let count: UInt64 = 40

        func open() async throws {
            self.spool = try self.fixture.open { $0.recentBytes = 0 }
            self.cursors = []
            for name in Self.names { self.cursors.append(try await self.spool.cursor("forward/\(name)", route: RouteID(name: name))) }
        }

        func close() async { await self.spool.close() }

        /// - Parameter places: where each cursor stands.
        init(_ places: [UInt64], released: Bool = false) async throws {
            try await self.open()
            for number in 0..<Self.count {
                let route = RouteID(name: Self.names[Int(number % 3)])
                _ = try await self.spool.commit([submission([(route, ["\(number)" + String(repeating: "l", count: 9_000)])])])
            }
            for (place, cursor) in zip(places, self.cursors) {
                let settled = (0..<place).count { Self.names[Int($0 % 3)] == cursor.route }
                cursor.move(to: place, settled: UInt64(settled))
            }
            if released { await self.spool.releasePassedSegments() }
            await self.spool.syncCursors()
        }

        /// The events in a range that their routes' cursors had not passed.
        static func unsettled(_ range: Range<UInt64>, _ places: [UInt64]) -> UInt64 {
            UInt64(range.count { places[Int($0 % 3)] <= $0 })
        }

        /// Reads all that waits, as every route would.
        func drain() throws {
            for cursor in self.cursors {
                let reader = self.spool.reader(of: cursor)
                while try !reader.read(upTo: 1 << 20).isEmpty || !reader.isCaughtUp {}
            }
        }

        func lost() -> UInt64 { self.spool.missing.reduce(0) { $0 + $1.events } }
    }

    private static let standings: [[UInt64]] = [
        [0, 0, 0], [40, 0, 0], [40, 40, 0], [0, 40, 17], [20, 3, 40], [12, 13, 14], [39, 40, 40], [40, 40, 40], [7, 30, 22],
    ]

    @Test("a route that is renamed where its cursor stands before what can't be read: its events count as lost, not as settled")
    func renamedBeforeDamage() async throws {
        let probe = try await World([0, 0, 0])
        let hole = probe.spool.view.read { $0.segments[2] }
        await probe.close()
        let world = try await World([hole.base, 40, 40], released: true)
        await world.close()
        for isSecondStart in [false, true] {
            let copy = try world.fixture.crashed()
            if isSecondStart {
                // The count of a cursor with several names is taken from the log at each start.
                let spool = try copy.open()
                _ = try await spool.forward("z", formerly: ["a"])
                await spool.close()
            }
            let path = copy.segmentsFolder + "/" + name(hole)
            var bytes = try Data(contentsOf: URL(filePath: path))
            bytes.replaceSubrange(8192..<hole.dataEnd, with: Data(count: hole.dataEnd - 8192))
            try bytes.write(to: URL(filePath: path))
            let spool = try copy.open { $0.recentBytes = 0 }
            for cursor in [try await spool.forward("z", formerly: ["a"]), try await spool.forward("b"), try await spool.forward("c")] {
                _ = try spool.waiting(cursor)
            }
            let expected = World.unsettled(hole.base..<hole.end, [hole.base, 40, 40])
            // What the others had settled there can't be told, so it may be told too large.
            #expect(expected > 0 && spool.missing.reduce(0) { $0 + $1.events } >= expected, "\(spool.missing)")
            await spool.close()
        }
    }

    @Test("one segment gone, or two that stand side by side or apart", arguments: standings)
    func gone(places: [UInt64]) async throws {
        let world = try await World(places)
        let segments = world.spool.view.read { $0.segments }
        await world.close()
        for lost in [[0], [1], [2], [segments.count - 2], [1, 2], [1, 3], [0, 2]] {
            let copy = try world.fixture.crashed()
            for place in lost { try FileManager.default.removeItem(atPath: copy.segmentsFolder + "/" + name(segments[place])) }
            let ranges = lost.map { segments[$0].base..<segments[$0].end }
            let expected = ranges.reduce(0) { $0 + World.unsettled($1, places) }
            for start in 0..<3 {
                let spool = try copy.open { $0.recentBytes = 0 }
                var found: UInt64 = 0
                for route in World.names {
                    let reader = spool.reader(of: try await spool.cursor("forward/\(route)", route: RouteID(name: route)))
                    while true {
                        let batches = try reader.read(upTo: 1 << 20)
                        if batches.isEmpty, reader.isCaughtUp { break }
                        found += batches.reduce(0) { $0 + UInt64($1.count) }
                    }
                }
                let told = spool.missing.reduce(0) { $0 + $1.events }
                #expect(told == expected, "\(lost) of \(segments.count), start \(start): \(spool.missing)")
                #expect(found + told == World.unsettled(0..<World.count, places), "each event once")
                await spool.close()
            }
        }
    }

    func name(_ segment: SegmentInfo) -> String { String(segment.path.split(separator: "/").last!) }

    @Test("all segments gone, or the newest: what no cursor had passed", arguments: standings)
    func end(places: [UInt64]) async throws {
        let world = try await World(places)
        let segments = world.spool.view.read { $0.segments }
        await world.close()
        for isAll in [true, false] {
            let copy = try world.fixture.crashed()
            let lost = isAll ? segments : [segments.last!]
            for segment in lost { try FileManager.default.removeItem(atPath: copy.segmentsFolder + "/" + name(segment)) }
            for start in 0..<2 {
                let spool = try copy.open()
                let told = spool.missing.reduce(0) { $0 + $1.events }
                let range = lost[0].base..<World.count
                let expected = World.unsettled(range, places)
                // Where nothing tells what the routes had there, no more is taken for settled than must have been.
                #expect(told >= expected && told <= UInt64(range.count), "start \(start): \(told), \(expected) were lost")
                if isAll || places.allSatisfy({ $0 <= range.lowerBound || $0 == 40 }) { #expect(told == expected, "start \(start)") }
                await spool.close()
            }
        }
    }

    @Test("in a running node: a segment that goes under it is told of once, with what nobody had delivered")
    func underARunningNode() async throws {
        let places: [UInt64] = [0, 40, 9]
        let world = try await World(places)
        let segments = world.spool.view.read { $0.segments }
        try FileManager.default.removeItem(atPath: segments[3].path)
        try world.drain()
        #expect(world.lost() == World.unsettled(segments[3].base..<segments[3].end, places))
        try world.drain()
        #expect(world.spool.missing.count == 1)
        await world.close()
    }

    @Test("a copy of the folder that was made while it ran: its cursors are ahead of its segments, and nothing is lost")
    func copiedWhileItRan() async throws {
        let world = try await World([10, 11, 12])
        let copy = try world.fixture.crashed()
        await world.close()
        try await world.open()
        for number in 0..<12 as Range<UInt64> {
            _ = try await world.spool.commit([submission([(RouteID(name: World.names[Int(number % 3)]), ["late \(number)"])])])
        }
        for cursor in world.cursors { cursor.rest(at: 52, ordinal: cursor.ordinal + world.spool.lag(of: cursor)) }
        await world.close()
        // These were copied last.
        for path in ["mark", "cursors/forward.a", "cursors/forward.b", "cursors/forward.c"] {
            let bytes = try Data(contentsOf: URL(filePath: world.fixture.directory + "/" + path))
            try bytes.write(to: URL(filePath: copy.directory + "/" + path))
        }
        let spool = try copy.open()
        #expect(spool.durableEnd == 52 && spool.missing.reduce(0) { $0 + $1.events } == 0, "\(spool.missing)")
        await spool.close()
    }
}
