import ForebayCore
import ForebayTelemetry
import Glibc

/// The segments in a log's folder, by their headers: which of them are this log's, and what can't be told.
struct FoundSegments {
    struct Segment {
        fileprivate(set) var header: SegmentHeader
        let path: String
        /// Whether the first copy of its header can be read.
        let isWhole: Bool
    }

    /// By number.
    private(set) var segments: [Segment] = []
    /// Those with a segment's name and no readable header.
    private(set) var unreadable: [(number: UInt64, path: String)] = []
    /// No new segment may have a number up to this one: there is a file with its name.
    private(set) var highestName: UInt64 = 0

    private let logger = Logger(label: "spool")

    /// Looks, and changes nothing.
    ///
    /// - Throws: `spool_unreadable` for a version of the format that this forebay does not know.
    init(_ disk: any Disk, in folder: String) throws(ForebayError) {
        for name in try Folder(disk).entries(folder) where !SegmentFile.isLeftover(name) {
            let path = "\(folder)/\(name)"
            guard let number = SegmentFile.number(ofName: name), try disk.kind(of: path) == .file else {
                self.logger.warning("a file that is no segment of ours is left alone", ["file": path])
                continue
            }
            self.highestName = max(self.highestName, number)
            let (outcome, isWhole) = try SegmentHeader.read(from: try disk.open(path, []))
            switch outcome {
            case .success(let header) where header.number == number:
                self.segments.append(Segment(header: header, path: path, isWhole: isWhole))
            case .success(let header):
                self.logger.warning(
                    "a copy of a segment under another name is left alone", ["file": path, "segment": "\(header.number)"])
            case .failure(.version(let version)):
                throw .plain("\(path) has format version \(version); this forebay reads versions up to \(SpoolFormat.version)")
            case .failure(.damaged): self.unreadable.append((number, path))
            }
        }
        self.segments.sort { $0.header.number < $1.header.number }
        if self.segments.isEmpty, self.unreadable.count > 1 { try self.checkDevice(disk) }
    }

    /// Not one of several headers can be read: if it is the device that does not give them, it is away, and what is on it must not be
    /// given up.
    private func checkDevice(_ disk: any Disk) throws(ForebayError) {
        var failure: ForebayError?
        for (_, path) in self.unreadable {
            let slab = Slab(capacity: SpoolFormat.block, alignment: SpoolFormat.block)
            do throws(ForebayError) {
                _ = try disk.open(path, []).read(into: UnsafeMutableRawBufferPointer(start: slab.base, count: SpoolFormat.block), at: 0)
                return
            } catch {
                guard error.systemCode == EIO else { throw error }
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    /// A segment's header is another one now.
    mutating func replace(_ header: SegmentHeader) {
        for place in self.segments.indices where self.segments[place].header.number == header.number {
            self.segments[place].header = header
        }
    }

    mutating func drop(_ number: UInt64) {
        self.segments.removeAll { $0.header.number == number }
    }

    /// Whether the newest of two was made and never used: it has no frame, and the one before it is not sealed. A crash, or a call that
    /// failed, came between making and use. The one before it may have gone on meanwhile, so that one is the tail.
    ///
    /// - Parameter marked: everything below it was durable. Behind a newest one that begins below it something has been, unless that stands
    ///   in the one before it: then that went on.
    static func isUnused(
        _ newest: (header: SegmentHeader, file: any DiskFile), behind before: (header: SegmentHeader, file: any DiskFile), marked: UInt64
    ) throws(ForebayError) -> Bool {
        let header = newest.header
        // One that was begun behind a lost one leaves sequences out.
        guard header.version > 1, header.knownEnd == header.base,
            try SegmentFooter.read(from: before.file, size: before.file.size(), salt: before.header.salt, base: before.header.base) == nil,
            try Self.isEmpty(header, newest.file)
        else { return false }
        return try header.base >= marked ? true : Self.goesOn(before, to: header.base)
    }

    /// Whether a segment has a frame at or behind a sequence.
    private static func goesOn(_ segment: (header: SegmentHeader, file: any DiskFile), to sequence: UInt64) throws(ForebayError) -> Bool {
        var scanner = SegmentScanner(
            file: segment.file, salt: segment.header.salt, position: segment.header.dataStart, limit: try segment.file.size())
        while true {
            switch try scanner.step() {
            case .gap: continue
            case .footer, .end: return false
            case .frame(let frame, _): if frame.base >= sequence { return true }
            }
        }
    }

    /// Whether a segment has neither a frame nor a footer, nor can have had one.
    static func isEmpty(_ header: SegmentHeader, _ file: any DiskFile) throws(ForebayError) -> Bool {
        let size = try file.size()
        guard try SegmentFooter.read(from: file, size: size, salt: header.salt, base: header.base) == nil else { return false }
        var scanner = SegmentScanner(file: file, salt: header.salt, position: header.dataStart, limit: size)
        guard case .end = try scanner.step() else { return false }
        return !scanner.couldNotRead(header.dataStart..<header.dataStart + SpoolFormat.frameHeader)
    }

    /// Takes out the segments of other logs.
    mutating func takeForeign(to log: SpoolID) -> [Segment] {
        let foreign = self.segments.filter { $0.header.log != log }
        self.segments.removeAll { $0.header.log != log }
        return foreign
    }
}
