import ForebayCore

/// A run's source, and what it was told of what is settled.
struct SourceCursor {
    let source: any EventSource
    /// The oldest flight when that was last looked at, and how many were settled when what is ahead was last kept.
    private var seen: UInt64 = 0, kept: UInt64 = 0

    init(_ source: any EventSource) {
        self.source = source
    }

    /// A run begins at the source's cursor.
    mutating func begin() {
        (self.seen, self.kept) = (0, 0)
    }

    /// Moves it behind what is settled without a gap.
    func commit(_ window: inout InFlightWindow) throws(ForebayError) {
        if self.source.keepsAhead { self.source.settled(ahead: window.settledAheadCount) }
        try window.commit { end throws(ForebayError) in try self.source.commit(through: end) }
        for lane in window.takeGivenBack() { self.source.released(lane) }
    }

    /// Has the source remember what is settled beyond its cursor: where that stands still, and when the run is over. Else each restart
    /// would deliver and set aside the same events once more, for as long as an older one waits.
    ///
    /// - Parameters:
    ///   - settled: how many this run has.
    ///   - witnesses: how far the side logs are.
    mutating func keepAhead(
        _ window: borrowing InFlightWindow, settled: UInt64, isFinal: Bool, witnesses: () -> [LogWitness]
    ) {
        guard self.source.keepsAhead else { return }
        let head = window.head
        defer { self.seen = head }
        guard isFinal || head == self.seen && settled != self.kept else { return }
        self.kept = settled
        var ahead = window.settledAhead
        ahead.witnesses = witnesses()
        self.source.keep(ahead, isFinal: isFinal)
    }
}
