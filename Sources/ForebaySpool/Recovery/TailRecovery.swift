import ForebayCore
import ForebayTelemetry

/// The newest segment, when no clean stop has sealed it. It is read from the device: the page cache may hold bytes that a failed sync never
/// brought there.
struct TailRecovery {
    struct Outcome {
        var info: SegmentInfo
        var checksum: UInt64 = 0
        var missing: [MissingRange] = []
        /// Below the mark, in front of frames that can be read: sequences of which no frame is there.
        var gaps: [Range<UInt64>] = []
        /// Behind all that counts stands what the device does not give: it may be groups that were acknowledged.
        var isUnread = false
    }

    private struct Found {
        let header: FrameHeader
        let position: Int
    }

    /// Where all that is known to be durable was seen, nothing is left but a torn tail, and zeros up to the segment's end. Only damage that
    /// left so many zeros could hide more.
    private static let patience = 16 << 20

    private let disk: any Disk
    private let header: SegmentHeader
    private let path: String
    private let size: Int
    private let logger = Logger(label: "spool")

    init(_ disk: any Disk, _ header: SegmentHeader, _ path: String, size: Int) {
        self.disk = disk
        self.header = header
        self.path = path
        self.size = size
    }

    /// What stands in the segment, and what of it counts.
    private struct Tail {
        var frames: [Found]
        /// Everything below it was durable, as far as is known with this segment.
        var mark: UInt64
        /// Below it.
        var covered: ArraySlice<Found>
        /// Whole groups that go on from there.
        var kept: [Found]
        /// One past the last sequence that is known to have been there behind them, at least one, where the device does not give it.
        var unreadEnd: UInt64?
    }

    private func look(_ file: any DiskFile, mark: UInt64) throws(ForebayError) -> Tail {
        var scanner = SegmentScanner(file: file, salt: self.header.salt, position: self.header.dataStart, limit: self.size)
        var (frames, mark) = try self.scan(&scanner, max(mark, self.header.base))
        mark = Self.raised(mark, toGroupsOf: frames.map(\.header))
        // Payloads below W are verified when they are read.
        let covered = frames.prefix { $0.header.end <= mark }
        var tail = Tail(frames: frames, mark: mark, covered: covered, kept: [])
        try self.keepUncovered(of: &tail, &scanner)
        return tail
    }

    /// Where it would end after ``run(mark:)``, as far as it tells itself. Changes nothing.
    func end() throws(ForebayError) -> UInt64 {
        let tail = try self.look(try self.disk.openFromDevice(self.path), mark: self.header.base)
        return max(tail.mark, tail.kept.last?.header.end ?? 0)
    }

    /// - Parameters:
    ///   - mark: everything below was durable, as far as is known without this segment.
    ///   - keepsRest: nothing is cut off behind what counts, for something of it was told of as lost.
    func run(mark: UInt64, keepsRest: Bool) throws(ForebayError) -> Outcome {
        let file = try self.disk.openFromDevice(self.path)
        let tail = try self.look(file, mark: mark)
        let (frames, mark, covered, kept) = (tail.frames, tail.mark, tail.covered, tail.kept)
        var outcome = Outcome(info: SegmentInfo(header: self.header, path: self.path, end: mark, dataEnd: self.size, size: self.size))
        var contents = SegmentContents(self.header)
        for found in covered { contents.add(found.header, at: found.position) }
        if contents.end < mark {
            outcome.missing.append(
                MissingRange(
                    sequences: contents.end..<mark, segment: self.header.number, position: contents.dataEnd,
                    reason: "the log ends below a mark"))
        }
        outcome.gaps = contents.gaps
        let isHoled = contents.hasHoles || contents.end < mark
        for found in kept { contents.add(found.header, at: found.position) }
        if let first = kept.first { try self.writeAgain(file, first.position..<contents.dataEnd) }
        contents.apply(to: &outcome.info)
        outcome.info.end = max(mark, contents.end)
        if let end = tail.unreadEnd {
            outcome.isUnread = true
            outcome.missing.append(
                MissingRange(
                    sequences: outcome.info.end..<max(outcome.info.end, end), segment: self.header.number, position: contents.dataEnd,
                    reason: "the disk can't read what was accepted last, so more may be lost"))
        }
        outcome.info.isDamaged = isHoled || outcome.isUnread || keepsRest
        outcome.checksum = UInt64(contents.checksum)
        self.logger.info(
            "recovered after an unclean stop",
            [
                "segment": self.path, "durable_end": "\(mark)",
                "events_kept_above": "\(kept.reduce(0) { $0 + $1.header.count })",
                "frames_cut": "\(frames.count - covered.count - kept.count)",
            ])
        SegmentSeal(self.disk).seal(&outcome.info, checksum: contents.checksum)
        return outcome
    }

    /// All frames that can be read, and the highest mark in them.
    private func scan(_ scanner: inout SegmentScanner, _ mark: UInt64) throws(ForebayError) -> ([Found], UInt64) {
        var frames: [Found] = []
        var mark = mark
        while true {
            scanner.patience = (frames.last?.header.end ?? self.header.base) < mark ? .max : Self.patience
            switch try scanner.step() {
            case .frame(let frame, let position):
                mark = max(mark, frame.durable)
                frames.append(Found(header: frame, position: position))
            case .gap: continue
            case .footer(let footer): return (frames, max(mark, footer.end))
            case .end: return (frames, mark)
            }
        }
    }

    /// Takes the frames of the whole, sound groups that go on where everything is durable.
    private func keepUncovered(of tail: inout Tail, _ scanner: inout SegmentScanner) throws(ForebayError) {
        var group: [Found] = []
        var expected = tail.mark
        // Where the next group, and its next frame, would stand.
        var place = tail.covered.last.map { SpoolFormat.aligned($0.position + $0.header.span) } ?? self.header.dataStart
        var reach = place
        for found in tail.frames.dropFirst(tail.covered.count) {
            let frame = found.header
            guard frame.base == expected, frame.flags.contains(.opensGroup) == group.isEmpty else { break }
            expected = frame.end
            reach = found.position + frame.span
            guard try scanner.payload(of: frame, at: found.position) != nil else {
                guard scanner.couldNotRead(found.position..<reach) else { return }
                break
            }
            group.append(found)
            guard frame.flags.contains(.closesGroup) else { continue }
            tail.kept += group
            group = []
            place = SpoolFormat.aligned(reach)
            reach = place
        }
        // What the device gives, and is no sound group, was never acknowledged.
        guard scanner.couldNotRead(place..<reach + SpoolFormat.frameHeader) else { return }
        tail.unreadEnd = max(expected, (tail.kept.last?.header.end ?? tail.mark) + 1, tail.frames.last?.header.end ?? 0)
    }

    /// What was read is what the device has; whether it would still have it after a power cut nobody knows, as its sync may never have
    /// come, or have failed. Written once more it is like new; the same bytes at the same place can't harm each other.
    private func writeAgain(_ file: any DiskFile, _ range: Range<Int>) throws(ForebayError) {
        let target = try self.disk.open(self.path, .write)
        var position = range.lowerBound
        while position < range.upperBound {
            let count = min(SpoolFormat.framePayload, range.upperBound - position)
            let piece = Slab(capacity: count, alignment: SpoolFormat.block)
            let bytes = UnsafeMutableRawBufferPointer(start: piece.base, count: count)
            do throws(ForebayError) {
                guard try file.read(into: bytes, at: position) == count else { break }
                try target.write(UnsafeRawBufferPointer(bytes), at: position)
            } catch {
                // No room for a copy-on-write, a sector that takes nothing more, or gives nothing more: it stays what it is on the device.
                self.logger.warning("the last groups could not be written again", ["file": self.path, "error": error.description])
                break
            }
            position += count
        }
        try target.sync()
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
}
