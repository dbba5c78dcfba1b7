package import ForebayCore
import ForebayTelemetry

/// Reads one route's events (or all) in order, from a sequence up to the durable mark. Not shared; never writes.
///
/// Every payload's CRC is verified. What can't be read is reported once as a ``MissingRange`` and passed. Of others' events it reads the
/// headers alone where that saves reading, and of segments that have nothing for it (or nothing more) not even those; what one call does is
/// bounded all the same. What others have read just now it has from them (``ReadCache``). Who shares its thread with all others reads
/// impatiently, and leaves to one who waits what may take long.
package final class SpoolReader: @unchecked Sendable {  // Safe because: one task uses it, on one thread after the other.
    /// Bytes, and steps, after which a call comes back though it has found nothing yet: whoever shares the thread gets its turn, and those
    /// who read the same stay near to each other.
    private static let workBytes = 2 << 20, workSteps = 4096

    private let view: SpoolView
    private let disk: any Disk
    private let routes: RouteFilter
    private let cache: ReadCache
    private let metrics: SpoolMetrics
    private let onMissing: (MissingRange) -> Void
    /// Called with sequences that were left out behind a lost newest segment, when they are gone over: what it had of them nobody knows.
    private let onLeftOut: (Range<UInt64>) -> Void
    private var visit: SegmentVisit?
    /// Whether it may wait for the device just now, and tell of what is lost.
    private var isPatient = true
    /// Whether the next call is for one who waits: the device failed, or something that is lost is to be told of.
    package private(set) var needsPatience = false
    /// While it reads the disk.
    private var attendance: ReadCache.Attendance?
    /// Everything below it was returned, belongs to others, or is missing.
    package private(set) var next: UInt64

    init(
        view: SpoolView, disk: any Disk, cache: ReadCache, metrics: SpoolMetrics, routes: RouteFilter, from sequence: UInt64,
        onMissing: @escaping (MissingRange) -> Void, onLeftOut: @escaping (Range<UInt64>) -> Void
    ) {
        self.view = view
        self.disk = disk
        self.cache = cache
        self.metrics = metrics
        self.routes = routes
        self.next = sequence
        self.onMissing = onMissing
        self.onLeftOut = onLeftOut
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

    /// What is still in memory, without waiting.
    ///
    /// - Returns: none if memory does not reach back to ``next``.
    package func readMemory(upTo bytes: Int) -> [Batch]? {
        let start = self.next
        // Sequences are left out in front of a start's first group alone: never between two that are in memory.
        guard let recent = self.view.read({ $0.recent.read(from: start, routes: self.routes, upTo: bytes) }) else { return nil }
        self.next = recent.next
        // The place in the file is lost; it is looked up again if the reader falls behind.
        (self.visit, self.attendance, self.needsPatience) = (nil, nil, false)
        guard let first = recent.batches.first, first.first < start else { return recent.batches }
        return [first.dropping(below: start)] + recent.batches.dropFirst()
    }

    /// From the segments. Waits for the disk, and for a device that gives EIO; what that does not give at last is passed as lost.
    ///
    /// It comes back as soon as the device has not given all: others wait for the thread.
    package func readDisk(upTo bytes: Int) throws(ForebayError) -> [Batch] {
        self.isPatient = true
        return try self.readSegments(upTo: bytes)
    }

    /// From the segments, for one who waits for the disk, and for a device that fails not at all.
    ///
    /// - Returns: none if it gets no further so (``needsPatience``): nothing has happened then.
    package func readImpatiently(upTo bytes: Int) throws(ForebayError) -> [Batch]? {
        self.isPatient = false
        let batches = try self.readSegments(upTo: bytes)
        return batches.isEmpty && self.needsPatience ? nil : batches
    }

    private func readSegments(upTo bytes: Int) throws(ForebayError) -> [Batch] {
        if self.attendance == nil { self.attendance = self.cache.attend() }
        self.needsPatience = false
        var batches: [Batch] = []
        var weight = 0, work = 0, steps = 0
        while weight < bytes, work < Self.workBytes, steps < Self.workSteps, !self.needsPatience {
            steps += 1
            do throws(ForebayError) {
                guard try self.enterSegment() else { break }
                let batch = try self.readFrame()
                if let done = self.visit?.takeWork() {
                    work += done.bytes
                    if !done.isWhole { self.needsPatience = true }
                }
                if self.visit?.isOver ?? false { self.visit = nil }
                guard let batch else { continue }
                batches.append(batch)
                weight += batch.byteCount
            } catch {
                self.visit = nil
                if !self.isPatient, error.isUnread {
                    self.needsPatience = true
                    break
                }
                // What was read before it is not lost; the next call meets it again.
                guard batches.isEmpty else { break }
                throw error
            }
        }
        // It stands behind what is to be told of.
        if self.needsPatience, !self.isPatient { self.visit = nil }
        return batches
    }

    /// Makes sure that ``visit`` is of the segment that holds ``next``, and has something for us.
    ///
    /// - Returns: false when caught up, or when it gets no further without patience.
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
            self.visit = nil
            if self.passHoleAtEnd() { self.attendance = nil }
            return false
        }
        if self.next < segment.base {
            guard self.passHole(before: segment.header) else { return false }
            self.next = segment.base
        }
        return try self.enter(segment)
    }

    private func enter(_ segment: SegmentInfo) throws(ForebayError) -> Bool {
        var position = segment.position(of: self.next)
        if self.visit?.goesOn(in: segment) ?? false {
            if self.visit?.isPatient == self.isPatient { return true }
            // All before it was looked at.
            position = self.visit?.scanner.position ?? position
        }
        do throws(ForebayError) {
            self.visit = try SegmentVisit(
                segment, from: position, self.disk, self.cache, isPatient: self.isPatient, counter: self.metrics.read)
        } catch {
            guard self.isPatient || !error.isUnread else { throw error }
            self.visit = nil
            // A segment may be deleted between the look and the opening, when its cursor was moved by others.
            guard self.view.segment(holding: self.next)?.number == segment.number else { return true }
            guard error.isLoss else { throw error }
            guard self.miss(self.next..<segment.end, segment, position: 0, "the segment's file can't be opened: \(error)") else {
                return false
            }
            self.next = segment.end
            if error.isUnread { self.needsPatience = true }
        }
        return true
    }

    // MARK: What is lost

    /// Whether what is lost may be told of: that counts whose it was, in whole segments, and writes. Nothing of it is passed before.
    private func mayTell() -> Bool {
        if !self.isPatient { self.needsPatience = true }
        return self.isPatient
    }

    /// Sequences before a segment: those of one that is gone, and those that none before it had, as far as it knows.
    private func passHole(before segment: SegmentHeader) -> Bool {
        guard self.mayTell() else { return false }
        if segment.knownEnd > self.next {
            self.onMissing(
                MissingRange(
                    sequences: self.next..<segment.knownEnd, segment: segment.missingNumber, position: 0,
                    reason: "a segment is gone", isGone: true))
        }
        let reached = max(self.next, segment.knownEnd)
        if reached < segment.base { self.onLeftOut(reached..<segment.base) }
        return true
    }

    /// The newest segments were lost, and nothing was appended since.
    private func passHoleAtEnd() -> Bool {
        let (end, last) = self.view.read { ($0.durableEnd, $0.segments.last?.number ?? 0) }
        guard self.next < end, self.view.segment(holding: self.next) == nil else { return true }
        guard self.mayTell() else { return false }
        self.onMissing(MissingRange(sequences: self.next..<end, segment: last, position: 0, reason: "a segment is gone", isGone: true))
        self.next = end
        return true
    }

    private func miss(
        _ sequences: Range<UInt64>, _ segment: SegmentInfo, position: Int, _ reason: String, isCounted: Bool = false
    ) -> Bool {
        // Let go of while it was read, for a cursor that was given up.
        guard self.view.holds(segment.number) else { return true }
        guard self.mayTell() else { return false }
        let events = isCounted ? sequences.upperBound - sequences.lowerBound : nil
        self.onMissing(
            MissingRange(sequences: sequences, segment: segment.number, position: position, reason: reason, events: events))
        return true
    }

    // MARK: In a segment

    /// One step through the segment; a batch if it was a frame of ours.
    private func readFrame() throws(ForebayError) -> Batch? {
        guard let segment = self.visit?.segment else { return nil }
        switch try self.visit!.scanner.step() {
        case .frame(let header, let position):
            // The end of one that is in use stands behind a whole group; of others, the next one may have what stands further on.
            if header.end > segment.end {
                self.leave(segment, position: position)
                return nil
            }
            guard header.end > self.next else { return nil }
            if header.base > self.next {
                guard self.miss(self.next..<header.base, segment, position: position, "frames are missing") else { return nil }
                self.next = header.base
            }
            guard self.routes.takes(header.route) else {
                self.next = header.end
                return nil
            }
            // The frame's header is sound: it is of a route of ours, all of it.
            switch try self.visit!.scanner.events(of: header, at: position, in: segment.header) {
            case .broken(let reason):
                guard self.miss(self.next..<header.end, segment, position: position, reason, isCounted: true) else { return nil }
                self.next = header.end
                return nil
            // A cursor may stand inside a frame: what is settled is not sent again.
            case .events(let batch):
                let start = self.next
                self.next = header.end
                // What follows in it is others'.
                if self.routes.isLast(header, in: segment) { self.pass(segment) }
                return batch.dropping(below: start)
            }
        case .gap:
            return nil  // The next frame's base tells what is missing.
        case .footer, .end:
            self.leave(segment, position: self.visit!.scanner.position)
            return nil
        }
    }

    private func leave(_ segment: SegmentInfo, position: Int) {
        if self.next < segment.end, !self.miss(self.next..<segment.end, segment, position: position, "frames are missing") { return }
        // The active one grows: its scanner has passed the place where the next frame will stand only if something is wrong there.
        self.pass(segment)
    }

    private func pass(_ segment: SegmentInfo) {
        self.next = max(self.next, segment.end)
        self.visit?.isOver = true
    }
}
