import CCRC32C
import ForebayCore

/// How a spool lies on disk. All numbers little-endian; `docs/reference/spool-format.md` tells the same for people.
///
///     spool/
///       lock                          one owner: an open-file-description lock
///       registry, registry.copy       the log's id and every cursor that was made: text with a checksum, see ``CursorRegistry``
///       mark                          two slots: how far all is durable, what was let go of, the newest segment
///       cursors/<stage>.<route>       two slots each: everything below this sequence is settled
///       segments/<number>.segment     twenty digits; the number stands in the header, too
///       segments/prepared-<n>         the next segment, filled with zeros in the background
///       segments/new-<n>              a segment that has no name yet
///       quarantine/                   what can't be read, until removed by hand
///       units                         in a set-aside log only: the table of its units, see ``UnitIdentity``
///
/// A segment: the header in two copies, a block of 4096 bytes each; groups; and once sealed a footer. Groups and footer begin at
/// multiples of 4096, so a group never touches a block that holds acknowledged data. A group is the frames of one sync.
///
/// Segment header:
///
///     0   u64  magic "FBYSEG01"
///     8   u32  CRC32C of bytes 12..<128
///     12  u32  version, 3. Version 1 has one copy, so its groups begin at 4096, and its ids begin with the log's. Version 2 is the
///              same here; it told no kinds in its slots
///     16  16 B id of the log
///     32  u64  segment number
///     40  u64  base sequence: that of its first event
///     48  u64  salt, random: part of every CRC of the segment
///     56  i64  made at, ms since 1970
///     64  u64  number of the segment before it, 0: none
///     72  u64  end sequence of the segment before it. What stands there at or above it does not count. Lower than the base where
///              sequences were left out (``gap``)
///     80  u64  rolling checksum of the segment before it, 0: not sealed
///     88  16 B origin: what the ids of its events begin with
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
    /// A device writes one whole, or not at all.
    static let sector = 512
    /// What is written.
    static let version: UInt32 = 3
    static let readable: ClosedRange<UInt32> = 1...3
    /// Far above what any disk ever holds, so that sums of hundreds of them are sound. What is written stays below it, and what is read at
    /// or above it was made by somebody else.
    static let highestSequence: UInt64 = 1 << 56
    /// What a mark, a cursor or a footer says stays below it: a log that goes on from there has as much again.
    static let highestMark = highestSequence / 2
    /// So much further on sequences begin behind a newest segment that was lost: more than a segment has events, so that what it holds can
    /// be had back beside what was accepted without it.
    static let gap: UInt64 = 1 << 40
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

    /// Whether milliseconds since 1970 are a time that a clock can show: within some 280,000 years.
    static func isTime(_ milliseconds: Int64) -> Bool { milliseconds.magnitude < 1 << 53 }

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
