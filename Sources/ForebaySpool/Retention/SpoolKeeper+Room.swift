import ForebayCore

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

    /// The newest goes only behind a successor, for which there may be no room until it goes.
    private func leaveNewest() async {
        guard case .cursors = self.view.read({ $0.retention }), let settled = self.cursors.lowestSynced,
            let newest = self.view.read({ $0.segments.last }), newest.base < newest.end, newest.end <= settled, !newest.isDamaged,
            !self.cursors.isHeld(newest), await self.writer.leave(newest)
        else { return }
        if await !self.clearPassedSegments() { self.tryAgain() }
    }
}
