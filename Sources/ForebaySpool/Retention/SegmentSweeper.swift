import ForebayCore
import Glibc

/// Lets go of segments that nobody needs: the keeper's hand, and that of the writer of a side log that finds no room.
///
/// The oldest are removed. One behind a segment that stays is cut to its header, which takes its place until it is the oldest: so a number
/// that is missing is always a loss. One stays because somebody still needs it, or because it can't be removed just now: that holds up no
/// other, an alarm tells of it until it is gone, and it is tried again. Each step can be taken twice: an attempt goes on where the one
/// before it failed.
struct SegmentSweeper: Sendable {
    private let disk: any Disk
    private let directory: String
    private let kind: LogKind
    private let view: SpoolView
    private let budget: SpoolBudget
    private let mark: SpoolMark
    private let reporter: SpoolReporter
    private let onDiskFailure: @Sendable (ForebayError) -> Never

    init(_ configuration: SpoolConfiguration, view: SpoolView, budget: SpoolBudget, mark: SpoolMark, reporter: SpoolReporter) {
        self.disk = configuration.disk
        self.directory = configuration.directory
        self.kind = configuration.kind
        self.onDiskFailure = configuration.onDiskFailure
        self.view = view
        self.budget = budget
        self.mark = mark
        self.reporter = reporter
    }

    // MARK: What is set aside, and dead letters

    /// Lets go of all that no unit needs, or of which every letter was removed. Blocks on the disk.
    ///
    /// - Returns: false: something could not go that should. To be tried again.
    @discardableResult func sweep(_ holder: any SegmentHolder) -> Bool {
        var isDone = self.removeOldest(holder)
        for segment in self.view.read({ $0.segments }).dropFirst().dropLast() where !holder.needs(segment) {
            isDone = self.hollow(segment) && isDone
        }
        let forgotten = holder.forget(present: self.view.read { $0.segments })
        self.view.change { state in
            for unit in forgotten { state.ordinals[RouteID(rawValue: unit)] = nil }
        }
        do throws(ForebayError) { try holder.shrink() } catch { self.onDiskFailure(error) }
        self.budget.add(holder.takeGrowth())
        return isDone
    }

    private func removeOldest(_ holder: any SegmentHolder) -> Bool {
        var removed = false
        defer { if removed { self.budget.refresh() } }
        // The newest stays: it has the log's place. So does one behind a hole of which no alarm is written: without it nothing shows that.
        while let oldest = self.view.read({ $0.segments.dropLast().first }), !oldest.isActive, !oldest.isLeaving, !holder.needs(oldest),
            self.reporter.mayPass(oldest.end)
        {
            guard self.remove(oldest) else { return false }
            removed = true
        }
        return true
    }

    // MARK: One segment

    /// Before it goes it is known that it goes: without that, it would be missed.
    func released(through end: UInt64) throws(ForebayError) {
        let newest = self.view.read { $0.segments.last }
        do throws(ForebayError) {
            try self.mark.set { mark in
                mark.released = max(mark.released, end)
                mark.newest = max(mark.newest, newest?.number ?? 0)
            }
        } catch {
            guard error.code == .spoolFull else { self.onDiskFailure(error) }
            // Every cursor of a spool says so, too, and what goes makes the room that is missing here. But of a newest segment without
            // events nothing else tells that it is not the one before it that is missed.
            guard self.kind == .spool, newest.map({ $0.base < $0.end || $0.number <= self.mark.newest }) ?? true else { throw error }
        }
    }

    /// Removes the oldest segment; a damaged one is moved to quarantine, for the operator. In the list it stays until it is gone from the
    /// disk: only then the slots of the units in it may be used for others.
    ///
    /// - Returns: false: it can't go now.
    func remove(_ segment: SegmentInfo) -> Bool {
        guard self.claim(segment) else { return true }
        do throws(ForebayError) {
            try self.released(through: segment.end)
            try self.budget.withReserve { () throws(ForebayError) in
                if segment.isDamaged, !segment.isHusk {
                    try Folder(self.disk).quarantine(segment.path, of: self.directory)
                } else {
                    try Folder(self.disk).remove(segment.path)
                }
            }
        } catch {
            self.stays(segment, error)
            return false
        }
        self.budget.add(-segment.size)
        self.removed(segment)
        return true
    }

    /// It is not on the disk any more, or not as this segment.
    func removed(_ segment: SegmentInfo) {
        self.view.change { state in
            state.segments.removeAll { $0.number == segment.number }
            state.released = max(state.released, segment.end)
        }
        self.reporter.gone(segment.path)
    }

    /// Cuts one that is not the oldest to its header. A damaged one is kept whole for the operator, until it can go.
    ///
    /// - Returns: false: it can't be done now.
    func hollow(_ segment: SegmentInfo) -> Bool {
        guard !segment.isHusk, !segment.isDamaged, self.claim(segment) else { return true }
        do throws(ForebayError) {
            try self.budget.withReserve { () throws(ForebayError) in try self.cut(segment) }
        } catch {
            self.stays(segment, error)
            return false
        }
        self.reporter.gone(segment.path)
        return true
    }

    /// A footer over its first group, and only then cut behind it: one that is shorter without a footer was cut by somebody else. First of
    /// the footer the sector that tells what it is: a power cut may keep any of what is synced together, and without that sector it would
    /// be damage.
    private func cut(_ segment: SegmentInfo) throws(ForebayError) {
        let start = segment.header.dataStart
        let footer = SegmentFooter(end: segment.end, dataEnd: start, checksum: 0, index: [], ordinals: [:]).encode(salt: segment.salt)
        var size = start + footer.count
        do throws(ForebayError) {
            let file = try self.disk.open(segment.path, .write)
            for part in [0..<SpoolFormat.sector, SpoolFormat.sector..<footer.count] {
                try file.write(Array(footer[part]), at: start + part.lowerBound)
                try file.sync()
            }
            try file.truncate(to: size)
            try file.sync()
        } catch {
            guard error.systemCode == ENOENT else { throw error }
            size = 0  // Somebody removed it.
        }
        self.budget.add(size - segment.size)
        self.view.change { state in
            state.with(segment.number) { found in
                found.size = size
                found.dataEnd = start
                found.index = []
                found.routes = RouteTable()
                found.hasFooter = true
                found.isLeaving = false
            }
        }
    }

    private func stays(_ segment: SegmentInfo, _ error: ForebayError) {
        if error.code == .syncFailed { self.onDiskFailure(error) }
        // Told of before another may try: what that removes is not told of afterwards.
        self.reporter.stays(segment.path, error)
        self.view.change { $0.with(segment.number) { $0.isLeaving = false } }
    }

    /// Two threads may sweep; one does it.
    private func claim(_ segment: SegmentInfo) -> Bool {
        var isOurs = false
        self.view.change { state in
            state.with(segment.number) { found in
                isOurs = !found.isLeaving && found.size == segment.size
                if isOurs { found.isLeaving = true }
            }
        }
        return isOurs
    }
}

extension SpoolView.State {
    mutating func with(_ segment: UInt64, _ change: (inout SegmentInfo) -> Void) {
        if let place = self.segments.firstIndex(where: { $0.number == segment }) { change(&self.segments[place]) }
    }
}
