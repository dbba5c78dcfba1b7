/// Where a delivering stage gets its batches from: a spool, a log of what was set aside, a consumer group.
package protocol EventSource: CursorStore {
    /// Batches from the cursors on, each lane's in order, over a bounded link. One consumer.
    func batches() -> AsyncStream<Batch>

    /// What happens to lanes of the last ``batches()``, from its call on. Apart from them, for it counts also while nothing is taken in.
    func laneChanges() -> AsyncStream<LaneChange>

    /// Whether a batch still counts: its lane was neither revoked nor lost since it was handed out. Cheap.
    func counts(_ lane: Lane) -> Bool

    /// Nothing of a lane that was revoked is in flight any more, and its cursor was moved as far as it goes.
    func released(_ lane: Lane)

    /// Where the cursor stands: the first event that is not settled. Of a source with one lane.
    var cursor: Offset { get }

    /// Events of this source not settled yet.
    var lag: UInt64 { get }

    /// Whether it remembers what is settled beyond its cursor. A source with one lane may.
    var keepsAhead: Bool { get }

    /// Events beyond the cursor that are settled: not handed out again, and not by the next process if it can be written in time. Cheap.
    ///
    /// - Parameter isFinal: the run has ended, and nothing is sent until ``batches()`` is called again.
    func keep(_ ahead: SettledAhead, isFinal: Bool)

    /// How many events of the last ``batches()`` are settled beyond the cursor. Told each turn, before the cursor moves.
    func settled(ahead count: UInt64)

    /// Events below it may have been sent by an earlier run, or process.
    var resentBelow: UInt64 { get }

    /// Why the last ``batches()`` ended; none: nothing failed.
    var failure: ForebayError? { get }
}

/// A source whose lanes nobody takes away.
extension EventSource {
    package func laneChanges() -> AsyncStream<LaneChange> { AsyncStream(unfolding: { nil }) }

    package func counts(_ lane: Lane) -> Bool { true }

    package func released(_ lane: Lane) {}

    package var keepsAhead: Bool { false }

    package func keep(_ ahead: SettledAhead, isFinal: Bool) {}

    package func settled(ahead count: UInt64) {}

    package var resentBelow: UInt64 { 0 }

    package var failure: ForebayError? { nil }
}
