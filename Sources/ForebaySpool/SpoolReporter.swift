import ForebayCore
import ForebayTelemetry
import Synchronization

/// Tells of what was lost or found damaged in a log: at once, before anything is changed that would hide it from the next start.
final class SpoolReporter: Sendable {
    private struct State {
        var missing: [MissingRange] = []
        var alarms: [SpoolAlarm] = []
        /// By file.
        var staying: [String: SpoolAlarm] = [:]
    }

    private let directory: String
    private let metrics: SpoolMetrics
    private let time: any TimeSource
    private let logger = Logger(label: "spool")
    private let state = Mutex(State())

    init(directory: String, metrics: SpoolMetrics, time: any TimeSource) {
        self.directory = directory
        self.metrics = metrics
        self.time = time
    }

    var missing: [MissingRange] { self.state.withLock { $0.missing } }

    /// Of the files that can't be removed, one stands for all.
    var alarms: [SpoolAlarm] {
        self.state.withLock { state in
            guard var staying = state.staying.values.min(by: { $0.file < $1.file }) else { return state.alarms }
            if state.staying.count > 1 { staying.text += " (and \(state.staying.count - 1) more)" }
            return state.alarms + [staying]
        }
    }

    /// - Returns: false: it has been told of before.
    @discardableResult func report(_ missing: MissingRange) -> Bool {
        var missing = missing
        missing.noticedAt = self.time.wallMilliseconds
        let isNew = self.state.withLock { state in
            guard !state.missing.contains(where: { $0.covers(missing) }) else { return false }
            // Frame by frame a whole segment may be lost: that is one range.
            if let last = state.missing.last, let joined = last.joined(with: missing) {
                state.missing[state.missing.count - 1] = joined
            } else {
                state.missing.append(missing)
            }
            return true
        }
        guard isNew else { return false }
        self.metrics.corruption.increment()
        self.logger.error(
            "acknowledged events can't be read any more",
            [
                "folder": self.directory, "sequences": "\(missing.sequences.lowerBound)..<\(missing.sequences.upperBound)",
                "segment": "\(missing.segment)", "position": "\(missing.position)", "reason": missing.reason,
                "unit": missing.unit.map { "\($0)" } ?? "-",
            ])
        return true
    }

    /// What has been told of before is passed over.
    func report(_ alarm: SpoolAlarm) {
        var alarm = alarm
        alarm.noticedAt = self.time.wallMilliseconds
        let isNew = self.state.withLock { state in
            guard !state.alarms.contains(where: { $0.file == alarm.file && $0.text == alarm.text }) else { return false }
            state.alarms.append(alarm)
            return true
        }
        guard isNew else { return }
        self.metrics.corruption.increment()
        self.logger.error("something of the log is damaged or gone", ["file": alarm.file, "what": alarm.text], folds: false)
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
