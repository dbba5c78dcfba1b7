import ForebayCore

/// The room for a log's segments, as its writer has it: what a new one may take, and what is let go of for it.
struct SegmentRoom {
    private let configuration: SpoolConfiguration
    private let view: SpoolView
    private let budget: SpoolBudget
    private let sweeper: SegmentSweeper

    init(_ configuration: SpoolConfiguration, _ view: SpoolView, _ budget: SpoolBudget, _ sweeper: SegmentSweeper) {
        self.configuration = configuration
        self.view = view
        self.budget = budget
        self.sweeper = sweeper
    }

    /// Files have grown by so many bytes, or shrunk.
    ///
    /// - Parameter ahead: of these, what the files don't have, or did not have.
    func took(_ bytes: Int, ahead: Int = 0) {
        self.budget.add(bytes, ahead: ahead)
        if bytes > 0 { self.budget.grew(self.configuration) }
    }

    /// A file has grown into what it took ahead.
    func wrote(_ bytes: Int) { self.budget.wrote(bytes) }

    /// The disk has refused something.
    ///
    /// - Parameters:
    ///   - isFull: for want of room: what it did not give is none, until it has some again.
    ///   - size: bytes of the group that it was for; none: nothing waits for it.
    func refused(isFull: Bool, of size: Int?) {
        self.budget.refresh()
        guard isFull else { return }
        self.view.setTakesNoFile(true)
        guard let size else { return }
        self.budget.lacks(SegmentWriter.capacity(for: size, segmentSize: 0), for: self.configuration, isRefused: true)
    }

    /// Dead letters and what is set aside must go on where the disk is full: others may have taken what was free. So must what gives room
    /// back.
    func withReserve<Result>(
        _ givesRoom: Bool = false, _ body: () throws(ForebayError) -> Result
    ) throws(ForebayError) -> Result {
        try self.configuration.kind.isSideLog || givesRoom ? self.budget.withReserve(body) : body()
    }

    /// A segment that was not prepared takes its room in such steps: a log that has little takes little from the others.
    private static let step = 1 << 20

    /// The segment that is written grows, if it has to and there is room.
    ///
    /// - Returns: whether a group fits into it. If not, another one is to be begun, for which room is made.
    func grow(_ active: SegmentWriter, toFit size: Int) -> Bool {
        let lack = active.lack(of: size)
        guard lack > 0, !active.isPrepared else { return active.fits(size) }
        let most = min(
            self.configuration.segmentSize - active.capacity, self.budget.room(for: self.configuration.kind), self.budget.roomBesideBallast)
        let growth = min(SpoolFormat.aligned(max(lack, Self.step)), most / SpoolFormat.block * SpoolFormat.block)
        guard growth >= lack else { return false }
        active.grow(by: growth)
        self.took(growth, ahead: growth)
        self.view.change { state in state.with(active.header.number) { $0.size = active.capacity } }
        return active.fits(size)
    }

    /// Room for a file beside the segments to grow: what is settled goes first, where that makes some.
    ///
    /// - Parameter bytes: by which it will, as things are when it is asked.
    /// - Throws: `spool_full`.
    func require(_ bytes: () -> Int) throws(ForebayError) {
        var wanted = bytes()
        guard wanted > 0 else { return }
        if self.budget.room(for: self.configuration.kind) < wanted {
            self.makeRoom()
            wanted = bytes()
        }
        if self.budget.roomBesideBallast < wanted { _ = self.budget.giveUpBallast() }
        guard wanted <= max(0, self.budget.room(for: self.configuration.kind)) else {
            self.budget.lacks(wanted, for: self.configuration, isRefused: false)
            throw ForebayError(.spoolFull, recovery: .retry, "no room for more units")
        }
    }

    /// Bytes that a new segment may take at first: less than usual where room is short.
    ///
    /// - Parameter settled: bytes of the newest, if it goes then: a side log's makes more room by that than it takes.
    func capacity(toFit size: Int, leaving settled: Int) throws(ForebayError) -> Int {
        let kind = self.configuration.kind
        let usual = SegmentWriter.capacity(for: size, segmentSize: min(self.configuration.segmentSize, Self.step))
        let least = SegmentWriter.capacity(for: size, segmentSize: self.configuration.leastSegment)
        if self.budget.room(for: kind) < usual { self.makeRoom() }
        if kind.isSideLog, self.budget.roomBesideBallast < least { _ = self.budget.giveUpBallast() }
        // It is left for more than that, as things are.
        if settled > 0, kind.isSideLog { return min(usual, max(least, settled)) }
        let room = self.budget.room(for: kind) + self.spentOnSettled + settled
        // Nobody gives up much for one group: it may not fit all the same.
        self.view.setLacked(room >= least || least > self.budget.limit / 4 ? 0 : least)
        guard room >= least else {
            self.budget.lacks(least, for: self.configuration, isRefused: false)
            throw ForebayError(.spoolFull, recovery: .retry, "no room for another segment")
        }
        return min(usual, room / SpoolFormat.block * SpoolFormat.block)
    }

    /// The budget is spent, but perhaps on what is settled: a log whose last segment is full of that would wait for ever.
    private func makeRoom() {
        guard let holder = self.view.read({ $0.retention }).holder else { return }
        if let units = holder as? UnitTable {
            do throws(ForebayError) { try units.sync() } catch { self.configuration.onDiskFailure(error) }
        }
        self.sweeper.sweep(holder)
    }

    /// Bytes of the newest segment of a side log that go as soon as it has a successor.
    private var spentOnSettled: Int {
        let segments = self.view.read { $0.segments }
        guard let holder = self.view.read({ $0.retention }).holder, let last = segments.last, !last.isHusk, !holder.needs(last) else {
            return 0
        }
        // Behind one that stays, its header stays, too.
        return segments.count == 1 ? last.size : last.size - last.header.dataStart
    }

    /// Also where all letters of the one before were removed: nobody else comes by then.
    func sweepBehindNew() {
        let retention = self.view.read { $0.retention }
        guard let holder = retention.holder else { return }
        if case .units = retention, self.budget.room(for: self.configuration.kind) >= self.configuration.segmentSize {
            return
        }
        self.sweeper.sweep(holder)
    }
}
