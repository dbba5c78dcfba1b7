import ForebayCore
import ForebayTelemetry

/// What decides when a segment of a log may go.
enum SpoolRetention: Sendable {
    /// When every cursor is durably past it: the spool.
    case cursors
    /// Never: dead letters.
    case everything
    /// When every unit with frames in it is durably past those, in any order of segments: what is set aside.
    case units(UnitTable)
}

/// Lets go of the segments of a set-aside log that no unit needs. The keeper calls it, and the writer when it finds no room.
///
/// The oldest are removed. One behind a segment that is still needed is cut to its header, which takes its place until it is the oldest:
/// so a number that is missing is always a loss.
struct SegmentSweeper: Sendable {
    private let disk: any Disk
    private let directory: String
    private let view: SpoolView
    private let budget: SpoolBudget
    private let mark: SpoolMark
    private let onDiskFailure: @Sendable (ForebayError) -> Never
    private let logger = Logger(label: "spool")

    init(_ configuration: SpoolConfiguration, view: SpoolView, budget: SpoolBudget, mark: SpoolMark) {
        self.disk = configuration.disk
        self.directory = configuration.directory
        self.onDiskFailure = configuration.onDiskFailure
        self.view = view
        self.budget = budget
        self.mark = mark
    }

    /// Blocks on the disk.
    func sweep(_ units: UnitTable) {
        do throws(ForebayError) {
            try self.removeOldest(units)
            try self.hollowOthers(units)
        } catch {
            if error.code == .syncFailed { self.onDiskFailure(error) }
            self.logger.error("a segment that is not needed any more can't be removed", ["error": error.description])
        }
        let forgotten = units.forget(present: self.view.read { $0.segments })
        guard !forgotten.isEmpty else { return }
        self.view.change { state in
            for unit in forgotten { state.ordinals[RouteID(rawValue: unit)] = nil }
        }
    }

    private func removeOldest(_ units: UnitTable) throws(ForebayError) {
        var removed = false
        // The newest stays: it has the log's place.
        while let oldest = self.view.read({ $0.segments.dropLast().first }), !oldest.isActive, !units.needs(oldest), self.claim(oldest) {
            do throws(ForebayError) {
                // First it is known that it goes: without that, it would be missed.
                try self.mark.set { $0.released = max($0.released, oldest.end) }
                if oldest.isDamaged, !oldest.isHusk {
                    try Folder(self.disk).quarantine(oldest.path, of: self.directory)
                } else {
                    try Folder(self.disk).remove(oldest.path)
                }
            } catch {
                self.unclaim(oldest)
                throw error
            }
            self.budget.add(-oldest.size)
            self.view.change { state in state.segments.removeAll { $0.number == oldest.number } }
            removed = true
        }
        if removed { self.budget.refresh() }
    }

    private func hollowOthers(_ units: UnitTable) throws(ForebayError) {
        for segment in self.view.read({ $0.segments }).dropFirst().dropLast() {
            // A damaged one is kept whole for the operator, until it can go.
            if segment.isActive || segment.isHusk || segment.isDamaged || units.needs(segment) { continue }
            guard self.claim(segment) else { continue }
            do throws(ForebayError) {
                try self.hollow(segment)
            } catch {
                self.unclaim(segment)
                throw error
            }
        }
    }

    /// A footer over its first group, and only then cut behind it: one that is shorter without a footer was cut by somebody else.
    private func hollow(_ segment: SegmentInfo) throws(ForebayError) {
        let start = segment.header.dataStart
        let footer = SegmentFooter(end: segment.end, dataEnd: start, checksum: 0, index: [], ordinals: [:]).encode(salt: segment.salt)
        let file = try self.disk.open(segment.path, .write)
        try file.write(footer, at: start)
        try file.sync()
        try file.truncate(to: start + footer.count)
        try file.sync()
        self.budget.add(start + footer.count - segment.size)
        self.view.change { state in
            state.with(segment.number) { found in
                found.size = start + footer.count
                found.dataEnd = start
                found.index = []
                found.routes = RouteTable()
                found.hasFooter = true
                found.isLeaving = false
            }
        }
    }

    /// Two threads may sweep; one removes. The segment stays in the list until it is gone from the disk: only then the slots of
    /// the units in it may be used for others.
    private func claim(_ segment: SegmentInfo) -> Bool {
        var isOurs = false
        self.view.change { state in
            state.with(segment.number) { found in
                isOurs = !found.isLeaving
                found.isLeaving = true
            }
        }
        return isOurs
    }

    private func unclaim(_ segment: SegmentInfo) {
        self.view.change { $0.with(segment.number) { $0.isLeaving = false } }
    }
}

extension SpoolView.State {
    mutating func with(_ segment: UInt64, _ change: (inout SegmentInfo) -> Void) {
        if let place = self.segments.firstIndex(where: { $0.number == segment }) { change(&self.segments[place]) }
    }
}
