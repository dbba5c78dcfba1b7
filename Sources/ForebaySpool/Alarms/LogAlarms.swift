package import ForebayCore

/// What was told of a log that nobody has open, and has not been acknowledged.
package struct LogAlarms: Sendable {
    private let directory: String
    private let disk: any Disk

    /// - Parameter directory: of the log.
    package init(directory: String, disk: any Disk = SystemDisk()) {
        self.directory = directory
        self.disk = disk
    }

    /// Takes no lock, changes nothing.
    package func unacknowledged() throws(ForebayError) -> SpoolDamage {
        guard let found = try self.file()?.read() else { return SpoolDamage() }
        guard let record = found.record else {
            guard found.isDamaged else { return SpoolDamage() }
            let text = "neither copy can be read: what was lost before and not acknowledged is not known any more"
            return SpoolDamage(missing: [], alarms: [SpoolAlarm(file: "\(self.directory)/\(AlarmFile.names[0])", text: text)])
        }
        return SpoolDamage(missing: record.missing, alarms: record.alarms)
    }

    /// Somebody has seen it; durably. Takes the log's lock.
    ///
    /// - Returns: what that was.
    /// - Throws: `spool_locked`: a node runs on it, and is to be asked itself.
    package func acknowledge() throws(ForebayError) -> SpoolDamage {
        let lock = try SpoolLock(self.disk, directory: self.directory)
        defer { lock.release() }
        guard let file = try self.file(), var record = try file.read().record else { return SpoolDamage() }
        let damage = SpoolDamage(missing: record.missing, alarms: record.alarms)
        guard damage != SpoolDamage() else { return damage }
        record.acknowledgeAll()
        try file.write(record)
        return damage
    }

    /// None: the folder does not tell which log it is.
    private func file() throws(ForebayError) -> AlarmFile? {
        guard let id = try SpoolInspection(directory: self.directory, disk: self.disk).id else { return nil }
        return AlarmFile(disk: self.disk, directory: self.directory, log: id, budget: nil)
    }
}
