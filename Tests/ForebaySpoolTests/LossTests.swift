import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebaySpool

/// How much a hole took: what nobody had settled, each event once; and that it stays told until somebody acknowledges it.
@Suite("Spool: losses, counted and kept")
struct LossTests {
    /// Forty events of three routes over many segments, the route by the number: `a`, `b`, `c` and so on.
    private final class World {
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

    private func name(_ segment: SegmentInfo) -> String { String(segment.path.split(separator: "/").last!) }

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

    @Test("what was lost stays told over any number of starts, is counted by the metric at each, and goes when it is acknowledged")
    func kept() async throws {
        let world = try await World([0, 0, 0])
        let segments = world.spool.view.read { $0.segments }
        await world.close()
        for place in [0, 2] { try FileManager.default.removeItem(atPath: segments[place].path) }
        let lost = UInt64((segments[0].end - segments[0].base) + (segments[2].end - segments[2].base))
        for start in 0..<3 {
            try await world.open()
            try world.drain()
            #expect(world.lost() == lost, "start \(start): \(world.spool.missing)")
            #expect(world.spool.missing.allSatisfy { $0.noticedAt > 0 })
            await world.close()
        }
        // One of the two files is enough.
        try FileManager.default.removeItem(atPath: world.fixture.directory + "/alarms")
        try await world.open()
        #expect(world.lost() == lost)
        let seen = try await world.spool.acknowledgeAlarms()
        #expect(seen.missing.reduce(0) { $0 + $1.events } == lost && world.spool.damage == SpoolDamage())
        // Another reader that comes to the hole says nothing new, nor does a start.
        try world.drain()
        #expect(world.spool.damage == SpoolDamage())
        await world.close()
        try await world.open()
        try world.drain()
        #expect(world.spool.damage == SpoolDamage())
        // Something new is told of.
        try FileManager.default.removeItem(atPath: segments[5].path)
        try world.drain()
        #expect(world.lost() == segments[5].end - segments[5].base)
        await world.close()
        let offline = LogAlarms(directory: world.fixture.directory)
        #expect(try offline.unacknowledged().missing.count == 1 && offline.acknowledge().missing.count == 1)
        #expect(try offline.unacknowledged() == SpoolDamage() && offline.acknowledge() == SpoolDamage())
        try await world.open()
        #expect(throws: ForebayError.self) { try offline.acknowledge() }
        #expect(world.spool.damage == SpoolDamage())
        await world.close()
        for name in AlarmFile.names { try Data("x".utf8).write(to: URL(filePath: "\(world.fixture.directory)/\(name)")) }
        #expect(try offline.unacknowledged().alarms.map(\.text).first?.hasPrefix("neither copy can be read") == true)
    }

    @Test("a gap that was acknowledged is not told of again when what stood before it is let go of, and every cursor stands in front of it")
    func gapIsFirst() async throws {
        let world = try await World([0, 0, 0])
        let segments = world.spool.view.read { $0.segments }
        await world.close()
        try FileManager.default.removeItem(atPath: segments[1].path)
        try await world.open()
        try world.drain()
        #expect(try await world.spool.acknowledgeAlarms().missing.map(\.sequences) == [segments[1].base..<segments[1].end])
        for cursor in world.cursors { cursor.move(to: segments[0].end, settled: 0) }
        await world.spool.releasePassedSegments()
        await world.spool.syncCursors()
        #expect(world.spool.start == segments[2].base, "the first is let go of")
        await world.close()
        for _ in 0..<2 {
            try await world.open()
            try world.drain()
            #expect(world.spool.damage == SpoolDamage())
            await world.close()
        }
    }

    @Test("the mark and every segment gone at once: the mark is missed; where nothing was made yet, nothing is")
    func markAlone() async throws {
        let world = try await World([0, 0, 0])
        await world.close()
        let directory = world.fixture.directory
        for name in try FileManager.default.contentsOfDirectory(atPath: directory + "/segments") {
            try FileManager.default.removeItem(atPath: directory + "/segments/" + name)
        }
        for cursor in World.names { try FileManager.default.removeItem(atPath: directory + "/cursors/forward." + cursor) }
        try FileManager.default.removeItem(atPath: directory + "/mark")
        try await world.open()
        #expect(world.spool.alarms.map(\.file).contains(directory + "/mark"))
        await world.close()
        try await world.open()
        #expect(world.spool.damage == SpoolDamage())
        await world.close()
    }

    @Test("what is told of together is written together")
    func writtenOnce() async throws {
        let fixture = SpoolFixture()
        let disk = FaultDisk()
        let spool = try fixture.open(on: disk)
        for place in [10, 20, 30] as [UInt64] {
            spool.report(MissingRange(sequences: place..<place + 1, segment: 1, position: 8192, reason: "planted", events: 1))
        }
        let written = Atomic<Int>(0)
        disk.fail { call, path in
            if call == .rename, path.hasSuffix("/alarms") { written.wrappingAdd(1, ordering: .relaxed) }
            return nil
        }
        spool.report(MissingRange(sequences: 5..<40, segment: 1, position: 8192, reason: "planted", events: 35))
        #expect(spool.missing.count == 7 && written.load(ordering: .relaxed) == 1)
        await spool.close()
    }

    @Test("the metric begins with what is not acknowledged")
    func metric() async throws {
        let world = try await World([0, 0, 0])
        let path = world.spool.view.read { $0.segments[1].path }
        await world.close()
        try FileManager.default.removeItem(atPath: path)
        try await world.open()
        try world.drain()
        await world.close()
        let copy = try world.fixture.crashed()
        let spool = try copy.open()
        #expect(copy.metrics.render().contains("forebay_buffer_corruption_total 1"))
        await spool.close()
    }

    @Test("a file of alarms that can't be read is told of; another log's is none")
    func damagedFile() async throws {
        for isForeign in [false, true] {
            let world = try await World([0, 0, 0])
            world.spool.report(MissingRange(sequences: 3..<4, segment: 1, position: 8192, reason: "planted", events: 1))
            await world.close()
            for name in AlarmFile.names {
                let path = world.fixture.directory + "/" + name
                if isForeign {
                    let other = AlarmFile(
                        disk: SystemDisk(), directory: world.fixture.directory, log: spoolID("0123456789ABCDEF"), budget: nil)
                    try other.write(AlarmRecord())
                } else {
                    var bytes = try Data(contentsOf: URL(filePath: path))
                    bytes[30] ^= 1
                    try bytes.write(to: URL(filePath: path))
                }
            }
            try await world.open()
            #expect(world.spool.missing.isEmpty && world.spool.alarms.map { $0.file.hasSuffix("/alarms") } == [true])
            await world.close()
            try await world.open()
            #expect(world.spool.alarms.isEmpty)
            await world.close()
        }
    }

    // MARK: Set aside

    /// Two units with twelve events each over several segments; the first has settled some.
    private func aside(_ settled: UInt64) async throws -> SetAsideFixture {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let log = try fixture.open()
        try await log.append(new: [unit(1, "one"), unit(2, "two")], [])
        for number in 0..<12 {
            let value = "\(number)" + String(repeating: "l", count: 9_000)
            try await log.append(new: [], [ForebaySpoolTests.aside(1, [value]), ForebaySpoolTests.aside(2, [value])])
        }
        log.settle(1, through: settled, oldestAcceptedAt: nil)
        await log.close()
        return fixture
    }

    @Test("of what is set aside each event is told of once, by its unit where that is known", arguments: [0, 5, 12] as [UInt64])
    func setAside(settled: UInt64) async throws {
        let pristine = try await self.aside(settled)
        let files = try pristine.segmentFiles()
        for lost in [[0], [1], [files.count - 1], [1, 2], Array(files.indices)] {
            let fixture = try pristine.crashed()
            for place in lost {
                try FileManager.default.removeItem(atPath: fixture.directory + "/segments/" + files[place].split(separator: "/").last!)
            }
            for start in 0..<3 {
                let log = try fixture.open()
                let units = Dictionary(log.units.map { ($0.number, $0.settled) }) { first, _ in first }
                let found = try log.scan(units).all().mapValues { UInt64($0.count) }
                let told = log.missing.reduce(0) { $0 + $1.events }
                let waiting = (12 - settled) + 12
                #expect(found.values.reduce(0, +) + told == waiting, "\(lost), start \(start): \(log.missing)")
                await log.close()
            }
        }
    }

    @Test("of what is set aside also what a unit has behind nothing else: its last events, or all of them, in the segment that is gone")
    func setAsideTails() async throws {
        let pristine = SetAsideFixture(segmentSize: 64 << 10)
        let log = try pristine.open()
        try await log.append(new: [unit(1, "one"), unit(2, "two"), unit(3, "three")], [])
        // The first ends in a middle segment, the third stands in one alone.
        for (number, owner) in [1, 1, 1, 1, 1, 1, 1, 2, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2].enumerated() {
            let value = "\(number)" + String(repeating: "l", count: 9_000)
            try await log.append(new: [], [ForebaySpoolTests.aside(UInt64(owner), [value])])
        }
        await log.close()
        let files = try pristine.segmentFiles()
        #expect(files.count >= 3)
        for lost in files.indices {
            let fixture = try pristine.crashed()
            try FileManager.default.removeItem(atPath: fixture.directory + "/segments/" + files[lost].split(separator: "/").last!)
            #expect(try !SpoolInspection(directory: fixture.directory).verify().problems.isEmpty, "segment \(lost)")
            for start in 0..<2 {
                let log = try fixture.open()
                let units = Dictionary(log.units.map { ($0.number, $0.settled) }) { first, _ in first }
                let found = try log.scan(units).all().mapValues { UInt64($0.count) }
                let told = log.missing.reduce(0) { $0 + $1.events }
                #expect(found.values.reduce(0, +) + told == 20, "segment \(lost), start \(start): \(log.missing)")
                await log.close()
            }
        }
    }
}
