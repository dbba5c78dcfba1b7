import ForebayCore
import ForebayTelemetry

/// What the footer of a segment would say, read from its frames: for one that a crash left without.
struct SegmentContents {
    private(set) var end: UInt64
    private(set) var dataEnd: Int
    private(set) var index: [SegmentFooter.IndexEntry] = []
    private(set) var routes = RouteTable()
    private(set) var checksum: UInt32 = 0
    /// Frames that can't be read, or are not there.
    private(set) var hasHoles = false
    /// Sequences of which no frame is there.
    private(set) var gaps: [Range<UInt64>] = []

    /// Reads the headers of the frames below a sequence; none: of all.
    init(scanning file: any DiskFile, _ header: SegmentHeader, size: Int, end: UInt64?) throws(ForebayError) {
        var scanner = SegmentScanner(file: file, salt: header.salt, position: header.dataStart, limit: size)
        self.end = header.base
        self.dataEnd = header.dataStart
        scan: while true {
            switch try scanner.step() {
            case .gap: self.hasHoles = true
            case .footer: break scan
            case .end(let position):
                // What would stand here next nothing else tells.
                let next = position..<position + SpoolFormat.frameHeader
                self.hasHoles = self.hasHoles || end == nil && scanner.couldNotRead(next)
                break scan
            case .frame(let frame, let position):
                if let end, frame.base >= end { break scan }
                self.add(frame, at: position)
            }
        }
        if let end { self.reach(end) }
    }

    private mutating func reach(_ sequence: UInt64) {
        guard self.end < sequence else { return }
        self.hasHoles = true
        self.gaps.append(self.end..<sequence)
    }

    init(_ header: SegmentHeader) {
        self.end = header.base
        self.dataEnd = header.dataStart
    }

    mutating func add(_ frame: FrameHeader, at position: Int) {
        guard frame.base >= self.end else { return }  // The rest of a group that found no room, and was written over.
        self.reach(frame.base)
        if frame.flags.contains(.opensGroup) {
            if position - (self.index.last?.position ?? 0) >= 1 << 20 || self.index.isEmpty {
                self.index.append(SegmentFooter.IndexEntry(sequence: frame.base, position: position))
            }
        }
        self.checksum = SpoolFormat.crc(of: UInt64(self.checksum).littleEndian, UInt64(frame.crc).littleEndian)
        self.routes.raise(frame.route, to: frame.ordinal + UInt64(frame.count))
        self.end = max(self.end, frame.end)
        self.dataEnd = SpoolFormat.aligned(position + frame.span)
    }

    func apply(to info: inout SegmentInfo) {
        info.end = self.end
        info.dataEnd = SpoolFormat.aligned(self.dataEnd)
        info.index = self.index
        info.routes = self.routes
        info.isDamaged = self.hasHoles
    }
}

/// Ends a segment that a crash left without a footer: the room behind its data is given back, and no later start has to read it again.
struct SegmentSeal {
    private let disk: any Disk
    private let logger = Logger(label: "spool")

    init(_ disk: any Disk) {
        self.disk = disk
    }

    /// The same for a damaged one, of which nothing is cut off: it stays as it is for the operator.
    func end(_ info: inout SegmentInfo, checksum: UInt32) {
        do throws(ForebayError) {
            let file = try self.disk.open(info.path, .write)
            try self.write(&info, to: file, at: SpoolFormat.aligned(try file.size()), checksum)
        } catch {
            self.logger.warning(
                "a damaged segment could not be ended; it is read anew at the next start", ["file": info.path, "error": "\(error)"])
        }
    }

    /// In a set-aside log units go on behind what could be read now. What can be read at a later start has the positions of newer events:
    /// it does not count then, and is told of no more.
    func endDamaged(_ outcome: inout SpoolRecovery.Outcome, _ reporter: SpoolReporter) throws(ForebayError) {
        for place in outcome.segments.indices where outcome.segments[place].isDamaged && !outcome.segments[place].hasFooter {
            try reporter.requireSaved()
            self.end(
                &outcome.segments[place], checksum: UInt32(truncatingIfNeeded: outcome.checksums[outcome.segments[place].number] ?? 0))
        }
    }

    private func write(
        _ info: inout SegmentInfo, to file: any DiskFile, at position: Int, _ checksum: UInt32
    ) throws(ForebayError) {
        let ordinals = Dictionary(info.routes.entries.map { ($0.route, $0.ordinal) }, uniquingKeysWith: max)
        let footer = SegmentFooter(end: info.end, dataEnd: position, checksum: UInt64(checksum), index: info.index, ordinals: ordinals)
        let bytes = footer.encode(salt: info.salt)
        try file.write(bytes, at: position)
        try file.sync()
        info.size = position + bytes.count
        info.hasFooter = true
    }

    /// Does nothing with a damaged one. Not being able to is no harm.
    func seal(_ info: inout SegmentInfo, checksum: UInt32) {
        guard !info.isDamaged else { return }
        do throws(ForebayError) {
            let file = try self.disk.open(info.path, .write)
            // First shorter, so that there is room for the footer on a full disk.
            try file.truncate(to: info.dataEnd)
            try self.write(&info, to: file, at: info.dataEnd, checksum)
        } catch {
            self.logger.warning(
                "a segment could not be sealed; it is read anew at the next start", ["file": info.path, "error": "\(error)"])
            info.size = (try? self.disk.open(info.path, []).size()) ?? info.size  // Only counted with.
        }
    }
}
