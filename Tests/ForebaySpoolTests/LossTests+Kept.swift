import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebaySpool

/// That what is lost stays told, and is counted, until somebody acknowledges it.
extension LossTests {
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
}
