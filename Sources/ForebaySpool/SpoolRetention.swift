import ForebayCore
import ForebayTelemetry
import Glibc

/// What decides when a segment of a log may go.
enum SpoolRetention: Sendable {
    /// When every cursor is durably past it: the spool.
    case cursors
    /// Never: dead letters.
    case everything
    /// When every unit with frames in it is durably past those, in any order of segments: what is set aside.
    case units(UnitTable)
}

/// Removes the segments of a set-aside log that no unit needs. The keeper calls it, and the writer when it finds no room.
struct SegmentSweeper: Sendable {
    private let view: SpoolView
    private let budget: SpoolBudget
    private let directory: String
    private let logger = Logger(label: "spool")

    init(view: SpoolView, budget: SpoolBudget, directory: String) {
        self.view = view
        self.budget = budget
        self.directory = directory
    }

    /// Blocks on the disk.
    func sweep(_ units: UnitTable) {
        let segments = self.view.read { $0.segments }
        var isPrecededByOpenEnd = false
        var removed = false
        // The newest stays: it has the log's id and its next sequence.
        for segment in segments.dropLast() {
            let wasPreceded = isPrecededByOpenEnd
            isPrecededByOpenEnd = !segment.hasFooter && !segment.isHusk
            if segment.isActive || segment.isHusk && wasPreceded || units.needs(segment) { continue }
            if wasPreceded && segment.isDamaged { continue }  // Kept whole for the operator, when it can go.
            guard self.claim(segment) else { continue }
            do throws(ForebayError) {
                if wasPreceded { try self.hollow(segment) } else { try self.remove(segment) }
            } catch {
                self.view.change { $0.with(segment.number) { $0.isLeaving = false } }
                self.logger.error("a segment that is not needed any more can't be removed", ["error": error.description])
                return
            }
            isPrecededByOpenEnd = false
            removed = true
        }
        if removed { self.budget.refresh() }
        let forgotten = units.forget(present: self.view.read { $0.segments })
        if !forgotten.isEmpty {
            self.view.change { state in
                for unit in forgotten { state.ordinals[RouteID(rawValue: unit)] = nil }
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

    private func remove(_ segment: SegmentInfo) throws(ForebayError) {
        if segment.isDamaged {
            try SpoolRecovery.quarantine(segment.path, directory: self.directory)
        } else {
            try Folder.remove(segment.path)
        }
        self.budget.add(-segment.size)
        self.view.change { state in state.segments.removeAll { $0.number == segment.number } }
    }

    /// Leaves the header alone: it says where the segment before it, which a crash left without a footer, ends. Without that, what
    /// stands behind the end there (a torn group, one that was copied) would count.
    private func hollow(_ segment: SegmentInfo) throws(ForebayError) {
        let file = try File(segment.path, flags: O_RDWR)
        try file.truncate(to: SpoolFormat.block)
        try file.sync()
        self.budget.add(SpoolFormat.block - segment.size)
        self.view.change { state in
            state.with(segment.number) { found in
                found.size = SpoolFormat.block
                found.dataEnd = SpoolFormat.block
                found.index = []
                found.routes = RouteTable()
                found.hasFooter = false
                found.isLeaving = false
            }
        }
    }
}

extension SpoolView.State {
    mutating func with(_ segment: UInt64, _ change: (inout SegmentInfo) -> Void) {
        if let place = self.segments.firstIndex(where: { $0.number == segment }) { change(&self.segments[place]) }
    }
}
