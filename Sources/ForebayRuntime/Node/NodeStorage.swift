import ForebayBuffer
package import ForebayConfig
package import ForebayCore
import ForebayNet
package import ForebaySpool
package import ForebayTelemetry

/// Everything a node keeps on disk: the spool, and for each delivery a log of dead letters and one of what is set aside, also for those
/// that are not configured any more. All share their threads and one budget.
package final class NodeStorage: Sendable {
    package let spool: Spool
    let data: DataFolderLogs
    package let deadLetters: [DeliveryName: DeadLetters]
    package let setAside: [DeliveryName: SetAsideLog]
    /// Beside it, what a delivery left under former names and could not make its own, by those.
    let formerSetAside: [DeliveryName: [(name: DeliveryName, log: SetAsideLog)]]
    /// Of deliveries that are not configured any more.
    let removed: [DeliveryName: SideLogs]
    let budget: SpoolBudget
    let threads: SpoolThreads
    let mending = MendingTurn()

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
        let open = { @Sendable (folder: String, kind: LogKind, segment: Int, givesWay: Bool) throws(ForebayError) in
            var settings = ForebaySpool.SpoolConfiguration(
                directory: folder, kind: kind, segmentSize: segment, onDiskFailure: DiskFailure.leave)
            settings.disk = disk
            settings.givesWay = givesWay
            return try known.open(settings, budget: budget, threads: threads, metrics: spoolMetrics)
        }
        let spool = try open("\(directory)/spool", .spool, sizes.segment, false)
        let data = DataFolderLogs(configuration.routes, directory: directory, disk: disk, known: known)
        try budget.withReserve { () throws(ForebayError) in try data.prepare() }
        // Small files: dead letters are few, and each log takes at least one. What is set aside may be much, but must fit the reserve.
        let lettersSegment = min(sizes.segment, 4 << 20)
        let asideSegment = max(256 << 10, min(sizes.segment, 64 << 20, budget.reserve / 8 / 4096 * 4096))
        let optional = Set(configuration.deliveries.filter { !$0.isRequired }.map(\.name))
        let openLetters = { (name: DeliveryName) throws(ForebayError) in
            try DeadLetters(
                route: name.description, directory: data.folder(.deadLetters, name.folder).path, disk: disk, threads: threads
            ) {
                folder throws(ForebayError) in try open(folder, .deadLetters, lettersSegment, optional.contains(name))
            }
        }
        let openAside = { (name: DeliveryName, givesWay: Bool) throws(ForebayError) in
            try SetAsideLog(directory: data.folder(.setAside, name.folder).path, disk: disk) {
                folder throws(ForebayError) in try open(folder, .setAside, asideSegment, givesWay)
            }
        }
        var deadLetters: [DeliveryName: DeadLetters] = [:]
        var setAside: [DeliveryName: SetAsideLog] = [:]
        var former: [DeliveryName: [(name: DeliveryName, log: SetAsideLog)]] = [:]
        for name in configuration.deliveries.map(\.name) {
            (deadLetters[name], setAside[name]) = (try openLetters(name), try openAside(name, optional.contains(name)))
            for old in try data.leftBehind(by: name.folder).map({ DeliveryName(folder: $0) }) {
                former[name, default: []].append((old, try openAside(old, optional.contains(name))))
            }
        }
        let inUse = Set(former.values.joined().map(\.name))
        var removed: [DeliveryName: SideLogs] = [:]
        for name in try data.removedRoutes().map({ DeliveryName(folder: $0) }) {
            if !inUse.contains(name) {
                removed[name] = SideLogs(deadLetters: try openLetters(name), setAside: try openAside(name, false))
            } else if try data.folder(.deadLetters, name.folder).holdsLog {
                removed[name] = SideLogs(deadLetters: try openLetters(name), setAside: nil)
            }
        }
        try known.finishStart(spool)
        metrics.gauge("forebay_buffer_bytes", help: "Bytes that the spool and its side logs take on disk.") { Double(budget.fileBytes) }
        metrics.gauge(
            "forebay_buffer_capacity_bytes", help: "Bytes that they may take: max_size, or what the disk can give if that is less."
        ) { Double(budget.capacity) }
        let left = removed.mapValues(\.deadLetters).filter { $0.value.count > 0 }
        for (name, letters) in deadLetters.merging(left, uniquingKeysWith: { $1 }) {
            metrics.gauge("forebay_dead_letters", help: "Events in the dead-letter log.", labels: name.labels) { Double(letters.count) }
        }
        return NodeStorage(
            spool: spool, data: data, deadLetters: deadLetters, setAside: setAside, formerSetAside: former, removed: removed,
            budget: budget, threads: threads)
    }

    private init(
        spool: Spool, data: DataFolderLogs, deadLetters: [DeliveryName: DeadLetters], setAside: [DeliveryName: SetAsideLog],
        formerSetAside: [DeliveryName: [(name: DeliveryName, log: SetAsideLog)]], removed: [DeliveryName: SideLogs], budget: SpoolBudget,
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

    /// Every set-aside log that is open: also what deliveries left that are not configured, and under former names.
    var allSetAside: [DeliveryName: SetAsideLog] {
        let former = Dictionary(self.formerSetAside.values.joined().map { ($0.name, $0.log) }) { $1 }
        return self.setAside.merging(self.removed.compactMapValues(\.setAside)) { $1 }.merging(former) { $1 }
    }

    /// Every log of dead letters that is open: also of deliveries that are not configured.
    var allDeadLetters: [DeliveryName: DeadLetters] { self.deadLetters.merging(self.removed.mapValues(\.deadLetters)) { $1 } }

    /// Why what is stored now could not be found again, and until when; none if it could. Asks the disk.
    package var fault: String? {
        self.data.fault ?? self.spool.fault ?? self.allSetAside.values.lazy.compactMap(\.fault).first
            ?? self.allDeadLetters.values.lazy.compactMap(\.fault).first
    }

    /// Cursors synced, segments sealed.
    package func close() async {
        await self.mending.end()
        // Only what is closed stays as it is: a stage may have outlived its time, and append until then.
        var empty: [(kind: SideLogFolder.Kind, route: String)] = []
        for (name, log) in self.allDeadLetters where await log.close() { empty.append((.deadLetters, name.folder)) }
        for (name, log) in self.allSetAside where await log.close() { empty.append((.setAside, name.folder)) }
        await self.spool.close {
            await DiskWork(self.threads.letters.executor()).perform { [data, empty] in data.finishStop(empty: empty) }
        }
        self.threads.end()
    }
}

extension DataFolderLogs {
    init(_ routes: [RouteConfiguration], directory: String, disk: any Disk = SystemDisk(), known: KnownLogs? = nil) {
        let deliveries = routes.flatMap(\.deliveries).map { Route(name: $0.name.folder, formerly: $0.formerly.map(\.folder)) }
        self.init(routes: deliveries, directory: directory, disk: disk, known: known)
    }
}
