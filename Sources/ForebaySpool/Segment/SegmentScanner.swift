import ForebayCore

/// Walks the frames of a segment through a window of at most about a MiB, whatever the segment's size.
///
/// Where a header is broken it looks for the next sound one of the same segment (every CRC carries the segment's salt). What the device
/// can't read is broken, too.
struct SegmentScanner {
    enum Step {
        /// A sound header; ask ``events(of:at:lane:origin:first:)`` for what stands behind it, and whether that is sound.
        case frame(FrameHeader, position: Int)
        /// No frame can be read here; the next sound header stands at the upper bound.
        case gap(Range<Int>)
        case footer(SegmentFooter)
        /// No sound header from here on.
        case end(position: Int)
    }

    /// What stands behind a sound header.
    enum Contents {
        case events(Batch)
        case broken(reason: String)
    }

    /// The most that is read at once, unless one payload is larger.
    static let window = 1 << 20
    /// What is read at once behind a jump: payloads that are passed over are not read.
    private static let glimpse = 16 << 10

    private let file: any DiskFile
    private let salt: UInt64
    /// What lies at or behind it is not looked at.
    var limit: Int
    /// How many zeros in a row end the search for the next sound header.
    var patience = Int.max
    private(set) var position: Int
    private var slab: Slab?
    private var slabStart = 0
    private var slabCount = 0
    private var reach = Self.glimpse
    /// Positions of blocks that the device did not give.
    private var unread: Set<Int> = []
    /// Bytes read from the disk so far.
    private(set) var bytesRead = 0

    init(file: any DiskFile, salt: UInt64, position: Int, limit: Int) {
        self.file = file
        self.salt = salt
        self.position = position
        self.limit = limit
    }

    /// Lets go of what was read ahead; it is read again.
    mutating func release() {
        (self.slab, self.slabStart, self.slabCount) = (nil, 0, 0)
    }

    /// Whether something of it was looked at, and the device did not give it.
    func couldNotRead(_ range: Range<Int>) -> Bool { self.unread.contains { range.overlaps($0..<$0 + SpoolFormat.block) } }

    /// The frame, footer or gap at ``position``, and moves behind it.
    mutating func step() throws(ForebayError) -> Step {
        guard let bytes = try self.bytes(at: self.position, count: SpoolFormat.frameHeader) else { return .end(position: self.position) }
        if let header = FrameHeader(decoding: bytes, salt: self.salt), self.position + header.span <= self.limit {
            let found = self.position
            self.position += header.span
            if header.flags.contains(.closesGroup) { self.position = SpoolFormat.aligned(self.position) }
            return .frame(header, position: found)
        }
        if bytes.number(0, as: UInt32.self) == SpoolFormat.footerMagic, let footer = try self.footer() { return .footer(footer) }
        return try self.resynchronise()
    }

    /// The payload behind a header, in a slab that nobody writes again; none if its CRC is wrong.
    mutating func payload(of header: FrameHeader, at position: Int) throws(ForebayError) -> (slab: Slab, range: Range<Int>)? {
        let start = position + SpoolFormat.frameHeader
        guard let bytes = try self.bytes(at: start, count: header.length) else { return nil }
        guard FrameHeader.crc(payload: bytes, base: header.base, salt: self.salt) == header.payloadCRC else { return nil }
        let offset = start - self.slabStart
        return (self.slab!, offset..<offset + header.length)
    }

    /// The events behind a header, or what is wrong with them.
    ///
    /// - Parameter first: of the first one, in the lane's count.
    mutating func events(
        of header: FrameHeader, at position: Int, lane: Lane, origin: SpoolID?, first: UInt64
    ) throws(ForebayError) -> Contents {
        guard let payload = try self.payload(of: header, at: position) else { return .broken(reason: "the checksum of a frame is wrong") }
        let (slab, range) = payload.slab.lean(payload.range)
        let batch = Batch(
            lane: lane, origin: origin, first: first, count: header.count, route: header.route, acceptedAt: header.acceptedAt, slab: slab,
            range: range)
        return batch.isWellFormed ? .events(batch) : .broken(reason: "the records of a frame do not fit it")
    }

    /// The same, by the log's own sequences.
    mutating func events(of header: FrameHeader, at position: Int, in segment: SegmentHeader) throws(ForebayError) -> Contents {
        try self.events(of: header, at: position, lane: .spool(segment.log), origin: segment.origin, first: header.base)
    }

    private mutating func footer() throws(ForebayError) -> SegmentFooter? {
        // Its length stands in its first bytes and is bounded by the file.
        guard let head = try self.bytes(at: self.position, count: SegmentFooter.fixed) else { return nil }
        guard let bytes = try self.bytes(at: self.position, count: Int(head.number(8, as: UInt32.self))) else { return nil }
        return SegmentFooter(decoding: bytes, salt: self.salt)
    }

    private mutating func resynchronise() throws(ForebayError) -> Step {
        let start = self.position
        var next = SpoolFormat.aligned(start + 1, to: 8)
        var zerosFrom = next
        while next - zerosFrom <= self.patience,
            let bytes = try self.bytes(at: next, count: SpoolFormat.frameHeader, orLess: Self.window)
        {
            var at = 0
            while at + SpoolFormat.frameHeader <= bytes.count {
                let word = bytes.number(at, as: UInt64.self)
                if UInt32(truncatingIfNeeded: word) == SpoolFormat.frameMagic,
                    FrameHeader(decoding: bytes.part(at, SpoolFormat.frameHeader), salt: self.salt) != nil
                {
                    self.position = next + at
                    return .gap(start..<next + at)
                }
                at += 8
                if word != 0 { zerosFrom = next + at }
            }
            next += at
        }
        return .end(position: start)
    }

    /// - Returns: `count` bytes (up to `most`), none if the limit comes first.
    private mutating func bytes(at position: Int, count: Int, orLess most: Int? = nil) throws(ForebayError) -> UnsafeRawBufferPointer? {
        guard position + count <= self.limit else { return nil }
        let wanted = min(most ?? count, self.limit - position)
        if position < self.slabStart || position + count > self.slabStart + self.slabCount {
            // Whole blocks, so that the same code reads with O_DIRECT.
            let start = position / SpoolFormat.block * SpoolFormat.block
            let goesOn = start >= self.slabStart && start <= self.slabStart + self.slabCount
            self.reach = goesOn ? min(Self.window, self.reach * 2) : Self.glimpse
            let end = SpoolFormat.aligned(min(self.limit, max(position + count, start + self.reach)))
            let slab = Slab(capacity: end - start, alignment: SpoolFormat.block)
            self.slabCount = try self.file.readTolerant(
                into: UnsafeMutableRawBufferPointer(start: slab.base, count: end - start), at: start, unread: &self.unread)
            (self.slab, self.slabStart) = (slab, start)
            self.bytesRead += end - start
            guard position + count <= start + self.slabCount else { return nil }
        }
        let available = min(wanted, self.slabStart + self.slabCount - position)
        return UnsafeRawBufferPointer(start: self.slab!.base + (position - self.slabStart), count: available)
    }
}
