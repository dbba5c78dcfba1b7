import ForebayCore
import ForebayTelemetry

/// Where there is no room for new events, or for what must be set aside: what deliveries give up that are not required.
extension SpoolKeeper: RoomMaker {
    struct Yielding {
        var holders: [any YieldingHolder] = []
        /// Those who wait for the one that is at it.
        var waiting: [CheckedContinuation<Void, Never>] = []
        var isBusy = false
        /// Bytes of a file for which there was no room, as long as others hold what could make some.
        var wanted = 0
        /// How many files in a row made no room, and until when nothing more is given up for it.
        var futile = 0
        var pausedUntil: UInt64 = 0
    }

    /// How long nothing is given up after files that made no room, in ns: snapshots of the file system may hold it, or others take it.
    private static let pause: UInt64 = 60_000_000_000
    /// Others may be quicker now and then.
    private static let patience = 3

    /// From now on this one gives way.
    func yields(_ holder: any YieldingHolder) {
        self.yielding.holders.append(holder)
        self.budget.makesRoom(self)
    }

    nonisolated func makeRoom(for want: RoomWanted) {
        Task(preferring: self.configuration.surroundings.tasks) {
            switch want {
            case .ahead: await self.yieldAhead()
            case .sideLog(let kind, let bytes, let isRefused): await self.yieldAside(for: bytes, of: kind, isRefused)
            }
        }
    }

    /// Until there is room for a file of so many bytes: of who is behind furthest what it keeps beside the spool, then the oldest segments
    /// that nobody else needs. Nothing is given up once there is some.
    func yield(for bytes: Int) async {
        guard !self.yielding.holders.isEmpty, self.cursors.isReleased else { return }
        self.yielding.wanted = bytes
        while self.yielding.isBusy { await withCheckedContinuation { self.yielding.waiting.append($0) } }
        await self.exclusively {
            while self.lacks(bytes) {
                guard await self.yieldOnce() else { return }
                await self.look()
            }
            self.yielding.wanted = 0
        }
    }

    /// One file beyond the one that is ready, if any: giving way takes a while, in which new events come.
    func yieldAhead() async {
        guard let size = self.maker.size, size <= (self.budget.limit - self.budget.reserve) / 4 else { return }
        guard !self.yielding.holders.isEmpty, self.cursors.isReleased, !self.yielding.isBusy else { return }
        await self.exclusively {
            while !self.isClosed, self.budget.room(for: .spool) < size {
                guard await self.yieldOnce() else { return }
                self.budget.refresh()
            }
        }
    }

    private func yieldAside(for bytes: Int, of kind: LogKind, _ isRefused: Bool) async {
        guard self.cursors.isReleased, !self.yielding.isBusy else { return }
        await self.exclusively {
            // One file at a time where the disk refuses though it says that it has room.
            if isRefused, self.budget.room(for: kind) >= bytes { return _ = await self.yieldOnce() }
            while !self.isClosed, bytes <= self.budget.limit, self.budget.room(for: kind) < bytes {
                guard await self.yieldOnce() else { return }
                self.budget.refresh()
            }
        }
    }

    /// One at a time.
    private func exclusively(_ work: () async -> Void) async {
        self.yielding.isBusy = true
        // Others write on the disk, and delete.
        await self.look()
        await work()
        self.yielding.isBusy = false
        let waiting = self.yielding.waiting
        self.yielding.waiting = []
        for waiter in waiting { waiter.resume() }
    }

    private func look() async {
        self.budget.refresh()
        if self.view.takesNoFile, self.maker.takesFile() { await self.writer.takesFiles() }
    }

    private func lacks(_ bytes: Int) -> Bool {
        guard !self.isClosed, !self.view.hasPrepared || bytes > self.maker.size ?? 0 else { return false }
        // What can never fit makes nobody give up anything.
        guard bytes <= self.budget.limit - self.budget.reserve else { return false }
        return self.view.takesNoFile || self.budget.room(for: .spool) < bytes
    }

    /// - Returns: false: nothing more can be given up now.
    private func yieldOnce() async -> Bool {
        let now = self.configuration.surroundings.time.monotonicNanoseconds
        guard now >= self.yielding.pausedUntil else { return false }
        let oldest = self.view.read { $0.segments.first }
        // Who is behind furthest gives up first, and the segment goes before what others keep beside the spool.
        let ages = self.yielding.holders.map { ($0, age: $0.oldestAge ?? -1) }
        for (holder, _) in ages.sorted(by: { $0.age > $1.age }) {
            let before = self.budget.usedBytes
            if await holder.giveUpBesideSpool(), self.budget.usedBytes < before { return true }
            if let oldest, holder.cursor.sequence < oldest.end, await self.yield(oldest, now) { return true }
        }
        return false
    }

    /// - Returns: false: it can't go now.
    private func yield(_ oldest: SegmentInfo, _ now: UInt64) async -> Bool {
        guard !oldest.isActive, self.giveUp(oldest) else { return false }
        let before = self.budget.roomBesideBallast
        await self.syncCursors()
        guard self.view.read({ $0.segments.first?.number }) != oldest.number else { return false }
        self.budget.refresh()
        // It may have become the next one's file.
        let madeRoom = self.budget.roomBesideBallast > before || self.view.hasPrepared
        self.yielding.futile = madeRoom ? 0 : self.yielding.futile + 1
        if self.yielding.futile >= Self.patience {
            (self.yielding.futile, self.yielding.pausedUntil) = (0, now + Self.pause)
            self.reporter.logger.warning(
                "what was given up made no room: the disk keeps it, or others take it; nothing more is given up for now")
        }
        return true
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
