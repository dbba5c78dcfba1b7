import ForebayCore

/// What decides when a segment of a log may go.
enum SpoolRetention: Sendable {
    /// When every cursor is durably past it: the spool.
    case cursors
    /// Never: nobody has said yet who needs what.
    case everything
    /// When every unit with frames in it is durably past those, in any order of segments: what is set aside.
    case units(UnitTable)
    /// When every letter in it was removed, in any order of segments: dead letters.
    case letters(RemovedLetters)

    /// What is known of who needs what is durable on return.
    ///
    /// - Returns: false: some of it can't be written now.
    func sync(_ budget: SpoolBudget) throws(ForebayError) -> Bool {
        switch self {
        case .cursors, .everything: return true
        case .units(let units):
            try units.sync()
            return true
        case .letters(let removed): return try removed.save(budget)
        }
    }

    /// Who needs segments in any order.
    var holder: (any SegmentHolder)? {
        switch self {
        case .cursors, .everything: nil
        case .units(let units): units
        case .letters(let removed): removed
        }
    }
}

/// Says which segments of a log are still needed, whatever stands before them.
protocol SegmentHolder: Sendable {
    func needs(_ segment: SegmentInfo) -> Bool

    /// Lets go of what no segment has anything of any more.
    ///
    /// - Parameter segments: all that are on disk.
    /// - Returns: the units that are over.
    func forget(present segments: [SegmentInfo]) -> [UInt64]

    /// Gives back what its files take for what it let go of. Waits for the disk.
    func shrink() throws(ForebayError)

    /// Bytes by which its files have grown since this was asked last; all of them the first time. Below 0: they have shrunk.
    func takeGrowth() -> Int
}
