import ForebayCore

/// What is missing at the ends of the log, and between its segments.
extension SpoolRecovery {
    /// Whether the newest segment is there, and all that marks cover.
    ///
    /// - Parameter begun: behind a segment that was lost before, and away now.
    func checkEnd(
        _ found: FoundSegments, _ identity: LogIdentity, _ highest: UInt64, _ begun: CursorRegistry.Begun?, _ outcome: inout Outcome
    ) {
        // Version 1 removed the newest one, too, when nobody needed it.
        let last = outcome.segments.last?.end
        let end = identity.isVersion1 ? last ?? highest : max(last ?? 0, identity.released)
        // What was told of as lost had its numbers: new segments and events never get these, or a later start would take them for it.
        let told = self.reporter.reached
        outcome.given = max(highest, end, told.sequence, identity.marks.max() ?? 0)
        // The other numbers that were given are below the place where sequences go on then.
        outcome.durableEnd = begun == nil ? outcome.given : max(highest, end)
        if outcome.isNewestLost {
            self.reporter.report(
                SpoolAlarm(
                    file: SegmentFile.path(of: outcome.newest, in: "\(self.directory)/segments"),
                    text:
                        "the newest segment is gone or can't be read: events accepted last may be lost, from sequence \(end) on; new events"
                        + " get ids of a new kind", holdsEvents: true))
        }
        outcome.nextNumber = max(outcome.newest, found.highestName, told.segment) + 1
        if outcome.durableEnd > end, !outcome.holes.contains(where: { $0.sequences.upperBound == outcome.durableEnd }) {
            outcome.holes.append(self.hole(end..<outcome.durableEnd, outcome))
        }
        // Between what was lost before and what was begun then there was nothing.
        if let begun, let marked = identity.marks.max(), marked > begun.sequence {
            outcome.holes.append(self.hole(begun.sequence..<marked, outcome))
        }
        // A first start makes it before the registry: one that was cut short has neither.
        if !identity.isNew, !identity.isVersion1, identity.mark?.value == nil {
            self.reporter.report(
                SpoolAlarm(file: "\(self.directory)/\(SpoolMark.file)", text: "it is gone or can't be read; it is made anew"))
        }
    }

    private func hole(_ sequences: Range<UInt64>, _ outcome: Outcome) -> MissingRange {
        MissingRange(
            sequences: sequences, segment: outcome.newest, position: outcome.segments.last?.dataEnd ?? 0,
            reason: "the log ends below a mark", isGone: outcome.isNewestLost)
    }

    /// Whether the oldest segments were removed by us. Without a mark the units of a set-aside log tell.
    func checkBeginning(_ identity: LogIdentity, _ outcome: inout Outcome) {
        guard !identity.isVersion1, identity.mark?.value.map({ $0.owner > 0 }) ?? (self.kind == .setAside) else { return }
        let settled = identity.letGo
        guard let first = outcome.segments.first, first.header.knownEnd > settled else { return }
        outcome.holes.append(
            MissingRange(
                sequences: settled..<first.header.knownEnd, segment: self.kind == .setAside ? first.header.previousNumber : first.number,
                position: 0, reason: "the oldest segments are gone", isGone: true))
    }

    /// In a set-aside log nobody reads sequence by sequence, so a hole in the middle is looked for here. (Version 1 left holes.)
    func checkChain(_ outcome: inout Outcome) {
        for (before, segment) in zip(outcome.segments, outcome.segments.dropFirst())
        where segment.header.version > 1 && segment.header.previousNumber > before.number && segment.header.knownEnd > before.end {
            outcome.holes.append(
                MissingRange(
                    sequences: before.end..<segment.header.knownEnd, segment: segment.header.previousNumber, position: 0,
                    reason: "a segment is gone",
                    isGone: true))
        }
    }
}
