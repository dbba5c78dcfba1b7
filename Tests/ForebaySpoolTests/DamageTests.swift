import ForebayCore
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebaySpool

/// Images of what a crash or a bad disk leaves, made sector by sector from a seed.
@Suite("Spool: torn tails and damage")
struct DamageTests {
    private static let sector = 512

    @Test("sectors of the unsynced last group lost in any order are an ordinary torn tail", arguments: 0..<60)
    func tornTail(seed: Int) async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        _ = try await spool.commit([submission([(routeA, ["kept"]), (routeB, ["kept"])])])
        let file = try fixture.segmentFiles()[0]
        let before = try Data(contentsOf: URL(filePath: file)).count
        let values = (0..<40).map { "\($0)" + String(repeating: "t", count: 400) }
        _ = try await spool.commit([submission([(routeA, values), (routeB, values)])])
        let copy = try fixture.crashed()
        await spool.close()

        // The group was written, its sync never returned: each of its sectors may or may not have reached the disk.
        var generator = SplitMix(seed: UInt64(seed))
        let path = try copy.segmentFiles()[0]
        var bytes = try Data(contentsOf: URL(filePath: path))
        var lost = 0
        for start in stride(from: before, to: bytes.count, by: Self.sector) where Bool.random(using: &generator) {
            let sector = start..<min(bytes.count, start + Self.sector)
            if bytes[sector].contains(where: { $0 != 0 }) { lost += 1 }
            bytes.replaceSubrange(sector, with: Data(count: sector.count))
        }
        try bytes.write(to: URL(filePath: path))

        let again = try copy.open()
        #expect(again.missing.isEmpty, "a torn tail is no damage")
        #expect(again.durableEnd == (lost > 0 ? 2 : 82), "whole or not at all")
        #expect(try again.events().count == (lost > 0 ? 2 : 82))
        _ = try await again.commit([submission([(routeA, ["next"])])])
        #expect(try again.events().last?.1 == "next")
        await again.close()
    }

    @Test("sectors lost in an acknowledged group are damage: named, the rest served", arguments: 0..<40)
    func damage(seed: Int) async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        let values = (0..<40).map { "\($0)" + String(repeating: "d", count: 400) }
        for _ in 0..<3 { _ = try await spool.commit([submission([(routeA, values), (routeB, values)])]) }
        let copy = try fixture.crashed()
        await spool.close()

        // The second group of three is covered by the mark in the third.
        var generator = SplitMix(seed: UInt64(seed))
        let path = try copy.segmentFiles()[0]
        var bytes = try Data(contentsOf: URL(filePath: path))
        let dataStart = SegmentHeader.dataStart(version: SpoolFormat.version)
        let groupSize = (bytes.count - dataStart) / 3
        let start = dataStart + groupSize + Int.random(in: 0..<(groupSize - 4096) / Self.sector, using: &generator) * Self.sector
        bytes.replaceSubrange(start..<start + Self.sector, with: Data(count: Self.sector))
        try bytes.write(to: URL(filePath: path))

        let again = try copy.open()
        #expect(again.durableEnd == 240)
        let read = try again.events()
        let missing = again.missing
        #expect(!missing.isEmpty)
        let holes = Set(missing.flatMap { Array($0.sequences) })
        #expect(holes.allSatisfy { (80..<160).contains($0) })
        #expect(Set(read.map(\.0)).union(holes) == Set(0..<240), "every sequence is read or named")
        #expect(Set(read.map(\.0)).isDisjoint(with: holes))
        await again.close()
    }

    @Test("a flipped bit anywhere in a sealed segment is found, its range named, the rest served", arguments: 0..<60)
    func flippedBit(seed: Int) async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        for round in 0..<30 { _ = try await spool.commit([submission([(routeA, (0..<20).map { "\(round)-\($0)" })])]) }
        await spool.close()

        var generator = SplitMix(seed: UInt64(seed))
        let path = try fixture.segmentFiles()[0]
        var bytes = try Data(contentsOf: URL(filePath: path))
        let place = Int.random(in: SpoolFormat.block..<bytes.count - SpoolFormat.block, using: &generator)
        bytes[place] ^= UInt8(1 << Int.random(in: 0..<8, using: &generator))
        let copy = try fixture.crashed()
        try bytes.write(to: URL(filePath: try copy.segmentFiles()[0]))

        let again = try copy.open()
        let read = try again.events()
        let holes = Set(again.missing.flatMap { Array($0.sequences) })
        #expect(Set(read.map(\.0)).union(holes) == Set(0..<600))
        #expect(holes.count == 0 || holes.count == 20, "one frame, or padding that holds nothing")
        for (sequence, value) in read { #expect(value == "\(sequence / 20)-\(sequence % 20)") }
        await again.close()
    }

    @Test("a mark above the end of the log names what is lost; what was delivered is not", arguments: [true, false])
    func lostTail(isDelivered: Bool) async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        let cursor = try await spool.cursor("forward/a", route: routeA)
        if !isDelivered { _ = try await spool.cursor("mirror/a", route: routeA) }
        for _ in 0..<3 { _ = try await spool.commit([submission([(routeA, ["x"])])]) }
        cursor.move(to: 3, settled: 3)
        let copy = try fixture.crashed()
        await spool.close()
        let path = try copy.segmentFiles()[0]
        var bytes = try Data(contentsOf: URL(filePath: path))
        bytes.removeLast(4096)
        try bytes.write(to: URL(filePath: path))

        let again = try copy.open()
        #expect(again.durableEnd == 3)
        #expect(again.missing.map(\.sequences) == (isDelivered ? [] : [2..<3]) && again.missing.allSatisfy { $0.events == 1 })
        await again.close()
    }

    @Test("a missing segment in the middle is named")
    func missingSegment() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open()
        for _ in 0..<16 { _ = try await spool.commit([submission([(routeA, [String(repeating: "x", count: 20_000)])])]) }
        await spool.close()
        let files = try fixture.segmentFiles()
        #expect(files.count > 3)
        let copy = try fixture.crashed()
        try FileManager.default.removeItem(atPath: try copy.segmentFiles()[1])
        let again = try copy.open()
        let read = try again.events()
        let holes = again.missing.flatMap { Array($0.sequences) }
        #expect(Set(read.map(\.0)).union(holes) == Set(0..<16))
        #expect(!holes.isEmpty)
        await again.close()
    }

    @Test("damaged segments are kept aside when they are passed, not deleted")
    func quarantine() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open()
        let made = try await spool.cursor("forward/a", route: routeA)
        for _ in 0..<8 { _ = try await spool.commit([submission([(routeA, [String(repeating: "x", count: 20_000)])])]) }
        #expect(made.sequence == 0)
        await spool.close()
        let copy = try fixture.crashed()
        let path = try copy.segmentFiles()[0]
        var bytes = try Data(contentsOf: URL(filePath: path))
        bytes[2 * SpoolFormat.block + 1000] ^= 1
        try bytes.write(to: URL(filePath: path))
        let again = try copy.open()
        let cursor = try await again.cursor("forward/a", route: routeA)
        await again.releasePassedSegments()
        _ = try again.events()
        cursor.move(to: 8, settled: 7)
        await again.close()
        #expect(try FileManager.default.contentsOfDirectory(atPath: copy.directory + "/quarantine").count == 1)
    }

    @Test("a start after a crash reads the tail, not all that was kept free for the segment")
    func tailAlone() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 20)
        let spool = try fixture.open()
        for number in 0..<3 { _ = try await spool.commit([submission([(routeA, ["\(number)"])])]) }
        let copy = try fixture.crashed()
        await spool.close()
        let read = Mutex(0)
        let disk = FaultDisk()
        disk.fail { call, path in
            guard call == .read, let range = path.split(separator: "@").last, path.contains(".segment@") else { return nil }
            read.withLock { $0 += range.split(separator: "+").last.flatMap { Int($0) } ?? 0 }
            return nil
        }
        let again = try copy.open(on: disk)
        #expect(read.withLock { $0 } < 20 << 20)
        #expect(try again.events().map(\.1) == ["0", "1", "2"])
        #expect(again.missing.isEmpty)
        await again.close()
    }

    @Test("what a mark speaks of is looked for behind any damage")
    func behindLargeDamage() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 20)
        let spool = try fixture.open()
        let cursor = try await spool.cursor("forward/b", route: routeB)
        _ = try await spool.cursor("forward/a", route: routeA)
        let large = String(repeating: "x", count: 1 << 20)
        _ = try await spool.commit([submission([(routeA, ["before"])])])
        _ = try await spool.commit([submission([(routeA, Array(repeating: large, count: 20))])])
        _ = try await spool.commit([submission([(routeA, ["behind"])])])
        _ = try await spool.commit([submission([(routeB, ["last"])])])
        cursor.move(to: 23, settled: 23)
        let copy = try fixture.crashed()
        await spool.close()
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: copy.segmentFiles()[0]))
        let start = UInt64(SpoolFormat.block * 3)
        try file.seek(toOffset: start)
        try file.write(contentsOf: [UInt8](repeating: 0, count: 20 << 20))
        try file.close()
        let again = try copy.open()
        #expect(try again.events(route: routeA).map(\.1) == ["before", "behind"])
        #expect(again.missing.map(\.sequences) == [1..<21])
        await again.close()
    }

    @Test("a large event with a damaged header is damage, not the torn tail: what is behind it says so")
    func largeEventDamaged() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 20)
        let spool = try fixture.open()
        _ = try await spool.cursor("forward/a", route: routeA)
        _ = try await spool.commit([submission([(routeA, ["before"])])])
        let place = spool.view.read { $0.segments.last!.dataEnd }
        _ = try await spool.commit([submission([(routeA, [String(repeating: "x", count: 20 << 20)])])])
        for number in 0..<3 { _ = try await spool.commit([submission([(routeA, ["behind \(number)"])])]) }
        let copy = try fixture.crashed()
        await spool.close()
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: copy.segmentFiles()[0]))
        try file.seek(toOffset: UInt64(place + 20))
        try file.write(contentsOf: [0xFF])
        try file.close()
        let again = try copy.open()
        #expect(try again.events().map(\.1) == ["before", "behind 0", "behind 1", "behind 2"])
        #expect(again.missing.map(\.sequences) == [1..<2] && again.durableEnd == 5)
        await again.close()
    }
}
