import ForebayCore

/// A place on disk that is written over and over: 64 bytes, so never across a sector, in turn with another one a block apart.
///
///     0   u32  magic "FBYC"
///     4   u32  CRC32C of bytes 8..<64
///     8   u64  generation: of two sound slots the higher one counts
///     16  16 B id of the log
///     32  u64  value: everything below it is settled; of the mark: is durable
///     40  u64  ordinal: events of the routes below it; of a unit: its oldest event's acceptance, ms since 1970; of the mark: the
///              sequence below which everything was let go of
///     48  u64  owner: the number of the unit; of a cursor a hash of its name (0 in version 1); of the mark the newest segment's number
///     56  u32  flags of the unit: 1 ended
///     60  u32  kind: 1 a cursor, 2 the mark, 3 a unit; 0 before format version 3
struct Slot: Equatable {
    /// What it is a slot of: a file in the place of another says nothing there.
    enum Kind: UInt32 {
        case cursor = 1
        case mark = 2
        case unit = 3
    }

    static let size = 64

    /// None: written by a version that told no kinds, so it may be of any.
    var kind: Kind?
    var log: SpoolID
    var generation: UInt64
    var value: UInt64
    var ordinal: UInt64
    var owner: UInt64 = 0
    var isEnded = false

    func encode(to target: UnsafeMutableRawPointer) {
        target.put(SpoolFormat.slotMagic, at: 0)
        target.put(self.generation, at: 8)
        self.log.write(to: target + 16)
        target.put(self.value, at: 32)
        target.put(self.ordinal, at: 40)
        target.put(self.owner, at: 48)
        target.put(UInt32(self.isEnded ? 1 : 0), at: 56)
        target.put(self.kind?.rawValue ?? 0, at: 60)
        target.put(SpoolFormat.crc(UnsafeRawBufferPointer(start: target + 8, count: Self.size - 8)), at: 4)
    }

    init(
        _ kind: Kind?, log: SpoolID, generation: UInt64, value: UInt64, ordinal: UInt64, owner: UInt64 = 0, isEnded: Bool = false
    ) {
        self.kind = kind
        self.log = log
        self.generation = generation
        self.value = value
        self.ordinal = ordinal
        self.owner = owner
        self.isEnded = isEnded
    }

    /// None if it is broken, of another kind, or made by somebody else: no log ever comes to such numbers, and what goes on from them
    /// would end where numbers do.
    init?(decoding bytes: UnsafeRawBufferPointer, as kind: Kind) {
        guard bytes.count >= Self.size, bytes.number(0, as: UInt32.self) == SpoolFormat.slotMagic,
            bytes.number(4, as: UInt32.self) == SpoolFormat.crc(bytes.part(8, Self.size - 8))
        else { return nil }
        let told: UInt32 = bytes.number(60)
        guard told == 0 || told == kind.rawValue else { return nil }
        self.kind = Kind(rawValue: told)
        self.log = SpoolID(characters: bytes.part(16, SpoolID.length))
        self.generation = bytes.number(8)
        self.value = bytes.number(32)
        self.ordinal = bytes.number(40)
        self.owner = bytes.number(48)
        self.isEnded = bytes.number(56, as: UInt32.self) & 1 != 0
        guard max(self.generation, self.value) < SpoolFormat.highestMark else { return nil }
        let isSound =
            switch kind {
            case .cursor: self.ordinal < SpoolFormat.highestMark
            case .mark: max(self.ordinal, self.owner) < SpoolFormat.highestMark
            case .unit: SpoolFormat.isTime(Int64(bitPattern: self.ordinal)) && self.owner < SpoolFormat.highestMark
            }
        guard isSound else { return nil }
    }

    /// None if it is broken, or another log's.
    init?(decoding bytes: UnsafeRawBufferPointer, as kind: Kind, of log: SpoolID) {
        self.init(decoding: bytes, as: kind)
        guard self.log == log else { return nil }
    }
}
