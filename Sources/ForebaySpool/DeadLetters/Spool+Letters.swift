import ForebayCore

/// For a dead-letter log: what was removed of it.
extension Spool {
    /// Brings what was removed and the segments together. From then on a segment stays as long as one of its letters does; what nobody
    /// needs is removed, on this thread.
    func openRemoved() throws(ForebayError) -> RemovedLetters {
        let (configuration, end) = (self.configuration, self.durableEnd)
        let removed = try self.withReserve { () throws(ForebayError) in
            try RemovedLetters(configuration.disk, directory: configuration.directory, log: self.id, end: end) { self.report($0) }
        }
        self.charge(removed.takeGrowth())
        self.view.change { $0.retention = .letters(removed) }
        self.sweep(removed)
        return removed
    }

    /// Removes letters, durably on return.
    func remove(_ ranges: [Range<UInt64>], _ removed: RemovedLetters) async throws(ForebayError) {
        // Beside the commits: it may be much, and none of it hurries.
        try await self.keeper.perform { () throws(ForebayError) in
            let (start, end) = (self.start, self.durableEnd)
            do throws(ForebayError) {
                try self.withReserve { () throws(ForebayError) in try removed.add(ranges, start: start, end: end) }
            } catch {
                if error.code == .syncFailed { self.configuration.onDiskFailure(error) }
                throw error
            }
            self.charge(removed.takeGrowth())
        }
        await self.syncCursors()
    }

    /// Letters that are there.
    func letterCount(_ removed: RemovedLetters) -> UInt64 {
        let segments = self.view.read { $0.segments }
        return segments.reduce(0) { $0 + ($1.isHusk ? 0 : $1.end - $1.base - removed.count(in: $1.base..<$1.end)) }
    }

    private func sweep(_ removed: RemovedLetters) {
        guard !self.keeper.sweeper.sweep(removed) else { return }
        let keeper = self.keeper
        Task(preferring: self.configuration.surroundings.tasks) { await keeper.tryAgain() }
    }
}
