import ForebayCore

/// The first blocks of a segment (``SpoolFormat`` has the layout): what it is, and where the one before it ended.
struct SegmentHeader: Equatable, Sendable {
    static let checked = 128

    var version: UInt32 = SpoolFormat.version
    /// Of the log that it belongs to.
    var log: SpoolID
    /// What the ids of its events begin with. The log's own, until the log had to begin anew behind a loss.
    var origin: SpoolID
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

    /// One past the last sequence that is known to have been given before it. Its base, but behind a newest segment that was lost.
    var knownEnd: UInt64 { self.version == 1 ? self.base : min(self.base, self.previousEnd) }

    /// The number of the one that is gone, if one is gone before it.
    var missingNumber: UInt64 { self.base > self.knownEnd ? max(1, self.number) - 1 : self.previousNumber }

    /// Where the first group begins.
    var dataStart: Int { Self.dataStart(version: self.version) }

    /// Version 1 has no second copy.
    static func dataStart(version: UInt32) -> Int { version == 1 ? SpoolFormat.block : 2 * SpoolFormat.block }

    /// Fills the header's blocks, both copies.
    func encode(to blocks: UnsafeMutableRawBufferPointer) {
        blocks.initializeMemory(as: UInt8.self, repeating: 0)
        for copy in 0..<self.dataStart / SpoolFormat.block {
            let block = UnsafeMutableRawBufferPointer(rebasing: blocks[copy * SpoolFormat.block..<(copy + 1) * SpoolFormat.block])
            let base = block.baseAddress!
            base.put(SpoolFormat.segmentMagic, at: 0)
            base.put(self.version, at: 12)
            self.log.write(to: base + 16)
            base.put(self.number, at: 32)
            base.put(self.base, at: 40)
            base.put(self.salt, at: 48)
            base.put(self.madeAt, at: 56)
            base.put(self.previousNumber, at: 64)
            base.put(self.previousEnd, at: 72)
            base.put(self.previousChecksum, at: 80)
            self.origin.write(to: base + 88)
            base.put(SpoolFormat.crc(UnsafeRawBufferPointer(block).part(12, Self.checked - 12)), at: 8)
        }
    }

    init(log: SpoolID, origin: SpoolID, number: UInt64, base: UInt64, salt: UInt64, madeAt: Int64) {
        self.log = log
        self.origin = origin
        self.number = number
        self.base = base
        self.salt = salt
        self.madeAt = madeAt
    }

    /// - Parameter bytes: of one of the copies.
    init(decoding bytes: UnsafeRawBufferPointer) throws(Unreadable) {
        guard bytes.count >= Self.checked, bytes.number(0, as: UInt64.self) == SpoolFormat.segmentMagic else { throw .damaged }
        guard bytes.number(8, as: UInt32.self) == SpoolFormat.crc(bytes.part(12, Self.checked - 12)) else { throw .damaged }
        self.version = bytes.number(12, as: UInt32.self)
        guard SpoolFormat.readable.contains(self.version) else { throw .version(self.version) }
        self.log = SpoolID(characters: bytes.part(16, SpoolID.length))
        self.number = bytes.number(32)
        self.base = bytes.number(40)
        self.salt = bytes.number(48)
        self.madeAt = bytes.number(56)
        self.previousNumber = bytes.number(64)
        self.previousEnd = bytes.number(72)
        self.previousChecksum = bytes.number(80)
        self.origin = self.version == 1 ? self.log : SpoolID(characters: bytes.part(88, SpoolID.length))
        // Sequences never come near: such a one was made by somebody else.
        let highest = SpoolFormat.highestSequence
        guard max(self.base, self.previousEnd) < highest, max(self.number, self.previousNumber) < highest else { throw .damaged }
    }

    /// Reads the sound one of the two copies.
    ///
    /// - Returns: and whether all copies that the version has are sound.
    static func read(from file: any DiskFile) throws(ForebayError) -> (outcome: Result<SegmentHeader, Unreadable>, isWhole: Bool) {
        let bytes = try file.bytesTolerant(at: 0, count: 2 * SpoolFormat.block)
        let copies = [0, SpoolFormat.block].map { at in
            bytes.withUnsafeBytes { bytes -> Result<SegmentHeader, Unreadable> in
                guard bytes.count >= at + Self.checked else { return .failure(.damaged) }
                return Result { () throws(Unreadable) in try SegmentHeader(decoding: bytes.part(at, Self.checked)) }
            }
        }
        if case .failure(.damaged) = copies[0] { return (copies[1], false) }
        guard case .success(let header) = copies[0] else { return (copies[0], true) }
        if header.version == 1 { return (copies[0], true) }
        if case .success(let copy) = copies[1] { return (copies[0], copy == header) }
        return (copies[0], false)
    }
}
