import ForebayCore
import ForebayTelemetry
import Synchronization

/// Tells of what was lost or found damaged in a log: at once, and durably before anything is changed that would hide it from the next
/// start. It stays told, over restarts too, until somebody acknowledges it.
final class SpoolReporter: Sendable {
    struct State {
        var known = AlarmRecord()
        /// By file.
        var staying: [String: SpoolAlarm] = [:]
        /// Where what is known is kept; none: which log it is is not known yet.
        var file: AlarmFile?
        var unsaved = UnsavedAlarms()
        var isClosed = false
    }

    let directory: String
    private let metrics: SpoolMetrics
    let time: any TimeSource
    let logger = Logger(label: "spool")
    let state = Mutex(State())
    /// Held while the file is written.
    let saving = Mutex(())

    init(directory: String, metrics: SpoolMetrics, time: any TimeSource) {
        self.directory = directory
        self.metrics = metrics
        self.time = time
    }

    var missing: [MissingRange] { self.state.withLock { $0.known.missing } }

    /// See ``LogWitness/losses``.
    var losses: UInt64 { self.state.withLock { $0.known.losses } }

    /// Sequences that can't be read, whether somebody has acknowledged that or not.
    var holes: [Range<UInt64>] {
        self.state.withLock { $0.known.holes }
    }

    /// The highest number of a segment that was told of as gone, and one past the highest sequence that was; acknowledged or not.
    var reached: (segment: UInt64, sequence: UInt64) {
        self.state.withLock { state in
            let gone = (state.known.missing + state.known.acknowledged).filter { $0.isGone && $0.unit == nil }
            let files = (state.known.alarms + state.known.acknowledgedAlarms).filter(\.holdsEvents).compactMap { alarm in
                alarm.file.split(separator: "/").last.flatMap { SegmentFile.number(ofName: String($0)) }
            }
            return ((gone.map(\.segment) + files).max() ?? 0, gone.map(\.sequences.upperBound).max() ?? 0)
        }
    }

    /// Of the files that can't be removed, one stands for all.
    var alarms: [SpoolAlarm] {
        self.state.withLock { state in
            guard var staying = state.staying.values.min(by: { $0.file < $1.file }) else { return state.known.alarms }
            if state.staying.count > 1 { staying.text += " (and \(state.staying.count - 1) more)" }
            return state.known.alarms + [staying]
        }
    }

    /// Takes up what earlier starts told of and nobody has acknowledged; from now on everything is kept.
    ///
    /// - Parameters:
    ///   - passed: what was acknowledged and lies below never comes up again.
    ///   - firstSegment: the oldest there is: the same of positions of units in one before it.
    func remember(_ file: AlarmFile, passed: UInt64, firstSegment: UInt64) throws(ForebayError) {
        guard self.state.withLock({ $0.file == nil }) else { return }  // The second attempt of a start.
        let found = try file.read()
        let earlier = found.record ?? AlarmRecord()
        let now = self.state.withLock { state in
            let now = state.known
            state.known = earlier
            // A number that it never had.
            if found.record == nil, found.isDamaged { state.known.losses = UInt64(clamping: self.time.wallMilliseconds) }
            state.known.losses += now.losses
            state.known.acknowledged.removeAll {
                $0.unit == nil ? $0.sequences.upperBound <= passed : $0.segment < firstSegment
            }
            state.known.dropPassed()
            state.file = file
            for missing in now.missing { state.known.add(missing) }
            state.known.alarms += now.alarms
            return now
        }
        self.metrics.corruption.increment(by: UInt64(earlier.missing.count + earlier.alarms.count))
        if earlier.missing.count + earlier.alarms.count > 0 {
            self.logger.warning(
                "what was lost or damaged before this start has not been acknowledged yet: 'forebay alarms ls' lists it",
                ["folder": self.directory, "losses": "\(earlier.missing.count)", "damaged": "\(earlier.alarms.count)"])
        }
        if found.isDamaged, found.record == nil {
            self.report(
                SpoolAlarm(
                    file: "\(self.directory)/\(AlarmFile.names[0])",
                    text: "it can't be read: what was told of earlier damage and not acknowledged is known no more"))
        } else if found.isDamaged || !now.missing.isEmpty || !now.alarms.isEmpty {
            self.save()
        }
    }

    /// Whether it was told of a segment, or of what it had, as gone.
    func wasGone(_ segment: FoundSegments.Segment) -> Bool {
        self.state.withLock { state in
            (state.known.alarms + state.known.acknowledgedAlarms).contains { $0.holdsEvents && $0.file == segment.path }
                || (state.known.missing + state.known.acknowledged).contains {
                    $0.isGone && $0.unit == nil
                        && ($0.sequences.contains(segment.header.base) || $0.segment == segment.header.number)
                }
        }
    }

    func report(_ missing: [MissingRange]) {
        if missing.map({ self.tell($0, count: nil) }).contains(true) { self.saveDue() }
    }

    /// What has been told of before is passed over.
    ///
    /// - Parameter count: how many of a range's events nobody had settled; none: as the range says.
    func report(_ missing: MissingRange, count: ((Range<UInt64>) -> UInt64)? = nil) {
        if self.tell(missing, count: count) { self.saveDue() }
    }

    /// - Returns: whether anything of it was told now.
    private func tell(_ missing: MissingRange, count: ((Range<UInt64>) -> UInt64)?) -> Bool {
        var isTold = false
        var parts = self.untold(missing)
        while !parts.isEmpty {
            var part = parts.removeFirst()
            if let count { part.events = min(part.events, count(part.sequences)) }
            guard part.events > 0 else {
                self.logger.warning(
                    "events that had been delivered can't be read any more: nothing is lost", Self.fields(part, self.directory))
                continue
            }
            part.noticedAt = self.time.wallMilliseconds
            // Counting takes time, and another reader on another thread may have met the same meanwhile.
            let told = part
            let untold = self.state.withLock { state -> [MissingRange]? in
                let left = told.parts(without: state.known.missing + state.known.acknowledged)
                guard left.map(\.sequences) == [told.sequences] else { return left }
                state.known.add(told)
                state.known.losses += 1
                state.unsaved.add(from: told.unit == nil ? told.sequences.lowerBound : nil, unit: told.unit, now: self.now)
                return nil
            }
            if let untold {
                parts = untold + parts
                continue
            }
            isTold = true
            self.metrics.corruption.increment()
            self.logger.error("acknowledged events can't be read any more", Self.fields(part, self.directory))
        }
        return isTold
    }

    private static func fields(_ missing: MissingRange, _ directory: String) -> KeyValuePairs<String, String> {
        [
            "folder": directory, "events": "\(missing.events)",
            "sequences": "\(missing.sequences.lowerBound)..<\(missing.sequences.upperBound)", "segment": "\(missing.segment)",
            "position": "\(missing.position)", "reason": missing.reason, "unit": missing.unit.map { "\($0)" } ?? "-",
            "topic": missing.topic ?? "-",
        ]
    }

    /// What of it was never told of.
    func untold(_ missing: MissingRange) -> [MissingRange] {
        self.state.withLock { missing.parts(without: $0.known.missing + $0.known.acknowledged) }
    }

    /// Whether a sequence was told of as lost with a segment, or in it. Of several that are gone the range names one.
    func isTold(_ sequence: UInt64, of segment: SegmentHeader) -> Bool {
        self.state.withLock { state in
            (state.known.missing + state.known.acknowledged).contains {
                $0.unit == nil && $0.sequences.contains(sequence)
                    && ($0.segment == segment.number || $0.isGone && $0.sequences.contains(segment.base))
            }
        }
    }

    /// Segments in which something can't be read.
    var damagedSegments: [UInt64] {
        self.state.withLock { ($0.known.missing + $0.known.acknowledged).filter { !$0.isGone }.map(\.segment) }
    }

    /// A hole of a set-aside log of which all was settled: a segment that is gone must not count should it come back.
    func notTold(_ missing: MissingRange) {
        let isNew = self.state.withLock { state in
            let new = missing.parts(without: state.known.missing + state.known.acknowledged)
            state.known.acknowledged += new
            return !new.isEmpty
        }
        if isNew { self.save() }
    }

    /// What has been told of before is passed over. Of one place several logs may be gone, one after the other.
    ///
    /// - Parameter isNews: although something of the file was acknowledged.
    func report(_ alarm: SpoolAlarm, isNews: Bool = false) {
        var alarm = alarm
        alarm.noticedAt = self.time.wallMilliseconds
        let isNew = self.state.withLock { state in
            guard !state.known.alarms.contains(where: { $0.file == alarm.file && $0.log == alarm.log && $0.text == alarm.text }),
                isNews || !alarm.holdsEvents
                    || !state.known.acknowledgedAlarms.contains(where: { $0.file == alarm.file && $0.log == alarm.log })
            else { return false }
            state.known.alarms.append(alarm)
            state.known.losses += 1
            return true
        }
        guard isNew else { return }
        self.metrics.corruption.increment()
        self.logger.error("something of the log is damaged or gone", ["file": alarm.file, "what": alarm.text], folds: false)
        self.save()
    }

    /// Somebody has seen it: durably, so that the next start does not tell of it again.
    ///
    /// - Returns: what that was.
    func acknowledge() throws(ForebayError) -> SpoolDamage {
        let outcome = self.saving.withLock { _ in
            Result { () throws(ForebayError) in
                let (file, known, isClosed) = self.state.withLock { ($0.file, $0.known, $0.isClosed) }
                guard !isClosed else { throw .closed }
                guard !known.missing.isEmpty || !known.alarms.isEmpty else { return known }
                var acknowledged = known
                acknowledged.acknowledgeAll()
                try file?.write(acknowledged)
                // What came meanwhile stays: also what was joined to a range that was there.
                self.state.withLock { state in
                    let new = state.known.missing.flatMap { $0.parts(without: known.missing) }
                    acknowledged.alarms += state.known.alarms.filter { !known.alarms.contains($0) }
                    acknowledged.missing = new
                    acknowledged.passed = state.known.passed
                    acknowledged.losses = state.known.losses
                    state.known = acknowledged
                }
                return known
            }
        }
        defer { self.saveDue() }
        let seen = try outcome.get()
        if !seen.missing.isEmpty || !seen.alarms.isEmpty { self.save() }
        return SpoolDamage(missing: seen.missing, alarms: seen.alarms)
    }

    /// A file that nobody needs any more can't be removed just now: an alarm until it is ``gone(_:)``.
    func stays(_ file: String, _ error: ForebayError) {
        let alarm = SpoolAlarm(
            file: file, text: "nobody needs it any more, and it can't be removed: \(error)", kind: .stays,
            noticedAt: self.time.wallMilliseconds)
        let isNew = self.state.withLock { state in
            guard state.staying[file] == nil else { return false }
            state.staying[file] = alarm
            return true
        }
        guard isNew else { return }
        self.logger.error(
            "a segment that is not needed any more can't be removed; it keeps its room, and is tried again",
            ["file": file, "error": error.description])
    }

    func gone(_ file: String) {
        guard self.state.withLock({ $0.staying.removeValue(forKey: file) }) != nil else { return }
        self.logger.info("a segment that could not be removed has given its room back", ["file": file])
    }
}
