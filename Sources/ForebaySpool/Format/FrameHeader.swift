import ForebayCore

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
        let highest = SpoolFormat.highestSequence
        guard self.count > 0, self.base < highest, self.ordinal < highest, self.durable < highest,
            SpoolFormat.isTime(self.acceptedAt)
        else { return nil }
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
