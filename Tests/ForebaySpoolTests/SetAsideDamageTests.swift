import ForebayCore
import Foundation
import Testing

@testable import ForebaySpool

/// What a bad disk does to the table of the units and to their frames.
@Suite("Set aside: damage")
struct SetAsideDamageTests {
    /// Two units with three events each in three frames; the first is settled to 1, then to 2.
    private func made() async throws -> SetAsideFixture {
        let fixture = SetAsideFixture()
        let log = try fixture.open()
        try await log.append(new: [unit(1, "topic", partition: 3), unit(2, "topic")], [])
        for round in 0..<3 {
            try await log.append(new: [], [aside(1, ["\(round)"]), aside(2, ["\(round)"])])
        }
        log.settle(1, through: 1, oldestAcceptedAt: nil)
        log.settle(1, through: 2, oldestAcceptedAt: nil)
        await log.close()
        return fixture
    }

    /// The places of a unit's slots in the table, the newer one first.
    private func slots(_ fixture: SetAsideFixture, _ number: UInt64) throws -> [Int] {
        let bytes = try Data(contentsOf: URL(filePath: fixture.tablePath))
        let id = try #require(try SpoolInspection(directory: fixture.directory).id)
        var found: [(Int, UInt64)] = []
        for place in stride(from: 0, to: bytes.count, by: 4096) {
            let slot = Array(bytes[place..<place + 64]).withUnsafeBytes { Slot(decoding: $0, as: .unit, of: id) }
            if let slot, slot.owner == number { found.append((place, slot.generation)) }
        }
        return found.sorted { $0.1 > $1.1 }.map(\.0)
    }

    @Test("one slot torn: the older value counts", arguments: [4, 9, 33, 40, 63])
    func oneSlot(byte: Int) async throws {
        let fixture = try await self.made()
        let place = try self.slots(fixture, 1)[0]
        try fixture.change(fixture.tablePath) { $0[place + byte] ^= 1 }
        let log = try fixture.open()
        #expect(log.unit(1)!.settled == 1 && log.unit(1)!.partition == 3)
        #expect(try log.scan([1: 1]).values(of: 1) == ["1", "2"])
        // It goes on from there.
        log.settle(1, through: 3, oldestAcceptedAt: nil)
        await log.close()
        let again = try fixture.open()
        #expect(again.unit(1)!.settled == 3)
        await again.close()
    }

    @Test("what is known of a unit stands twice; a cursor that moves harms neither")
    func identity() async throws {
        let fixture = try await self.made()
        let places = try self.slots(fixture, 1)
        try fixture.change(fixture.tablePath) { $0[places[1] + 560] ^= 1 }
        var log = try fixture.open()
        #expect(log.unit(1)!.partition == 3 && log.unit(1)!.settled == 2)
        await log.close()
        // Both lost: the topic is learnt from the frames, the cursor still stands.
        try fixture.change(fixture.tablePath) { $0[places[0] + 560] ^= 1 }
        log = try fixture.open()
        let found = try #require(log.unit(1))
        #expect(found.partition == nil && found.topic == "topic" && found.settled == 2 && found.end == 3)
        await log.close()
    }

    @Test("both slots lost: the unit comes back as its topic, from its first frame")
    func bothSlots() async throws {
        let fixture = try await self.made()
        let places = try self.slots(fixture, 1)
        try fixture.change(fixture.tablePath) { bytes in
            for place in places { bytes[place + 33] ^= 1 }
        }
        #expect(try SetAsideLog.list(directory: fixture.directory).map(\.settled) == [0, 0])
        let log = try fixture.open()
        #expect(log.units.map(\.number) == [1, 2] && log.nextNumber == 3)
        let orphan = log.units[0]
        #expect(orphan.topic == "topic" && orphan.partition == nil && orphan.settled == 0 && orphan.end == 3)
        #expect(try log.scan([1: 0, 2: 0]).all().mapValues { $0.map(\.1) } == [1: ["0", "1", "2"], 2: ["0", "1", "2"]])
        log.settle(1, through: 2, oldestAcceptedAt: nil)
        await log.close()
        let again = try fixture.open()
        #expect(again.unit(1)?.settled == 2, "it has a place in the table again")
        await again.close()
    }

    @Test("the whole table lost: all units come back, also those whose first segments are gone")
    func wholeTable() async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let log = try fixture.open()
        try await log.append(new: [unit(1), unit(2)], [])
        for round in 0..<10 {
            try await log.append(new: [], [aside(1, ["\(round)" + String(repeating: "x", count: 20_000)])])
        }
        try await log.append(new: [], [aside(2, ["two"])])
        log.settle(1, through: 7, oldestAcceptedAt: nil)
        await log.syncCursors()
        await log.close()
        try FileManager.default.removeItem(atPath: fixture.tablePath)
        let again = try fixture.open()
        let first = try #require(again.unit(1))
        #expect(first.settled > 0 && first.settled <= 7 && first.end == 10)
        #expect(try again.scan([1: first.settled, 2: 0]).all().mapValues(\.count) == [1: Int(10 - first.settled), 2: 1])
        #expect(again.missing.isEmpty)
        await again.close()
    }

    @Test("the whole table lost, and first frames can't be read now: they are named, and come once they can", arguments: [false, true])
    func tableAndFirstFrames(isReadAgain: Bool) async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        var log = try fixture.open()
        try await log.append(new: [unit(1), unit(2)], [])
        for number in 0..<4 { try await log.append(new: [], [aside(1, ["a\(number)"])]) }
        try await log.append(new: [], [aside(2, ["b0", "b1"])])
        await log.close()
        try FileManager.default.removeItem(atPath: fixture.tablePath)
        let segment = try #require(fixture.segmentFiles().first)
        // Two groups of one event, in the log's first blocks.
        func flip() throws {
            try fixture.change(segment) { for place in [0, 4096] { $0[8192 + place + 8] ^= 1 } }
        }
        try flip()
        log = try fixture.open()
        #expect(
            log.unit(1)?.settled == 0 && log.unit(1)?.end == 4 && log.unit(2)?.settled == 0, "an event too many rather than one too few")
        if !isReadAgain {
            #expect(try log.scan([1: 0, 2: 0]).all().mapValues { $0.map(\.1) } == [1: ["a2", "a3"], 2: ["b0", "b1"]])
            #expect(log.missing.filter { $0.unit == 1 }.map(\.sequences) == [0..<2])
        }
        await log.close()
        guard isReadAgain else { return }
        try flip()
        log = try fixture.open()
        #expect(try log.scan([1: 0, 2: 0]).all().mapValues { $0.map(\.1) } == [1: ["a0", "a1", "a2", "a3"], 2: ["b0", "b1"]])
        #expect(log.missing.isEmpty)
        await log.close()
    }

    @Test("a flipped bit in a frame: its events are named, the rest is served", arguments: 0..<40)
    func flippedBit(seed: Int) async throws {
        let fixture = SetAsideFixture()
        let log = try fixture.open()
        try await log.append(new: [unit(1), unit(2)], [])
        for round in 0..<10 {
            try await log.append(
                new: [], [aside(1, (0..<20).map { "1-\(round * 20 + $0)" }), aside(2, (0..<30).map { "2-\(round * 30 + $0)" })])
        }
        log.settle(1, through: 5, oldestAcceptedAt: nil)
        await log.close()
        var generator = SplitMix(seed: UInt64(seed))
        try fixture.change(try fixture.segmentFiles()[0]) { bytes in
            let place = Int.random(in: SpoolFormat.block..<bytes.count - SpoolFormat.block, using: &generator)
            bytes[place] ^= UInt8(1 << Int.random(in: 0..<8, using: &generator))
        }
        let again = try fixture.open()
        let scan = again.scan([1: 5, 2: 0])
        let found = try scan.all()
        for (number, expected) in [(1, 5..<200), (2, 0..<300)] as [(UInt64, Range<UInt64>)] {
            let lost = again.missing.filter { $0.unit == number }.flatMap { Array($0.sequences) }
            let read = found[number]!.map(\.0)
            #expect(Set(read).union(lost) == Set(expected) && Set(read).isDisjoint(with: lost))
            #expect(read.count + lost.count == expected.count, "each once")
            for (position, value) in found[number]! { #expect(value == "\(number)-\(position)") }
            #expect(scan.position(of: number) == expected.upperBound)
        }
        // A damaged segment is kept for the operator.
        let isDamaged = !again.missing.isEmpty
        try await again.append(new: [unit(3)], [aside(3, ["in the next segment"])])
        again.end(1)
        again.end(2)
        await again.syncCursors()
        let aside = try? FileManager.default.contentsOfDirectory(atPath: fixture.directory + "/quarantine")
        #expect((aside?.count ?? 0) == (isDamaged ? 1 : 0))
        await again.close()
    }

    @Test("what a crash left behind the end of a segment does not count when its successor's events are gone")
    func tornGroupStaysAway() async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        var log = try fixture.open()
        try await log.append(new: [unit(1), unit(2)], [aside(1, ["waits"]), aside(2, ["0"])])
        // A group whose second frame never reached the disk; the first one is sound.
        try await log.append(new: [], [aside(2, ["torn"]), aside(1, ["torn"])])
        let copy = try fixture.crashed()
        await log.close()
        try copy.change(try copy.segmentFiles()[0]) { $0[$0.count - 4096 + 64 + 40 + 70] ^= 1 }
        log = try copy.open()
        #expect(log.unit(2)!.end == 1 && log.unit(1)!.end == 1)
        // The next segment fills with what is settled at once, and goes; the first one stays.
        for round in 0..<6 as Range<UInt64> {
            try await log.append(new: [], [aside(2, ["\(round)" + String(repeating: "x", count: 20_000)])])
        }
        log.settle(2, through: 5, oldestAcceptedAt: nil)
        await log.syncCursors()
        let files = try copy.segmentFiles()
        #expect(files.count == 3)
        #expect(try Data(contentsOf: URL(filePath: files[1])).count == 12_288)
        #expect(try SpoolInspection(directory: copy.directory).verify().problems.isEmpty)
        for _ in 0..<2 {
            let again = try copy.crashed().open()
            #expect(again.units == log.units)
            #expect(try again.scan([1: 0]).values(of: 1) == ["waits"])
            #expect(try again.scan([2: 5]).all()[2]!.map(\.0) == [5, 6])
            #expect(again.missing.isEmpty)
            await again.close()
        }
        log.end(1)
        await log.syncCursors()
        #expect(try copy.segmentFiles().count == 1)
        await log.close()
    }
}
