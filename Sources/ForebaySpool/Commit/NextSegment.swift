import ForebayCore

/// The file that is ready for a log's next segment, if one is. It is asked for once a segment; its room is charged, and the claim on it
/// held (``SpoolView/claimPrepared()``), until it is a segment or dropped.
struct NextSegment {
    private let disk: any Disk
    private let view: SpoolView
    private let budget: SpoolBudget
    private var isAskedFor = false
    private(set) var file: PreparedSegment?
    /// Called when one should be made ready.
    var ask: @Sendable () -> Void = {}

    init(_ disk: any Disk, _ view: SpoolView, _ budget: SpoolBudget) {
        self.disk = disk
        self.view = view
        self.budget = budget
    }

    /// Bytes of it.
    var size: Int { self.file?.size ?? 0 }

    /// - Returns: false: there is one.
    mutating func take(_ file: PreparedSegment) -> Bool {
        guard self.file == nil else { return false }
        self.file = file
        return true
    }

    /// The next segment is begun.
    ///
    /// - Parameter file: what it was made of.
    mutating func begun(from file: PreparedSegment?) {
        self.isAskedFor = false
        guard file != nil else { return }
        self.file = nil
        self.view.releasePrepared()
    }

    /// It can't be used, or is not needed any more.
    mutating func drop() {
        guard let file = self.file else { return }
        self.file = nil
        try? self.disk.remove(file.path)  // Taken away at the next start, too.
        self.budget.add(-file.size)
        self.view.releasePrepared()
        self.isAskedFor = false
    }

    /// Late enough that a segment that was passed meanwhile can be used again instead of filling a new one.
    ///
    /// - Parameters:
    ///   - active: the segment that is written.
    ///   - segmentSize: to which it may grow.
    mutating func askIfDue(_ active: SegmentWriter, segmentSize: Int) {
        guard self.file == nil, !self.isAskedFor else { return }
        let growth = active.isPrepared ? 0 : max(0, min(segmentSize - active.capacity, self.budget.room(for: .spool)))
        guard active.room + growth < (active.capacity + growth) / 2 else { return }
        self.isAskedFor = true
        self.ask()
    }
}
