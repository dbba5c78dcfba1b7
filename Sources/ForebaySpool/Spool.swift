package import ForebayCore
import ForebayTelemetry
import Glibc

/// The threads that serve all logs of a node: one commits, one looks after files.
package struct SpoolThreads: Sendable {
    let commit: ThreadExecutor
    let keep: ThreadExecutor

    package init() {
        self.commit = ThreadExecutor(label: "fb-commit")
        self.keep = ThreadExecutor(label: "fb-keeper")
    }

    /// The `ThreadID` of the one that commits.
    package var commitThread: Int32 { self.commit.thread }

    /// After every log on them has been closed.
    package func end() {
        self.commit.end()
        self.keep.end()
    }
}

/// A durable log in a folder: append groups, read from any place, remember cursors (``SpoolFormat`` has the layout).
package final class Spool: Sendable {
    package let id: SpoolID
    package let configuration: SpoolConfiguration
    private let budget: SpoolBudget
    private let isSideLog: Bool
    private let metrics: SpoolMetrics
    private let lock: SpoolLock
    let view: SpoolView
    private let writer: SpoolWriter
    private let keeper: SpoolKeeper
    private let logger = Logger(label: "spool")

    /// Opens the log, mends what a crash left, and is ready to append. Reads the unsealed tail only, whatever the backlog.
    ///
    /// - Parameters:
    ///   - budget: shared by all logs of the node.
    ///   - isSideLog: may use the reserve, prepares nothing ahead, keeps everything (until a ``SetAsideLog`` takes it over).
    /// - Throws: `spool_locked`, `spool_unreadable` (a format this version doesn't know), `spool_full`, `system_call`.
    package static func open(
        _ configuration: SpoolConfiguration, budget: SpoolBudget, threads: SpoolThreads, metrics: SpoolMetrics, isSideLog: Bool = false
    ) throws(ForebayError) -> Spool {
        let directory = configuration.directory
        for folder in ["segments", "cursors"] { try Folder.make("\(directory)/\(folder)") }
        let lock = try SpoolLock(directory: directory)
        for leftover in ["new", "filling", "prepared"] { try Folder.remove("\(directory)/segments/\(leftover)") }

        let recovery = SpoolRecovery(directory: directory)
        let outcome = try recovery.run { id throws(ForebayError) in try self.marks(directory, id) }
        let mark = try SlotFile.open("\(directory)/mark", spool: outcome.id).0
        let (active, ordinals) = try self.begin(outcome, configuration, recovery.segmentsFolder)
        budget.add(outcome.bytes + active.capacity)

        let state = SpoolView.State(
            segments: outcome.segments + [SegmentInfo(active, size: active.capacity)], durableEnd: active.end, ordinals: ordinals,
            retention: isSideLog ? .everything : .cursors, recent: RecentTail(limit: isSideLog ? 0 : configuration.recentBytes))
        let spool = Spool(
            id: outcome.id, configuration: configuration, budget: budget, isSideLog: isSideLog, metrics: metrics, lock: lock,
            view: SpoolView(state), active: active, mark: mark, threads: threads)
        for missing in outcome.missing { spool.report(missing) }
        let (writer, keeper) = (spool.writer, spool.keeper)
        Task {
            await writer.start(wantNext: { Task { await keeper.prepareNext() } })
            await keeper.prepareNext()
        }
        return spool
    }

    private init(
        id: SpoolID, configuration: SpoolConfiguration, budget: SpoolBudget, isSideLog: Bool, metrics: SpoolMetrics, lock: SpoolLock,
        view: SpoolView, active: sending SegmentWriter, mark: sending SlotFile, threads: SpoolThreads
    ) {
        self.id = id
        self.configuration = configuration
        self.budget = budget
        self.isSideLog = isSideLog
        self.metrics = metrics
        self.lock = lock
        self.view = view
        let durable = active.end
        self.writer = SpoolWriter(
            thread: threads.commit, configuration: configuration, view: view, budget: budget, isSideLog: isSideLog,
            metrics: metrics, mark: mark, active: active, durable: durable)
        self.keeper = SpoolKeeper(
            thread: threads.keep, configuration: configuration, view: view, budget: budget, isSideLog: isSideLog, writer: self.writer)
    }

    /// Makes the submissions durable as one group.
    ///
    /// - Returns: a receipt for each, in order.
    /// - Throws: `spool_full`; nothing is stored then.
    package func commit(_ submissions: [Submission]) async throws(ForebayError) -> [DurableReceipt] {
        try await self.writer.commit(submissions)
    }

    /// One past the last durable event.
    package var durableEnd: UInt64 { self.view.read { $0.durableEnd } }

    /// The first event still on disk.
    package var start: UInt64 { self.view.read { $0.segments.first?.base ?? 0 } }

    /// Bytes of the segments' files.
    package var byteCount: Int { self.view.read { state in state.segments.reduce(0) { $0 + $1.size } } }

    package var segmentCount: Int { self.view.read { $0.segments.count } }

    /// Whether new requests should be refused: there is hardly room for what is on its way.
    package var isFull: Bool {
        // Room that is too small for a segment is none.
        let room = self.budget.room(forSideLog: self.isSideLog)
        let newFiles = room >= self.configuration.segmentSize ? room : 0
        return self.view.roomWithoutNewFile + newFiles < min(self.configuration.segmentSize / 4, 8 << 20)
    }

    /// What was acknowledged and can't be read any more, as far as it has been noticed.
    package var missing: [MissingRange] { self.view.read { $0.missing } }

    /// Wakes whenever there may be more to read; at least once.
    package func signals() -> AsyncStream<Void> { self.view.signals() }

    package func reader(route: RouteID?, from sequence: UInt64) -> SpoolReader {
        SpoolReader(id: self.id, view: self.view, route: route, from: sequence) { [weak self] in self?.report($0) }
    }

    /// Events of the cursor's route at or behind it.
    package func lag(of cursor: SpoolCursor) -> UInt64 {
        let total = self.view.read { $0.ordinals[cursor.route] ?? 0 }
        let settled = cursor.ordinal
        return total > settled ? total - settled : 0
    }

    /// Events of a route ever appended, if the durable end is still `sequence`.
    package func count(of route: RouteID, ifEndIs sequence: UInt64) -> UInt64? {
        self.view.read { $0.durableEnd == sequence ? $0.ordinals[route] : nil }
    }

    /// How many events of the route lie below `sequence`, where that is known: at the durable end.
    package func ordinal(of route: RouteID, at sequence: UInt64) -> UInt64? {
        self.view.read { $0.durableEnd == sequence ? $0.ordinals[route] : nil }
    }

    /// Opens a stage's cursor on a route. A new one stands behind the last event.
    ///
    /// - Parameter name: `forward/orders`.
    package func cursor(_ name: String, route: RouteID) async throws(ForebayError) -> SpoolCursor {
        let (slots, found) = try SlotFile.open(Self.path(ofCursor: name, in: self.configuration.directory), spool: self.id)
        let (end, total) = self.view.read { ($0.durableEnd, $0.ordinals[route] ?? 0) }
        var value = found ?? SlotFile.Value(sequence: end, ordinal: total)
        if value.sequence > end { value.sequence = end }
        if found != value {
            try slots.write(value)
            try slots.sync()
        }
        self.view.change { $0.ordinals[route] = max($0.ordinals[route] ?? 0, value.ordinal) }
        let keeper = self.keeper
        let cursor = SpoolCursor(name: name, route: route, slots: slots, value: value) { Task { await keeper.cursorMoved() } }
        await keeper.add(cursor)
        return cursor
    }

    /// Names of the cursors on disk, `forward/orders`.
    package func cursorNames() throws(ForebayError) -> [String] {
        try Folder.entries("\(self.configuration.directory)/cursors").map(Self.cursorName)
    }

    /// Forgets a cursor: it holds no segment any more.
    package func remove(_ cursor: SpoolCursor) async throws(ForebayError) {
        await self.keeper.remove(cursor)
        try Folder.remove(Self.path(ofCursor: cursor.name, in: self.configuration.directory))
    }

    /// Cursors synced, the segment sealed: the sign of a clean stop. Nothing can be appended afterwards.
    package func close() async {
        await self.writer.close()
        await self.keeper.close()
    }

    /// From now on a segment stays as long as one of the units needs it. Called at a start: removes what nobody needs, on this thread.
    func keep(for units: UnitTable) {
        self.view.change { $0.retention = .units(units) }
        let keeper = self.keeper
        units.whenMoved { Task { await keeper.cursorMoved() } }
        SegmentSweeper(view: self.view, budget: self.budget, directory: self.configuration.directory).sweep(units)
    }

    /// What the keeper does every 100 ms, at once.
    func tidy() async {
        await self.keeper.syncCursors()
    }

    /// Runs what waits for the disk on the commit thread.
    func onCommitThread(_ work: @Sendable () throws(ForebayError) -> Void) async throws(ForebayError) {
        try await self.writer.perform(work)
    }

    /// Counts bytes of files beside the segments.
    func charge(_ bytes: Int) {
        self.budget.add(bytes)
    }

    func report(_ missing: MissingRange) {
        guard self.view.report(missing) else { return }
        self.metrics.corruption.increment()
        self.logger.error(
            "acknowledged events can't be read any more",
            [
                "sequences": "\(missing.sequences.lowerBound)..<\(missing.sequences.upperBound)", "segment": "\(missing.segment)",
                "position": "\(missing.position)", "reason": missing.reason, "unit": missing.unit.map { "\($0)" } ?? "-",
            ])
    }

    static func path(ofCursor name: String, in directory: String) -> String {
        "\(directory)/cursors/" + name.split(separator: "/", maxSplits: 1).joined(separator: ".")
    }

    static func cursorName(ofFile file: String) -> String {
        file.split(separator: ".", maxSplits: 1).joined(separator: "/")
    }

    /// The sequences below which something on disk says that all is durable.
    private static func marks(_ directory: String, _ id: SpoolID) throws(ForebayError) -> [UInt64] {
        var marks: [UInt64] = []
        for path in try ["\(directory)/mark"] + Folder.entries("\(directory)/cursors").map({ "\(directory)/cursors/\($0)" }) {
            if let value = try SlotFile.open(path, spool: id).1 { marks.append(value.sequence) }
        }
        return marks
    }

    /// Makes the segment that this run appends to, with what recovery kept above the durable end copied to its head.
    private static func begin(
        _ outcome: SpoolRecovery.Outcome, _ configuration: SpoolConfiguration, _ folder: String
    ) throws(ForebayError) -> (SegmentWriter, [RouteID: UInt64]) {
        let groups = outcome.uncovered.map { GroupPlan([Submission(batches: $0, ack: AckToken { _ in })]) }
        let capacity = SegmentWriter.capacity(for: groups.reduce(0) { $0 + $1.size }, segmentSize: configuration.segmentSize)
        var header = SegmentHeader(
            spool: outcome.id, number: outcome.lastNumber + 1, base: outcome.durableEnd, salt: UInt64.random(in: 1...UInt64.max),
            madeAt: WallClock.milliseconds)
        header.previousNumber = outcome.lastNumber
        header.previousEnd = outcome.durableEnd
        header.previousChecksum = outcome.lastChecksum
        let path = SpoolRecovery.path(of: header.number, in: folder)
        let writer = try SegmentWriter.make(header, temporary: "\(folder)/new", path: path, capacity: capacity)
        var ordinals = outcome.ordinals
        for plan in groups {
            let headers = try writer.write(plan, durable: writer.end, ordinals: ordinals)
            writer.advance(headers, size: plan.size)
            for frame in headers { ordinals[frame.route] = frame.ordinal + UInt64(frame.count) }
        }
        try writer.establish()
        return (writer, ordinals)
    }
}
