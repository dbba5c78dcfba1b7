import ForebayCore
import ForebayTelemetry

extension SpoolInspection {
    /// What the next start would tell of. Beside a running node files come and go: what changed meanwhile is looked at again.
    ///
    /// - Parameter logs: that the start would find, as far as is known.
    func rehearse(beside logs: Set<SpoolID>) throws(ForebayError) -> [Problem] {
        let folder = "\(self.directory)/segments"
        var tries = 5
        while true {
            tries -= 1
            let before = try Folder(self.disk).entries(folder)
            let problems: [Problem]
            do throws(ForebayError) {
                problems = try LogSink.$isMuted.withValue(true) {
                    Result { () throws(ForebayError) in try self.rehearseOnce(beside: logs) }
                }.get()
            } catch {
                // A version that is not known, say. A call that fails says nothing of the log.
                if error.code == .spoolUnreadable {
                    return [Problem(file: self.directory, reason: error.message)]
                }
                guard tries > 0, error.isLoss else { throw error }
                continue
            }
            let segments = { (names: [String]) in names.filter { SegmentFile.number(ofName: $0) != nil } }
            if problems.isEmpty || tries == 0 { return problems }
            if segments(before) == segments(try Folder(self.disk).entries(folder)) { return problems }
        }
    }

    private func rehearseOnce(beside logs: Set<SpoolID>) throws(ForebayError) -> [Problem] {
        var configuration = SpoolConfiguration(directory: self.directory, kind: self.kind, segmentSize: 1 << 20) { error in
            preconditionFailure("a disk in memory failed: \(error)")
        }
        configuration.disk = RehearsalDisk(self.disk)
        let data = Folder.parent(of: self.kind.isSideLog ? Folder.parent(of: self.directory) : self.directory)
        configuration.knownEnds = try LogRegistry.read(self.disk, of: data).registry?.knownEnds ?? [:]
        let budget = try SpoolBudget(capacity: .max, directory: self.directory, disk: configuration.disk)
        let reporter = SpoolReporter(
            directory: self.directory, metrics: SpoolMetrics(MetricsRegistry()), time: configuration.surroundings.time)
        let start = try SpoolStart(SpoolStart.hold(configuration), budget, reporter, moved: {})
        if self.kind == .setAside, try !Folder(self.disk).entries(self.directory).isEmpty {
            let recovery = SetAsideRecovery(configuration: configuration, log: start.identity.log, view: start.view, reporter: reporter)
            _ = try recovery.run()
        }
        if self.kind == .deadLetters {
            _ = try RemovedLetters(
                configuration.disk, directory: self.directory, log: start.identity.log, end: start.outcome.durableEnd,
                report: { reporter.report($0) })
        }
        // As ``KnownLogs/finishStart(_:)``: the spool has the alarms of all of them.
        reporter.hadBack(logs)
        return reporter.missing.map { missing in
            let file = SegmentFile.path(of: missing.segment, in: "\(self.directory)/segments")
            guard let unit = missing.unit else {
                return Problem(file: file, position: missing.position, missing: missing.sequences, reason: missing.reason)
            }
            // Its positions are no sequences.
            let lost = "\(missing.events) events of set-aside unit \(unit) from position \(missing.sequences.lowerBound) on"
            return Problem(file: file, position: missing.position, missing: 0..<0, reason: "\(missing.reason): \(lost) are missing")
        } + reporter.alarms.map { Problem(file: $0.file, reason: $0.text) }
    }
}
