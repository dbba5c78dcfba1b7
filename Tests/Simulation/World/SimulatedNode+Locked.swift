/// What is synced under a lock for which another thread may wait, while here it has none of its own.
extension SimulatedNode {
    /// The registry of logs and tables of units; the alarms of a log, for which whoever closes it waits: with the folders in which they are
    /// renamed.
    static func isLocked(_ path: String) -> Bool {
        let parts = path.dropFirst(Self.directory.count).split(separator: "/")
        guard let name = parts.last else { return true }
        let isLog = parts == ["spool"] || parts.count == 2 && parts[0] != "spool"
        return isLog || name == "units" || name.hasPrefix("alarms") || parts.count == 1 && name.hasPrefix("registry")
    }
}
