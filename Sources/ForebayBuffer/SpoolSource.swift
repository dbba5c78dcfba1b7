package import ForebayCore
package import ForebaySpool
import ForebayTelemetry
import Synchronization

/// One route's events out of the spool, for one stage: reads ahead over a bounded link, and keeps the cursor.
package final class SpoolSource: EventSource {
    private let spool: Spool
    private let spoolCursor: SpoolCursor
    private let readAheadBytes: Int
    private let reader: ReaderActor
    private let surroundings: Surroundings
    /// The state, and whose reading it is of; an earlier one may still be ending.
    private let state: Mutex<(source: SourceState, reading: Link<Batch>?)>
    private let current = Mutex<Task<Void, Never>?>(nil)

    /// - Parameters:
    ///   - executor: of the stage's loop: what is still in memory is handed over there; this source's alone.
    ///   - disk: of a thread that may wait for the disk; this source's alone.
    package init(
        spool: Spool, cursor: SpoolCursor, executor: any SerialExecutor, disk: any SerialExecutor, configuration: BufferConfiguration,
        surroundings: Surroundings
    ) {
        self.spool = spool
        self.spoolCursor = cursor
        self.readAheadBytes = configuration.readAheadBytes
        self.reader = ReaderActor(executor: executor, disk: BacklogReader(executor: disk))
        self.surroundings = surroundings
        self.state = Mutex((SourceState(cursor: cursor.sequence), nil))
    }

    package var cursor: Offset { Offset(lane: .spool(self.spool.id), number: self.spoolCursor.sequence) }

    package var lag: UInt64 { self.spool.lag(of: self.spoolCursor) }

    /// When the oldest event that waits was accepted, in ms since 1970; none if nothing waits.
    package var oldestAcceptedAt: Int64? { self.state.withLock { $0.source.oldestAcceptedAt } }

    /// Begins anew at the cursor; what an earlier call handed out and nobody settled comes again.
    package func batches() -> AsyncStream<Batch> {
        let link = Link<Batch>(name: self.spoolCursor.name, bound: self.readAheadBytes)
        self.state.withLock { $0 = (SourceState(cursor: self.spoolCursor.sequence), link) }
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

    /// Ends the reading; the stage that read has ended.
    package func close() {
        self.current.withLock { $0 }?.cancel()
    }

    /// A batch is on its way to whoever reads.
    ///
    /// - Throws: `CancellationError` if another has begun since: what this one read is nobody's any more, and must not move the cursor.
    private func hand(_ batch: Batch, of reading: Link<Batch>) throws {
        let isCurrent = self.state.withLock { state in
            guard state.reading === reading else { return false }
            state.source.hand(batch)
            return true
        }
        guard isCurrent else { throw CancellationError() }
    }

    /// The reader has looked at everything below `position`.
    private func reached(_ position: UInt64, _ reading: Link<Batch>) {
        self.move { $0.reading === reading ? $0.source.reached(position) : nil }
    }

    /// Moves the cursor as the state decides. One step for all others: what was counted as settled must not be passed by what comes next.
    private func move(_ decide: (inout (source: SourceState, reading: Link<Batch>?)) -> SourceState.Move?) {
        self.state.withLock { state in
            guard let move = decide(&state) else { return }
            self.spoolCursor.move(to: move.sequence, settled: move.settled)
            self.rest(state.source)
        }
    }

    /// Nothing is left to settle: whatever the cursor did not count stood in holes.
    private func rest(_ state: SourceState) {
        guard let position = state.idlePosition, let count = self.spool.count(of: self.spoolCursor, ifEndIs: position) else { return }
        self.spoolCursor.rest(at: position, ordinal: count)
    }

    /// Reads what is not in memory any more, on a thread of its own: a cold disk holds up nobody else.
    private actor BacklogReader {
        private let executor: any SerialExecutor

        nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

        init(executor: any SerialExecutor) {
            self.executor = executor
        }

        func read(_ reader: SpoolReader, upTo bytes: Int) throws(ForebayError) -> [Batch] {
            try reader.readDisk(upTo: bytes)
        }
    }

    /// Hands over on the loop of the stage that delivers: what keeps up costs no hop.
    private actor ReaderActor {
        private static let step = 1 << 20

        private let executor: any SerialExecutor
        private let disk: BacklogReader
        private let logger = Logger(label: "reader")

        nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

        init(executor: any SerialExecutor, disk: BacklogReader) {
            self.executor = executor
            self.disk = disk
        }

        func read(into link: Link<Batch>, for source: SpoolSource) async {
            let cursor = source.spoolCursor
            let reader = source.spool.reader(of: cursor)
            defer { link.finish() }
            do {
                for await _ in source.spool.signals() {
                    while !Task.isCancelled {
                        let batches: [Batch]
                        if let recent = reader.readMemory(upTo: Self.step) {
                            batches = recent
                        } else {
                            batches = try await self.disk.read(reader, upTo: Self.step)
                        }
                        for batch in batches {
                            try source.hand(batch, of: link)
                            try await link.send(batch)
                        }
                        source.reached(reader.next, link)
                        if batches.isEmpty, reader.isCaughtUp { break }
                    }
                }
            } catch is CancellationError {
                return
            } catch {
                // The stage sees its input end, and is made anew from the cursor.
                self.logger.error("reading the spool failed", ["cursor": cursor.name, "error": "\(error)"])
            }
        }
    }
}
