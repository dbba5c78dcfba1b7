import ForebayCore
import ForebayTelemetry

/// The one who writes: group commit on its own thread. All logs of a node share that thread.
///
/// Its calls run on ``ThreadExecutor``, so a caller gathers the next group while this one is synced.
actor SpoolWriter {
    private let thread: ThreadExecutor
    private let configuration: SpoolConfiguration
    private let id: SpoolID
    private let view: SpoolView
    private let budget: SpoolBudget
    private let isSideLog: Bool
    private let sweeper: SegmentSweeper
    private let metrics: SpoolMetrics
    private let mark: SlotFile
    private var active: SegmentWriter
    private var durable: UInt64
    private var marked: UInt64 = 0
    private var isMarkDue = false
    private var isPrepared = false
    private var isClosed = false
    private var hasAskedForNext = false
    private var wantNext: @Sendable () -> Void = {}

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.thread.asUnownedSerialExecutor() }

    init(
        thread: ThreadExecutor, configuration: SpoolConfiguration, view: SpoolView, budget: SpoolBudget, isSideLog: Bool,
        metrics: SpoolMetrics, mark: SlotFile, active: SegmentWriter, durable: UInt64
    ) {
        self.thread = thread
        self.configuration = configuration
        self.id = active.header.spool
        self.view = view
        self.budget = budget
        self.isSideLog = isSideLog
        self.metrics = metrics
        self.mark = mark
        self.active = active
        self.durable = durable
        self.sweeper = SegmentSweeper(view: view, budget: budget, directory: configuration.directory)
    }

    /// Makes a group durable: one write, one sync.
    ///
    /// - Returns: a receipt for each submission; made here alone, after the sync returned 0.
    /// - Throws: `spool_full`; nothing is stored then. A disk that breaks its word ends the process instead.
    func commit(_ submissions: [Submission]) throws(ForebayError) -> [DurableReceipt] {
        guard !self.isClosed else { throw ForebayError(.spoolFull, recovery: .retry, "the spool is closed") }
        let plan = GroupPlan(submissions)
        guard plan.eventCount > 0 else { return submissions.map { _ in DurableReceipt(spool: self.id, firstSequences: []) } }
        let size = plan.size
        // The first segment after a start grows with each group, which halves the sync rate: left as soon as a prepared one is there.
        if !self.active.fits(size) || self.isPrepared && !self.active.isPrepared { try self.roll(toFit: size) }
        let firstSequences = plan.places.map { places in places.map { self.active.end + $0 } }
        for (submission, sequences) in zip(submissions, firstSequences) { submission.ack.numbered(sequences) }

        let began = MonotonicClock.nanoseconds
        let headers: [FrameHeader]
        do throws(ForebayError) {
            let ordinals = self.view.read { plan.ordinals(from: $0.ordinals) }
            headers = try self.active.write(plan, durable: self.durable, ordinals: ordinals)
        } catch  where error.code == .spoolFull {
            self.active.withdraw()
            throw error
        } catch {
            self.configuration.onDiskFailure(error)
        }
        do throws(ForebayError) { try self.active.sync() } catch { self.configuration.onDiskFailure(error) }
        self.metrics.synced(nanoseconds: MonotonicClock.nanoseconds - began, bytes: size, events: plan.eventCount)

        self.active.advance(headers, size: size)
        self.publish(headers, plan.batches(headers, spool: self.id))
        self.publishRoom()
        self.askForNext()
        self.scheduleMark()
        return firstSequences.map { DurableReceipt(spool: self.id, firstSequences: $0) }
    }

    /// - Parameter wantNext: called when the next segment's file should be made ready.
    func start(wantNext: @escaping @Sendable () -> Void) {
        self.wantNext = wantNext
        self.publishRoom()
    }

    /// The keeper has filled the next segment's file.
    func tookPrepared() {
        self.isPrepared = true
        self.publishRoom()
    }

    private func publishRoom() {
        self.view.setRoom(self.active.room + (self.isPrepared ? self.configuration.segmentSize : 0))
    }

    /// Seals the active segment: the sign of a clean stop.
    func close() {
        guard !self.isClosed else { return }
        self.isClosed = true
        self.seal()
    }

    private func publish(_ headers: [FrameHeader], _ batches: [Batch]) {
        self.durable = self.active.end
        self.view.change { state in
            let last = state.segments.count - 1
            state.segments[last].end = self.durable
            state.segments[last].dataEnd = self.active.position
            if state.segments[last].index.count != self.active.index.count { state.segments[last].index = self.active.index }
            state.durableEnd = self.durable
            state.recent.append(batches)
            for header in headers {
                let ordinal = header.ordinal + UInt64(header.count)
                state.ordinals[header.route] = ordinal
                state.segments[last].routes?.raise(header.route, to: ordinal)
            }
        }
        self.view.announce()
    }

    /// Seals the active segment and goes on in the next one.
    private func roll(toFit size: Int) throws(ForebayError) {
        let capacity = SegmentWriter.capacity(for: size, segmentSize: self.configuration.segmentSize)
        let usesPrepared = self.isPrepared && capacity == self.configuration.segmentSize
        let isTight = !usesPrepared && self.budget.room(forSideLog: self.isSideLog) < capacity
        if isTight, !self.makesRoom(for: capacity) {
            throw ForebayError(.spoolFull, recovery: .retry, "no room for another segment")
        }
        let folder = "\(self.configuration.directory)/segments"
        var header = self.active.header.next(base: self.active.end, madeAt: WallClock.milliseconds)
        header.previousChecksum = UInt64(self.active.checksum)
        let next: SegmentWriter
        do throws(ForebayError) {
            next = try SegmentWriter.make(
                header, temporary: usesPrepared ? "\(folder)/prepared" : "\(folder)/new",
                path: SpoolRecovery.path(of: header.number, in: folder), capacity: capacity, isPrepared: usesPrepared)
            self.seal()
            try next.establish()
        } catch  where error.code == .spoolFull {
            throw error
        } catch {
            self.configuration.onDiskFailure(error)
        }
        if usesPrepared { self.isPrepared = false } else { self.budget.add(capacity) }
        self.active = next
        self.view.change { state in
            state.segments.append(SegmentInfo(next, size: capacity))
        }
        self.hasAskedForNext = false
        self.publishRoom()
        if isTight { self.sweep() }
    }

    /// The budget is spent, but perhaps on what is settled: a log whose last segment is full of that would wait for ever.
    private func makesRoom(for capacity: Int) -> Bool {
        guard case .units(let units) = self.view.read({ $0.retention }) else { return false }
        do throws(ForebayError) { try units.sync() } catch { self.configuration.onDiskFailure(error) }
        self.sweep()
        var room = self.budget.room(forSideLog: self.isSideLog)
        if room < capacity, let active = self.view.read({ $0.segments.last }), !units.needs(active) { room += active.size }
        return room >= capacity
    }

    private func sweep() {
        guard case .units(let units) = self.view.read({ $0.retention }) else { return }
        self.sweeper.sweep(units)
    }

    /// Runs what waits for the disk on the thread that may.
    func perform(_ work: @Sendable () throws(ForebayError) -> Void) throws(ForebayError) {
        try work()
    }

    /// Late enough that a segment that was passed meanwhile can be used again instead of filling a new one.
    private func askForNext() {
        guard !self.isPrepared, !self.hasAskedForNext, self.active.room < self.active.capacity / 2 else { return }
        self.hasAskedForNext = true
        self.wantNext()
    }

    private func seal() {
        let size: Int
        var hasFooter = true
        do throws(ForebayError) {
            size = try self.active.seal()
        } catch  where error.code == .spoolFull {
            // Without a footer the segment is read to where its successor begins; nothing is lost.
            size = self.active.position
            hasFooter = false
        } catch {
            self.configuration.onDiskFailure(error)
        }
        self.view.change { state in
            let last = state.segments.count - 1
            self.budget.add(size - state.segments[last].size)
            state.segments[last].size = size
            state.segments[last].isActive = false
            state.segments[last].hasFooter = hasFooter
        }
    }

    /// When no further group comes, the last one's sequences are covered by the mark slot, so that damage to it can be told from a torn
    /// tail.
    private func scheduleMark() {
        guard !self.isMarkDue else { return }
        self.isMarkDue = true
        let durable = self.durable
        Task {
            // Never cancelled.
            try? await Task.sleep(for: .milliseconds(self.configuration.markAfterIdle))
            self.writeMark(ifStillAt: durable)
        }
    }

    private func writeMark(ifStillAt durable: UInt64) {
        self.isMarkDue = false
        guard !self.isClosed else { return }
        guard durable == self.durable else { return self.scheduleMark() }
        do throws(ForebayError) {
            try self.mark.write(SlotFile.Value(sequence: durable, ordinal: 0))
            try self.mark.sync()
        } catch {
            self.configuration.onDiskFailure(error)
        }
    }
}

extension SegmentHeader {
    /// The header of the segment that follows, with a salt of its own.
    func next(base: UInt64, madeAt: Int64) -> SegmentHeader {
        var next = SegmentHeader(
            spool: self.spool, number: self.number + 1, base: base, salt: UInt64.random(in: 1...UInt64.max), madeAt: madeAt)
        next.previousNumber = self.number
        next.previousEnd = base
        return next
    }
}

extension SegmentInfo {
    init(_ writer: SegmentWriter, size: Int) {
        self.init(
            number: writer.header.number, path: writer.path, base: writer.header.base, salt: writer.header.salt, end: writer.end,
            dataEnd: writer.position, size: size, isActive: true, index: writer.index, routes: RouteTable(writer.ordinals))
    }
}
