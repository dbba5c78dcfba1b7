import ForebayCore
import ForebayTelemetry

/// Walks the frames of a segment through a window of at most about a MiB, whatever the segment's size.
///
/// Where a header is broken it looks for the next sound one of the same segment (every CRC carries the segment's salt). What the device
/// can't read is broken, too.
struct SegmentScanner {
    enum Step {
        /// A sound header; ask ``events(of:at:lane:origin:first:)`` for what stands behind it, and whether that is sound.
        case frame(FrameHeader, position: Int)
        /// No frame can be read here; the next sound header stands at the upper bound, or further on (``givesTurns``).
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

    private let salt: UInt64
    private var window: SegmentWindow
    /// How many zeros in a row end the search for the next sound header.
    var patience = Int.max
    /// Whether the search comes back behind each part that the device has not given, as from a gap: the next step goes on with it. A dead
    /// zone may be large, and each of its blocks may take the device long.
    var givesTurns = false
    private(set) var position: Int
    /// Where the last sound header stands.
    private var last = 0

    /// - Parameters:
    ///   - limit: what lies at or behind it is not looked at.
    ///   - sharing: none: it reads for itself.
    ///   - isTolerant: whether blocks that the device does not give are taken for zeros, or the failure is thrown.
    ///   - counter: of the bytes that it reads from the disk.
    init(
        file: any DiskFile, salt: UInt64, position: Int, limit: Int, sharing: SegmentWindow.Sharing? = nil, isTolerant: Bool = true,
        counter: Counter? = nil
    ) {
        self.salt = salt
        self.position = position
        self.window = SegmentWindow(file: file, sharing: sharing, isTolerant: isTolerant, counter: counter, limit: limit)
    }

    var limit: Int {
        get { self.window.limit }
        set { self.window.limit = newValue }
    }

    /// Bytes read from the disk so far.
    var bytesRead: Int { self.window.bytesRead }

    /// The same, with those that another had read.
    var bytesTaken: Int { self.window.bytesTaken }

    /// Reads of which the device did not give all.
    var failures: Int { self.window.failures }

    /// Lets go of what was read ahead; it is read again.
    mutating func release() { self.window.release() }

    /// Whether something of it was looked at, and the device did not give it.
    func couldNotRead(_ range: Range<Int>) -> Bool { self.window.couldNotRead(range) }

    /// The frame, footer or gap at ``position``, and moves behind it.
    mutating func step() throws(ForebayError) -> Step {
        let failures = self.window.failures
        repeat {
            // What lies between is of a frame that was passed over.
            let passed = self.position > self.window.end ? self.last : nil
            guard let bytes = try self.window.bytes(at: self.position, count: SpoolFormat.frameHeader, from: passed) else {
                return .end(position: self.position)
            }
            if let header = FrameHeader(decoding: bytes, salt: self.salt), self.position + header.span <= self.limit {
                self.last = self.position
                self.position += header.span
                if header.flags.contains(.closesGroup) { self.position = SpoolFormat.aligned(self.position) }
                return .frame(header, position: self.last)
            }
            if bytes.number(0, as: UInt32.self) == SpoolFormat.footerMagic, let footer = try self.footer() { return .footer(footer) }
        } while self.window.distrust()
        return try self.resynchronise(failures)
    }

    /// The payload behind a header, in a slab that nobody writes again; none if its CRC is wrong.
    mutating func payload(of header: FrameHeader, at position: Int) throws(ForebayError) -> (slab: Slab, range: Range<Int>)? {
        let start = position + SpoolFormat.frameHeader
        repeat {
            guard let bytes = try self.window.bytes(at: start, count: header.length, from: position) else { continue }
            let isSound =
                self.window.isSound(position)
                || FrameHeader.crc(payload: bytes, base: header.base, salt: self.salt) == header.payloadCRC
            if isSound { return self.window.slab(start, header.length) }
        } while self.window.distrust()
        return nil
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
        if self.window.isSound(position) { return .events(batch) }
        guard batch.isWellFormed else { return .broken(reason: "the records of a frame do not fit it") }
        self.window.markSound(position)
        return .events(batch)
    }

    /// The same, by the log's own sequences.
    mutating func events(of header: FrameHeader, at position: Int, in segment: SegmentHeader) throws(ForebayError) -> Contents {
        try self.events(of: header, at: position, lane: .spool(segment.log), origin: segment.origin, first: header.base)
    }

    private mutating func footer() throws(ForebayError) -> SegmentFooter? {
        // Its length stands in its first bytes and is bounded by the file.
        guard let head = try self.window.bytes(at: self.position, count: SegmentFooter.fixed) else { return nil }
        guard let bytes = try self.window.bytes(at: self.position, count: Int(head.number(8, as: UInt32.self))) else { return nil }
        return SegmentFooter(decoding: bytes, salt: self.salt)
    }

    /// - Parameter failures: before this step.
    private mutating func resynchronise(_ failures: Int) throws(ForebayError) -> Step {
        let start = self.position
        var next = SpoolFormat.aligned(start + 1, to: 8)
        var zerosFrom = next
        while next - zerosFrom <= self.patience,
            let bytes = try self.window.bytes(at: next, count: SpoolFormat.frameHeader, orLess: SegmentWindow.size, trusting: false)
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
            if self.givesTurns, self.window.failures > failures {
                self.position = next
                return .gap(start..<next)
            }
        }
        return .end(position: start)
    }
}
