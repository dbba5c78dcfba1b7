import ForebayCore
import ForebayTelemetry
import Glibc

/// The one who writes: group commit on its own thread. All logs of a node share that thread.
///
/// Its calls run on that thread's executor, so a caller gathers the next group while this one is synced.
actor SpoolWriter {
    private let executor: any SerialExecutor
    private let configuration: SpoolConfiguration
    private let view: SpoolView
    let room: SegmentRoom
    private let metrics: SpoolMetrics
    private let mark: SpoolMark
    private let logger = Logger(label: "spool")
    private var tail: SpoolTail
    /// None until the first group comes.
    private var active: SegmentWriter?
    private var next: NextSegment
    private var isMarkDue = false
    private var isClosed = false

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

    init(
        executor: any SerialExecutor, configuration: SpoolConfiguration, view: SpoolView, budget: SpoolBudget,
        metrics: SpoolMetrics, mark: SpoolMark, sweeper: SegmentSweeper, tail: SpoolTail
    ) {
        self.executor = executor
        self.configuration = configuration
        self.view = view
        self.room = SegmentRoom(configuration, view, budget, sweeper)
        self.next = NextSegment(configuration.disk, view, budget)
        self.metrics = metrics
        self.mark = mark
        self.tail = tail
    }

    /// - Parameters:
    ///   - wantNext: called when the next segment's file should be made ready.
    ///   - startsNewSegment: at once, if there is room: so that an older version refuses the log by name from now on.
    func start(wantNext: @escaping @Sendable () -> Void, startsNewSegment: Bool) {
        self.next.ask = wantNext
        if startsNewSegment, !self.isClosed, self.active == nil {
            do throws(ForebayError) { try self.roll(toFit: 0) } catch {
                self.logger.info("no new segment could be begun yet", ["error": error.description])
            }
        }
    }

    // MARK: Committing

    /// Makes a group durable: one write, one sync.
    ///
    /// - Returns: a receipt for each submission; made here alone, after the sync returned 0.
    /// - Throws: `spool_full`, or that no new segment can be made; nothing is stored then. A disk that breaks its word ends the process.
    func commit(_ submissions: [Submission]) throws(ForebayError) -> [DurableReceipt] {
        guard !self.isClosed else { throw .closed }
        if let fault = self.view.read({ $0.fault }) { throw ForebayError(.systemCall, recovery: .retry, fault) }
        let plan = GroupPlan(submissions)
        guard plan.eventCount > 0 else { return submissions.map { _ in DurableReceipt(origin: self.tail.origin, firstSequences: []) } }
        let size = plan.size
        let active = try self.segment(toFit: size)
        let firstSequences = plan.places.map { places in places.map { active.tally.end + $0 } }
        let began = self.configuration.surroundings.time.monotonicNanoseconds
        let headers: [FrameHeader]
        do throws(ForebayError) {
            let ordinals = self.view.read { plan.ordinals(from: $0.ordinals) }
            headers = try self.room.withReserve { () throws(ForebayError) in
                try active.write(plan, durable: active.tally.end, ordinals: ordinals)
            }
        } catch  where error.code == .spoolFull {
            self.withdraw(from: active)
            self.room.refused(isFull: true, of: size)
            self.view.setRoom(self.next.size)
            throw error
        } catch {
            self.configuration.onDiskFailure(error)
        }
        do throws(ForebayError) { try active.sync() } catch { self.configuration.onDiskFailure(error) }
        guard active.hasName else { throw self.lostFile(active) }
        let took = self.configuration.surroundings.time.monotonicNanoseconds - began
        self.metrics.synced(nanoseconds: took, bytes: size, events: plan.eventCount)

        active.advance(headers, size: size)
        if !active.isPrepared { self.room.wrote(size) }
        for (submission, sequences) in zip(submissions, firstSequences) { submission.ack.numbered(sequences) }
        self.publish(active, headers, plan.batches(headers, of: active.header))
        self.publishRoom()
        self.next.askIfDue(active, segmentSize: self.configuration.segmentSize)
        self.scheduleMark()
        return firstSequences.map { DurableReceipt(origin: active.header.origin, firstSequences: $0) }
    }

    /// The disk takes files again.
    func takesFiles() {
        self.view.setTakesNoFile(false)
        self.publishRoom()
    }

    private func withdraw(from active: SegmentWriter) {
        do throws(ForebayError) { try active.withdraw() } catch {
            if error.code == .syncFailed { self.configuration.onDiskFailure(error) }
            self.logger.warning("a group that was refused could not be taken back", ["file": active.path, "error": error.description])
        }
    }

    /// It was removed, perhaps with its folder, and what was just synced with it.
    private func lostFile(_ active: SegmentWriter) -> ForebayError {
        let fault = "\(active.path) was removed while it was in use; nothing is accepted until the node is started again"
        self.view.change { $0.fault = fault }
        self.logger.error("nothing can be kept any more: start the node again", ["reason": fault])
        return ForebayError(.systemCall, recovery: .retry, fault)
    }

    private func publish(_ active: SegmentWriter, _ headers: [FrameHeader], _ batches: [Batch]) {
        self.tail.end = active.tally.end
        self.view.change { state in
            let last = state.segments.count - 1
            state.segments[last].end = active.tally.end
            state.segments[last].dataEnd = active.tally.position
            if state.segments[last].index.count != active.tally.index.count { state.segments[last].index = active.tally.index }
            state.durableEnd = active.tally.end
            state.recent.append(batches)
            for header in headers {
                let ordinal = header.ordinal + UInt64(header.count)
                state.ordinals[header.route] = ordinal
                state.segments[last].routes.raise(header.route, to: ordinal)
            }
        }
        self.view.announce()
    }

    // MARK: Segments

    /// The keeper has made the next segment's file ready.
    ///
    /// - Returns: false: nobody needs it any more.
    func take(_ prepared: PreparedSegment) -> Bool {
        guard !self.isClosed, self.next.take(prepared) else { return false }
        self.takesFiles()
        return true
    }

    /// The segment that takes a group of `size` bytes.
    private func segment(toFit size: Int) throws(ForebayError) -> SegmentWriter {
        // The first segment after a start grows with each group, which halves the sync rate: left as soon as a prepared one is there.
        if let active, active.isPrepared || self.next.file == nil, self.room.grow(active, toFit: size) { return active }
        do throws(ForebayError) {
            return try self.roll(toFit: size)
        } catch {
            // What was wrong with the next one is no reason to leave this one.
            guard let active = self.active, active.fits(size) else { throw error }
            return active
        }
    }

    /// Begins the next segment so that the newest can go, of which all is settled. There may be no room for both.
    ///
    /// - Parameter isNeeded: it stays all the same, for now.
    /// - Returns: false: it can't be, or has more by now.
    func leave(_ newest: SegmentInfo, isNeeded: Bool = false) -> Bool {
        guard !self.isClosed, self.tail.number == newest.number, self.tail.end == newest.end else { return false }
        // Others have to make room first.
        do throws(ForebayError) { try self.roll(toFit: 0, leaving: isNeeded ? nil : newest) } catch { return false }
        return true
    }

    /// Begins the next segment, and seals the one before it.
    ///
    /// - Parameter settled: the newest, if it goes then.
    @discardableResult private func roll(toFit size: Int, leaving settled: SegmentInfo? = nil) throws(ForebayError) -> SegmentWriter {
        var prepared = self.next.file
        if let found = prepared, found.size < SegmentWriter.capacity(for: size, segmentSize: 0) { prepared = nil }
        let capacity = if let prepared { prepared.size } else { try self.room.capacity(toFit: size, leaving: settled?.size ?? 0) }
        let next: SegmentWriter
        do throws(ForebayError) {
            next = try self.room.withReserve(settled != nil) { () throws(ForebayError) in try self.make(prepared, capacity: capacity) }
        } catch {
            if prepared != nil { self.next.drop() }
            if error.code == .syncFailed { self.configuration.onDiskFailure(error) }
            self.room.refused(isFull: error.code == .spoolFull, of: settled == nil ? size : nil)
            throw error
        }
        self.next.begun(from: prepared)
        if prepared == nil { self.room.took(capacity, ahead: next.ahead) }
        if let active { self.seal(active) }
        self.active = next
        self.tail.number = next.header.number
        self.tail.nextNumber = next.header.number + 1
        self.tail.end = next.header.base
        self.tail.gap = 0
        self.view.change { state in
            state.segments.append(
                SegmentInfo(
                    header: next.header, path: next.path, end: next.tally.end, dataEnd: next.tally.position, size: capacity, isActive: true)
            )
        }
        self.setMark { mark in
            mark.newest = next.header.number
            mark.durable = next.header.knownEnd
        }
        self.publishRoom()
        if prepared == nil {
            self.view.setTakesNoFile(false)
            self.room.sweepBehindNew()
        }
        return next
    }

    private func make(_ prepared: PreparedSegment?, capacity: Int) throws(ForebayError) -> SegmentWriter {
        var generator = self.configuration.surroundings.chance.generator
        while true {
            var header = SegmentHeader(
                log: self.tail.log, origin: self.tail.origin, number: self.tail.nextNumber, base: self.tail.end + self.tail.gap,
                salt: UInt64.random(in: 1...UInt64.max, using: &generator), madeAt: self.configuration.surroundings.time.wallMilliseconds)
            header.previousNumber = self.tail.number
            header.previousEnd = self.tail.end
            header.previousChecksum = self.active.map { UInt64($0.tally.checksum) } ?? self.tail.checksum
            do throws(ForebayError) {
                return try SegmentWriter.make(
                    header, in: self.configuration.segments, on: self.configuration.disk, prepared: prepared, capacity: capacity)
            } catch {
                // Somebody left a file of that name: it is not ours to replace.
                guard error.systemCode == EEXIST else { throw error }
                self.tail.nextNumber += 1
            }
        }
    }

    private func publishRoom() {
        self.view.setRoom((self.active?.room ?? 0) + self.next.size)
    }

    private func seal(_ active: SegmentWriter) {
        var (size, hasFooter) = (active.tally.position, true)
        do throws(ForebayError) {
            size = try active.seal()
        } catch  where error.code == .spoolFull {
            // Without a footer the segment is read to where its successor begins; nothing is lost.
            hasFooter = false
        } catch {
            self.configuration.onDiskFailure(error)
        }
        self.view.change { state in
            state.with(active.header.number) { found in
                self.room.took(size - found.size, ahead: -active.ahead)
                found.size = size
                found.isActive = false
                found.hasFooter = hasFooter
            }
        }
    }

    /// Seals the active segment: the sign of a clean stop.
    func close() {
        guard !self.isClosed else { return }
        self.isClosed = true
        self.next.drop()
        guard let active else { return }
        self.seal(active)
        self.active = nil
        let durable = active.tally.end
        self.setMark { $0.durable = durable }
    }

    // MARK: The mark

    /// Some time after a group the mark covers it, whatever comes meanwhile: then damage to it can be told from a torn tail.
    private func scheduleMark() {
        guard !self.isMarkDue else { return }
        self.isMarkDue = true
        let (time, interval) = (self.configuration.surroundings.time, self.configuration.markInterval)
        // A log that is closed meanwhile lets go of its files.
        Task(preferring: self.configuration.surroundings.tasks) { [weak self] in
            try? await time.sleep(milliseconds: interval)  // Never cancelled.
            await self?.writeMark()
        }
    }

    private func writeMark() {
        self.isMarkDue = false
        guard !self.isClosed else { return }
        let durable = self.tail.end
        self.setMark { $0.durable = durable }
    }

    private func setMark(_ change: (inout SpoolMark.Value) -> Void) {
        do throws(ForebayError) {
            try self.mark.set(change)
        } catch {
            // On a file system that copies what is written over, a full disk can't take it: the next one says it.
            guard error.code == .spoolFull else { self.configuration.onDiskFailure(error) }
        }
    }
}
