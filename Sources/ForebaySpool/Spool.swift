package import ForebayCore
import ForebayTelemetry

/// A durable log in a folder: append groups, read from any place, remember cursors (``SpoolFormat`` has the layout).
package final class Spool: Sendable {
    /// The lane of all its events. What their ids begin with stands in each batch.
    package let id: SpoolID
    package let configuration: SpoolConfiguration
    let budget: SpoolBudget
    let reporter: SpoolReporter
    private let lock: SpoolLock
    let view: SpoolView
    let cursors: CursorSet
    private let writer: SpoolWriter
    let keeper: SpoolKeeper
    let readers: SpoolReaders
    /// Where sequences went on at the start.
    let begun: UInt64
    let starting: Task<Void, Never>
    private static let logger = Logger(label: "spool")

    /// Opens the log, mends what a crash left, and is ready to append. Reads the unsealed tail only, whatever the backlog; needs no room
    /// on the disk if the log has been there.
    ///
    /// - Parameter budget: shared by all logs of the node.
    /// - Throws: `spool_locked`, `spool_unreadable` (a format this version doesn't know), `spool_full`, `system_call`.
    package static func open(
        _ configuration: SpoolConfiguration, budget: SpoolBudget, threads: SpoolThreads, metrics: SpoolMetrics
    ) throws(ForebayError) -> Spool {
        // Both attempts are of the same folders: one that is moved away in between would be made anew, as if there had been no log.
        let configuration = try budget.withReserve { () throws(ForebayError) in try SpoolStart.hold(configuration) }
        // One for both attempts: what the first one has moved away, the second one does not find.
        let reporter = SpoolReporter(directory: configuration.directory, metrics: metrics, time: configuration.surroundings.time)
        return try budget.withReserve { () throws(ForebayError) in
            try Self.openOnce(configuration, budget: budget, threads: threads, metrics: metrics, reporter)
        }
    }

    private static func openOnce(
        _ configuration: SpoolConfiguration, budget: SpoolBudget, threads: SpoolThreads, metrics: SpoolMetrics, _ reporter: SpoolReporter
    ) throws(ForebayError) -> Spool {
        let wake = Wake()
        let start = try SpoolStart(configuration, budget, reporter) { wake.call() }
        return Spool(start, budget, threads, metrics, reporter, wake)
    }

    private init(
        _ start: SpoolStart, _ budget: SpoolBudget, _ threads: SpoolThreads, _ metrics: SpoolMetrics, _ reporter: SpoolReporter,
        _ wake: Wake
    ) {
        let configuration = start.configuration
        self.id = start.identity.log
        self.configuration = configuration
        self.budget = budget
        self.reporter = reporter
        self.lock = start.lock
        self.view = start.view
        self.cursors = start.cursors
        self.begun = start.next
        self.readers = SpoolReaders(configuration, self.view, self.cursors, reporter, metrics)
        let sweeper = SegmentSweeper(configuration, view: self.view, budget: budget, mark: start.mark, reporter: reporter)
        let writer = SpoolWriter(
            executor: threads.commit.executor(), configuration: configuration, view: self.view, budget: budget,
            metrics: metrics, mark: start.mark, sweeper: sweeper,
            tail: SpoolTail(start))
        let keeper = SpoolKeeper(
            executor: threads.keep.executor(), configuration: configuration, view: self.view, budget: budget, cursors: self.cursors,
            sweeper: sweeper, reporter: reporter, writer: writer)
        (self.writer, self.keeper) = (writer, keeper)
        let tasks = configuration.surroundings.tasks
        budget.found(start.outcome.bytes)
        let startsNewSegment = start.isOfOlderVersion
        let starting = Task(preferring: tasks) {
            await writer.start(
                wantNext: { [weak keeper] in Task(preferring: tasks) { await keeper?.prepareNext() } }, startsNewSegment: startsNewSegment)
        }
        self.starting = starting
        // A log that nobody has any more lets go of its files.
        wake.set { [weak keeper] in Task(preferring: tasks) { await keeper?.cursorMoved() } }
        if startsNewSegment { self.tell(ofVersion: start.identity.isVersion1 ? 1 : 2) }
    }

    private func tell(ofVersion version: Int) {
        Self.logger.info(
            "the log was written in format version \(version); what is new is written in version \(SpoolFormat.version), which an older "
                + "forebay refuses",
            ["folder": self.configuration.directory, "segments": "\(self.segmentCount)", "lag_total": "\(self.durableEnd)"])
    }

    // MARK: Appending

    /// Makes the submissions durable as one group.
    ///
    /// - Returns: a receipt for each, in order.
    /// - Throws: `spool_full`, or that no new segment can be made just now; nothing is stored then.
    package func commit(
        _ submissions: [Submission], isolation: isolated (any Actor)? = #isolation
    ) async throws(ForebayError) -> [DurableReceipt] {
        try await self.writer.commit(submissions)
    }

    /// One past the last durable event.
    package var durableEnd: UInt64 { self.view.read { $0.durableEnd } }

    /// The first event still on disk.
    package var start: UInt64 { self.view.read { $0.start } }

    /// Sequences of the segments that are there, but for those that were cut to their header.
    var sequenceCount: UInt64 { self.view.read { state in state.segments.reduce(0) { $0 + ($1.isHusk ? 0 : $1.end - $1.base) } } }

    /// Bytes of the segments' files.
    package var byteCount: Int { self.view.read { state in state.segments.reduce(0) { $0 + $1.size } } }

    /// Bytes of batches that stay in memory for readers that keep up.
    package var recentBytes: Int { self.view.read { $0.recent.byteCount } }

    /// Bytes that were read from the disk and stay in memory for other readers.
    package var sharedReadBytes: Int { self.readers.sharedBytes }

    package var segmentCount: Int { self.view.read { $0.segments.count } }

    /// Whether new requests should be refused: there is hardly room for what is on its way. While it says so, the room is looked at again
    /// now and then.
    package var isFull: Bool {
        let room = self.budget.room(for: self.configuration.kind)
        let newFiles = room >= self.configuration.leastSegment && !self.view.takesNoFile ? room : 0
        let isFull = self.view.roomWithoutNewFile + newFiles < self.configuration.leastRoom
        if isFull || self.view.takesNoFile || self.view.lackedBytes > 0, self.view.wantsLookForRoom() {
            let (keeper, tasks) = (self.keeper, self.configuration.surroundings.tasks)
            Task(preferring: tasks) { await keeper.lookForRoom() }
        }
        return isFull
    }

    /// Why what is kept now could not be found again, and until when: its folders were taken away under it. Asks the disk.
    package var fault: String? {
        if let fault = self.view.read({ $0.fault }) ?? self.configuration.disk.fault(of: self.configuration.held) { return fault }
        guard !self.lock.holds else { return nil }
        return
            "\(self.configuration.directory)/lock was removed, so an older forebay could take the log; nothing is accepted until the node"
            + " is started again"
    }

    /// What was acknowledged and can't be read any more, as far as it has been noticed.
    package var missing: [MissingRange] { self.reporter.missing }

    /// What else was found damaged or gone.
    package var alarms: [SpoolAlarm] { self.reporter.alarms }

    package var damage: SpoolDamage { SpoolDamage(missing: self.missing, alarms: self.alarms) }

    var witness: LogWitness { LogWitness(log: self.id, end: self.durableEnd, losses: self.reporter.losses) }

    /// The sequences from one on that are there, ascending: all but what stands in no segment, or was told of as lost, whether somebody has
    /// acknowledged that or not.
    package func wholeRanges(from sequence: UInt64) -> [Range<UInt64>] {
        let holes = self.reporter.holes.filter { $0.upperBound > sequence }
        let segments = self.view.read { $0.segments }
        return segments.filter { $0.end > max($0.base, sequence) }.flatMap { segment in
            let range = max(segment.base, sequence)..<segment.end
            return range.parts(without: holes.filter(range.overlaps))  // There may be many of both.
        }
    }

    // MARK: Reading

    /// Wakes whenever there may be more to read; at least once.
    package func signals() -> AsyncStream<Void> { self.view.signals() }

    /// - Parameter route: none: the events of all.
    package func reader(route: RouteID?, from sequence: UInt64) -> SpoolReader { self.readers.reader(route: route, from: sequence) }

    /// A reader of what the cursor counts, from where it stands.
    package func reader(of cursor: SpoolCursor) -> SpoolReader { self.readers.reader(of: cursor) }

    // MARK: The end

    /// Cursors synced, the segment sealed: the sign of a clean stop. Nothing can be appended afterwards.
    ///
    /// - Parameter last: done before another process may open the log.
    package func close(_ last: () async -> Void = {}) async {
        // Closed at once, it would not have begun the segment that an older version refuses.
        await self.starting.value
        await self.writer.close()
        await self.keeper.close()
        await last()
        self.lock.release()
    }

    // MARK: For its parts

    /// Syncs what cursors were moved to, at once and not only within 100 ms; what no cursor holds any more goes.
    package func syncCursors() async {
        await self.keeper.syncCursors()
    }

    /// What the keeper does when it has waited for room, at once.
    func lookForRoom() async {
        await self.keeper.lookForRoom()
    }

    /// Runs what waits for the disk on the commit thread.
    ///
    /// - Parameter growth: bytes that a file beside the segments grows by it.
    /// - Throws: `spool_full`, if there is no room for so many.
    func onCommitThread(
        growing growth: @Sendable () -> Int = { 0 }, _ work: @Sendable () throws(ForebayError) -> Void
    ) async throws(ForebayError) {
        try await self.writer.perform(growing: growth, work)
    }

    /// Tries again with the reserve if there is no room.
    func withReserve<Result>(_ body: () throws(ForebayError) -> Result) throws(ForebayError) -> Result {
        try self.budget.withReserve(body)
    }

    /// A file beside the segments found no room, and will be tried again.
    func lacksRoom() { self.budget.lacks(SpoolFormat.block, for: self.configuration, isRefused: true) }

    /// It is not used after all: the next attempt counts what is there again.
    func uncount() { self.budget.found(-self.byteCount) }

    /// Counts bytes of files beside the segments.
    func charge(_ bytes: Int) {
        self.budget.add(bytes)
    }

    func report(_ alarm: SpoolAlarm) {
        self.reporter.report(alarm)
    }

    /// Logs that were told of as gone as a whole are there.
    func hadBack(_ logs: Set<SpoolID>) {
        self.reporter.hadBack(logs)
    }

    /// Waits for the disk.
    func report(_ missing: MissingRange) { self.readers.report(missing) }

    /// Somebody has seen the losses and damage that were told of until now; durably. What can't be removed just now goes by itself.
    ///
    /// - Returns: what that was.
    package func acknowledgeAlarms() async throws(ForebayError) -> SpoolDamage {
        let reporter = self.reporter
        return try await self.writer.perform { () throws(ForebayError) in try reporter.acknowledge() }
    }
}
