import ForebayCore

/// How `removed` and `removed.copy` of a dead-letter log lie on disk: which of its letters were removed.
///
///     0   u32  magic "FBYR"
///     4   u32  CRC32C of all that follows
///     8   16 B id of the log
///     24  u64  generation: of the two files the higher one counts
///     32  u32  number of ranges, at most 262,144
///     36  u32  0
///     40  u64 + u64  for each range its first sequence and one past its last; ascending, apart from each other
///
/// Each is replaced whole, by a rename, one after the other; where the disk has no room for a new file, it is written over, the copy first.
/// They are made with the log, so that there is something to write over. A file that is gone, damaged or another log's says nothing:
/// letters that were removed are seen again then. None is ever hidden by it that was not removed, for a sequence is never given twice
/// while the file is there (``RemovedLetters`` sees to that at a start).
struct RemovedLettersFile: Equatable {
    static let files = ["removed", "removed.copy"]
    static let magic: UInt32 = 0x5259_4246
    static let rangeLimit = 262_144
    private static let fixed = 40
    /// No more than this is read: what is larger is none of ours.
    private static let sizeLimit = Self.fixed + Self.rangeLimit * 16

    var generation: UInt64 = 0
    var ranges: [Range<UInt64>] = []

    init() {}

    /// Bytes of both files.
    var byteCount: Int { self.generation == 0 ? 0 : Self.files.count * (Self.fixed + self.ranges.count * 16) }

    /// What the two files say.
    struct Found {
        var file = RemovedLettersFile()
        /// Both are there, sound and equal; or neither is there, for nothing was ever removed.
        var isWhole = true
        /// At least one is there, and none can be read.
        var isLost = false
        /// Those that don't say what counts, and those of them that say nothing.
        var stale: Set<Int> = [], torn: Set<Int> = []
        /// One past the last sequence that either has.
        var highestEnd: UInt64 = 0
    }

    static func read(_ disk: any Disk, of directory: String, log: SpoolID) throws(ForebayError) -> Found {
        var found = Found()
        var sound: [Int: RemovedLettersFile] = [:]
        var isThere = false
        for (copy, name) in Self.files.enumerated() {
            let path = "\(directory)/\(name)"
            guard let kind = try disk.kind(of: path) else { continue }
            isThere = true
            guard kind == .file else { continue }
            let file = try disk.open(path, [])
            let size = try file.size()
            guard size <= Self.sizeLimit else { continue }
            let bytes = try file.bytesTolerant(at: 0, count: size)
            sound[copy] = bytes.withUnsafeBytes { Self(decoding: $0, of: log) }
        }
        found.torn = Set(Self.files.indices.filter { sound[$0] == nil })
        found.file = sound.values.max { $0.generation < $1.generation } ?? found.file
        found.stale = Set(Self.files.indices.filter { sound[$0] != found.file })
        found.highestEnd = sound.values.compactMap { $0.ranges.last?.upperBound }.max() ?? 0
        guard isThere else { return found }
        found.isWhole = found.stale.isEmpty
        found.isLost = sound.isEmpty
        return found
    }

    /// Makes one of the files say this, durably.
    func write(copy: Int, _ disk: any Disk, to directory: String, log: SpoolID) throws(ForebayError) {
        try CheckedText.write(self.encoded(log), to: [Self.files[copy]], in: directory, disk)
    }

    /// The same where the disk has no room for a new file: over what is there. Cut short it says nothing, so the other one must be sound.
    func overwrite(copy: Int, _ disk: any Disk, in directory: String, log: SpoolID) throws(ForebayError) {
        let path = "\(directory)/\(Self.files[copy])"
        guard try disk.kind(of: path) == .file else { throw ForebayError(.spoolFull, recovery: .retry, "no room for \(path)") }
        let bytes = self.encoded(log)
        let file = try disk.open(path, .write)
        guard SpoolFormat.aligned(bytes.count) <= SpoolFormat.aligned(try file.size()) else {
            throw ForebayError(.spoolFull, recovery: .retry, "no room for more of \(path)")
        }
        try file.write(bytes, at: 0)
        try file.truncate(to: bytes.count)
        try file.sync()
    }

    private func encoded(_ log: SpoolID) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.fixed + self.ranges.count * 16)
        bytes.withUnsafeMutableBytes { bytes in
            let base = bytes.baseAddress!
            base.put(Self.magic, at: 0)
            log.write(to: base + 8)
            base.put(self.generation, at: 24)
            base.put(UInt32(self.ranges.count), at: 32)
            for (place, range) in self.ranges.enumerated() {
                base.put(range.lowerBound, at: Self.fixed + place * 16)
                base.put(range.upperBound, at: Self.fixed + place * 16 + 8)
            }
            base.put(SpoolFormat.crc(UnsafeRawBufferPointer(rebasing: bytes[8...])), at: 4)
        }
        return bytes
    }

    /// None if it is not whole, or another log's.
    init?(decoding bytes: UnsafeRawBufferPointer, of log: SpoolID) {
        guard bytes.count >= Self.fixed, bytes.number(0, as: UInt32.self) == Self.magic,
            bytes.number(4, as: UInt32.self) == SpoolFormat.crc(bytes.part(8, bytes.count - 8)),
            SpoolID(characters: bytes.part(8, SpoolID.length)) == log,
            bytes.count == Self.fixed + Int(bytes.number(32, as: UInt32.self)) * 16
        else { return nil }
        self.generation = bytes.number(24)
        guard (1..<SpoolFormat.highestMark).contains(self.generation) else { return nil }
        for place in stride(from: Self.fixed, to: bytes.count, by: 16) {
            let (first, end): (UInt64, UInt64) = (bytes.number(place), bytes.number(place + 8))
            guard first < end, first >= self.ranges.last?.upperBound ?? 0, end < SpoolFormat.highestMark else { return nil }
            self.ranges.append(first..<end)
        }
    }
}
