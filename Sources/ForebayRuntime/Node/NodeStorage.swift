import ForebayBuffer
package import ForebayConfig
package import ForebayCore
import ForebayNet
package import ForebaySpool
package import ForebayTelemetry

/// Everything a node keeps on disk: the spool, and for each route a log of dead letters and one of what is set aside, also for routes that
/// are not configured any more. All share their threads and one budget.
package final class NodeStorage: Sendable {
    package let spool: Spool
    let data: DataFolderLogs
    package let deadLetters: [String: DeadLetters]
    package let setAside: [String: SetAsideLog]
    /// Beside it, what a route left under former names and could not make its own, by those.
    let formerSetAside: [String: [(name: String, log: SetAsideLog)]]
    /// Of routes that are not configured any more, by name.
    let removed: [String: SideLogs]
    let budget: SpoolBudget
    let threads: SpoolThreads

    /// Opens what is there, mends what a crash left.
    package static func open(
        _ configuration: ForebayConfiguration, metrics: MetricsRegistry, disk: any Disk = SystemDisk()
    ) throws(ForebayError) -> NodeStorage {
        let directory = configuration.node.dataDirectory
        let sizes = configuration.buffer.spool
        let threads = SpoolThreads()
        let disk = try DataFolderLogs.hold(directory, on: disk)
        let known = try KnownLogs(in: directory, disk: disk)
        let budget = try SpoolBudget(capacity: sizes.maxSize, directory: directory, disk: disk, ballast: 2 * sizes.segment)
        let spoolMetrics = SpoolMetrics(metrics)
        let open = { @Sendable (folder: String, kind: LogKind, segment: Int) throws(ForebayError) in
            var settings = ForebaySpool.SpoolConfiguration(
                directory: folder, kind: kind, segmentSize: segment, onDiskFailure: DiskFailure.leave)
            settings.disk = disk
            return try known.open(settings, budget: budget, threads: threads, metrics: spoolMetrics)
        }
        let spool = try open("\(directory)/spool", .spool, sizes.segment)
        let data = DataFolderLogs(configuration.routes, directory: directory, disk: disk, known: known)
        try budget.withReserve { () throws(ForebayError) in try data.prepare() }
        // Small files: dead letters are few, and each log takes at least one. What is set aside may be much, but must fit the reserve.
        let lettersSegment = min(sizes.segment, 4 << 20)
        let asideSegment = max(256 << 10, min(sizes.segment, 64 << 20, budget.reserve / 8 / 4096 * 4096))
        let openLetters = { (route: String) throws(ForebayError) in
            try DeadLetters(route: route, directory: data.folder(.deadLetters, route).path, disk: disk, threads: threads) {
                folder throws(ForebayError) in try open(folder, .deadLetters, lettersSegment)
            }
        }
        let openAside = { (route: String) throws(ForebayError) in
            try SetAsideLog(directory: data.folder(.setAside, route).path, disk: disk) {
                folder throws(ForebayError) in try open(folder, .setAside, asideSegment)
            }
        }
        var deadLetters: [String: DeadLetters] = [:]
        var setAside: [String: SetAsideLog] = [:]
        var former: [String: [(name: String, log: SetAsideLog)]] = [:]
        for route in configuration.routes {
            (deadLetters[route.name], setAside[route.name]) = (try openLetters(route.name), try openAside(route.name))
            for name in try data.leftBehind(by: route.name) { former[route.name, default: []].append((name, try openAside(name))) }
        }
        let inUse = Set(former.values.joined().map(\.name))
        var removed: [String: SideLogs] = [:]
        for route in try data.removedRoutes() {
            if !inUse.contains(route) {
                removed[route] = SideLogs(deadLetters: try openLetters(route), setAside: try openAside(route))
            } else if try data.folder(.deadLetters, route).holdsLog {
                removed[route] = SideLogs(deadLetters: try openLetters(route), setAside: nil)
            }
        }
        try known.finishStart(spool)
        metrics.gauge("forebay_buffer_bytes", help: "Bytes that the spool and its side logs take on disk.") { Double(budget.usedBytes) }
        metrics.gauge(
            "forebay_buffer_capacity_bytes", help: "Bytes that they may take: max_size, or what the disk can give if that is less."
        ) { Double(budget.capacity) }
        for (route, letters) in deadLetters.merging(removed.mapValues(\.deadLetters), uniquingKeysWith: { $1 }) {
            metrics.gauge("forebay_dead_letters", help: "Events in the dead-letter log.", labels: ["route": route]) {
                Double(letters.count)
            }
        }
        return NodeStorage(
            spool: spool, data: data, deadLetters: deadLetters, setAside: setAside, formerSetAside: former, removed: removed,
            budget: budget, threads: threads)
    }

    private init(
        spool: Spool, data: DataFolderLogs, deadLetters: [String: DeadLetters], setAside: [String: SetAsideLog],
        formerSetAside: [String: [(name: String, log: SetAsideLog)]], removed: [String: SideLogs], budget: SpoolBudget,
        threads: SpoolThreads
    ) {
        self.spool = spool
        self.data = data
        self.deadLetters = deadLetters
        self.setAside = setAside
        self.formerSetAside = formerSetAside
        self.removed = removed
        self.budget = budget
        self.threads = threads
    }

    /// Every set-aside log that is open, by its folder's name: also what routes left that are not configured, and under former names.
    var allSetAside: [String: SetAsideLog] {
        let former = Dictionary(self.formerSetAside.values.joined().map { ($0.name, $0.log) }) { $1 }
        return self.setAside.merging(self.removed.compactMapValues(\.setAside)) { $1 }.merging(former) { $1 }
    }

    /// Every log of dead letters that is open, by its route: also of routes that are not configured.
    var allDeadLetters: [String: DeadLetters] { self.deadLetters.merging(self.removed.mapValues(\.deadLetters)) { $1 } }

    /// Why what is stored now could not be found again, and until when; none if it could. Asks the disk.
    package var fault: String? {
        self.data.fault ?? self.spool.fault ?? self.allSetAside.values.lazy.compactMap(\.fault).first
            ?? self.allDeadLetters.values.lazy.compactMap(\.fault).first
    }

    /// Cursors synced, segments sealed.
    package func close() async {
        // Only what is closed stays as it is: a stage may have outlived its time, and append until then.
        var empty: [(kind: SideLogFolder.Kind, route: String)] = []
        for (route, log) in self.allDeadLetters where await log.close() { empty.append((.deadLetters, route)) }
        for (route, log) in self.allSetAside where await log.close() { empty.append((.setAside, route)) }
        await self.spool.close {
            await DiskWork(self.threads.letters.executor()).perform { [data, empty] in data.finishStop(empty: empty) }
        }
        self.threads.end()
    }
}

extension DataFolderLogs {
    init(_ routes: [RouteConfiguration], directory: String, disk: any Disk = SystemDisk(), known: KnownLogs? = nil) {
        self.init(routes: routes.map { Route(name: $0.name, formerly: $0.formerly) }, directory: directory, disk: disk, known: known)
    }
}
