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
    private let sweeper: SegmentSweeper
    private let logger = Logger(label: "spool")
    private var cursors: [SpoolCursor] = []
    private var isSyncDue = false
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
        self.sweeper = SegmentSweeper(view: view, budget: budget, directory: configuration.directory)
    }

    func add(_ cursor: SpoolCursor) async {
        self.cursors.append(cursor)
        await self.clearPassedSegments()
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
        await self.syncCursors()
    }

    func close() async {
        guard !self.isClosed else { return }
        await self.syncCursors()
        self.isClosed = true
    }

    /// What is done a while after a cursor moved, at once.
    func syncCursors() async {
        let retention = self.view.read { $0.retention }
        do throws(ForebayError) {
            for cursor in self.cursors { try cursor.sync() }
            if case .units(let units) = retention { try units.sync() }
        } catch {
            self.configuration.onDiskFailure(error)
        }
        switch retention {
        case .cursors: await self.clearPassedSegments()
        case .units(let units): self.sweeper.sweep(units)
        case .everything: break
        }
    }

    /// Clears the segments that every cursor is durably past: one becomes the next segment, the others are deleted;
    /// a damaged one is kept aside for the operator.
    private func clearPassedSegments() async {
        guard case .cursors = self.view.read({ $0.retention }), let passed = self.cursors.map(\.syncedSequence).min() else { return }
        let old = self.view.read { state in state.segments.filter { !$0.isActive && $0.end <= passed } }
        for segment in old {
            do throws(ForebayError) {
                if segment.isDamaged {
                    try SpoolRecovery.quarantine(segment.path, directory: self.configuration.directory)
                } else if self.canReuse(segment) {
                    try Folder.rename(segment.path, to: self.prepared)
                } else {
                    try Folder.remove(segment.path)
                }
            } catch {
                self.logger.error("a segment that is not needed any more can't be removed", ["error": error.description])
                return
            }
            self.budget.add(-segment.size)
            self.view.change { state in state.segments.removeAll { $0.number == segment.number } }
            if !segment.isDamaged, self.canReuse(segment) { await self.handOverPrepared() }
        }
        if !old.isEmpty { self.budget.refresh() }
    }

    private var prepared: String { "\(self.configuration.directory)/segments/prepared" }

    /// Its blocks are on disk already, and the salt in every CRC keeps what it held from being taken for new frames.
    private func canReuse(_ segment: SegmentInfo) -> Bool {
        self.wantsPrepared && segment.size >= self.configuration.segmentSize / 4 * 3 && segment.size <= self.configuration.segmentSize * 2
    }

    /// Whether the active segment has no successor ready.
    private var wantsPrepared: Bool {
        self.configuration.preparesNext && !self.isSideLog && !self.isClosed && self.preparedFor != self.activeNumber
    }

    private var activeNumber: UInt64 { self.view.read { $0.segments.last?.number ?? 0 } }

    private func handOverPrepared() async {
        self.preparedFor = self.activeNumber
        self.budget.add(self.configuration.segmentSize)
        await self.writer.tookPrepared()
    }

    /// Called at the start and when the active segment is half full. Fills a file with zeros and syncs it, so that the sync of
    /// a group has only data to write, no sizes and no extents.
    func prepareNext() async {
        guard self.wantsPrepared, self.budget.room(forSideLog: false) >= self.configuration.segmentSize else { return }
        do throws(ForebayError) {
            try self.fill("\(self.configuration.directory)/segments/filling", size: self.configuration.segmentSize)
        } catch {
            self.logger.warning("the next segment could not be prepared", ["error": error.description])
            self.budget.refresh()
            return
        }
        await self.handOverPrepared()
    }

    private func fill(_ filling: String, size: Int) throws(ForebayError) {
        let piece = 1 << 20
        let zeros = Slab(capacity: piece, alignment: SpoolFormat.block)
        memset(zeros.base, 0, piece)
        let file = try Self.open(filling)
        var position = 0
        while position < size {
            // Synced piece by piece: one large sync would hold up the commits behind it.
            try file.write(UnsafeRawBufferPointer(start: zeros.base, count: min(piece, SpoolFormat.aligned(size - position))), at: position)
            try file.syncData()
            position += piece
        }
        try file.sync()
        try Folder.rename(filling, to: self.prepared)
    }

    /// Past the page cache where the file system can: these zeros are not read again.
    private static func open(_ path: String) throws(ForebayError) -> File {
        let flags = O_RDWR | O_CREAT | O_TRUNC
        if let file = try? File(path, flags: flags | O_DIRECT) { return file }  // tmpfs, for one, has no O_DIRECT.
        return try File(path, flags: flags)
    }
}
