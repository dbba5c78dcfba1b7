import ForebayCore
import ForebayTelemetry

/// What segments say of each other: each names the one before it.
struct SegmentChain {
    private let disk: any Disk
    private let logger = Logger(label: "spool")

    init(_ disk: any Disk) {
        self.disk = disk
    }

    /// One copy of a header is sound, so both are written anew from it.
    func mendHeader(of segment: FoundSegments.Segment) {
        self.logger.warning("one copy of a segment's header was damaged; it is written anew from the other", ["file": segment.path])
        self.write(segment.header, to: segment)
    }

    /// One that was made without the segment before it, which was put back, names that from now on: so it is missed should it go again. So
    /// does one that was made behind others, which were let go of: nobody misses these.
    ///
    /// - Returns: its header, and whether that stands on disk.
    func join(_ segment: FoundSegments.Segment, to outcome: SpoolRecovery.Outcome) -> (header: SegmentHeader, isWritten: Bool) {
        var header = segment.header
        (header.previousNumber, header.previousChecksum) = outcome.last
        header.previousEnd = outcome.segments.last?.end ?? header.previousEnd
        return (header, self.write(header, to: segment))
    }

    @discardableResult private func write(_ header: SegmentHeader, to segment: FoundSegments.Segment) -> Bool {
        let blocks = Slab(capacity: header.dataStart, alignment: SpoolFormat.block)
        header.encode(to: UnsafeMutableRawBufferPointer(start: blocks.base, count: header.dataStart))
        do throws(ForebayError) {
            let file = try self.disk.open(segment.path, .write)
            // One after the other: a crash in between leaves one of them.
            for copy in stride(from: 0, to: header.dataStart, by: SpoolFormat.block) {
                try file.write(UnsafeRawBufferPointer(start: blocks.base + copy, count: SpoolFormat.block), at: copy)
                try file.sync()
            }
            return true
        } catch {
            // What stands there still does.
            self.logger.warning("a segment's header could not be written", ["file": segment.path, "error": error.description])
            return false
        }
    }
}

extension SegmentHeader {
    /// Whether the next one was made by somebody who did not know of this one.
    func isUnknown(to next: SegmentHeader) -> Bool { self.version > 1 && next.version > 1 && next.previousNumber < self.number }

    /// Whether others stood between this one and the next, and all that they had lies below a sequence.
    func isApart(from next: SegmentHeader, below sequence: UInt64) -> Bool {
        self.version > 1 && next.version > 1 && next.previousNumber > self.number && next.knownEnd <= sequence
    }
}
