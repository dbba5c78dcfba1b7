import ForebayCore
import Testing

@testable import ForebaySpool

/// The bytes of slots and of units' entries, one by one, as docs/reference/spool-format.md has them; and what is not taken for such.
@Suite("Spool: slots and units, byte by byte")
struct SlotFormatTests {
    private static let log = "0123456789ABCDEF", origin = "GHJKMNPQRSTVWXYZ"

    private func slot() -> (Slot, Layout) {
        var layout = Layout(64)
        layout.put("FBYC", at: 0)
        layout.put(0x0002_0304_0506_0708, 8, at: 8)
        layout.put(Self.log, at: 16)
        layout.put(0x0012_1314_1516_1718, 8, at: 32)
        layout.put(0x0012_3334_3536_3738, 8, at: 40)
        layout.put(0x0022_A3A4_A5A6_A7A8, 8, at: 48)
        layout.put(1, 4, at: 56)
        layout.put(3, 4, at: 60)
        layout.check(8..<64, at: 4)
        let slot = Slot(
            .unit, log: spoolID(Self.log), generation: 0x0002_0304_0506_0708, value: 0x0012_1314_1516_1718, ordinal: 0x0012_3334_3536_3738,
            owner: 0x0022_A3A4_A5A6_A7A8, isEnded: true)
        return (slot, layout)
    }

    @Test("a slot, and what is none")
    func slots() {
        var (slot, layout) = self.slot()
        func encoded() -> [UInt8] {
            var bytes = [UInt8](repeating: 0xEE, count: 64)
            bytes.withUnsafeMutableBytes { slot.encode(to: $0.baseAddress!) }
            return bytes
        }
        #expect(encoded() == layout.bytes && layout.bytes.withUnsafeBytes { Slot(decoding: $0, as: .unit) } == slot)
        #expect(layout.bytes.withUnsafeBytes { Slot(decoding: $0, as: .unit, of: slot.log) } == slot)
        #expect(layout.bytes.withUnsafeBytes { Slot(decoding: $0, as: .unit, of: spoolID(Self.origin)) } == nil)
        #expect(isCovered(layout.bytes, 0..<64) { Slot(decoding: $0, as: .unit) != nil })
        #expect(Array(layout.bytes[..<63]).withUnsafeBytes { Slot(decoding: $0, as: .unit) } == nil)
        slot.isEnded = false
        layout.put(0, 4, at: 56)
        layout.check(8..<64, at: 4)
        #expect(encoded() == layout.bytes && layout.bytes.withUnsafeBytes { Slot(decoding: $0, as: .unit) } == slot)
        layout.put(2, 4, at: 56)
        layout.check(8..<64, at: 4)
        #expect(layout.bytes.withUnsafeBytes { Slot(decoding: $0, as: .unit) } == slot, "another flag")
    }

    @Test("numbers that no log comes to make none of it, to the last one that counts; a cursor's owner is a hash, a unit's ordinal a time")
    func highest() {
        let log = spoolID(Self.log)
        func isRead(_ kind: Slot.Kind, _ generation: UInt64, _ value: UInt64, _ ordinal: UInt64, _ owner: UInt64) -> Bool {
            let slot = Slot(kind, log: log, generation: generation, value: value, ordinal: ordinal, owner: owner)
            var bytes = [UInt8](repeating: 0, count: 64)
            bytes.withUnsafeMutableBytes { slot.encode(to: $0.baseAddress!) }
            return bytes.withUnsafeBytes { Slot(decoding: $0, as: kind) } == slot
        }
        for kind in [Slot.Kind.cursor, .mark, .unit] {
            for (number, counts) in [(SpoolFormat.highestMark - 1, true), (SpoolFormat.highestMark, false), (.max, false)] {
                #expect(isRead(kind, number, 1, 1, 1) == counts, "\(kind), generation \(number)")
                #expect(isRead(kind, 1, number, 1, 1) == counts, "\(kind), value \(number)")
                if kind != .unit { #expect(isRead(kind, 1, 1, number, 1) == counts, "\(kind), ordinal \(number)") }
                #expect(isRead(kind, 1, 1, 1, number) == (counts || kind == .cursor), "\(kind), owner \(number)")
            }
        }
        for (time, counts) in [(1 << 53, false), ((1 << 53) - 1, true), (-(1 << 53), false), (1 - (1 << 53), true)] as [(Int64, Bool)] {
            #expect(isRead(.unit, 1, 1, UInt64(bitPattern: time), 1) == counts, "\(time)")
        }
    }

    private func identity(partition: Int32? = 7, topic: String = "täglich", code: String = "CODE", reason: String = "why")
        -> (told: UnitIdentity, kept: UnitIdentity, layout: Layout)
    {
        let unit = SetAsideLog.Unit(
            number: 0xA1A2_A3A4_A5A6_A7A8, topic: topic, partition: partition, partitionCount: 0x0102_0304, code: code, reason: reason,
            since: -9,
            oldestAcceptedAt: 0, turn: 0x0506)
        let kept = (String(topic.prefix(255)), String(code.prefix(64)), String(reason.prefix(512)))
        var layout = Layout(4096)
        layout.put("FBYU", at: 512)
        layout.put(unit.number, 8, at: 520)
        layout.put(UInt64(bitPattern: -9), 8, at: 528)
        layout.put(UInt64(bitPattern: Int64(partition ?? -1)), 4, at: 536)
        layout.put(0x0102_0304, 4, at: 540)
        layout.put(UInt64(kept.0.utf8.count), 2, at: 544)
        layout.put(UInt64(kept.1.utf8.count), 2, at: 546)
        layout.put(UInt64(kept.2.utf8.count), 2, at: 548)
        layout.put(0x0506, 2, at: 550)
        let texts = kept.0 + kept.1 + kept.2
        layout.put(texts, at: 552)
        layout.check(520..<552 + texts.utf8.count, at: 516)
        var expected = UnitIdentity(unit)
        (expected.topic, expected.code, expected.reason) = kept
        return (UnitIdentity(unit), expected, layout)
    }

    @Test(
        "what is known of a unit",
        arguments: [
            (7, "täglich", "CODE", "why"), (nil, "t", "", ""),
            (0, String(repeating: "t", count: 300), String(repeating: "c", count: 70), String(repeating: "r", count: 600)),
        ]
            as [(Int32?, String, String, String)])
    func units(partition: Int32?, topic: String, code: String, reason: String) {
        let (told, identity, layout) = self.identity(partition: partition, topic: topic, code: code, reason: reason)
        var bytes = [UInt8](repeating: 0, count: 4096)
        bytes.withUnsafeMutableBytes { told.encode(to: $0.baseAddress!) }
        #expect(bytes == layout.bytes)
        #expect(bytes.withUnsafeBytes { UnitIdentity(decoding: $0) } == identity)
        for (count, read) in [(0, 0), (1, 1), (-1, 0), (.max, .max), (.min, 0)] as [(Int32, Int32)] {
            var other = UnitIdentity(unit(7))
            other.partitionCount = count
            var block = [UInt8](repeating: 0, count: 4096)
            block.withUnsafeMutableBytes { other.encode(to: $0.baseAddress!) }
            #expect(block.withUnsafeBytes { UnitIdentity(decoding: $0) }?.partitionCount == read, "\(count) partitions")
        }
        let length = 552 + identity.topic.utf8.count + identity.code.utf8.count + identity.reason.utf8.count
        #expect(isCovered(bytes, 512..<length) { UnitIdentity(decoding: $0) != nil })
        #expect(!isCovered(bytes, length..<length + 1) { UnitIdentity(decoding: $0) != nil })
        #expect(!isCovered(bytes, 511..<512) { UnitIdentity(decoding: $0) != nil })
        #expect(Array(bytes[..<length]).withUnsafeBytes { UnitIdentity(decoding: $0) } == identity)
        #expect(Array(bytes[..<(length - 1)]).withUnsafeBytes { UnitIdentity(decoding: $0) } == nil)
    }

    @Test("of a unit's two slots the newer sound one counts, with what is known of that unit")
    func unitPairs() throws {
        func block(_ generation: UInt64, owner: UInt64 = 3, identity: UInt64? = 3, log: String = Self.log) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: 4096)
            bytes.withUnsafeMutableBytes { bytes in
                Slot(.unit, log: spoolID(log), generation: generation, value: generation * 10, ordinal: 0, owner: owner).encode(
                    to: bytes.baseAddress!)
                if let identity { UnitIdentity(unit(identity, "t\(identity)")).encode(to: bytes.baseAddress!) }
            }
            return bytes
        }
        func pair(_ bytes: [UInt8]) -> UnitPair? { bytes.withUnsafeBytes { UnitPair(decoding: $0, of: spoolID(Self.log)) } }
        let nothing = [UInt8](repeating: 0, count: 4096)
        #expect(pair(block(1) + block(2))?.slot.value == 20 && pair(block(2) + block(1))?.slot.value == 20)
        #expect(pair(block(5) + nothing)?.slot.value == 50 && pair(nothing + block(5))?.identity?.topic == "t3")
        #expect(pair(block(1, log: Self.origin) + block(2, log: Self.origin)) == nil && pair(nothing + nothing) == nil)
        #expect(pair(block(9, log: Self.origin) + block(2))?.slot.value == 20)
        #expect(pair(block(1, owner: 0) + block(2, owner: 0)) == nil, "units are numbered from 1")
        #expect(pair(block(2, identity: nil) + block(1))?.identity?.topic == "t3", "it stands in the other, too")
        #expect(pair(block(2, identity: nil) + block(1, identity: nil))?.identity == nil)
        #expect(
            pair(block(2, identity: 4) + block(1))?.identity?.topic == "t3"
                && pair(block(2, identity: 4) + block(1, identity: 4))?.identity == nil)

        let table = try UnitPair.load(
            MemoryFile(block(1) + block(2) + nothing + nothing + block(3) + block(4) + nothing), of: spoolID(Self.log))
        #expect(table.map { $0?.slot.value } == [20, nil, 40], "half a pair is none")
    }
}
