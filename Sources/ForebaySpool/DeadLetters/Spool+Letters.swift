import ForebayCore
import ForebayTelemetry

/// For a dead-letter log: what was removed of it.
extension Spool {
    /// Brings what was removed and the segments together. From then on a segment stays as long as one of its letters does; what nobody
    /// needs is removed, on this thread.
    func openRemoved() throws(ForebayError) -> RemovedLetters {
        let (configuration, end) = (self.configuration, self.durableEnd)
        let removed = try RemovedLetters(configuration.disk, directory: configuration.directory, log: self.id, end: end) { self.report($0) }
        do throws(ForebayError) {
            try self.withReserve { () throws(ForebayError) in try removed.saveAgain() }
        } catch {
            // For want of room alone a node does not stay down.
            guard error.code == .spoolFull else { throw error }
        }
        self.budget.found(removed.takeGrowth())
        self.view.change { $0.retention = .letters(removed) }
        self.sweep(removed)
        return removed
    }

    /// Whether letters can be removed, as far as that can be told before.
    func checkRemoval(_ ranges: [Range<UInt64>], _ removed: RemovedLetters) throws(ForebayError) {
        try removed.check(ranges, start: self.start, end: self.durableEnd)
    }

    /// Removes letters, durably on return.
    ///
    /// - Parameter areElsewhere: they are durable in another log. Where it can't be written now that they were removed, they are removed
    ///   all the same, and it is written later.
    func remove(_ ranges: [Range<UInt64>], _ removed: RemovedLetters, areElsewhere: Bool) async throws(ForebayError) {
        // Beside the commits: it may be much, and none of it hurries.
        try await self.keeper.perform { () throws(ForebayError) in
            let (start, end) = (self.start, self.durableEnd)
            do throws(ForebayError) {
                try self.withReserve { () throws(ForebayError) in try removed.add(ranges, start: start, end: end) }
            } catch {
                if error.code == .syncFailed { self.configuration.onDiskFailure(error) }
                guard areElsewhere else { throw error }
                try removed.hide(ranges, start: start, end: end)
            }
            self.charge(removed.takeGrowth())
        }
        await self.syncCursors()
    }

    /// Before an append: no file hides the numbers that it will give.
    ///
    /// - Throws: `spool_full`.
    func uncover(_ removed: RemovedLetters) async throws(ForebayError) {
        guard removed.hidesNext else { return }
        try await self.keeper.perform { () throws(ForebayError) in
            do throws(ForebayError) {
                try self.withReserve { () throws(ForebayError) in try removed.saveAgain() }
            } catch {
                if error.code == .syncFailed { self.configuration.onDiskFailure(error) }
                throw error
            }
        }
    }

    /// Letters that are there.
    func letterCount(_ removed: RemovedLetters) -> UInt64 {
        let segments = self.view.read { $0.segments }
        return segments.reduce(0) { $0 + ($1.isHusk ? 0 : $1.end - $1.base - removed.count(in: $1.base..<$1.end)) }
    }

    /// Of some that don't overlap, those that are there.
    func letterCount(_ removed: RemovedLetters, in ranges: [Range<UInt64>]) -> UInt64 {
        let segments = self.view.read { $0.segments }.filter { !$0.isHusk }
        return ranges.reduce(0) { count, range in
            segments.map { range.clamped(to: $0.base..<$0.end) }.reduce(count) { count, part in
                part.isEmpty ? count : count + (part.upperBound - part.lowerBound) - removed.count(in: part)
            }
        }
    }

    private func sweep(_ removed: RemovedLetters) {
        guard !self.keeper.sweeper.sweep(removed) || removed.isUnwritten else { return }
        let keeper = self.keeper
        Task(preferring: self.configuration.surroundings.tasks) { await keeper.tryAgain() }
    }
}

extension RemovedLetters {
    /// Writes what could not be written yet.
    ///
    /// - Returns: false: it can't be written now.
    func save(_ budget: SpoolBudget) throws(ForebayError) -> Bool {
        guard self.isUnwritten else { return true }
        do throws(ForebayError) {
            try budget.withReserve { () throws(ForebayError) in try self.saveAgain() }
            return true
        } catch {
            guard error.code != .syncFailed else { throw error }
            Logger(label: "spool").warning(
                "which dead letters were removed could not be written in both files yet",
                ["folder": self.directory, "error": error.description])
            return false
        }
    }
}
