import ForebayCore
import ForebayTelemetry
import Synchronization

/// Tells of what was lost or found damaged in a log: at once, before anything is changed that would hide it from the next start.
final class SpoolReporter: Sendable {
    private struct State {
        var missing: [MissingRange] = []
        var alarms: [SpoolAlarm] = []
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
    var alarms: [SpoolAlarm] { self.state.withLock { $0.alarms } }

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

    func report(_ alarm: SpoolAlarm) {
        var alarm = alarm
        alarm.noticedAt = self.time.wallMilliseconds
        self.state.withLock { $0.alarms.append(alarm) }
        self.metrics.corruption.increment()
        self.logger.error("something of the log is damaged or gone", ["file": alarm.file, "what": alarm.text], folds: false)
    }
}
