package import ForebayCore

/// Reads some units of a set-aside log in one pass over it, and goes on with what comes. Not shared; never writes.
///
/// It stands in a segment and skips those in which no unit of its has anything left. What was ended or settled meanwhile may be gone
/// from the disk under it: that is passed silently. What is lost is reported, with the exact positions.
package final class SetAsideScan {
    /// Where it stands.
    private struct Place {
        let segment: UInt64
        let position: Int
    }

    /// Where much that belongs to others lies between, one call ends after so much: whoever shares the thread gets its turn. So it does
    /// where the device has not given all.
    private static let workBytes = 8 << 20, workSteps = 4096
    /// So near behind another, one can as well read for both.
    private static let near = 1 << 20

    private let view: SpoolView?
    private let units: UnitTable?
    private let disk: any Disk
    private let metrics: SpoolMetrics?
    private let onMissing: (MissingRange) -> Void
    /// Everything of a unit below it was returned, settled by others, or is missing.
    private var positions: [UInt64: UInt64]
    private var segment: SegmentInfo?
    private var scanner: SegmentScanner?
    /// Segments below it have been passed.
    private var next: UInt64 = 0
    /// Units with something left in the segment.
    private var waiting = 0
    /// Whether something of the segment could not be read.
    private var hasGap = false
    /// Whether the last ``read(upTo:)`` came to the end of what was durable.
    package private(set) var isCaughtUp = false

    init(
        view: SpoolView, disk: any Disk, metrics: SpoolMetrics, units: UnitTable, positions: [UInt64: UInt64],
        onMissing: @escaping (MissingRange) -> Void
    ) {
        self.view = view
        self.disk = disk
        self.metrics = metrics
        self.units = units
        self.onMissing = onMissing
        self.positions = positions.filter { units.settled($0.key) != nil }
        // From where it has something to read: one that begins far behind it would else be joined, and hold it up.
        self.next = self.candidates.first { self.count(in: $0.routes) > 0 }?.number ?? 0
    }

    /// Of a log that has nothing.
    init() {
        self.view = nil
        self.disk = SystemDisk()
        self.metrics = nil
        self.units = nil
        self.onMissing = { _ in }
        self.positions = [:]
    }

    /// Batches of about `bytes` in all, lane and route the unit's, numbered by its positions. A later call goes on from there.
    ///
    /// - Returns: nothing when it has reached what is durable now, and when there was much to pass over: see ``isCaughtUp``.
    package func read(upTo bytes: Int) throws(ForebayError) -> [Batch] {
        var batches: [Batch] = []
        var weight = 0
        var read = 0, steps = 0
        self.isCaughtUp = self.positions.isEmpty
        while weight < bytes, read < Self.workBytes, steps < Self.workSteps, !self.positions.isEmpty {
            steps += 1
            if self.waiting == 0 {
                self.isCaughtUp = try !self.enterNext()
                if self.isCaughtUp { break }
                continue
            }
            let (before, failures) = (self.scanner?.bytesRead ?? 0, self.scanner?.failures ?? 0)
            let batch = try self.step()
            read += (self.scanner?.bytesRead ?? before) - before
            if (self.scanner?.failures ?? failures) > failures { read = Self.workBytes }
            guard let batch else { continue }
            batches.append(batch)
            weight += batch.byteCount
        }
        return batches
    }

    /// Takes the units of another scan over, if the two stand so near to each other that one can as well read for both.
    ///
    /// - Returns: whether it did; the other one is to read nothing more then.
    package func join(_ other: SetAsideScan) -> Bool {
        let (place, further) = (self.place, other.place)
        // From the place that is not so far everything that either waits for lies ahead; what a unit has had is passed over.
        guard place.segment == further.segment, (0...Self.near).contains(further.position - place.position) else {
            return false
        }
        self.positions.merge(other.positions) { mine, _ in mine }
        if let segment { self.waiting = self.count(in: segment.routes) }
        return true
    }

    private var place: Place { Place(segment: self.segment?.number ?? self.next, position: self.scanner?.position ?? 0) }

    /// It will not be asked for a while: what it read ahead is not kept in memory.
    package func rest() {
        self.scanner?.release()
    }

    /// Where it stands in a unit: higher than the end of the last batch if what came behind that is missing. None: not in this scan.
    package func position(of unit: UInt64) -> UInt64? { self.positions[unit] }

    /// The unit is not wanted any more by this scan.
    package func drop(_ unit: UInt64) {
        self.positions[unit] = nil
        if let segment { self.waiting = self.count(in: segment.routes) }
    }

    /// The segment may have grown, or be gone: then the open file still has what was in it, and nothing more comes.
    private func refresh() {
        guard let number = self.segment?.number else { return }
        guard let found = self.view?.read({ state in state.segments.first { $0.number == number } }), !found.isHusk else {
            self.segment?.isActive = false
            return
        }
        self.segment = found
        self.scanner?.limit = found.dataEnd
        self.waiting = self.count(in: found.routes)
    }

    /// Opens the next segment in which a unit has something left.
    ///
    /// - Returns: false when there is none now.
    private func enterNext() throws(ForebayError) -> Bool {
        if self.segment != nil {
            // It may have grown and been sealed since the last look.
            self.refresh()
            if self.waiting > 0 { return true }
            guard self.segment?.isActive == false else { return false }
            (self.segment, self.scanner) = (nil, nil)
        }
        for segment in self.candidates {
            let waiting = self.count(in: segment.routes)
            if waiting == 0 {
                if !segment.isActive { self.next = segment.number + 1 }
                continue
            }
            let file: any DiskFile
            do throws(ForebayError) {
                file = try self.disk.open(segment.path, [])
            } catch {
                // Of one that was deleted between the look and the opening all is settled: nothing of it is missed.
                guard error.isLoss else { throw error }
                self.leave(segment, position: 0)
                continue
            }
            self.segment = segment
            self.scanner = SegmentScanner(
                file: file, salt: segment.salt, position: segment.header.dataStart, limit: segment.dataEnd, counter: self.metrics?.read)
            self.scanner?.givesTurns = true
            self.waiting = waiting
            self.hasGap = false
            return true
        }
        return false
    }

    private var candidates: [SegmentInfo] {
        self.view?.read { state in state.segments.filter { $0.number >= self.next && !$0.isLeaving && !$0.isHusk } } ?? []
    }

    /// Units with something left in a segment.
    private func count(in routes: RouteTable) -> Int {
        if self.positions.count < routes.entries.count {
            return self.positions.count { unit, position in routes[RouteID(rawValue: unit)].map { $0 > position } ?? false }
        }
        return routes.entries.count { entry in self.positions[entry.route.rawValue].map { $0 < entry.ordinal } ?? false }
    }

    /// One step through the segment; a batch if it was a frame that is wanted.
    private func step() throws(ForebayError) -> Batch? {
        guard let segment = self.segment else { return nil }
        switch try self.scanner!.step() {
        case .gap: self.hasGap = true  // The next frame's ordinal tells what is missing.
        case .footer, .end: self.leave(segment, position: self.scanner!.position)
        case .frame(let frame, let position):
            guard frame.base < segment.end else {
                self.leave(segment, position: position)
                return nil
            }
            let unit = frame.route.rawValue
            let end = frame.ordinal + UInt64(frame.count)
            // Beyond what a start found of the unit here: it could not be read then, and newer events have its positions.
            guard segment.routes[frame.route].map({ end <= $0 }) ?? false else { return nil }
            guard let expected = self.positions[unit], end > expected else { return nil }
            // Where all of this segment could be read, one before it is gone.
            self.miss(
                unit, expected..<max(expected, frame.ordinal), segment, position, "frames are missing", isGone: !self.hasGap)
            defer { self.pass(unit, to: end, in: segment) }
            let wanted = max(expected, frame.ordinal)..<end
            switch try self.scanner!.events(of: frame, at: position, lane: .unit(unit), origin: nil, first: frame.ordinal) {
            case .broken(let reason): self.miss(unit, wanted, segment, position, reason)
            // A cursor may stand inside a frame: what is settled is not sent again.
            case .events(let batch): return batch.dropping(below: expected)
            }
        }
        return nil
    }

    private func pass(_ unit: UInt64, to position: UInt64, in segment: SegmentInfo) {
        self.positions[unit] = position
        if let last = segment.routes[RouteID(rawValue: unit)], position >= last { self.waiting -= 1 }
    }

    /// At the end of what can be read in a segment: what its routes promise beyond that is lost.
    private func leave(_ segment: SegmentInfo, position: Int) {
        for entry in segment.routes.entries {
            guard let expected = self.positions[entry.route.rawValue], expected < entry.ordinal else { continue }
            self.miss(entry.route.rawValue, expected..<entry.ordinal, segment, position, "frames are missing")
            self.positions[entry.route.rawValue] = entry.ordinal
        }
        self.waiting = 0
    }

    private func miss(
        _ unit: UInt64, _ positions: Range<UInt64>, _ segment: SegmentInfo, _ position: Int, _ reason: String, isGone: Bool = false
    ) {
        // What others settled meanwhile may be gone rightly.
        guard let settled = self.units?.settled(unit) else { return }
        let first = max(settled, positions.lowerBound)
        guard first < positions.upperBound else { return }
        self.onMissing(
            MissingRange(
                sequences: first..<positions.upperBound, segment: segment.number, position: position, reason: reason, unit: unit,
                topic: self.units?.topic(of: unit), events: positions.upperBound - first, isGone: isGone))
    }
}
