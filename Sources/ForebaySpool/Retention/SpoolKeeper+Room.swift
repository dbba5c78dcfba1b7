import ForebayCore
import ForebayTelemetry

/// Room for new events: looking for it, and making it by what need not be kept.
extension SpoolKeeper {
    func makeBallast() {
        guard self.configuration.kind == .spool, !self.isClosed else { return }
        self.budget.makeBallast()
    }

    /// There is no room: looks again after a while, for as long as somebody asks, and leaves the newest segment if that makes some. Others
    /// write on the disk, and delete.
    func lookForRoom() async {
        // Those who give way do so before anybody waits.
        await self.yieldForRoom()
        // Never cancelled.
        try? await self.configuration.surroundings.time.sleep(milliseconds: self.configuration.roomInterval)
        defer { self.view.lookedForRoom() }
        guard !self.isClosed else { return }
        self.budget.refresh()
        await self.yieldForRoom()
        guard !self.isClosed else { return }
        if self.budget.room(for: self.configuration.kind) >= self.view.lackedBytes { self.view.setLacked(0) }
        let hasRoom = self.budget.room(for: self.configuration.kind) >= self.configuration.leastSegment
        if hasRoom, self.view.takesNoFile, self.maker.takesFile() { await self.writer.takesFiles() }
        let isFull = self.view.roomWithoutNewFile < self.configuration.leastRoom
        if isFull, !hasRoom || self.view.takesNoFile {
            await self.yieldNewest()
            await self.leaveNewest()
        }
        self.makeBallast()
    }

    private func yieldForRoom() async {
        await self.yield(for: max(self.configuration.leastSegment, self.configuration.leastRoom, self.view.lackedBytes))
        // Before others take it.
        if !self.yielding.holders.isEmpty, self.view.roomWithoutNewFile < self.configuration.leastRoom { await self.prepareNext() }
    }

    /// Lets go of what is set aside and not needed, also where it is in the newest segment: that would else keep its own room, and that of
    /// the units that were in it and are over, for as long as nothing more is set aside.
    ///
    /// - Returns: false: something could not go that should. To be tried again.
    func sweep(_ units: UnitTable) async -> Bool {
        let isDone = self.sweeper.sweep(units)
        guard let newest = self.view.read({ $0.segments.last }) else { return isDone }
        switch units.leaving(newest, segmentSize: self.configuration.segmentSize) {
        case .not: return isDone
        case .whole: return await self.writer.leave(newest) && self.sweeper.sweep(units) && isDone
        case .inPart:
            // Where there is no room for one more, it goes on as it is.
            guard self.budget.room(for: self.configuration.kind) >= self.configuration.segmentSize else { return isDone }
            _ = await self.writer.leave(newest, isNeeded: true)
            return isDone
        }
    }

    /// The newest goes only behind a successor, for which there may be no room until it goes.
    private func leaveNewest() async {
        guard case .cursors = self.view.read({ $0.retention }), let settled = self.cursors.lowestSynced,
            let newest = self.view.read({ $0.segments.last }), newest.base < newest.end, newest.end <= settled, !newest.isDamaged,
            !self.cursors.isHeld(newest), await self.writer.leave(newest)
        else { return }
        self.reporter.logger.info(
            "the newest segment was left, for all of it is settled and there is no room for another", ["file": newest.path])
        if await !self.clearPassedSegments() { self.tryAgain() }
    }
}
