import ForebayCore

/// Looks after a log in the background, on a thread apart from the commits: syncs cursors, deletes what nobody needs, makes the next
/// segment's file and the ballast, looks for room.
actor SpoolKeeper {
    private let executor: any SerialExecutor
    let configuration: SpoolConfiguration
    let view: SpoolView
    let budget: SpoolBudget
    let cursors: CursorSet
    nonisolated let sweeper: SegmentSweeper
    let reporter: SpoolReporter
    let writer: SpoolWriter
    var maker: SegmentMaker
    private var due = Due()
    private(set) var isClosed = false
    /// Who gives way where there is no room.
    var yielding = Yielding()

    /// What is done after a while, once for all who want it meanwhile.
    private struct Due {
        var sync = false, retry = false
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

    init(
        executor: any SerialExecutor, configuration: SpoolConfiguration, view: SpoolView, budget: SpoolBudget, cursors: CursorSet,
        sweeper: SegmentSweeper, reporter: SpoolReporter, writer: SpoolWriter
    ) {
        self.executor = executor
        self.configuration = configuration
        self.view = view
        self.budget = budget
        self.cursors = cursors
        self.sweeper = sweeper
        self.reporter = reporter
        self.writer = writer
        self.maker = SegmentMaker(configuration, view, budget, sweeper)
    }

    /// Makes the files that are there before they are needed.
    func makeReady() async {
        await self.prepareNext()
        self.makeBallast()
    }

    // MARK: Cursors

    func cursor(
        _ name: String, _ route: RouteID, formerly: [String], _ beginning: CursorBeginning
    ) throws(ForebayError) -> SpoolCursor {
        // A new one takes a little room, also on a full disk.
        try self.budget.withReserve { () throws(ForebayError) in try self.openCursor(name, route, formerly: formerly, beginning) }
    }

    private func openCursor(
        _ name: String, _ route: RouteID, formerly: [String], _ beginning: CursorBeginning
    ) throws(ForebayError) -> SpoolCursor {
        let stage = String(CursorSet.stage(of: name))
        let others = self.cursors.all.filter { $0.name != name && $0.stage == stage }
        let names = Set([route] + formerly.map { RouteID(name: CursorSet.route(of: $0)) })
        let old = others.filter { formerly.contains($0.name) || !$0.isNamed && names.contains($0.routes[0]) }
        // The name was another's former one, and is a route's own again.
        let parted = others.filter { other in other.routes.contains(route) && !old.contains { $0.name == other.name } }
        let known = self.cursors.cursor(name)
        if !old.isEmpty || !parted.isEmpty || known.map({ !$0.isNamed }) ?? false {
            var routes = known?.routes ?? []
            for own in [route] + old.flatMap(\.routes) where !routes.contains(own) { routes.append(own) }
            return try self.cursors.takeOver(name, routes: routes, from: old, partingFrom: parted, self.view)
        }
        if let known { return known }
        return try self.cursors.make(name, routes: [route], beginning, self.view)
    }

    func forget(_ name: String, below sequence: UInt64) async throws(ForebayError) {
        do throws(ForebayError) {
            try self.budget.withReserve { () throws(ForebayError) in try self.cursors.forget(name, below: sequence) }
        } catch {
            if error.code == .syncFailed { self.configuration.onDiskFailure(error) }
            throw error
        }
        if await !self.clearPassedSegments() { self.tryAgain() }
    }

    func release() async {
        self.cursors.release()
        var isDone = self.reporter.saveAgain()
        do throws(ForebayError) { isDone = try self.cursors.makeUnmade(self.view) && isDone } catch {
            self.configuration.onDiskFailure(error)
        }
        isDone = await self.clearPassedSegments() && isDone
        if !isDone { self.tryAgain() }
    }

    /// A cursor moved: it and what moves soon after are synced together.
    func cursorMoved() async {
        guard !self.due.sync else { return }
        self.due.sync = true
        // Never cancelled.
        try? await self.configuration.surroundings.time.sleep(milliseconds: self.configuration.cursorSyncInterval)
        self.due.sync = false
        await self.syncCursors()
    }

    /// Runs what waits for the disk on the thread that may.
    func perform(_ work: @Sendable () throws(ForebayError) -> Void) throws(ForebayError) {
        guard !self.isClosed else { throw .closed }
        try work()
    }

    func close() async {
        guard !self.isClosed else { return }
        // First: nothing is made ready any more, or tried again.
        self.isClosed = true
        await self.syncAll()
        // Others read on, and may settle what they have had.
        for cursor in self.cursors.all { cursor.close() }
        self.reporter.close()
    }

    /// What is done a while after a cursor moved, at once.
    func syncCursors() async {
        guard !self.isClosed else { return }
        await self.syncAll()
    }

    private func syncAll() async {
        let retention = self.view.read { $0.retention }
        // What they have passed first: once they are beyond it, nothing else tells of it.
        var isDone = self.reporter.saveAgain()
        do throws(ForebayError) {
            for cursor in self.cursors.all { isDone = try cursor.sync() && isDone }
            isDone = try self.cursors.makeUnmade(self.view) && isDone
            isDone = try retention.sync(self.budget) && isDone
        } catch {
            self.configuration.onDiskFailure(error)
        }
        switch retention {
        case .cursors: isDone = await self.clearPassedSegments() && isDone
        case .units(let units): isDone = await self.sweep(units) && isDone
        case .letters, .everything: isDone = retention.holder.map { self.sweeper.sweep($0) } ?? true && isDone
        }
        if !isDone { self.tryAgain() }
        // Who must have everything may have passed what the others can give up.
        if self.yielding.wanted > 0, !self.yielding.isBusy { await self.yield(for: self.yielding.wanted) }
    }

    /// A cursor found no room, or a segment that should go is still there: once more after a while, and whenever a cursor moves.
    func tryAgain() {
        guard !self.due.retry, !self.isClosed else { return }
        self.due.retry = true
        let (time, interval) = (self.configuration.surroundings.time, self.configuration.roomInterval)
        Task(preferring: self.configuration.surroundings.tasks) { [weak self] in
            try? await time.sleep(milliseconds: interval)  // Never cancelled.
            await self?.retry()
        }
    }

    private func retry() async {
        self.due.retry = false
        guard !self.isClosed else { return }
        self.budget.refresh()
        await self.syncCursors()
    }

    // MARK: Segments

    /// Clears the segments that every cursor is durably past: one becomes the next segment, the others are removed; a damaged one is kept
    /// aside for the operator. The newest stays: it has the log's place. One that can't go now holds up no other: those behind it give
    /// their room back all the same.
    ///
    /// - Returns: false: one could not go.
    func clearPassedSegments() async -> Bool {
        var last: SegmentInfo?
        var isHeldUp = false
        while let segment = self.passedSegment(behind: last) {
            last = segment
            if self.cursors.isHeld(segment) {
                isHeldUp = true
            } else if isHeldUp {
                _ = self.sweeper.hollow(segment)
            } else {
                isHeldUp = await !self.clear(segment)
            }
        }
        guard last != nil else { return true }
        self.budget.refresh()
        // It may have been given up while the disk was full.
        self.makeBallast()
        return !isHeldUp
    }

    private func passedSegment(behind last: SegmentInfo?) -> SegmentInfo? {
        guard case .cursors = self.view.read({ $0.retention }), let passed = self.cursors.lowestSynced else { return nil }
        return self.view.read { state in
            let next = state.segments.dropLast().first { last == nil || $0.number > last!.number }
            return next.flatMap { !$0.isActive && $0.end <= passed ? $0 : nil }
        }
    }

    /// - Returns: false: it can't go now.
    private func clear(_ segment: SegmentInfo) async -> Bool {
        if !self.isClosed, case .file(let prepared) = self.maker.reuse(segment) {
            if let prepared { await self.handOver(prepared) }
            return true
        }
        return self.sweeper.remove(segment)
    }

    /// Called at the start and when the active segment is half full.
    func prepareNext() async {
        guard !self.isClosed, let size = self.maker.size else { return }
        await self.yield(for: size)
        guard !self.isClosed, let prepared = self.maker.fill() else { return }
        await self.handOver(prepared)
        await self.yieldAhead()
    }

    private func handOver(_ prepared: PreparedSegment) async {
        guard await self.writer.take(prepared) else { return self.maker.discard(prepared) }
    }
}
