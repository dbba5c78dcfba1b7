import ForebayBuffer
package import ForebayCore
import ForebayNet
package import ForebaySpool
package import ForebayTelemetry

/// Everything a node keeps on disk: the spool, and for each route a log of dead letters and one of what is set aside. All share two threads
/// and one budget.
package final class NodeStorage: Sendable {
    package let spool: Spool
    package let deadLetters: [String: DeadLetters]
    package let setAside: [String: SetAsideLog]
    let budget: SpoolBudget
    let threads: SpoolThreads

    /// Opens what is there, mends what a crash left.
    package static func open(_ configuration: ForebayConfiguration, metrics: MetricsRegistry) throws(ForebayError) -> NodeStorage {
        let directory = configuration.node.dataDirectory
        let sizes = configuration.buffer.spool
        let threads = SpoolThreads()
        let budget = try SpoolBudget(capacity: sizes.maxSize, directory: directory, ballast: 2 * sizes.segment)
        let spoolMetrics = SpoolMetrics(metrics)
        let spool = try Spool.open(
            ForebaySpool.SpoolConfiguration(directory: "\(directory)/spool", segmentSize: sizes.segment, onDiskFailure: DiskFailure.leave),
            budget: budget, threads: threads, metrics: spoolMetrics)
        let side = { @Sendable (folder: String, kind: LogKind, segment: Int) throws(ForebayError) in
            try Spool.open(
                ForebaySpool.SpoolConfiguration(directory: folder, kind: kind, segmentSize: segment, onDiskFailure: DiskFailure.leave),
                budget: budget, threads: threads, metrics: spoolMetrics)
        }
        // Small files: dead letters are few, and each log takes at least one. What is set aside may be much, but must fit the reserve.
        let lettersSegment = min(sizes.segment, 4 << 20)
        let asideSegment = max(256 << 10, min(sizes.segment, 64 << 20, budget.reserve / 8 / 4096 * 4096))
        var deadLetters: [String: DeadLetters] = [:]
        var setAside: [String: SetAsideLog] = [:]
        for route in configuration.routes {
            deadLetters[route.name] = try DeadLetters(route: route.name, directory: "\(directory)/deadletters/\(route.name)") {
                folder throws(ForebayError) in try side(folder, .deadLetters, lettersSegment)
            }
            setAside[route.name] = try SetAsideLog(directory: "\(Self.setAsideFolder(configuration))/\(route.name)") {
                folder throws(ForebayError) in try side(folder, .setAside, asideSegment)
            }
        }
        metrics.gauge("forebay_buffer_bytes", help: "Bytes that the spool and its side logs take on disk.") { Double(budget.usedBytes) }
        metrics.gauge("forebay_buffer_capacity_bytes", help: "Bytes that they may take: max_size, or what the disk can give if that is less.") { Double(budget.capacity) }
        for (route, letters) in deadLetters {
            metrics.gauge("forebay_dead_letters", help: "Events in the dead-letter log.", labels: ["route": route]) {
                Double(letters.count)
            }
        }
        return NodeStorage(spool: spool, deadLetters: deadLetters, setAside: setAside, budget: budget, threads: threads)
    }

    private init(
        spool: Spool, deadLetters: [String: DeadLetters], setAside: [String: SetAsideLog], budget: SpoolBudget, threads: SpoolThreads
    ) {
        self.spool = spool
        self.deadLetters = deadLetters
        self.setAside = setAside
        self.budget = budget
        self.threads = threads
    }

    /// Where each route's set-aside log has a folder.
    static func setAsideFolder(_ configuration: ForebayConfiguration) -> String { "\(configuration.node.dataDirectory)/setaside" }

    /// What must stay where it is while the node runs.
    static func watchedFolders(_ configuration: ForebayConfiguration) -> [String] {
        let directory = configuration.node.dataDirectory
        return [directory, "\(directory)/spool/segments", "\(directory)/spool/cursors"]
    }

    /// Cursors synced, segments sealed.
    package func close() async {
        for letters in self.deadLetters.values { await letters.close() }
        for log in self.setAside.values { await log.close() }
        await self.spool.close()
        self.threads.end()
    }
}
