import ForebayCore
import Testing

@testable import ForebaySpool

/// The bytes on disk, one by one, as docs/reference/spool-format.md has them; and what is not taken for such.
@Suite("Spool: the format, byte by byte")
struct FormatTests {
    private static let log = "0123456789ABCDEF", origin = "GHJKMNPQRSTVWXYZ"
    static let salt: UInt64 = 0xF1E2_D3C4_B5A6_9788

    @Test("the checksum is CRC-32C, and goes on from another")
    func checksum() {
        let digits = Array("123456789".utf8)
        #expect(crc32c(digits) == 0xE306_9283 && digits.withUnsafeBytes { SpoolFormat.crc($0) } == 0xE306_9283)
        #expect([UInt8](repeating: 0, count: 32).withUnsafeBytes { SpoolFormat.crc($0) } == 0x8A91_36AA)
        let (head, tail) = (Array(digits[..<4]), Array(digits[4...]))
        #expect(tail.withUnsafeBytes { tail in head.withUnsafeBytes { SpoolFormat.crc(tail, from: SpoolFormat.crc($0)) } } == 0xE306_9283)
        #expect(SpoolFormat.crc(of: 1, 2) == crc32c([1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]))
    }

    @Test("positions are rounded up to blocks, or to other units")
    func aligned() {
        for (position, block, eight) in [
            (0, 0, 0), (1, 4096, 8), (7, 4096, 8), (8, 4096, 8), (9, 4096, 16), (4096, 4096, 4096), (4097, 8192, 4104),
        ] {
            #expect(SpoolFormat.aligned(position) == block && SpoolFormat.aligned(position, to: 8) == eight)
        }
    }

    // MARK: Headers of segments

    private func header(version: UInt32 = 2) -> SegmentHeader {
        var header = SegmentHeader(
            log: spoolID(Self.log), origin: spoolID(Self.origin), number: 0x0002_0304_0506_0708, base: 0x0012_1314_1516_1718,
            salt: Self.salt, madeAt: -0x2122_2324_2526_2728)
        header.version = version
        header.previousNumber = 0x0032_3334_3536_3738
        header.previousEnd = 0x0042_4344_4546_4748
        header.previousChecksum = 0x5152_5354
        return header
    }

    private func layout(version: UInt32 = 2) -> Layout {
        var copy = Layout(4096)
        copy.put("FBYSEG01", at: 0)
        copy.put(UInt64(version), 4, at: 12)
        copy.put(Self.log, at: 16)
        copy.put(0x0002_0304_0506_0708, 8, at: 32)
        copy.put(0x0012_1314_1516_1718, 8, at: 40)
        copy.put(Self.salt, 8, at: 48)
        copy.put(UInt64(bitPattern: -0x2122_2324_2526_2728), 8, at: 56)
        copy.put(0x0032_3334_3536_3738, 8, at: 64)
        copy.put(0x0042_4344_4546_4748, 8, at: 72)
        copy.put(0x5152_5354, 8, at: 80)
        copy.put(Self.origin, at: 88)
        copy.check(12..<128, at: 8)
        return copy
    }

    private func encoded(_ header: SegmentHeader) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: header.dataStart)
        bytes.withUnsafeMutableBytes { header.encode(to: $0) }
        return bytes
    }

    private func decoded(_ bytes: [UInt8]) -> Result<SegmentHeader, SegmentHeader.Unreadable> {
        bytes.withUnsafeBytes { bytes in Result { () throws(SegmentHeader.Unreadable) in try SegmentHeader(decoding: bytes) } }
    }

    @Test("a segment's header stands twice, a block each; in version 1 once")
    func segmentHeader() {
        #expect(self.encoded(self.header()) == self.layout().bytes + self.layout().bytes)
        #expect(self.encoded(self.header(version: 1)) == self.layout(version: 1).bytes)
        #expect(self.decoded(Array(self.layout().bytes[..<128])) == .success(self.header()))
        var old = self.header(version: 1)
        old.origin = old.log
        #expect(self.decoded(self.layout(version: 1).bytes) == .success(old), "then ids begin with the log's own")
        #expect(self.header().dataStart == 8192 && self.header(version: 1).dataStart == 4096)
    }

    @Test("a segment's header is read if it is whole, of a version that is known, and its sequences can be")
    func segmentHeaderDamage() {
        let bytes = self.layout().bytes
        #expect(self.decoded(Array(bytes[..<127])) == .failure(.damaged))
        #expect(isCovered(bytes, 0..<128) { (try? SegmentHeader(decoding: $0)) != nil })
        #expect(!isCovered(bytes, 128..<129) { (try? SegmentHeader(decoding: $0)) != nil })
        for version in [0, 4, 9] as [UInt32] { #expect(self.decoded(self.layout(version: version).bytes) == .failure(.version(version))) }
        for place in [40, 72] {
            for (sequence, isRead) in [((1 << 56) - 1, true), (1 << 56, false), (.max, false)] as [(UInt64, Bool)] {
                var layout = self.layout()
                layout.put(sequence, 8, at: place)
                layout.check(12..<128, at: 8)
                #expect(((try? self.decoded(layout.bytes).get()) != nil) == isRead, "\(sequence) at \(place)")
            }
        }
    }

    @Test("for a header no more is read than its two copies: what stands behind them may be on a bad sector")
    func segmentHeaderAlone() throws {
        let file = MemoryFile(self.layout().bytes + self.layout().bytes + [UInt8](repeating: 0, count: 8192))
        file.fail([2, 3])
        #expect(try SegmentHeader.read(from: file).outcome == .success(self.header()) && file.reads == [0..<8192])
    }

    @Test("of the two copies of a header the sound one counts, and both are asked for")
    func segmentHeaderCopies() throws {
        let sound = self.layout().bytes
        var (damaged, other) = (sound, self.layout())
        damaged[50] ^= 1
        other.put(99, 8, at: 32)
        other.check(12..<128, at: 8)
        let nothing = [UInt8](repeating: 0, count: 4096)
        var different = self.header()
        different.number = 99
        let cases: [(name: String, bytes: [UInt8], outcome: Result<SegmentHeader, SegmentHeader.Unreadable>, isWhole: Bool)] = [
            ("both", sound + sound, .success(self.header()), true),
            ("the first damaged", damaged + sound, .success(self.header()), false),
            ("the second damaged", sound + damaged, .success(self.header()), false),
            ("both damaged", damaged + damaged, .failure(.damaged), false),
            ("not the same", sound + other.bytes, .success(self.header()), false),
            ("the second alone", nothing + other.bytes, .success(different), false),
            ("cut behind the first", sound, .success(self.header()), false),
            ("cut in the second, behind what counts", sound + sound[..<128], .success(self.header()), true),
            ("cut in what counts of the second", sound + sound[..<127], .success(self.header()), false),
            ("cut in the first", Array(sound[..<127]), .failure(.damaged), false),
            ("nothing", [], .failure(.damaged), false),
            ("a version that is not known", self.layout(version: 7).bytes + nothing, .failure(.version(7)), true),
            ("that in the second", damaged + self.layout(version: 7).bytes, .failure(.version(7)), false),
            ("that behind a sound one", sound + self.layout(version: 7).bytes, .success(self.header()), false),
        ]
        for (name, bytes, outcome, isWhole) in cases {
            let found = try SegmentHeader.read(from: MemoryFile(bytes))
            #expect(found.outcome == outcome && found.isWhole == isWhole, "\(name)")
        }
        let old = try SegmentHeader.read(from: MemoryFile(self.layout(version: 1).bytes + nothing))
        #expect((try? old.outcome.get())?.version == 1 && old.isWhole, "version 1 has one")
    }

    // MARK: Frames

    private let payload: [UInt8] = [1, 2, 3, 4, 5]

    private func frame() -> Layout {
        var frame = Layout(64)
        frame.put("FBYF", at: 0)
        frame.put(5, 4, at: 8)
        let numbers = [Self.salt, 0x0012_1314_1516_1718].flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
        frame.put(UInt64(crc32c(numbers + self.payload)), 4, at: 12)
        frame.put(0x0A0B_0C0D, 4, at: 16)
        frame.put(3, 4, at: 20)
        frame.put(0x0012_1314_1516_1718, 8, at: 24)
        frame.put(0xA1A2_A3A4_A5A6_A7A8, 8, at: 32)
        frame.put(0x0032_3334_3536_3738, 8, at: 40)
        frame.put(0x0042_4344_4546_4748, 8, at: 48)
        frame.put(UInt64(bitPattern: -5), 8, at: 56)
        frame.check(8..<64, [Self.salt], at: 4)
        return frame
    }

    private func isFrame(_ bytes: UnsafeRawBufferPointer) -> Bool { FrameHeader(decoding: bytes, salt: Self.salt) != nil }

    @Test("a frame's header")
    func frameHeader() {
        var header = FrameHeader(
            length: 5, count: 0x0A0B_0C0D, flags: [.opensGroup, .closesGroup], base: 0x0012_1314_1516_1718,
            route: RouteID(rawValue: 0xA1A2_A3A4_A5A6_A7A8), ordinal: 0x0032_3334_3536_3738, durable: 0x0042_4344_4546_4748, acceptedAt: -5)
        #expect(header.span == 72 && header.end == 0x0012_1314_1516_1718 + 0x0A0B_0C0D)
        var bytes = [UInt8](repeating: 0xEE, count: 64)
        bytes.withUnsafeMutableBytes { bytes in
            self.payload.withUnsafeBytes { header.encode(to: bytes.baseAddress!, payload: $0, salt: Self.salt) }
        }
        #expect(bytes == self.frame().bytes)
        #expect(bytes.withUnsafeBytes { FrameHeader(decoding: $0, salt: Self.salt) } == header)
        #expect(FrameHeader.Flags.opensGroup.rawValue == 1 && FrameHeader.Flags.closesGroup.rawValue == 2)
        for (length, span) in [(0, 64), (1, 72), (8, 72), (9, 80)] {
            header.length = length
            #expect(header.span == span)
        }
    }

    @Test("a frame's header is read if it is whole, of this segment, has events, and its sequences can be")
    func frameHeaderDamage() {
        let bytes = self.frame().bytes
        #expect(Array(bytes[..<63]).withUnsafeBytes { !self.isFrame($0) } && (bytes + [9]).withUnsafeBytes(self.isFrame))
        #expect(isCovered(bytes, 0..<64, self.isFrame))
        #expect(bytes.withUnsafeBytes { FrameHeader(decoding: $0, salt: Self.salt + 1) } == nil)
        func isRead(_ number: UInt64, _ width: Int, at place: Int) -> Bool {
            var frame = self.frame()
            frame.put(number, width, at: place)
            frame.check(8..<64, [Self.salt], at: 4)
            return frame.bytes.withUnsafeBytes(self.isFrame)
        }
        #expect(!isRead(0, 4, at: 16) && isRead(1, 4, at: 16))
        for place in [24, 40, 48] {
            #expect(isRead((1 << 56) - 1, 8, at: place) && !isRead(1 << 56, 8, at: place) && !isRead(.max, 8, at: place), "at \(place)")
        }
        for (time, isTime) in [(1 << 53, false), ((1 << 53) - 1, true), (-(1 << 53), false), (1 - (1 << 53), true)] as [(Int64, Bool)] {
            #expect(isRead(UInt64(bitPattern: time), 8, at: 56) == isTime, "\(time)")
        }
    }

    // MARK: Names

    @Test("a segment's file has the number in twenty digits; others are not ours")
    func segmentNames() {
        #expect(SegmentFile.path(of: 7, in: "/s") == "/s/00000000000000000007.segment")
        #expect(SegmentFile.path(of: .max, in: "/s") == "/s/18446744073709551615.segment")
        #expect(SegmentFile.number(ofName: "00000000000000000007.segment") == 7)
        #expect(SegmentFile.number(ofName: "00072057594037927935.segment") == (1 << 56) - 1)
        for name in [
            "00072057594037927936.segment", "18446744073709551615.segment", "18446744073709551616.segment", "0000000000000000007.segment",
            "000000000000000000007.segment", "0000000000000000000/.segment",
            "0000000000000000000:.segment", "+0000000000000000007.segment", "00000000000000000007.Segment", "0000000000000000000a.segment",
            "",
        ] { #expect(SegmentFile.number(ofName: name) == nil, "\(name)") }
        for digit in 0...9 as ClosedRange<UInt64> { #expect(SegmentFile.number(ofName: "0000000000000000000\(digit).segment") == digit) }
        for name in ["new", "new-3", "filling", "filling-1", "prepared", "prepared-77"] { #expect(SegmentFile.isLeftover(name)) }
        for name in ["newer", "prepared7", "00000000000000000007.segment", "my-new"] { #expect(!SegmentFile.isLeftover(name)) }
    }

    @Test("a name is a file's, with the first slash as a dot, and back")
    func cursorNames() {
        #expect(LogIdentity.path(ofCursor: "forward/a/b.c", in: "/l") == "/l/cursors/forward.a/b.c")
        #expect(LogIdentity.path(ofCursor: "forward/orders.eu", in: "/l") == "/l/cursors/forward.orders.eu")
        #expect(
            LogIdentity.cursorName(ofFile: "forward.orders.eu") == "forward/orders.eu" && LogIdentity.cursorName(ofFile: "alone") == "alone"
        )
        #expect(CursorSet.stage(of: "forward/a/b") == "forward" && CursorSet.route(of: "forward/a/b") == "a/b")
        #expect(CursorSet.stage(of: "alone") == "alone" && CursorSet.route(of: "alone") == "alone")
    }

    @Test("what is a time and what is none, to the millisecond")
    func times() {
        #expect(SpoolFormat.highestSequence == 1 << 56 && SpoolFormat.highestMark == 1 << 55 && SpoolFormat.gap == 1 << 40)
        for time in [0, 1, -1, 1_764_335_462_000, (1 << 53) - 1, 1 - (1 << 53)] as [Int64] { #expect(SpoolFormat.isTime(time), "\(time)") }
        for time in [1 << 53, -(1 << 53), .max, .min] as [Int64] { #expect(!SpoolFormat.isTime(time), "\(time)") }
    }
}
