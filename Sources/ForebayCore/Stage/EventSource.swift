/// Where a delivering stage gets its batches from: a spool, later a consumer group.
package protocol EventSource: Sendable {
    /// Batches from the cursor on, in order, over a bounded link. One consumer.
    func batches() -> AsyncStream<Batch>

    /// Moves the cursor: everything below `end` is settled (delivered, set aside, or dead). Never moves back.
    ///
    /// Cheap: durable within the cursor's sync interval, not on return.
    func commit(through end: Offset) throws(ForebayError)

    /// Where the cursor stands: the first event that is not settled.
    var cursor: Offset { get }

    /// Events of this source not settled yet.
    var lag: UInt64 { get }

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

extension EventSource {
    package func keep(_ ahead: SettledAhead, isFinal: Bool) {}

    package func settled(ahead count: UInt64) {}

    package var resentBelow: UInt64 { 0 }

    package var failure: ForebayError? { nil }
}
