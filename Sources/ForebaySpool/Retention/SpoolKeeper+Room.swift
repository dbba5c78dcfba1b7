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
        // Never cancelled.
        try? await self.configuration.surroundings.time.sleep(milliseconds: self.configuration.roomInterval)
        defer { self.view.lookedForRoom() }
        guard !self.isClosed else { return }
        self.budget.refresh()
        await self.yield(for: self.configuration.leastSegment)
        guard !self.isClosed else { return }
        let hasRoom = self.budget.room(for: self.configuration.kind) >= self.configuration.leastSegment
        if hasRoom, self.view.takesNoFile, self.maker.takesFile() { await self.writer.takesFiles() }
        let isFull = self.view.roomWithoutNewFile < self.configuration.leastRoom
        if isFull, !hasRoom || self.view.takesNoFile { await self.leaveNewest() }
        self.makeBallast()
    }

    /// The newest goes only behind a successor, for which there may be no room until it goes.
    private func leaveNewest() async {
        guard case .cursors = self.view.read({ $0.retention }), let settled = self.cursors.lowestSynced,
            let newest = self.view.read({ $0.segments.last }), newest.base < newest.end, newest.end <= settled, !newest.isDamaged,
            !self.cursors.isHeld(newest), await self.writer.leave(newest)
        else { return }
        if await !self.clearPassedSegments() { self.tryAgain() }
    }

    // MARK: Giving way

    struct Yielding {
        var holders: [any YieldingHolder] = []
        var isBusy = false
        /// Bytes of a file for which there was no room, as long as others hold what could make some.
        var wanted = 0
    }

    /// From now on this one gives way.
    func yields(_ holder: any YieldingHolder) {
        self.yielding.holders.append(holder)
    }

    /// Until there is room for a file of so many bytes: what is set aside first, then the oldest segments that nobody else needs.
    func yield(for bytes: Int) async {
        guard !self.yielding.holders.isEmpty, self.cursors.isReleased, !self.yielding.isBusy else { return }
        self.yielding.isBusy = true
        defer { self.yielding.isBusy = false }
        self.yielding.wanted = bytes
        while !self.isClosed, self.budget.room(for: self.configuration.kind) < bytes {
            guard await self.yieldOnce() else { return }
            self.budget.refresh()
        }
        self.yielding.wanted = 0
    }

    /// - Returns: false: nothing more can be given up.
    private func yieldOnce() async -> Bool {
        for holder in self.yielding.holders where await holder.giveUpAside() { return true }
        guard let oldest = self.view.read({ $0.segments.first }), !oldest.isActive else { return false }
        let behind = self.yielding.holders.filter { $0.cursor.sequence < oldest.end }
        let names = Set(behind.map(\.cursor.name))
        // Nothing is given up that would free nothing.
        guard !behind.isEmpty, !self.cursors.isHeld(oldest),
            self.cursors.all.allSatisfy({ names.contains($0.name) || $0.syncedSequence >= oldest.end })
        else { return false }
        do throws(ForebayError) {
            for holder in behind {
                let ordinal = try LogCensus(self.view, self.configuration.disk).ordinal(of: holder.cursor.routes, at: oldest.end)
                holder.giveUp(below: oldest.end, ordinal: ordinal)
            }
        } catch {
            return false  // Where the disk can't be read now, it is tried again when the next file is wanted.
        }
        await self.syncCursors()
        return self.view.read { $0.segments.first?.number } != oldest.number
    }
}
