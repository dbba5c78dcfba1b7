import ForebayCore

/// Where there is no room for new events, or for what is set aside: what deliveries give up that are not required.
extension SpoolKeeper: RoomMaker {
    struct Yielding {
        var holders: [any YieldingHolder] = []
        var isBusy = false
        /// Bytes of a file for which there was no room, as long as others hold what could make some.
        var wanted = 0
    }

    /// From now on this one gives way.
    func yields(_ holder: any YieldingHolder) {
        self.yielding.holders.append(holder)
        self.budget.makesRoom(self)
    }

    nonisolated func makeRoom(for bytes: Int, of kind: LogKind) {
        Task(preferring: self.configuration.surroundings.tasks) { await self.yield(for: bytes, of: kind) }
    }

    /// Until there is room for a file of so many bytes: what they keep beside the spool first, then the oldest segments that nobody else
    /// needs. Nothing is given up that makes no room, nor once there is some.
    func yield(for bytes: Int, of kind: LogKind = .spool) async {
        guard !self.yielding.holders.isEmpty, self.cursors.isReleased, !self.yielding.isBusy else { return }
        self.yielding.isBusy = true
        defer { self.yielding.isBusy = false }
        // A side log asks again as long as it wants some.
        if kind == .spool { self.yielding.wanted = bytes }
        // Others write on the disk, and delete.
        await self.look()
        while self.lacks(bytes, for: kind) {
            guard await self.yieldOnce() else { return }
            await self.look()
        }
        if kind == .spool { self.yielding.wanted = 0 }
    }

    private func look() async {
        self.budget.refresh()
        if self.view.takesNoFile, self.maker.takesFile() { await self.writer.takesFiles() }
    }

    private func lacks(_ bytes: Int, for kind: LogKind) -> Bool {
        guard !self.isClosed else { return false }
        if kind.isSideLog { return bytes <= self.budget.limit && self.budget.room(for: kind) < bytes }
        guard !self.view.hasPrepared || bytes > self.maker.size ?? 0 else { return false }
        // What can never fit makes nobody give up anything.
        guard bytes <= self.budget.limit - self.budget.reserve else { return false }
        return self.view.takesNoFile || self.budget.room(for: .spool) < bytes
    }

    /// - Returns: false: nothing more can be given up.
    private func yieldOnce() async -> Bool {
        for holder in self.yielding.holders {
            let before = self.budget.usedBytes
            if await holder.giveUpBesideSpool(), self.budget.usedBytes < before { return true }
        }
        guard let oldest = self.view.read({ $0.segments.first }), !oldest.isActive, self.giveUp(oldest) else { return false }
        await self.syncCursors()
        return self.view.read { $0.segments.first?.number } != oldest.number
    }

    /// The newest is the only one, and full: it can be left once all of it is settled, or given up.
    func yieldNewest() async {
        guard self.cursors.isReleased, !self.yielding.isBusy, let newest = self.view.read({ $0.segments.first }), newest.isActive else {
            return
        }
        if self.giveUp(newest) { await self.syncCursors() }
    }

    /// - Returns: false: others need it, or nobody who gives way does.
    private func giveUp(_ segment: SegmentInfo) -> Bool {
        let behind = self.yielding.holders.filter { $0.cursor.sequence < segment.end }
        let names = Set(behind.map(\.cursor.name))
        guard !behind.isEmpty, !self.cursors.isHeld(segment),
            self.cursors.all.allSatisfy({ names.contains($0.name) || $0.syncedSequence >= segment.end })
        else { return false }
        do throws(ForebayError) {
            for holder in behind {
                let census = LogCensus(self.view, self.configuration.disk)
                let ordinal = try census.ordinal(of: holder.cursor.routes, at: segment.end)
                let unread = holder.settledUnread(below: segment.end)
                let settled = try census.events(of: holder.cursor.routes, in: unread.ranges)
                holder.giveUp(below: segment.end, ordinal: ordinal, settledUnread: (unread.position, settled))
            }
        } catch {
            return false  // Where the disk can't be read now, it is tried again when the next file is wanted.
        }
        return true
    }
}
