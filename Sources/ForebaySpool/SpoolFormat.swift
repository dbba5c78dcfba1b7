import CCRC32C
import ForebayCore

/// How a spool lies on disk. All numbers little-endian; `docs/reference/spool-format.md` tells the same for people.
///
///     spool/
///       lock                          one owner: an open-file-description lock
///       mark                          two slots: everything below this sequence is durable
///       cursors/<stage>.<route>       two slots each: everything below this sequence is settled
///       segments/<number>.segment     twenty digits
///       segments/prepared             the next segment, filled with zeros in the background
///       quarantine/                   damaged segments, until removed by hand
///       units                         in a set-aside log only: the table of its units, see ``UnitSlot``
///
/// A segment: a header block of 4096 bytes, groups, and once sealed a footer. Groups and footer begin at multiples
/// of 4096, so a group never touches a block that holds acknowledged data. A group is the frames of one sync.
///
/// Segment header:
///
///     0   u64  magic "FBYSEG01"
///     8   u32  CRC32C of bytes 12..<128
///     12  u32  version, 1
///     16  16 B spool id
///     32  u64  segment number
///     40  u64  base sequence: that of its first event
///     48  u64  salt, random: part of every CRC of the segment
///     56  i64  made at, ms since 1970
///     64  u64  number of the segment before it, 0: none
///     72  u64  end sequence of the segment before it. What stands there at or above it does not count
///     80  u64  rolling checksum of the segment before it, 0: not sealed
///
/// Frame (64 bytes, then whole records of one route as ``RecordLayout`` says, then zeros to a multiple of 8):
///
///     0   u32  magic "FBYF"
///     4   u32  CRC32C of salt and bytes 8..<64
///     8   u32  length of the payload
///     12  u32  CRC32C of salt, base sequence and payload
///     16  u32  number of events
///     20  u32  flags: 1 opens its group, 2 closes its group
///     24  u64  base sequence
///     32  u64  route
///     40  u64  ordinal: events of this route before this frame
///     48  u64  durable mark when it was written: every sequence below it was durable
///     56  i64  accepted at, ms since 1970
///
/// Footer of a sealed segment, padded to a multiple of 4096, the end of the file:
///
///     0   u32  magic "FBYE"
///     4   u32  CRC32C of salt and bytes 8..<length
///     8   u32  length without padding
///     12  u32  entries of the index
///     16  u32  entries of the routes
///     20  u32  0
///     24  u64  end sequence
///     32  u64  where the data ends
///     40  u64  rolling checksum: CRC32C over the header CRCs of all frames
///     48       index: u64 sequence, u64 position of a group, about one a MiB
///              routes: u64 route, u64 ordinal after its last event here
///     file size - 16: u64 position of the footer, u32 magic "FBYZ", u32 CRC32C of the 12 bytes before
enum SpoolFormat {
    static let block = 4096
    static let version: UInt32 = 1
    static let frameHeader = 64
    /// A frame holds about this much, unless one event is larger.
    static let framePayload = 1 << 20

    static let segmentMagic = UInt64(littleEndian: 0x3130_4745_5359_4246)
    static let frameMagic: UInt32 = 0x4659_4246
    static let footerMagic: UInt32 = 0x4559_4246
    static let trailerMagic: UInt32 = 0x5A59_4246
    static let slotMagic: UInt32 = 0x4359_4246

    static func aligned(_ position: Int, to unit: Int = block) -> Int {
        (position + unit - 1) / unit * unit
    }

    static func crc(_ bytes: UnsafeRawBufferPointer, from seed: UInt32 = 0) -> UInt32 {
        forebay_crc32c(seed, bytes.baseAddress, bytes.count)
    }

    static func crc(of numbers: UInt64...) -> UInt32 {
        numbers.withUnsafeBytes { self.crc($0) }
    }
}

extension UnsafeRawBufferPointer {
    func number<Number: FixedWidthInteger>(_ offset: Int, as: Number.Type = Number.self) -> Number {
        Number(littleEndian: self.loadUnaligned(fromByteOffset: offset, as: Number.self))
    }

    func part(_ offset: Int, _ length: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[offset..<offset + length])
    }
}

extension UnsafeMutableRawPointer {
    func put(_ number: some FixedWidthInteger, at offset: Int) {
        self.storeBytes(of: number.littleEndian, toByteOffset: offset, as: type(of: number))
    }
}

struct SegmentHeader: Equatable, Sendable {
    static let checked = 128

    var spool: SpoolID
    var number: UInt64
    var base: UInt64
    var salt: UInt64
    var madeAt: Int64
    var previousNumber: UInt64 = 0
    var previousEnd: UInt64 = 0
    var previousChecksum: UInt64 = 0

    enum Unreadable: Error, Equatable {
        case damaged
        case version(UInt32)
    }

    /// Fills `block` bytes.
    func encode(to block: UnsafeMutableRawBufferPointer) {
        block.initializeMemory(as: UInt8.self, repeating: 0)
        let base = block.baseAddress!
        base.put(SpoolFormat.segmentMagic, at: 0)
        base.put(SpoolFormat.version, at: 12)
        self.spool.write(to: base + 16)
        base.put(self.number, at: 32)
        base.put(self.base, at: 40)
        base.put(self.salt, at: 48)
        base.put(self.madeAt, at: 56)
        base.put(self.previousNumber, at: 64)
        base.put(self.previousEnd, at: 72)
        base.put(self.previousChecksum, at: 80)
        base.put(SpoolFormat.crc(UnsafeRawBufferPointer(block).part(12, Self.checked - 12)), at: 8)
    }

    init(spool: SpoolID, number: UInt64, base: UInt64, salt: UInt64, madeAt: Int64) {
        self.spool = spool
        self.number = number
        self.base = base
        self.salt = salt
        self.madeAt = madeAt
    }

    init(decoding bytes: UnsafeRawBufferPointer) throws(Unreadable) {
        guard bytes.count >= Self.checked, bytes.number(0, as: UInt64.self) == SpoolFormat.segmentMagic else { throw .damaged }
        guard bytes.number(8, as: UInt32.self) == SpoolFormat.crc(bytes.part(12, Self.checked - 12)) else { throw .damaged }
        let version = bytes.number(12, as: UInt32.self)
        guard version == SpoolFormat.version else { throw .version(version) }
        self.spool = SpoolID(characters: bytes.part(16, SpoolID.length))
        self.number = bytes.number(32)
        self.base = bytes.number(40)
        self.salt = bytes.number(48)
        self.madeAt = bytes.number(56)
        self.previousNumber = bytes.number(64)
        self.previousEnd = bytes.number(72)
        self.previousChecksum = bytes.number(80)
    }
}

struct FrameHeader: Equatable, Sendable {
    struct Flags: OptionSet, Sendable {
        let rawValue: UInt32
        static let opensGroup = Flags(rawValue: 1)
        static let closesGroup = Flags(rawValue: 2)
    }

    var length: Int
    var payloadCRC: UInt32 = 0
    var count: Int
    var flags: Flags
    var base: UInt64
    var route: RouteID
    var ordinal: UInt64
    var durable: UInt64
    var acceptedAt: Int64
    /// Of this header, as written.
    var crc: UInt32 = 0

    var end: UInt64 { self.base + UInt64(self.count) }

    /// Header and payload, up to where the next frame of the group begins.
    var span: Int { SpoolFormat.frameHeader + SpoolFormat.aligned(self.length, to: 8) }

    /// Writes the 64 bytes and computes both CRCs.
    ///
    /// - Parameter payload: the bytes that follow.
    mutating func encode(to target: UnsafeMutableRawPointer, payload: UnsafeRawBufferPointer, salt: UInt64) {
        self.payloadCRC = Self.crc(payload: payload, base: self.base, salt: salt)
        target.put(SpoolFormat.frameMagic, at: 0)
        target.put(UInt32(truncatingIfNeeded: self.length), at: 8)
        target.put(self.payloadCRC, at: 12)
        target.put(UInt32(truncatingIfNeeded: self.count), at: 16)
        target.put(self.flags.rawValue, at: 20)
        target.put(self.base, at: 24)
        target.put(self.route.rawValue, at: 32)
        target.put(self.ordinal, at: 40)
        target.put(self.durable, at: 48)
        target.put(self.acceptedAt, at: 56)
        self.crc = Self.crc(header: UnsafeRawBufferPointer(start: target, count: SpoolFormat.frameHeader), salt: salt)
        target.put(self.crc, at: 4)
    }

    /// None if there is no frame of this segment: the magic or the CRC is wrong.
    init?(decoding bytes: UnsafeRawBufferPointer, salt: UInt64) {
        guard bytes.count >= SpoolFormat.frameHeader, bytes.number(0, as: UInt32.self) == SpoolFormat.frameMagic else { return nil }
        self.crc = bytes.number(4)
        guard self.crc == Self.crc(header: bytes, salt: salt) else { return nil }
        self.length = Int(bytes.number(8, as: UInt32.self))
        self.payloadCRC = bytes.number(12)
        self.count = Int(bytes.number(16, as: UInt32.self))
        self.flags = Flags(rawValue: bytes.number(20))
        self.base = bytes.number(24)
        self.route = RouteID(rawValue: bytes.number(32))
        self.ordinal = bytes.number(40)
        self.durable = bytes.number(48)
        self.acceptedAt = bytes.number(56)
    }

    init(length: Int, count: Int, flags: Flags, base: UInt64, route: RouteID, ordinal: UInt64, durable: UInt64, acceptedAt: Int64) {
        self.length = length
        self.count = count
        self.flags = flags
        self.base = base
        self.route = route
        self.ordinal = ordinal
        self.durable = durable
        self.acceptedAt = acceptedAt
    }

    static func crc(payload: UnsafeRawBufferPointer, base: UInt64, salt: UInt64) -> UInt32 {
        SpoolFormat.crc(payload, from: SpoolFormat.crc(of: salt.littleEndian, base.littleEndian))
    }

    private static func crc(header: UnsafeRawBufferPointer, salt: UInt64) -> UInt32 {
        SpoolFormat.crc(header.part(8, SpoolFormat.frameHeader - 8), from: SpoolFormat.crc(of: salt.littleEndian))
    }
}

struct SegmentFooter: Equatable, Sendable {
    struct IndexEntry: Equatable, Sendable {
        var sequence: UInt64
        var position: Int
    }

    static let fixed = 48

    var end: UInt64
    var dataEnd: Int
    var checksum: UInt64
    var index: [IndexEntry]
    /// The ordinal after each route's last event in the segment.
    var ordinals: [RouteID: UInt64]

    /// The bytes that end the file, a multiple of 4096.
    func encode(salt: UInt64) -> [UInt8] {
        let length = Self.fixed + 16 * (self.index.count + self.ordinals.count)
        var bytes = [UInt8](repeating: 0, count: SpoolFormat.aligned(length + 16))
        bytes.withUnsafeMutableBytes { buffer in
            let target = buffer.baseAddress!
            target.put(SpoolFormat.footerMagic, at: 0)
            target.put(UInt32(truncatingIfNeeded: length), at: 8)
            target.put(UInt32(truncatingIfNeeded: self.index.count), at: 12)
            target.put(UInt32(truncatingIfNeeded: self.ordinals.count), at: 16)
            target.put(self.end, at: 24)
            target.put(UInt64(self.dataEnd), at: 32)
            target.put(self.checksum, at: 40)
            var next = Self.fixed
            for entry in self.index {
                target.put(entry.sequence, at: next)
                target.put(UInt64(entry.position), at: next + 8)
                next += 16
            }
            for (route, ordinal) in self.ordinals.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                target.put(route.rawValue, at: next)
                target.put(ordinal, at: next + 8)
                next += 16
            }
            let whole = UnsafeRawBufferPointer(buffer)
            target.put(SpoolFormat.crc(whole.part(8, length - 8), from: SpoolFormat.crc(of: salt.littleEndian)), at: 4)
            let trailer = buffer.count - 16
            target.put(UInt64(self.dataEnd), at: trailer)
            target.put(SpoolFormat.trailerMagic, at: trailer + 8)
            target.put(SpoolFormat.crc(whole.part(trailer, 12)), at: trailer + 12)
        }
        return bytes
    }

    /// - Parameter bytes: from the footer's first byte on.
    init?(decoding bytes: UnsafeRawBufferPointer, salt: UInt64) {
        guard bytes.count >= Self.fixed, bytes.number(0, as: UInt32.self) == SpoolFormat.footerMagic else { return nil }
        let length = Int(bytes.number(8, as: UInt32.self))
        let indexCount = Int(bytes.number(12, as: UInt32.self)), routeCount = Int(bytes.number(16, as: UInt32.self))
        guard length <= bytes.count, length == Self.fixed + 16 * (indexCount + routeCount) else { return nil }
        guard bytes.number(4) == SpoolFormat.crc(bytes.part(8, length - 8), from: SpoolFormat.crc(of: salt.littleEndian)) else {
            return nil
        }
        self.end = bytes.number(24)
        self.dataEnd = Int(clamping: bytes.number(32, as: UInt64.self))
        self.checksum = bytes.number(40)
        self.index = (0..<indexCount).map { entry in
            let at = Self.fixed + 16 * entry
            return IndexEntry(sequence: bytes.number(at), position: Int(clamping: bytes.number(at + 8, as: UInt64.self)))
        }
        self.ordinals = [:]
        for entry in indexCount..<indexCount + routeCount {
            let at = Self.fixed + 16 * entry
            self.ordinals[RouteID(rawValue: bytes.number(at))] = bytes.number(at + 8)
        }
    }

    /// None if the segment has none that is sound.
    static func read(from file: File, size: Int, salt: UInt64) throws(ForebayError) -> SegmentFooter? {
        guard size >= SpoolFormat.block + 16 else { return nil }
        let trailer = try file.bytes(at: size - 16, count: 16)
        guard let position = trailer.withUnsafeBytes({ self.position(trailer: $0) }), position < size else { return nil }
        let bytes = try file.bytes(at: position, count: size - position)
        return bytes.withUnsafeBytes { SegmentFooter(decoding: $0, salt: salt) }
    }

    init(end: UInt64, dataEnd: Int, checksum: UInt64, index: [IndexEntry], ordinals: [RouteID: UInt64]) {
        self.end = end
        self.dataEnd = dataEnd
        self.checksum = checksum
        self.index = index
        self.ordinals = ordinals
    }

    /// Where the footer begins, read from the file's last 16 bytes.
    static func position(trailer bytes: UnsafeRawBufferPointer) -> Int? {
        guard bytes.count == 16, bytes.number(8, as: UInt32.self) == SpoolFormat.trailerMagic,
            bytes.number(12, as: UInt32.self) == SpoolFormat.crc(bytes.part(0, 12))
        else { return nil }
        return Int(exactly: bytes.number(0, as: UInt64.self))
    }
}
