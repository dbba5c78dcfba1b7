package import ForebayCore
import ForebayTelemetry
import Glibc

/// Reads one route's events (or all) in order, from a sequence up to the durable mark. Not shared; never writes.
///
/// Every payload's CRC is verified. What can't be read is reported once as a ``MissingRange`` and passed.
package final class SpoolReader {
    private let id: SpoolID
    private let view: SpoolView
    private let route: RouteID?
    private let onMissing: (MissingRange) -> Void
    private var segment: SegmentInfo?
    private var scanner: SegmentScanner?
    /// Everything below it was returned, belongs to others, or is missing.
    package private(set) var next: UInt64

    init(id: SpoolID, view: SpoolView, route: RouteID?, from sequence: UInt64, onMissing: @escaping (MissingRange) -> Void) {
        self.id = id
        self.view = view
        self.route = route
        self.next = sequence
        self.onMissing = onMissing
    }

    /// Batches of about `bytes` in all; empty when caught up with the durable mark.
    package func read(upTo bytes: Int) throws(ForebayError) -> [Batch] {
        if let recent = self.readRecent(upTo: bytes) { return recent }
        var batches: [Batch] = []
        var weight = 0
        while weight < bytes {
            guard try self.enterSegment() else { break }
            guard let batch = try self.readFrame() else { continue }
            batches.append(batch)
            weight += batch.byteCount
        }
        return batches
    }

    /// What is still in memory; none if that does not reach back to ``next``.
    private func readRecent(upTo bytes: Int) -> [Batch]? {
        let start = self.next
        guard let recent = self.view.read({ $0.recent.read(from: start, route: self.route, upTo: bytes) }) else { return nil }
        self.next = recent.next
        // The place in the file is lost; it is looked up again if the reader falls behind.
        self.segment = nil
        guard let first = recent.batches.first, first.first < start else { return recent.batches }
        return [first.dropping(below: start)] + recent.batches.dropFirst()
    }

    /// Makes sure that ``segment`` holds ``next``.
    ///
    /// - Returns: false when caught up.
    private func enterSegment() throws(ForebayError) -> Bool {
        guard let segment = self.view.segment(holding: self.next) else { return false }
        if segment.base > self.next {
            self.miss(self.next..<segment.base, segment, position: 0, "a segment is gone")
            self.next = segment.base
        }
        if self.segment?.number == segment.number {
            self.scanner?.limit = segment.dataEnd
        } else {
            let file: File
            do {
                file = try File(segment.path, flags: O_RDONLY)
            } catch {
                // A segment may be deleted between the look and the opening, when its cursor was moved by others.
                guard self.view.segment(holding: self.next)?.number != segment.number else { throw error }
                self.segment = nil
                return true
            }
            self.scanner = SegmentScanner(
                file: file, salt: segment.salt, position: segment.position(of: self.next), limit: segment.dataEnd)
        }
        self.segment = segment
        return true
    }

    /// One step through the segment; a batch if it was a frame of ours.
    private func readFrame() throws(ForebayError) -> Batch? {
        guard let segment = self.segment else { return nil }
        switch try self.scanner!.step() {
        case .frame(let header, let position):
            if header.base >= segment.end {
                self.leave(segment, position: position)
                return nil
            }
            guard header.end > self.next else { return nil }
            if header.base > self.next {
                self.miss(self.next..<header.base, segment, position: position, "frames are missing")
                self.next = header.base
            }
            defer { self.next = header.end }
            guard self.route == nil || header.route == self.route else { return nil }
            guard let payload = try self.scanner!.payload(of: header, at: position) else {
                self.miss(self.next..<header.end, segment, position: position, "the checksum of a frame is wrong")
                return nil
            }
            return self.batch(header, payload.slab, payload.range)
        case .gap:
            return nil  // The next frame's base tells what is missing.
        case .footer(let footer):
            self.leave(segment, position: footer.dataEnd)
            return nil
        case .end(let position):
            self.leave(segment, position: position)
            return nil
        }
    }

    private func leave(_ segment: SegmentInfo, position: Int) {
        if self.next < segment.end { self.miss(self.next..<segment.end, segment, position: position, "frames are missing") }
        self.next = max(self.next, segment.end)
    }

    private func miss(_ sequences: Range<UInt64>, _ segment: SegmentInfo, position: Int, _ reason: String) {
        self.onMissing(MissingRange(sequences: sequences, segment: segment.number, position: position, reason: reason))
    }

    private func batch(_ header: FrameHeader, _ slab: Slab, _ range: Range<Int>) -> Batch {
        let (kept, keptRange) = slab.lean(range)
        let batch = Batch(
            lane: .spool(self.id), first: header.base, count: header.count, route: header.route, acceptedAt: header.acceptedAt,
            slab: kept, range: keptRange)
        // A cursor may stand inside a frame: what is settled is not sent again.
        return batch.dropping(below: self.next)
    }
}

extension Slab {
    /// The bytes of a part, in a slab of their own if they are few: a small batch must not hold a window of a MiB in memory.
    func lean(_ range: Range<Int>) -> (slab: Slab, range: Range<Int>) {
        guard range.count * 4 < self.capacity else { return (self, range) }
        let kept = Slab(capacity: max(1, range.count))
        memcpy(kept.base, self.base + range.lowerBound, range.count)
        return (kept, 0..<range.count)
    }
}
