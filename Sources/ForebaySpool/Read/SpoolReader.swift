package import ForebayCore
import ForebayTelemetry

/// Reads one route's events (or all) in order, from a sequence up to the durable mark. Not shared; never writes.
///
/// Every payload's CRC is verified. What can't be read is reported once as a ``MissingRange`` and passed. Of others' events it reads the
/// headers alone where that saves reading, and of segments that have nothing for it (or nothing more) not even those; what one call does is
/// bounded all the same. What others have read just now it has from them (``ReadCache``).
package final class SpoolReader: @unchecked Sendable {  // Safe because: one task uses it, on one thread after the other.
    /// Who wants to know what is not there.
    struct Owner {
        /// Below it nothing is wanted any more; it may be gone, and that is no loss.
        var settled: @Sendable () -> UInt64 = { 0 }
        let onMissing: (MissingRange) -> Void
        /// Called with sequences that were left out behind a lost newest segment, when they are gone over: what it had of them nobody
        /// knows.
        var onLeftOut: (Range<UInt64>) -> Void = { _ in }
    }

    /// Bytes, and steps, after which a call comes back though it has found nothing yet: whoever shares the thread gets its turn, and those
    /// who read the same stay near to each other.
    private static let workBytes = 2 << 20, workSteps = 4096

    private let view: SpoolView
    private let disk: any Disk
    private let routes: RouteFilter
    private let cache: ReadCache
    private let metrics: SpoolMetrics
    private let owner: Owner
    private var segment: SegmentInfo?
    private var scanner: SegmentScanner?
    /// Whether its file was opened by one who waits for the device.
    private var isPatient = true
    /// The segment in which the device failed.
    private var failing: UInt64?
    /// While it reads the disk.
    private var attendance: ReadCache.Attendance?
    /// Everything below it was returned, belongs to others, or is missing.
    package private(set) var next: UInt64

    init(
        view: SpoolView, disk: any Disk, cache: ReadCache, metrics: SpoolMetrics, routes: RouteFilter, from sequence: UInt64,
        owner: Owner
    ) {
        self.view = view
        self.disk = disk
        self.cache = cache
        self.metrics = metrics
        self.routes = routes
        self.next = sequence
        self.owner = owner
    }

    /// Batches of about `bytes` in all, wherever they are. Waits for the disk.
    ///
    /// - Returns: nothing when caught up with the durable mark, and when there was much to pass over: see ``isCaughtUp``.
    package func read(upTo bytes: Int) throws(ForebayError) -> [Batch] {
        if let recent = self.readMemory(upTo: bytes) { return recent }
        return try self.readDisk(upTo: bytes)
    }

    /// Whether there was nothing more to read a moment ago.
    package var isCaughtUp: Bool { self.next >= self.view.read { $0.durableEnd } }

    /// Whether the device failed in the segment that is to be read: whoever would not wait for it gets no further.
    package var needsPatience: Bool {
        guard let failing = self.failing else { return false }
        if self.view.segment(holding: self.next)?.number != failing { self.failing = nil }
        return self.failing != nil
    }

    /// What is still in memory, without waiting.
    ///
    /// - Returns: none if memory does not reach back to ``next``.
    package func readMemory(upTo bytes: Int) -> [Batch]? {
        let start = self.next
        // Sequences are left out in front of a start's first group alone: never between two that are in memory.
        guard let recent = self.view.read({ $0.recent.read(from: start, routes: self.routes, upTo: bytes) }) else { return nil }
        self.next = recent.next
        // The place in the file is lost; it is looked up again if the reader falls behind.
        (self.segment, self.scanner, self.attendance) = (nil, nil, nil)
        guard let first = recent.batches.first, first.first < start else { return recent.batches }
        return [first.dropping(below: start)] + recent.batches.dropFirst()
    }

    /// From the segments. Waits for the disk.
    ///
    /// - Parameter isPatient: whether a device that gives EIO is waited for, and what it does not give at last is passed as lost. If not,
    ///   that is thrown, and nothing has happened.
    package func readDisk(upTo bytes: Int, isPatient: Bool = true) throws(ForebayError) -> [Batch] {
        if self.attendance == nil { self.attendance = self.cache.attend() }
        if self.isPatient != isPatient { (self.segment, self.scanner) = (nil, nil) }
        self.isPatient = isPatient
        var batches: [Batch] = []
        var weight = 0, work = 0, steps = 0
        while weight < bytes, work < Self.workBytes, steps < Self.workSteps {
            steps += 1
            do throws(ForebayError) {
                guard try self.enterSegment() else {
                    self.attendance = nil
                    break
                }
                let before = self.scanner?.bytesTaken ?? 0
                let batch = try self.readFrame()
                work += (self.scanner?.bytesTaken ?? before) - before
                guard let batch else { continue }
                batches.append(batch)
                weight += batch.byteCount
            } catch {
                (self.segment, self.scanner) = (nil, nil)
                if !isPatient, error.isUnread { self.failing = self.view.segment(holding: self.next)?.number }
                // What was read before it is not lost; the next call meets it again.
                guard batches.isEmpty else { break }
                throw error
            }
        }
        return batches
    }

    /// Makes sure that ``segment`` holds ``next``, and has something for us.
    ///
    /// - Returns: false when caught up.
    private func enterSegment() throws(ForebayError) -> Bool {
        let next = self.next, routes = self.routes
        let place = self.view.read { state -> (entered: SegmentInfo?, passed: UInt64) in
            // What was let go of meanwhile, for nobody needed it, is not missed.
            var passed = max(next, min(state.released, state.durableEnd))
            for segment in state.segments where segment.end > passed {
                if segment.base > passed || segment.isDamaged || routes.meets(segment.routes) { return (segment, passed) }
                passed = max(passed, segment.end)
            }
            return (nil, passed)
        }
        self.next = place.passed
        guard let segment = place.entered else {
            (self.segment, self.scanner) = (nil, nil)
            self.passHoleAtEnd()
            return false
        }
        // What was given up is gone rightly; the cursor was past it before it went.
        if segment.header.knownEnd > self.next { self.next = max(self.next, self.owner.settled()) }
        if segment.header.knownEnd > self.next {
            self.owner.onMissing(
                MissingRange(
                    sequences: self.next..<segment.header.knownEnd, segment: segment.header.missingNumber, position: 0,
                    reason: "a segment is gone", isGone: true))
        }
        self.leaveOut(to: segment.header)
        self.next = max(self.next, segment.base)
        if self.segment?.number == segment.number {
            self.scanner?.limit = segment.dataEnd
        } else {
            let file: any DiskFile
            do throws(ForebayError) {
                file = try self.disk.open(segment.path, self.isPatient ? [] : .impatient)
            } catch {
                guard self.isPatient || !error.isUnread else { throw error }
                (self.segment, self.scanner) = (nil, nil)
                // A segment may be deleted between the look and the opening, when its cursor was moved by others.
                guard self.view.segment(holding: self.next)?.number == segment.number else { return true }
                guard error.isLoss else { throw error }
                self.miss(self.next..<segment.end, segment, position: 0, "the segment's file can't be opened: \(error)")
                self.next = segment.end
                return true
            }
            self.scanner = SegmentScanner(
                file: file, salt: segment.salt, position: segment.position(of: self.next), limit: segment.dataEnd,
                sharing: SegmentWindow.Sharing(
                    cache: self.cache, segment: ReadCache.Segment(number: segment.number, salt: segment.salt)),
                isTolerant: self.isPatient, counter: self.metrics.read)
        }
        self.segment = segment
        return true
    }

    /// Sequences before a segment that none before it had, as far as it knows.
    private func leaveOut(to segment: SegmentHeader) {
        let reached = max(self.next, segment.knownEnd)
        if reached < segment.base { self.owner.onLeftOut(reached..<segment.base) }
    }

    /// The newest segments were lost, and nothing was appended since.
    private func passHoleAtEnd() {
        let (end, last) = self.view.read { ($0.durableEnd, $0.segments.last?.number ?? 0) }
        guard self.next < end, self.view.segment(holding: self.next) == nil else { return }
        self.owner.onMissing(
            MissingRange(sequences: self.next..<end, segment: last, position: 0, reason: "a segment is gone", isGone: true))
        self.next = end
    }

    /// One step through the segment; a batch if it was a frame of ours.
    private func readFrame() throws(ForebayError) -> Batch? {
        guard let segment = self.segment, self.scanner != nil else { return nil }
        switch try self.scanner!.step() {
        case .frame(let header, let position):
            // The end of one that is in use stands behind a whole group; of others, the next one may have what stands further on.
            if header.end > segment.end {
                self.leave(segment, position: position)
                return nil
            }
            guard header.end > self.next else { return nil }
            if header.base > self.next {
                self.miss(self.next..<header.base, segment, position: position, "frames are missing")
                self.next = header.base
            }
            guard self.routes.takes(header.route) else {
                self.next = header.end
                return nil
            }
            // The frame's header is sound: it is of a route of ours, all of it.
            let contents = try self.scanner!.events(of: header, at: position, in: segment.header)
            let start = self.next
            self.next = header.end
            switch contents {
            case .broken(let reason):
                self.miss(start..<header.end, segment, position: position, reason, isCounted: true)
                return nil
            // A cursor may stand inside a frame: what is settled is not sent again.
            case .events(let batch):
                if self.routes.isLast(header, in: segment) { self.pass(segment) }
                return batch.dropping(below: start)
            }
        case .gap:
            return nil  // The next frame's base tells what is missing.
        case .footer, .end:
            self.leave(segment, position: self.scanner!.position)
            return nil
        }
    }

    /// What follows in it is others'.
    private func pass(_ segment: SegmentInfo) {
        self.next = max(self.next, segment.end)
        (self.segment, self.scanner) = (nil, nil)
    }

    private func leave(_ segment: SegmentInfo, position: Int) {
        if self.next < segment.end { self.miss(self.next..<segment.end, segment, position: position, "frames are missing") }
        self.next = max(self.next, segment.end)
        // The active one grows: its scanner has passed the place where the next frame will stand only if something is wrong there.
        (self.segment, self.scanner) = (nil, nil)
    }

    private func miss(
        _ sequences: Range<UInt64>, _ segment: SegmentInfo, position: Int, _ reason: String, isCounted: Bool = false
    ) {
        // Let go of while it was read, for a cursor that was given up.
        guard self.view.holds(segment.number) else { return }
        let events = isCounted ? sequences.upperBound - sequences.lowerBound : nil
        self.owner.onMissing(
            MissingRange(sequences: sequences, segment: segment.number, position: position, reason: reason, events: events))
    }
}
