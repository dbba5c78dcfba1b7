import ForebayCore
import ForebayTelemetry
import Synchronization

/// What was told of as gone, and is there again.
extension SpoolReporter {
    /// Files that were gone are there again: what they hold is not lost, but for what cursors have passed meanwhile.
    ///
    /// - Parameter holes: what in them can't be read is not gone, but lost in them.
    /// - Returns: the segments that have something of what stays told: nobody reads that any more, so they are to be kept.
    func hadBack(_ segments: [SegmentInfo], holes: [MissingRange] = [], _ parties: [LossCount.Party]) -> [UInt64] {
        let files = Set(segments.map(\.path))
        func range(_ sequences: Range<UInt64>) -> MissingRange {
            MissingRange(sequences: sequences, segment: 0, position: 0, reason: "")
        }
        let ranges = segments.map { range($0.base..<$0.end) } + holes.filter { !$0.isGone }
        let gone = self.state.withLock { $0.known.missing + $0.known.acknowledged }.filter(\.isGone)
        let notBack = gone.flatMap { self.passed($0.sequences, of: segments, parties) }.map(range)
        let unseen = self.passedUnseen(in: segments, parties)
        let isChanged = self.state.withLock { state in
            let before = state.known
            func left(_ missing: [MissingRange]) -> [MissingRange] {
                missing.flatMap { missing -> [MissingRange] in
                    guard missing.isGone else { return [missing] }
                    let rest = missing.parts(without: ranges)
                    guard rest != [missing] else { return rest }
                    return rest + missing.parts(without: missing.parts(without: notBack))
                }
            }
            state.known.missing = left(before.missing)
            state.known.acknowledged = left(before.acknowledged)
            for missing in unseen {
                for part in missing.parts(without: state.known.missing + state.known.acknowledged) {
                    state.known.add(part)
                    state.known.losses += 1
                }
            }
            state.known.alarms.removeAll { $0.holdsEvents && files.contains($0.file) }
            state.known.acknowledgedAlarms.removeAll { files.contains($0.file) }
            state.known.dropPassed()
            return state.known != before
        }
        if isChanged {
            self.logger.info("a segment that was told of as gone is back", ["folder": self.directory])
            self.save()
        }
        let lost = self.holes
        return segments.filter { segment in
            // Of one that is no husk nothing may be readable.
            let end = max(segment.isHusk ? segment.base : segment.base + 1, segment.end)
            return lost.contains { $0.overlaps(segment.base..<end) }
        }.map(\.number)
    }

    /// A cursor has gone over sequences of a file that is gone.
    func passed(_ sequences: Range<UInt64>, by routes: [RouteID]) {
        let isNew = self.state.withLock { state in
            let isNew = state.known.add(PassedRange(sequences: sequences, routes: routes))
            if isNew { state.unsaved.add(from: sequences.lowerBound, now: self.now) }
            return isNew
        }
        if isNew { self.saveDue() }
    }

    /// What cursors have passed of files that were told of as gone as a whole, and are back.
    private func passedUnseen(in segments: [SegmentInfo], _ parties: [LossCount.Party]) -> [MissingRange] {
        let alarms = self.state.withLock { $0.known.alarms + $0.known.acknowledgedAlarms }
        let gone = Set(alarms.filter(\.holdsEvents).map(\.file))
        return segments.filter { gone.contains($0.path) }.flatMap { segment in
            self.passed(segment.base..<max(segment.base, segment.end), of: [segment], parties).map { range in
                var missing = MissingRange(
                    sequences: range, segment: segment.number, position: 0, reason: "the segment was away when its place was passed",
                    isGone: true)
                missing.noticedAt = self.time.wallMilliseconds
                return missing
            }
        }
    }

    /// What of a range stands in segments with events of a cursor that has gone over it, and stands behind it.
    private func passed(_ range: Range<UInt64>, of segments: [SegmentInfo], _ parties: [LossCount.Party]) -> [Range<UInt64>] {
        let passed = self.state.withLock { $0.known.passed }.map { passed in
            let ends = parties.filter { $0.routes == passed.routes }.map(\.sequence)
            return PassedRange(sequences: passed.sequences.clamped(to: 0..<(ends.max() ?? .max)), routes: passed.routes)
        }
        return segments.flatMap { segment in
            let part = (segment.base..<max(segment.base, segment.end)).clamped(to: range)
            return passed.filter { passed in passed.routes.contains { segment.routes[$0] != nil } }.map { $0.sequences.clamped(to: part) }
        }.filter { !$0.isEmpty }
    }

    /// Logs that were told of as gone as a whole are there again.
    func hadBack(_ logs: Set<SpoolID>) {
        let isChanged = self.state.withLock { state in
            let before = state.known
            state.known.alarms.removeAll { $0.log.map(logs.contains) ?? false }
            state.known.acknowledgedAlarms.removeAll { $0.log.map(logs.contains) ?? false }
            return state.known != before
        }
        guard isChanged else { return }
        self.logger.info("a log that was told of as gone is back", ["folder": self.directory])
        self.save()
    }
}
