import ForebayCore
import ForebayTelemetry
import Glibc

/// What stands on disk at a start, and what of it counts.
///
/// Let W be the highest mark found anywhere: a frame's, a footer's, a cursor's, the mark slot's. Below W everything was
/// acknowledged: what can't be read there is damage, named and passed. At or above W stands at most what no mark covers yet
/// (the last groups): whole groups are kept by copying them to a new segment, the rest is the torn tail of a crash.
struct SpoolRecovery {
    struct Outcome {
        var id: SpoolID
        var segments: [SegmentInfo] = []
        var ordinals: [RouteID: UInt64] = [:]
        /// W: the base of the new segment.
        var durableEnd: UInt64 = 0
        var lastNumber: UInt64 = 0
        var lastChecksum: UInt64 = 0
        /// Groups at or above W, in order, each as its batches.
        var uncovered: [[Batch]] = []
        var missing: [MissingRange] = []
        var isClean = true
        var bytes = 0
    }

    private let directory: String
    private let logger = Logger(label: "spool")

    init(directory: String) {
        self.directory = directory
    }

    var segmentsFolder: String { "\(self.directory)/segments" }

    static func path(of number: UInt64, in folder: String) -> String {
        let digits = String(number)
        return "\(folder)/" + String(repeating: "0", count: 20 - digits.count) + digits + ".segment"
    }

    /// - Parameter marks: told the spool's id, the durable sequences that cursors and the mark slot name.
    func run(marks: (SpoolID) throws(ForebayError) -> [UInt64]) throws(ForebayError) -> Outcome {
        var found: [(header: SegmentHeader, path: String)] = []
        for name in try Folder.entries(self.segmentsFolder) where name.hasSuffix(".segment") {
            let path = "\(self.segmentsFolder)/\(name)"
            if let header = try self.header(of: path) { found.append((header, path)) }
        }
        guard let newest = found.last else {
            var generator = SystemRandomNumberGenerator()
            return Outcome(id: SpoolID.random(using: &generator))
        }
        var outcome = Outcome(id: newest.header.spool)
        outcome.lastNumber = newest.header.number
        let marked = try marks(outcome.id)
        var highest = marked.max() ?? 0
        for (place, entry) in found.enumerated() {
            let next = place + 1 < found.count ? found[place + 1].header : nil
            try self.add(entry.header, entry.path, next: next, to: &outcome, highest: &highest)
        }
        return outcome
    }

    /// None if the header can't be read: the file is moved aside, and the gap it leaves is reported like any other.
    private func header(of path: String) throws(ForebayError) -> SegmentHeader? {
        let bytes = try File(path, flags: O_RDONLY).bytes(at: 0, count: SpoolFormat.block)
        switch bytes.withUnsafeBytes({ bytes in Result { () throws(SegmentHeader.Unreadable) in try SegmentHeader(decoding: bytes) } }) {
        case .success(let header): return header
        case .failure(.version(let version)):
            throw .plain("\(path) has format version \(version); this forebay reads version \(SpoolFormat.version)")
        case .failure(.damaged):
            self.logger.error("the header of a segment is damaged; the file is set aside", ["file": path])
            try Self.quarantine(path, directory: self.directory)
            return nil
        }
    }

    static func quarantine(_ path: String, directory: String) throws(ForebayError) {
        let folder = "\(directory)/quarantine"
        try Folder.make(folder)
        let name = path.split(separator: "/").last.map(String.init) ?? "segment"
        try Folder.rename(path, to: "\(folder)/\(name)")
        try Folder.sync(Folder.parent(of: path))
    }

    private func add(
        _ header: SegmentHeader, _ path: String, next: SegmentHeader?, to outcome: inout Outcome, highest: inout UInt64
    ) throws(ForebayError) {
        let file = try File(path, flags: O_RDONLY)
        let size = try file.size()
        var info = SegmentInfo(
            number: header.number, path: path, base: header.base, salt: header.salt, end: header.base, dataEnd: size, size: size,
            isActive: false, index: [])
        outcome.bytes += size
        if let footer = try SegmentFooter.read(from: file, size: size, salt: header.salt) {
            info.end = footer.end
            info.dataEnd = footer.dataEnd
            info.index = footer.index
            info.routes = RouteTable(footer.ordinals)
            info.hasFooter = true
            outcome.ordinals.merge(footer.ordinals) { max($0, $1) }
            outcome.lastChecksum = footer.checksum
            highest = max(highest, footer.end)
        } else {
            outcome.lastChecksum = 0
            if next == nil { outcome.isClean = false }
        }
        if let next {
            // The successor decides what counts here: what stands at or above its base was copied there, or never acknowledged.
            info.end = next.base
            if info.end < info.base { info.end = info.base }
        } else if outcome.isClean {
            info.end = max(info.end, header.base)
            outcome.durableEnd = max(highest, info.end)
            if highest > info.end {
                outcome.missing.append(
                    MissingRange(
                        sequences: info.end..<highest, segment: info.number, position: info.dataEnd, reason: "the log ends below a mark"))
            }
        } else {
            try self.scanTail(header, path, size: size, info: &info, outcome: &outcome, highest: highest)
        }
        outcome.segments.append(info)
    }

    /// The unsealed tail, read from the device: the page cache may hold bytes that a failed sync never brought there.
    private func scanTail(
        _ header: SegmentHeader, _ path: String, size: Int, info: inout SegmentInfo, outcome: inout Outcome, highest: UInt64
    ) throws(ForebayError) {
        struct Found {
            let header: FrameHeader
            let position: Int
        }
        let file = try Self.openFromDevice(path)
        var scanner = SegmentScanner(file: file, salt: header.salt, position: SpoolFormat.block, limit: size)
        var frames: [Found] = []
        var mark = max(highest, header.base)
        scan: while true {
            switch try scanner.step() {
            case .frame(let frame, let position):
                mark = max(mark, frame.durable)
                frames.append(Found(header: frame, position: position))
            case .gap: continue
            case .footer(let footer):
                mark = max(mark, footer.end)
                break scan
            case .end: break scan
            }
        }
        mark = Self.raised(mark, toGroupsOf: frames.map(\.header))
        // Payloads below W are verified when they are read; only what may be copied is verified now.
        var covered = header.base
        var expected = mark
        var group: [Batch] = []
        var kept = 0
        var routes = RouteTable()
        var seen: Set<RouteID> = []
        for found in frames {
            let frame = found.header
            if frame.end <= mark {
                covered = max(covered, frame.end)
                let ordinal = frame.ordinal + UInt64(frame.count)
                outcome.ordinals[frame.route] = max(outcome.ordinals[frame.route] ?? 0, ordinal)
                routes.raise(frame.route, to: ordinal)
                continue
            }
            // What is copied keeps its ordinals, also where the events before it lie in a segment without a footer.
            if seen.insert(frame.route).inserted {
                outcome.ordinals[frame.route] = max(outcome.ordinals[frame.route] ?? 0, frame.ordinal)
            }
            guard frame.base == expected, frame.flags.contains(.opensGroup) == group.isEmpty,
                let payload = try scanner.payload(of: frame, at: found.position)
            else { break }
            group.append(
                Batch(
                    lane: .spool(outcome.id), first: frame.base, count: frame.count, route: frame.route, acceptedAt: frame.acceptedAt,
                    slab: payload.slab, range: payload.range))
            expected = frame.end
            guard frame.flags.contains(.closesGroup) else { continue }
            outcome.uncovered.append(group)
            kept += group.reduce(0) { $0 + $1.count }
            group = []
        }
        if covered < mark {
            outcome.missing.append(
                MissingRange(sequences: covered..<mark, segment: header.number, position: size, reason: "the log ends below a mark"))
        }
        info.end = mark
        info.routes = routes
        outcome.durableEnd = mark
        self.logger.info(
            "recovered after an unclean stop",
            [
                "segment": path, "durable_end": "\(mark)", "events_kept_above": "\(kept)",
                "frames_cut": "\(frames.filter { $0.header.base >= mark }.count - outcome.uncovered.reduce(0) { $0 + $1.count })",
            ])
    }

    /// A cursor may stand inside a group; a group that is durable in part is durable whole.
    private static func raised(_ mark: UInt64, toGroupsOf frames: [FrameHeader]) -> UInt64 {
        var mark = mark
        var groupBase: UInt64?
        for frame in frames {
            // The frame that opened the group may be lost; then this one's own base is all that is known.
            let base = frame.flags.contains(.opensGroup) ? frame.base : groupBase ?? frame.base
            if base < mark && frame.end > mark { mark = frame.end }
            groupBase = frame.flags.contains(.closesGroup) ? nil : base
        }
        return mark
    }

    private static func openFromDevice(_ path: String) throws(ForebayError) -> File {
        if let file = try? File(path, flags: O_RDONLY | O_DIRECT) { return file }  // Some file systems (tmpfs) have no O_DIRECT.
        let file = try File(path, flags: O_RDONLY)
        posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED)
        return file
    }
}
