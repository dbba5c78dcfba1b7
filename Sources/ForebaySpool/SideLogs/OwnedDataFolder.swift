package import ForebayCore
import ForebayTelemetry

/// The data folder of a node that is down, owned by a command that changes its side logs: while it is, no node starts there.
package final class OwnedDataFolder: Sendable {
    /// Bytes of a segment of a side log.
    private static let segment = 4 << 20

    private let directory: String
    private let disk: any Disk
    private let lock: SpoolLock?
    private let known: KnownLogs
    private let budget: SpoolBudget
    private let threads: SpoolThreads
    private let onDiskFailure: @Sendable (ForebayError) -> Never

    /// - Parameter directory: `data_dir`, which is there.
    /// - Throws: `spool_locked` while a node runs with it.
    package init(
        _ directory: String, disk: any Disk = SystemDisk(), onDiskFailure: @escaping @Sendable (ForebayError) -> Never
    ) throws(ForebayError) {
        self.directory = directory
        self.onDiskFailure = onDiskFailure
        let spool = "\(directory)/\(KnownLogs.spool)"
        self.disk = try DataFolderLogs.hold(directory, on: disk)
        self.lock = try self.disk.kind(of: spool) == .folder ? SpoolLock(self.disk, directory: spool) : nil
        self.known = try KnownLogs(in: directory, disk: self.disk)
        // How large it may grow the node's configuration says, which nobody has here: the disk decides.
        self.budget = try SpoolBudget(keepingBallastIn: directory, disk: self.disk)
        self.threads = SpoolThreads()
    }

    /// Of a thread that may wait for the disk.
    package var executor: any SerialExecutor { self.threads.side.executor() }

    /// - Parameter folder: its name in `deadletters/`.
    package func deadLetters(_ folder: String) throws(ForebayError) -> DeadLetters {
        try DeadLetters(route: folder, directory: self.path(.deadLetters, folder), disk: self.disk, threads: self.threads) {
            [self] path throws(ForebayError) in try self.open(path, .deadLetters)
        }
    }

    /// - Parameter folder: its name in `setaside/`.
    package func setAside(_ folder: String) throws(ForebayError) -> SetAsideLog {
        try SetAsideLog(directory: self.path(.setAside, folder), disk: self.disk) {
            [self] path throws(ForebayError) in try self.open(path, .setAside)
        }
    }

    private func path(_ kind: SideLogFolder.Kind, _ folder: String) -> String { "\(self.directory)/\(kind.rawValue)/\(folder)" }

    private func open(_ path: String, _ kind: LogKind) throws(ForebayError) -> Spool {
        var settings = SpoolConfiguration(directory: path, kind: kind, segmentSize: Self.segment, onDiskFailure: self.onDiskFailure)
        settings.disk = self.disk
        return try self.known.openAlone(settings, budget: self.budget, threads: self.threads, metrics: SpoolMetrics(MetricsRegistry()))
    }

    /// All its logs are closed.
    package func release() {
        self.lock?.release()
        self.threads.end()
    }
}
