package import ForebayCore
package import ForebaySpool
import ForebayTelemetry
import Synchronization

/// One route's events out of the spool, for one stage: reads ahead over a bounded link, and keeps the cursor.
package final class SpoolSource: EventSource {
    let spool: Spool
    package let spoolCursor: SpoolCursor
    private let readAheadBytes: Int
    private let reader: ReaderActor
    private let surroundings: Surroundings
    private let state: Mutex<State>
    private let current = Mutex<Task<Void, Never>?>(nil)
    private let settledAhead = Atomic<UInt64>(0)
    private let droppedCount = Atomic<UInt64>(0)
    private let logger = Logger(label: "reader")

    private struct State {
        var source: SourceState
        /// Whose reading it is of; an earlier one may still be ending.
        var reading: Link<Batch>?
        /// Why it ended.
        var failure: ForebayError?
        /// Since when the first event that is not settled is that.
        var oldest: (sequence: UInt64, seenAt: UInt64)?
        /// While nothing is handed out: since when something waits. Where the disk can't be read it is never handed out.
        var unread: WaitingSince?

        /// What is handed out and not settled.
        var handed: WaitingSince? {
            self.source.oldestAcceptedAt.map { WaitingSince(acceptedAt: $0, seenAt: self.oldest?.seenAt ?? .max) }
        }
        var ahead: SettledAhead
        /// Events below it may have been sent before; as long as so many bytes were not handed out.
        var resentBelow: UInt64
        var resentBytes: Int
        var isClosed = false
    }

    /// - Parameters:
    ///   - executor: of the stage's loop: what is still in memory is handed over there; this source's alone.
    ///   - threads: of the spool: what is not in memory any more is read there.
    ///   - ahead: what the process before wrote down; none: nobody knows what it sent.
    package init(
        spool: Spool, cursor: SpoolCursor, executor: any SerialExecutor, threads: SpoolThreads, configuration: BufferConfiguration,
        surroundings: Surroundings, ahead: SpoolCursor.Ahead = SpoolCursor.Ahead()
    ) {
        self.spool = spool
        self.spoolCursor = cursor
        self.readAheadBytes = configuration.readAheadBytes
        self.reader = ReaderActor(
            executor: executor, disk: BacklogReader(executor: threads.read.executor()),
            patient: BacklogReader(executor: threads.patient.executor()))
        self.surroundings = surroundings
        self.state = Mutex(
            State(
                source: SourceState(cursor: cursor.sequence), ahead: ahead.settled,
                resentBelow: ahead.isFinal ? ahead.settled.sentBelow : spool.durableEnd,
                resentBytes: ahead.isFinal ? .max : configuration.windowBytes))
    }

    package var cursor: Offset { Offset(lane: .spool(self.spool.id), number: self.spoolCursor.sequence) }

    package var lag: UInt64 { self.spool.lag(of: self.spoolCursor) }

    /// Those that wait: with what is given up and still in memory, without what is settled beyond the first that is not.
    package var waiting: UInt64 {
        let (ahead, givenUp) = self.state.withLock { ($0.source.settledAhead, $0.source.givenUp) }
        let waiting = self.lag + givenUp
        return waiting - min(waiting, ahead + self.settledAhead.load(ordering: .relaxed))
    }

    package func settled(ahead count: UInt64) {
        self.settledAhead.store(count, ordering: .relaxed)
    }

    /// When the oldest event that waits was accepted, in ms since 1970; none if nothing waits.
    package var oldestAcceptedAt: Int64? { self.state.withLock { $0.source.oldestAcceptedAt } }

    /// How long the oldest event that waits has waited, in seconds; none if nothing waits.
    package var oldestAge: Double? {
        let waits = self.waiting > 0
        return self.state.withLock { state -> WaitingSince? in
            if let handed = state.handed { return handed }
            state.unread = waits ? state.unread ?? self.fromNow : nil
            return state.unread
        }?.seconds(at: self.surroundings.time)
    }

    private var fromNow: WaitingSince {
        WaitingSince(acceptedAt: self.surroundings.time.wallMilliseconds, seenAt: self.surroundings.time.monotonicNanoseconds)
    }

    /// Begins anew at the cursor; what an earlier call handed out and nobody settled comes again.
    package func batches() -> AsyncStream<Batch> {
        let link = Link<Batch>(name: self.spoolCursor.name, bound: self.readAheadBytes)
        let waits = self.lag > 0
        self.state.withLock { state in
            self.drop(settled: state.ahead, &state)
            state.unread = waits ? state.handed ?? state.unread ?? self.fromNow : nil
            (state.source, state.reading, state.failure) = (SourceState(cursor: self.spoolCursor.sequence), link, nil)
            state.resentBelow = max(state.resentBelow, state.ahead.sentBelow)
        }
        self.settled(ahead: 0)
        self.spoolCursor.begin()
        let task = Task(preferring: self.surroundings.tasks) { await self.reader.read(into: link, for: self) }
        let old = self.current.withLock { current in
            defer { current = task }
            return current
        }
        old?.cancel()
        return link.stream()
    }

    package func commit(through end: Offset) throws(ForebayError) {
        // A number of another lane would pass events that nobody has settled.
        precondition(end.lane == .spool(self.spool.id), "a cursor is moved to a place in another lane")
        self.move { $0.source.settle(through: end.number) }
    }

    /// What is given up: where it lies, how many events are never delivered, and how many were handed out before, which still are unless
    /// the run ends.
    package struct GivenUp: Sendable, Equatable {
        package let range: Range<UInt64>
        package let events: UInt64
        package let onTheirWay: UInt64
    }

    /// Gives up all below a place: the cursor stands there, or further, on return.
    ///
    /// - Parameters:
    ///   - ordinal: how many events of the routes ever were below it.
    ///   - settledUnread: how many lie in the ranges of ``settledUnread(below:)``. Those that were read since are counted as given up.
    /// - Returns: none: all of it was settled.
    package func giveUp(below sequence: UInt64, ordinal: UInt64, settledUnread: (position: UInt64, events: UInt64)) -> GivenUp? {
        self.state.withLock { state in
            let (start, settled) = (self.spoolCursor.sequence, self.spoolCursor.ordinal)
            guard sequence > start else { return nil }
            let unread = state.source.position == settledUnread.position ? settledUnread.events : 0
            let handed = state.source.giveUp(from: start, below: sequence)
            self.spoolCursor.rest(at: sequence, ordinal: ordinal)
            self.seeOldest(&state)
            if state.isClosed { self.drop(settled: state.ahead, &state) }
            let left = ordinal - min(ordinal, settled + unread)
            return GivenUp(range: start..<sequence, events: left - min(left, handed), onTheirWay: min(left, handed))
        }
    }

    /// What is settled ahead below a place, and not read yet: beyond a position of the reader.
    package func settledUnread(below sequence: UInt64) -> (position: UInt64, ranges: [Range<UInt64>]) {
        self.state.withLock { state in
            let position = state.source.position
            guard position < sequence else { return (position, []) }
            return (position, state.ahead.ranges.map { $0.clamped(to: position..<sequence) }.filter { !$0.isEmpty })
        }
    }

    /// Events that were given up on their way, and that a run ended before they were delivered.
    package var dropped: UInt64 { self.droppedCount.load(ordering: .relaxed) }

    private func drop(settled ahead: SettledAhead, _ state: inout State) {
        let dropped = state.source.dropGivenUp(settled: ahead)
        guard dropped > 0 else { return }
        self.droppedCount.wrappingAdd(dropped, ordering: .relaxed)
        self.logger.error(
            "events that were given up were on their way when the stage ended, and are never delivered",
            ["cursor": self.spoolCursor.name, "events": "\(dropped)"], folds: false)
    }

    package func load(_ lane: Lane) -> UInt64? { lane == self.cursor.lane ? self.spoolCursor.sequence : nil }

    package func flush() async { await self.spool.syncCursors() }

    package var keepsAhead: Bool { true }

    package func keep(_ ahead: SettledAhead, isFinal: Bool) {
        let whole = self.spool.wholeRanges(from: self.spoolCursor.sequence)
        let ahead = self.state.withLock { state in
            if isFinal { self.drop(settled: ahead, &state) }
            var kept = ahead
            kept.add(state.ahead.ranges)
            // A stage sees what was delivered on both sides of a hole, and not the hole. What it held is had back perhaps.
            kept.clamp(to: whole, limit: SpoolCursor.aheadLimit)
            state.ahead = kept
            return kept
        }
        // Where nothing waits, there is nothing that could have been sent.
        self.spoolCursor.keep(ahead, isFinal: isFinal && self.spoolCursor.sequence < self.spool.durableEnd)
    }

    package var failure: ForebayError? { self.state.withLock { $0.failure } }

    func failed(_ error: any Error, _ reading: Link<Batch>) {
        self.state.withLock { if $0.reading === reading { $0.failure = error as? ForebayError } }
    }

    package var resentBelow: UInt64 { self.state.withLock { $0.resentBelow } }

    /// Ends the reading; the stage that read has ended, and what was given up on its way since is delivered by nobody.
    package func close() {
        self.state.withLock { state in
            state.isClosed = true
            self.drop(settled: state.ahead, &state)
        }
        self.current.withLock { $0 }?.cancel()
    }

    /// A batch is on its way to whoever reads.
    ///
    /// - Returns: what of it is not settled ahead.
    /// - Throws: `CancellationError` if another has begun since: what this one read is nobody's any more, and must not move the cursor.
    func hand(_ batch: Batch, of reading: Link<Batch>) throws -> [Batch] {
        let handed = self.state.withLock { state -> [Batch]? in
            guard state.reading === reading else { return nil }
            defer { self.seeOldest(&state) }
            // It was read before, and is counted as given up.
            let batch = batch.dropping(below: state.source.givenUpEnd)
            guard batch.count > 0 else { return [] }
            if batch.first < state.resentBelow {
                state.resentBytes -= batch.byteCount
                // What is known to have been sent was, also beyond a window.
                if state.resentBytes <= 0 { state.resentBelow = max(state.ahead.sentBelow, min(state.resentBelow, batch.end)) }
            }
            guard batch.first < state.ahead.end else {
                state.source.hand(batch)
                return [batch]
            }
            return self.handUnsettled(batch, &state)
        }
        guard let handed else { throw CancellationError() }
        return handed
    }

    private func handUnsettled(_ batch: Batch, _ state: inout State) -> [Batch] {
        var pieces: [Batch] = []
        var rest = batch
        var index = state.ahead.firstIndex(above: batch.first)
        while rest.count > 0 {
            let settled = index < state.ahead.ranges.count ? state.ahead.ranges[index] : rest.end..<rest.end
            let (piece, behind) = rest.split(at: settled.lowerBound)
            if piece.count > 0 {
                state.source.hand(piece)
                pieces.append(piece)
            }
            rest = behind.dropping(below: settled.upperBound)
            if behind.first < rest.first, let move = state.source.pass(behind.first..<rest.first) { self.move(to: move, state) }
            index += 1
        }
        return pieces
    }

    /// The reader has looked at everything below `position`.
    func reached(_ position: UInt64, _ reading: Link<Batch>) {
        self.move { $0.reading === reading ? $0.source.reached(position) : nil }
    }

    /// Moves the cursor as the state decides. One step for all others: what was counted as settled must not be passed by what comes next.
    private func move(_ decide: (inout State) -> SourceState.Move?) {
        self.state.withLock { state in
            guard let move = decide(&state) else { return }
            self.move(to: move, state)
            self.seeOldest(&state)
        }
    }

    private func seeOldest(_ state: inout State) {
        let oldest = state.source.oldestSequence
        if oldest != nil { state.unread = nil }
        guard oldest != state.oldest?.sequence else { return }
        state.oldest = oldest.map { ($0, self.surroundings.time.monotonicNanoseconds) }
    }

    private func move(to move: SourceState.Move, _ state: State) {
        self.spoolCursor.move(to: move.sequence, settled: move.settled)
        self.rest(state.source)
    }

    /// Nothing is left to settle: whatever the cursor did not count stood in holes.
    private func rest(_ state: SourceState) {
        guard let position = state.idlePosition, let count = self.spool.count(of: self.spoolCursor, ifEndIs: position) else { return }
        self.spoolCursor.rest(at: position, ordinal: count)
    }
}
