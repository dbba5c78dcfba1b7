import ForebayCore
import ForebayTelemetry
import Glibc

/// Looks after a log in the background, on a thread apart from the commits: syncs cursors, deletes what nobody needs,
/// fills the next segment with zeros.
actor SpoolKeeper {
    private let thread: ThreadExecutor
    private let configuration: SpoolConfiguration
    private let view: SpoolView
    private let budget: SpoolBudget
    private let isSideLog: Bool
    private let writer: SpoolWriter
    private let logger = Logger(label: "spool")
    private var cursors: [SpoolCursor] = []
    private var isSyncDue = false
    private var isPreparing = false
    private var preparedFor: UInt64 = 0
    private var isClosed = false

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.thread.asUnownedSerialExecutor() }

    init(
        thread: ThreadExecutor, configuration: SpoolConfiguration, view: SpoolView, budget: SpoolBudget, isSideLog: Bool,
        writer: SpoolWriter
    ) {
        self.thread = thread
        self.configuration = configuration
        self.view = view
        self.budget = budget
        self.isSideLog = isSideLog
        self.writer = writer
    }

    func add(_ cursor: SpoolCursor) {
        self.cursors.append(cursor)
        self.deletePassedSegments()
    }

    func remove(_ cursor: SpoolCursor) {
        self.cursors.removeAll { $0 === cursor }
    }

    /// A cursor moved: it and what moves soon after are synced together.
    func cursorMoved() async {
        guard !self.isSyncDue else { return }
        self.isSyncDue = true
        // Never cancelled.
        try? await Task.sleep(for: .milliseconds(self.configuration.cursorSyncInterval))
        self.isSyncDue = false
        guard !self.isClosed else { return }
        self.syncCursors()
        await self.prepareNext()
    }

    func syncCursors() {
        do throws(ForebayError) {
            for cursor in self.cursors { try cursor.sync() }
        } catch {
            self.configuration.onDiskFailure(error)
        }
        self.deletePassedSegments()
    }

    func close() {
        guard !self.isClosed else { return }
        self.syncCursors()
        self.isClosed = true
    }

    /// Deletes the segments that every cursor is durably past; a damaged one is kept aside for the operator.
    private func deletePassedSegments() {
        guard !self.isSideLog, let passed = self.cursors.map(\.syncedSequence).min() else { return }
        let (old, active) = self.view.read { state in
            (state.segments.filter { !$0.isActive && $0.end <= passed }, state.segments.last?.number)
        }
        for segment in old where segment.number != active {
            do throws(ForebayError) {
                if segment.isDamaged {
                    try SpoolRecovery.quarantine(segment.path, directory: self.configuration.directory)
                } else {
                    try Folder.remove(segment.path)
                }
            } catch {
                self.logger.error("a segment that is not needed any more can't be removed", ["error": error.description])
                return
            }
            self.budget.add(-segment.size)
            self.view.change { state in state.segments.removeAll { $0.number == segment.number } }
        }
        if !old.isEmpty { self.budget.refresh() }
    }

    /// Called at the start and when a segment has been taken into use. Fills `prepared` with zeros and syncs it, so that the sync of a group has only data to write, no sizes and no extents.
    func prepareNext() async {
        let active = self.view.read { $0.segments.last?.number ?? 0 }
        let size = self.configuration.segmentSize
        guard self.configuration.preparesNext, !self.isSideLog, !self.isClosed, !self.isPreparing, active != self.preparedFor,
            self.budget.room(forSideLog: false) >= size
        else { return }
        self.isPreparing = true
        defer { self.isPreparing = false }
        do throws(ForebayError) {
            try self.fill("\(self.configuration.directory)/segments", size: size)
        } catch {
            self.logger.warning("the next segment could not be prepared", ["error": error.description])
            self.budget.refresh()
            return
        }
        self.preparedFor = active
        self.budget.add(size)
        await self.writer.tookPrepared()
    }

    private func fill(_ folder: String, size: Int) throws(ForebayError) {
        let filling = "\(folder)/filling"
        let file = try File(filling, flags: O_RDWR | O_CREAT | O_TRUNC)
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        var position = 0
        while position < size {
            // Synced piece by piece: one large sync would hold up the commits behind it.
            try file.write(size - position < zeros.count ? Array(zeros[..<(size - position)]) : zeros, at: position)
            try file.syncData()
            position += zeros.count
        }
        try file.sync()
        try Folder.rename(filling, to: "\(folder)/prepared")
    }
}
