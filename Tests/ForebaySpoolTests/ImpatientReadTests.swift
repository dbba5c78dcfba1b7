import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What is done on the thread that all readers share, and what on the one where waiting holds up nobody who can read.
@Suite("Spool: readers that don't wait for a device that fails")
struct ImpatientReadTests {
    private func name(_ segment: SegmentInfo) -> String { String(segment.path.split(separator: "/").last!) }

    /// As far as it gets without patience.
    private func goOn(_ reading: SharedReadWorld.Reading) throws {
        while !reading.reader.isCaughtUp, try reading.turn(isPatient: false) {}
    }

    /// - Returns: how often it needed patience.
    private func finish(_ reading: SharedReadWorld.Reading) throws -> Int {
        var needed = 0
        while !reading.reader.isCaughtUp {
            if try reading.turn(isPatient: reading.reader.needsPatience) { continue }
            needed += 1
        }
        return needed
    }

    @Test("where a device failed for a moment, one call is for one who waits; it goes on with those who don't")
    func moment() async throws {
        let world = try SharedReadWorld(segmentSize: 16 << 20)
        try await world.fill(200)
        #expect(world.spool.segmentCount == 1)
        let reading = try world.reading()
        try reading.turn(isPatient: false)
        world.fail { _, _ in EIO }
        try self.goOn(reading)
        #expect(reading.reader.needsPatience && reading.missing.isEmpty)
        world.fail(nil)
        try reading.turn()
        #expect(!reading.reader.needsPatience, "the device gives all of it again, in the same segment")
        let needed = try self.finish(reading)
        #expect(needed == 0 && reading.events.count == 800 && reading.missing.isEmpty)
        await world.spool.close()
    }

    @Test("one who waits comes back behind each part of a dead zone, and asks for each block of it about once")
    func deadZone() async throws {
        let world = try SharedReadWorld(segmentSize: 32 << 20)
        try await world.fill(400)
        let segment = try #require(world.spool.view.read { $0.segments.first })
        let dead = 1000..<3000, blocks = (segment.dataEnd - segment.header.dataStart) / 4096
        #expect(blocks > 3500)
        world.fail { _, blocks in blocks.overlaps(dead) ? EIO : nil }
        let reading = try world.reading()
        try self.goOn(reading)
        var asked: [String: Int] = [:], turns = 0
        while !reading.reader.isCaughtUp {
            _ = world.takeReads()
            let isPatient = reading.reader.needsPatience
            try reading.turn(upTo: 1 << 30, isPatient: isPatient)
            let failed = world.takeReads().filter { read in
                let parts = read.split { "@+".contains($0) }.compactMap { Int($0) }
                return parts[1] == 4096 && dead.contains(parts[0] / 4096)
            }
            // That of a frame's header, and that of its payload.
            #expect(failed.count <= 2 * (SegmentWindow.size / 4096) && (isPatient || failed.isEmpty))
            for read in failed { asked[read, default: 0] += 1 }
            if isPatient { turns += 1 }
        }
        // The beginning of it is met with a header, and with the payload behind it.
        #expect(asked.count == dead.count && asked.values.reduce(0, +) < dead.count + 256 + turns && turns >= 8 && turns < 24)
        let missing = reading.missing.reduce(0) { $0 + $1.count }
        #expect(reading.events.count + missing == 1600 && missing > 0 && reading.events.count > 600)
        await world.spool.close()
    }

    @Test("a place that failed is asked for once by all who don't wait, until one who does has it")
    func known() async throws {
        let world = try SharedReadWorld(segmentSize: 2 << 20)
        try await world.fill(100)
        let segment = world.spool.view.read { $0.segments[1] }, name = self.name(segment)
        world.fail { file, _ in file == name ? EIO : nil }
        let readings = try (0..<8).map { _ in try world.reading() }
        for reading in readings { try self.goOn(reading) }
        #expect(readings.allSatisfy { $0.next == segment.base && $0.reader.needsPatience && $0.missing.isEmpty })
        #expect(world.takeReads().filter { $0.hasPrefix(name) }.count == 1)
        // It gives it again: nobody is told so, until one asks who may.
        world.fail(nil)
        #expect(try !readings[1].turn(isPatient: false))
        try readings[0].turn()
        for reading in readings {
            _ = try self.finish(reading)
            #expect(reading.missing.isEmpty && reading.hasSame(as: readings[0]) && reading.events.count == 400)
        }
        await world.spool.close()
    }

    @Test("a file that can't be opened is asked for once, too")
    func opening() async throws {
        let world = try SharedReadWorld(segmentSize: 2 << 20)
        try await world.fill(100)
        let segment = world.spool.view.read { $0.segments[1] }, opened = Happenings<String>()
        let readings = try (0..<8).map { _ in try world.reading() }
        world.disk.fail { call, path in
            guard call == .open, path == segment.path else { return nil }
            opened.add(path)
            return EIO
        }
        for reading in readings { try self.goOn(reading) }
        #expect(opened.count == 1 && readings.allSatisfy { $0.next == segment.base && $0.missing.isEmpty })
        // In vain for one who waits: all of it is lost, and the next one is not taken for granted.
        try readings[0].turn()
        #expect(opened.count == 2 && readings[0].missing == [segment.base..<segment.end] && readings[0].reader.needsPatience)
        world.disk.fail(nil)
        for reading in readings[1...] {
            _ = try self.finish(reading)
            #expect(reading.missing.isEmpty && reading.events.count == 400)
        }
        _ = try self.finish(readings[0])
        #expect(readings[0].events.count == 400 - Int(segment.end - segment.base))
        await world.spool.close()
    }

    enum Loss: CaseIterable { case payload, header, footer, file, segment, newest }

    @Test("what is lost is told of by one who waits, once, and nothing of it is passed before", arguments: Loss.allCases)
    func told(loss: Loss) async throws {
        let world = try SharedReadWorld(segmentSize: 2 << 20)
        try await world.fill(100)
        let segment = world.spool.view.read { $0.segments[1] }, frames = try world.frames(segment)
        var lost = segment.base..<segment.end
        switch loss {
        case .payload, .header:
            try world.flip(segment.number, at: frames[5].position + (loss == .payload ? 70 : 20))
            lost = frames[5].header.base..<frames[5].header.end
        case .footer:
            for frame in frames[5...] { try world.flip(segment.number, at: frame.position + 20) }
            lost = frames[5].header.base..<segment.end
        case .file: try FileManager.default.removeItem(atPath: segment.path)
        case .segment: world.spool.view.change { $0.segments.remove(at: 1) }
        case .newest:
            world.spool.view.change { state in
                let kept = state.segments.prefix(1)
                lost = kept.last!.end..<state.durableEnd
                state.segments = Array(kept)
            }
        }
        let reading = try world.reading()
        try self.goOn(reading)
        for _ in 0..<3 { #expect(try !reading.turn(isPatient: false)) }
        #expect(reading.missing.isEmpty && reading.next <= lost.lowerBound && reading.reader.needsPatience)
        #expect(UInt64(reading.events.count) == lost.lowerBound)
        try reading.turn()
        #expect(!reading.reader.needsPatience)
        let needed = try self.finish(reading)
        #expect(needed == 0 && reading.missing == [lost] && reading.events == Array(0..<lost.lowerBound) + Array(lost.upperBound..<400))
        await world.spool.close()
    }

    @Test("a call visits no more segments for little in each than it would read otherwise")
    func manySegments() async throws {
        let world = try SharedReadWorld(segmentSize: 64 << 10)
        for _ in 0..<150 {
            try await world.fill(1, [routeA], events: 1, size: 10)
            try await world.fill(1, [routeB], events: 6, size: 10_000)
        }
        #expect(world.spool.segmentCount > 140)
        let reading = try world.reading(routeA)
        _ = world.takeReads()
        var turns = 0
        while !reading.reader.isCaughtUp {
            try reading.turn(upTo: 1 << 30, isPatient: false)
            turns += 1
            #expect(Set(world.takeReads().map { $0.split(separator: "@")[0] }).count <= 128)
        }
        #expect(turns > 1 && reading.events.count == 150)
        await world.spool.close()
    }
}
