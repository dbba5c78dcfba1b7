import ForebayCore

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
        let highest = SpoolFormat.highestSequence
        guard self.end < highest else { return nil }
        self.index = (0..<indexCount).map { entry in
            let at = Self.fixed + 16 * entry
            return IndexEntry(sequence: bytes.number(at), position: Int(clamping: bytes.number(at + 8, as: UInt64.self)))
        }
        self.ordinals = [:]
        for entry in indexCount..<indexCount + routeCount {
            let at = Self.fixed + 16 * entry
            self.ordinals[RouteID(rawValue: bytes.number(at))] = bytes.number(at + 8)
        }
        guard self.ordinals.values.allSatisfy({ $0 < highest }) else { return nil }
    }

    /// None if the segment has none that is sound.
    ///
    /// - Parameter base: of the segment; its end can't be lower.
    static func read(from file: any DiskFile, size: Int, salt: UInt64, base: UInt64 = 0) throws(ForebayError) -> SegmentFooter? {
        guard size != 0, size % SpoolFormat.block == 0 else { return nil }
        let last = try file.bytesTolerant(at: size - SpoolFormat.block, count: SpoolFormat.block)
        guard last.count == SpoolFormat.block else { return nil }
        let trailer = last.withUnsafeBytes { self.position(trailer: $0.part(SpoolFormat.block - 16, 16)) }
        guard let position = trailer, position >= SpoolFormat.block, position < size, position % SpoolFormat.block == 0 else { return nil }
        let bytes = try file.bytesTolerant(at: position, count: size - position)
        guard var footer = bytes.withUnsafeBytes({ SegmentFooter(decoding: $0, salt: salt) }), footer.end >= base else { return nil }
        // What it says lies before it.
        footer.dataEnd = min(footer.dataEnd, position)
        footer.index.removeAll { $0.position >= position }
        return footer
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
