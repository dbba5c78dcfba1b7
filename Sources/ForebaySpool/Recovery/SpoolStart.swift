import ForebayCore
import ForebayTelemetry

/// All that a start looks at, mends and says, before anything runs.
struct SpoolStart {
    /// With the log's folders held.
    let configuration: SpoolConfiguration
    let lock: SpoolLock
    let identity: LogIdentity
    let outcome: SpoolRecovery.Outcome
    /// Where sequences go on: where all that is durable ends, but behind a newest segment, or its last groups, that were lost.
    let next: UInt64
    let view: SpoolView
    let mark: SpoolMark
    let cursors: CursorSet

    /// Makes the log's folders, or finds them, and holds them. From then on what is not there is lost: it can't be away with its folder.
    static func hold(_ configuration: SpoolConfiguration) throws(ForebayError) -> SpoolConfiguration {
        var configuration = configuration
        let directory = configuration.directory
        for path in [directory, configuration.segments, "\(directory)/cursors"] { try Folder(configuration.disk).make(path) }
        configuration.disk = try configuration.disk.holding(configuration.held)
        return configuration
    }

    /// - Parameters:
    ///   - configuration: with the log's folders held.
    ///   - moved: a cursor has something to be synced.
    init(
        _ configuration: SpoolConfiguration, _ budget: SpoolBudget, _ reporter: SpoolReporter, moved: @escaping @Sendable () -> Void
    ) throws(ForebayError) {
        let directory = configuration.directory
        self.configuration = configuration
        let disk = configuration.disk
        let folder = Folder(disk)
        // What an earlier process made or renamed and did not live to sync counts from now on, so it is synced first.
        for path in [directory, configuration.segments, "\(directory)/cursors"] { try disk.syncFolder(path) }
        try folder.putAsideUnlessFile("\(directory)/lock", of: directory)
        self.lock = try SpoolLock(disk, directory: directory)
        for name in try folder.entries(configuration.segments) where SegmentFile.isLeftover(name) {
            try folder.putAsideUnlessFile("\(configuration.segments)/\(name)", of: directory)
            try folder.remove("\(configuration.segments)/\(name)")
        }
        let found = try FoundSegments(disk, in: configuration.segments)
        let chance = configuration.surroundings.chance
        var identity = try LogIdentity(disk, of: directory, configuration.kind, found, chance: chance)
        identity.knownEnd = configuration.knownEnds[identity.log] ?? 0
        try reporter.remember(
            AlarmFile(disk: disk, directory: directory, log: identity.log, budget: budget), passed: identity.passed,
            firstSegment: found.segments.first?.header.number ?? 0)
        var outcome = try SpoolRecovery(disk, of: directory, configuration.kind, reporter, budget).run(found, &identity, chance: chance)
        // Before the cursors: with them the registry says that every slot is of the present version.
        self.mark = try Self.openMark(configuration, budget, identity, outcome, isTold: reporter.isSaved)
        // Behind the mark: without that, what is begun here would be missed should this start be cut short.
        if outcome.isNewestLost || outcome.isTailUnread {
            self.next = identity.begin(behind: outcome)
            try identity.save(disk, to: directory, budget)
        } else {
            self.next = identity.begun(behind: outcome) ?? outcome.durableEnd
        }
        if configuration.kind == .setAside { try SegmentSeal(disk).endDamaged(&outcome, reporter) }
        (self.identity, self.outcome) = (identity, outcome)
        self.view = SpoolView(
            SpoolView.State(
                segments: Self.segments(outcome), durableEnd: outcome.durableEnd, ordinals: outcome.ordinals,
                retention: configuration.kind == .spool ? .cursors : .everything,
                recent: RecentTail(limit: configuration.kind == .spool ? configuration.recentBytes : 0)))
        self.cursors = try CursorSet(configuration, budget, identity, self.view, reporter, moved: moved)
    }

    /// The damaged ones are known before anybody looks at them. Beside one that is gone the segments are sound. What was told of as lost is
    /// not removed when it was put back and is not read any more: it is kept in quarantine.
    private static func segments(_ outcome: SpoolRecovery.Outcome) -> [SegmentInfo] {
        let damaged = Set(outcome.holes.filter { !$0.isGone }.map(\.segment) + outcome.kept)
        return outcome.segments.map { segment in
            var segment = segment
            segment.isDamaged = segment.isDamaged || damaged.contains(segment.number)
            return segment
        }
    }

    /// An older forebay would take it: its newest segment is of an older version.
    var isOfOlderVersion: Bool {
        self.identity.isVersion1 || self.outcome.segments.last.map { $0.header.version < SpoolFormat.version } ?? false
    }

    /// The mark says what this start found.
    private static func openMark(
        _ configuration: SpoolConfiguration, _ budget: SpoolBudget, _ identity: LogIdentity, _ outcome: SpoolRecovery.Outcome, isTold: Bool
    ) throws(ForebayError) -> SpoolMark {
        let (path, disk) = ("\(configuration.directory)/\(SpoolMark.file)", configuration.disk)
        var value = SpoolMark.Value()
        value.durable = outcome.durableEnd
        // Until there is one behind it, a newest segment that is lost stays known.
        value.newest = outcome.isNewestLost ? outcome.newest : outcome.segments.last?.number ?? 0
        // What was not there at this start was told of, if it was lost; what version 1 let go of is not known. What was put back is missed
        // again when it goes.
        value.released = outcome.segments.first?.base ?? max(identity.released, outcome.durableEnd)
        if !isTold { value.released = min(value.released, identity.released) }
        if !outcome.isJoined { value.released = max(value.released, identity.released) }
        let slot = SlotFile.Value(value)
        // Recovery may have written it.
        let found = try SlotFile.read(disk, path, as: .mark, log: identity.log, takesOlder: identity.hasOlderSlots)
        let slots =
            if let found, found.value != nil {
                try SlotFile.take(disk, path, of: configuration.directory, as: .mark, log: identity.log, found, slot)
            } else {
                try SlotFile.make(disk, path, of: configuration.directory, as: .mark, log: identity.log, slot)
            }
        return SpoolMark(slots: slots, value: value, budget: budget)
    }
}
