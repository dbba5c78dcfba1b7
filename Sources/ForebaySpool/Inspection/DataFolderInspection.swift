package import ForebayCore

/// A node's data folder seen from outside: all of its logs, and whether they are those that it had. Takes no lock, changes nothing.
package struct DataFolderInspection {
    private let directory: String
    private let disk: any Disk
    private let known: KnownLogs
    private let logs: [(kind: LogKind, path: String)]

    /// Whether a node has had its logs there.
    package static func isDataFolder(_ path: String, disk: any Disk = SystemDisk()) throws(ForebayError) -> Bool {
        if try disk.kind(of: "\(path)/segments") != nil { return false }
        for name in [KnownLogs.spool] + SideLogFolder.Kind.allCases.map(\.rawValue) + LogRegistry.files {
            if try disk.kind(of: "\(path)/\(name)") != nil { return true }
        }
        return false
    }

    /// - Parameter directory: `data_dir`.
    package init(directory: String, disk: any Disk = SystemDisk()) throws(ForebayError) {
        self.directory = directory
        self.disk = disk
        // First: a running node enters a log before there is anything in it.
        self.known = try KnownLogs(in: directory, disk: disk)
        var logs: [(LogKind, String)] = []
        if try disk.kind(of: "\(directory)/\(KnownLogs.spool)/segments") != nil { logs.append((.spool, "\(directory)/\(KnownLogs.spool)")) }
        for kind in SideLogFolder.Kind.allCases {
            for folder in try SideLogFolder.all(kind, in: directory, disk: disk) { logs.append((kind.log, folder.path)) }
        }
        self.logs = logs
    }

    /// As ``SpoolInspection/verify()``, of all logs; and what the next start would tell of logs that are gone.
    package func verify() throws(ForebayError) -> SpoolInspection.Verdict {
        var verdict = SpoolInspection.Verdict()
        var logs: [SpoolInspection] = []
        for (kind, path) in self.logs where try self.disk.kind(of: path) != nil {
            if let refusal = try LogIdentity.refusal(of: path, as: kind, self.disk) {
                verdict.problems.append(SpoolInspection.Problem(file: path, reason: refusal))
                continue
            }
            logs.append(try SpoolInspection(directory: path, disk: self.disk))
        }
        // One that was told of as gone may be back.
        let ids = Set(logs.compactMap(\.id))
        for log in logs { verdict.add(try log.verify(beside: ids)) }
        let isSpoolUsed = logs.contains { $0.kind == .spool && $0.segments.contains { $0.end > 0 } }
        for alarm in try self.missed(beside: ids, isSpoolUsed: isSpoolUsed) {
            verdict.problems.append(SpoolInspection.Problem(file: alarm.file, reason: alarm.text))
        }
        return verdict
    }

    /// A running node takes a log that it gives up out of its registry before the folder goes: one that is not known any more was given up
    /// while we looked.
    private func missed(beside ids: Set<SpoolID>, isSpoolUsed: Bool) throws(ForebayError) -> [SpoolAlarm] {
        let missed = self.known.missed(beside: ids, isSpoolUsed: isSpoolUsed)
        guard !missed.isEmpty else { return [] }
        let still = try KnownLogs(in: self.directory, disk: self.disk).missed(beside: ids, isSpoolUsed: isSpoolUsed)
        return missed.filter { alarm in still.contains { $0.file == alarm.file && $0.log == alarm.log } }
    }
}
