import ForebayCore

/// How the file `units` of a set-aside log lies on disk: for each unit a pair of slots of 4096 bytes, one pair behind the other.
///
///     0    a ``Slot``: generation, id of the log, how far it is settled, oldest acceptance, number, whether it is ended
///     512  u32  magic "FBYU"
///     516  u32  CRC32C of bytes 520..<552 and the texts
///     520  u64  number of the unit
///     528  i64  set aside since, ms since 1970
///     536  i32  partition, -1: the whole topic
///     540  i32  partitions of the topic when it was set aside, 0: not known
///     544  u16  length of the topic
///     546  u16  length of the code
///     548  u16  length of the reason, at most 512
///     550  u16  its turn among the units of its topic: those with a lower one are older
///     552  topic, code, reason
///
/// The first part changes: 64 bytes in one sector, written to the pair's slots in turn, the newer sound one counts. The second part
/// stands in both slots from the beginning, before the unit's first frame, and is not written again: a cursor that moves can't
/// harm it. A slot that tells no kind (before format version 3) counts only with its second part beside it. A pair whose unit is ended
/// stays until no segment holds frames of the unit; only then another unit may have it. Behind the last pair in use the file is cut.
struct UnitIdentity: Equatable {
    static let place = 512
    static let fixed = 40
    static let magic: UInt32 = 0x5559_4246
    static let topicLimit = 255, codeLimit = 64, reasonLimit = 512

    var number: UInt64
    var topic: String
    var partition: Int32?
    var partitionCount: Int32
    var since: Int64
    var code: String
    var reason: String
    var turn: Int

    init(_ unit: SetAsideLog.Unit) {
        self.number = unit.number
        self.topic = unit.topic
        self.partition = unit.partition
        self.partitionCount = unit.partitionCount
        self.since = unit.since
        self.code = unit.code
        self.reason = unit.reason
        self.turn = min(unit.turn, Int(UInt16.max))
    }

    /// - Parameter slot: a block of zeros.
    func encode(to slot: UnsafeMutableRawPointer) {
        let base = slot + Self.place
        let texts = [self.topic.cut(to: Self.topicLimit), self.code.cut(to: Self.codeLimit), self.reason.cut(to: Self.reasonLimit)]
        base.put(Self.magic, at: 0)
        base.put(self.number, at: 8)
        base.put(self.since, at: 16)
        base.put(self.partition ?? -1, at: 24)
        base.put(self.partitionCount, at: 28)
        base.put(UInt16(self.turn), at: 38)
        var next = Self.fixed
        for (place, text) in texts.enumerated() {
            base.put(UInt16(text.utf8.count), at: 32 + 2 * place)
            for byte in text.utf8 {
                base.storeBytes(of: byte, toByteOffset: next, as: UInt8.self)
                next += 1
            }
        }
        base.put(SpoolFormat.crc(UnsafeRawBufferPointer(start: base + 8, count: next - 8)), at: 4)
    }

    /// None if it is broken.
    init?(decoding slot: UnsafeRawBufferPointer) {
        let bytes = slot.part(Self.place, slot.count - Self.place)
        guard bytes.number(0, as: UInt32.self) == Self.magic else { return nil }
        let lengths = (0..<3).map { Int(bytes.number(32 + 2 * $0, as: UInt16.self)) }
        let length = Self.fixed + lengths.reduce(0, +)
        guard length <= bytes.count, bytes.number(4) == SpoolFormat.crc(bytes.part(8, length - 8)) else { return nil }
        self.number = bytes.number(8)
        self.since = bytes.number(16)
        guard SpoolFormat.isTime(self.since) else { return nil }
        let partition: Int32 = bytes.number(24)
        self.partition = partition < 0 ? nil : partition
        self.partitionCount = max(0, bytes.number(28))
        self.turn = Int(bytes.number(38, as: UInt16.self))
        var next = Self.fixed
        let texts = lengths.map { length in
            defer { next += length }
            return String(decoding: bytes.part(next, length), as: UTF8.self)
        }
        (self.topic, self.code, self.reason) = (texts[0], texts[1], texts[2])
    }
}

/// What stands in one pair.
struct UnitPair {
    static let size = 2 * SpoolFormat.block

    /// The newer sound one.
    var slot: Slot
    /// None: broken in both, the topic must be learnt from the frames.
    var identity: UnitIdentity?

    /// None if there is no sound slot of this spool: never written, or damaged.
    init?(decoding bytes: UnsafeRawBufferPointer, of log: SpoolID) {
        let blocks = [bytes.part(0, SpoolFormat.block), bytes.part(SpoolFormat.block, SpoolFormat.block)]
        let identities = blocks.map { UnitIdentity(decoding: $0) }
        let slots = zip(blocks, identities).compactMap { block, identity -> Slot? in
            guard let slot = Slot(decoding: block, as: .unit, of: log) else { return nil }
            return slot.kind != nil || slot.owner == identity?.number ? slot : nil
        }
        guard let slot = slots.max(by: { $0.generation < $1.generation }), slot.owner > 0 else { return nil }
        self.slot = slot
        self.identity = identities.compactMap { $0 }.first { $0.number == slot.owner }
    }

    /// All pairs of a table, none where one can't be read.
    static func load(_ file: any DiskFile, of log: SpoolID) throws(ForebayError) -> [UnitPair?] {
        var pairs: [UnitPair?] = []
        for place in 0..<(try file.size() / Self.size) {
            let bytes = try file.bytesTolerant(at: place * Self.size, count: Self.size)
            pairs.append(bytes.count == Self.size ? bytes.withUnsafeBytes { UnitPair(decoding: $0, of: log) } : nil)
        }
        return pairs
    }
}
