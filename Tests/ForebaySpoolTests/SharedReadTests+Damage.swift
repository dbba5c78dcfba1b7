import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What readers that read together are told of, each for itself.
@Suite("Spool: readers that read together, and damage")
struct SharedReadDamageTests {
    private func finish(_ readings: [SharedReadWorld.Reading]) throws {
        while readings.contains(where: { !$0.reader.isCaughtUp }) {
            for reading in readings where !reading.reader.isCaughtUp { try reading.turn() }
        }
    }

    @Test("a byte that is wrong, in a payload or a header, is told to each once, the same way", arguments: [70, 20])
    func flipped(place: Int) async throws {
        let world = try SharedReadWorld(segmentSize: 2 << 20)
        try await world.fill(100)
        let segment = world.spool.view.read { $0.segments[1] }
        let frame = try world.frames(segment)[5]
        try world.flip(segment.number, at: frame.position + place)
        let readings = try (0..<3).map { _ in try world.reading() }
        try self.finish(readings)
        for reading in readings {
            #expect(reading.missing == [frame.header.base..<frame.header.end])
            #expect(reading.events.count == 396 && reading.hasSame(as: readings[0]))
        }
        await world.spool.close()
    }

    @Test("what comes to be damaged while one has it in memory is served from there, or told of; never neither")
    func flippedMeanwhile() async throws {
        let world = try SharedReadWorld(segmentSize: 2 << 20)
        try await world.fill(100)
        let (first, second) = (try world.reading(), try world.reading())
        try first.turn()
        let segment = world.spool.view.read { $0.segments[0] }
        for frame in try world.frames(segment) { try world.flip(segment.number, at: frame.position + 70) }
        try second.finish()
        try first.finish()
        for reading in [first, second] {
            let missing = reading.missing.reduce(0) { $0 + $1.count }
            #expect(reading.events.count + missing == 400 && missing > 0 && reading.events.count >= first.events.count / 2)
        }
        await world.spool.close()
    }

    @Test("what looks damaged in memory alone is read again, and served")
    func damagedInMemory() throws {
        let file = MemoryFile([])
        let layout = try Self.layout()
        file.bytes = layout.bytes
        for place in [layout.position + 20, layout.position + 70] {
            let cache = ReadCache(limit: 1 << 20), segment = ReadCache.Segment(number: 1, salt: 5)
            let others = (cache.attend(), cache.attend())
            defer { withExtendedLifetime(others) {} }
            var bad = layout.bytes
            bad[place] ^= 1
            let slab = Slab(capacity: bad.count, alignment: 4096)
            bad.withUnsafeBytes { slab.base.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
            _ = cache.put(ReadCache.Part(slab: slab, range: 0..<bad.count), of: segment)
            var scanner = SegmentScanner(
                file: file, salt: 5, position: layout.position, limit: bad.count, sharing: .init(cache: cache, segment: segment))
            guard case .frame(let header, _) = try scanner.step() else {
                Issue.record("the header is on the disk")
                continue
            }
            #expect(try scanner.payload(of: header, at: layout.position) != nil)
            #expect(scanner.bytesRead > 0)
        }
    }

    /// One frame in a block of its own.
    private static func layout() throws -> (bytes: [UInt8], position: Int) {
        var bytes = [UInt8](repeating: 0, count: 16_384)
        let payload = batch(routeA, ["value"]).withUnsafeBytes { Array($0) }
        var header = FrameHeader(
            length: payload.count, count: 1, flags: [.opensGroup, .closesGroup], base: 0, route: routeA, ordinal: 0, durable: 0,
            acceptedAt: 1)
        bytes.withUnsafeMutableBytes { target in
            payload.withUnsafeBytes { header.encode(to: target.baseAddress! + 8192, payload: $0, salt: 5) }
        }
        bytes.replaceSubrange(8256..<8256 + payload.count, with: payload)
        return (bytes, 8192)
    }

    @Test("a block that the device does not give is told to each, and each asks for it")
    func unread() async throws {
        let world = try SharedReadWorld(segmentSize: 2 << 20)
        try await world.fill(100)
        let segment = world.spool.view.read { $0.segments[1] }
        let frame = try world.frames(segment)[5]
        let (name, block) = (segment.path.split(separator: "/").last.map(String.init)!, frame.position / 4096 + 2)
        world.fail { file, blocks in file == name && blocks.contains(block) ? EIO : nil }
        let readings = try (0..<3).map { _ in try world.reading() }
        try self.finish(readings)
        for reading in readings { #expect(reading.missing == [frame.header.base..<frame.header.end] && reading.events.count == 396) }
        let asked = world.takeReads().filter { $0.hasPrefix("\(name)@\(block * 4096)+4096") }
        #expect(asked.count >= 3)
        // It gives it again.
        world.fail(nil)
        let later = try world.reading()
        try later.finish()
        #expect(later.events.count == 400 && later.missing.isEmpty)
        await world.spool.close()
    }

    @Test("who does not wait for the device is told that it failed; nothing is passed, nothing read twice, what came before is handed over")
    func impatient() async throws {
        let world = try SharedReadWorld(segmentSize: 2 << 20)
        try await world.fill(100)
        let segment = world.spool.view.read { $0.segments[1] }
        let name = segment.path.split(separator: "/").last.map(String.init)!
        world.fail { file, _ in file == name ? EIO : nil }
        let readings = try (0..<2).map { _ in try world.reading() }
        for reading in readings {
            var failures = 0
            while failures < 2 { if try !reading.turn(upTo: 1 << 30, isPatient: false) { failures += 1 } }
            #expect(reading.missing.isEmpty && reading.next == segment.base && UInt64(reading.events.count) == segment.base)
        }
        world.fail(nil)
        try readings[0].finish()
        #expect(readings[0].events.count == 400 && readings[0].missing.isEmpty)
        // What another has read the device is not asked for.
        world.fail { file, _ in file == name ? EIO : nil }
        try readings[1].finish()
        #expect(readings[1].events.count == 400 && readings[1].missing.isEmpty)
        // One that waits, in vain, passes it.
        let last = try world.reading()
        try last.finish()
        #expect(last.missing.reduce(0) { $0 + $1.count } == Int(segment.end - segment.base))
        await world.spool.close()
    }

    @Test("a segment that is removed while some read it: who has it open reads on, who has not is told, with and without what is shared")
    func removed() async throws {
        var found: [[UInt64]] = []
        for shared in [0, 16 << 20] {
            let world = try SharedReadWorld(segmentSize: 2 << 20, shared: shared)
            try await world.fill(100)
            let (first, second) = (try world.reading(), try world.reading())
            try first.turn()
            let segments = world.spool.view.read { $0.segments }
            try FileManager.default.removeItem(atPath: segments[0].path)
            try FileManager.default.removeItem(atPath: segments[1].path)
            try self.finish([first, second])
            #expect(first.missing == [segments[1].base..<segments[1].end])
            #expect(second.missing == [segments[0].base..<segments[0].end, segments[1].base..<segments[1].end])
            found.append(first.events + second.events)
            await world.spool.close()
        }
        #expect(found[0] == found[1])
    }
}
