import ForebayAdmin
import ForebayBuffer
import ForebayConfig
import ForebayCore
import ForebayDelivery
import ForebaySpool
import ForebayTelemetry
import Synchronization

/// What routes that are not configured any more still have on disk: each holds it until it is back, taken over, or given up by command. It
/// lives on a thread that may wait for the disk.
actor RemovedRoutes {
    /// One stage of a route.
    private struct Delivery: Sendable {
        /// What the log of dead letters had when it was looked at: some may be removed since.
        let letterBytes: Int
        let route: String
        let stage: String
        /// None: there is none, or what it held was given up.
        var cursor: SpoolCursor?
        /// Of the stage that has them.
        let logs: SideLogs?
        let oldestAcceptedAt: Int64?
        /// Bytes of the side logs, as they were found; nobody adds to them.
        let setAsideBytes: Int
        let deadLetterBytes: Int
    }

    private let executor: any SerialExecutor
    private let storage: NodeStorage
    private let data: DataFolderLogs
    private let configured: Set<String>
    /// Which routes deliver what they left under former names, by those.
    private let successors: [String: String]
    private let deliveries: Mutex<[Delivery]>
    /// When what they have was found, monotonic, in ns: nothing of it is delivered, so the oldest of it stays that.
    private let foundAt = MonotonicClock.nanoseconds
    private let logger = Logger(label: "node")
    private var leaving: Set<String> = []

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

    /// The stage that every route has, and whose the side logs are.
    static let forward = "forward"

    /// After all routes have their cursors. The log says at each start what is there; a cursor that holds nothing is given up here: nothing
    /// can be added to it while its route is gone.
    static func find(
        _ configuration: ForebayConfiguration, _ storage: NodeStorage, isolation: isolated (any Actor)? = #isolation
    ) async throws(ForebayError) -> RemovedRoutes {
        let configured = Set(configuration.routes.map(\.name))
        let data = storage.data
        var deliveries: [Delivery] = []
        var logs = storage.removed
        func add(_ route: String, _ stage: String, _ cursor: SpoolCursor?, _ logs: SideLogs?) throws(ForebayError) {
            deliveries.append(
                Delivery(
                    letterBytes: logs?.deadLetters.byteCount ?? 0, route: route, stage: stage, cursor: cursor, logs: logs,
                    oldestAcceptedAt: try cursor.flatMap { cursor throws(ForebayError) in try storage.spool.oldestAcceptedAt(of: cursor) },
                    setAsideBytes: logs?.setAside == nil ? 0 : try data.folder(.setAside, route).size(),
                    deadLetterBytes: logs == nil ? 0 : try data.folder(.deadLetters, route).size()))
        }
        let held = try await storage.spool.removedCursors { configured.contains($0.route) && $0.stage == Self.forward }
        for cursor in held {
            try add(cursor.route, cursor.stage, cursor, cursor.stage == Self.forward ? logs.removeValue(forKey: cursor.route) : nil)
        }
        // One that has come to be empty is nowhere: its files are small, and the next route of the name uses them.
        for (route, logs) in logs where logs.setAsideEvents > 0 || logs.deadLetters.count > 0 { try add(route, Self.forward, nil, logs) }
        let routes = RemovedRoutes(storage, data, configured, deliveries)
        routes.tell()
        return routes
    }

    private init(_ storage: NodeStorage, _ data: DataFolderLogs, _ configured: Set<String>, _ deliveries: [Delivery]) {
        self.executor = storage.threads.letters.executor()
        self.storage = storage
        self.data = data
        self.configured = configured
        let former = storage.formerSetAside.flatMap { route, logs in logs.map { ($0.name, route) } }
        self.successors = Dictionary(former) { first, _ in first }
        self.deliveries = Mutex(deliveries.sorted { ($0.route, $0.stage) < ($1.route, $1.stage) })
    }

    private nonisolated func tell() {
        for held in self.holdings where held.isWaited {
            self.logger.error(
                "a route that is no longer configured still has events; they are kept and hold disk space: "
                    + Culprit.removedAdvice(held.route),
                [
                    "route": held.route, "stage": held.stage, "events": "\(held.lagEvents)", "set_aside": "\(held.setAsideEvents)",
                    "dead_letters": "\(held.deadLetters)", "spool_bytes": "\(held.spoolBytes)",
                ])
        }
    }

    // MARK: What is there

    nonisolated var names: Set<String> { Set(self.deliveries.withLock { $0.map(\.route) }) }

    /// Without waiting for the disk.
    nonisolated var holdings: [RouteHolding] { self.deliveries.withLock { $0 }.map(self.holding) }

    private nonisolated func holding(_ delivery: Delivery) -> RouteHolding {
        let held = delivery.cursor.map(self.storage.spool.held)
        let deadLetterBytes = max(0, delivery.deadLetterBytes - delivery.letterBytes + (delivery.logs?.deadLetters.byteCount ?? 0))
        return RouteHolding(
            route: delivery.route, stage: delivery.stage, isConfigured: false, cursor: delivery.cursor?.sequence,
            lagEvents: delivery.cursor.map(self.storage.spool.lag) ?? 0, setAsideEvents: delivery.logs?.setAsideEvents ?? 0,
            deadLetters: delivery.logs?.deadLetters.count ?? 0, spoolBytes: held?.bytes ?? 0, setAsideBytes: delivery.setAsideBytes,
            deadLetterBytes: deadLetterBytes, freedBytes: (held?.bytesAlone ?? 0) + delivery.setAsideBytes + deadLetterBytes)
    }

    /// Those of which something waits, as `status` shows them.
    nonisolated var statuses: [RouteStatus] {
        self.deliveries.withLock { $0 }.compactMap { delivery in
            let held = self.holding(delivery)
            guard held.isWaited else { return nil }
            let setAside = SetAsideTotals(
                units: delivery.logs?.setAside?.units.count { $0.end > $0.settled } ?? 0, events: held.setAsideEvents,
                bytes: held.setAsideEvents == 0 ? 0 : held.setAsideBytes)
            return RouteStatus(
                route: held.route, stage: held.stage, cluster: nil, state: "removed",
                cursor: held.cursor ?? self.storage.spool.durableEnd, lagEvents: held.lagEvents,
                oldestEventAgeSeconds: delivery.oldestAcceptedAt.map(self.age), deadLetters: held.deadLetters, setAside: setAside,
                heldBytes: held.spoolBytes + held.setAsideBytes + held.deadLetterBytes)
        }
    }

    private nonisolated func age(_ acceptedAt: Int64) -> Double {
        WaitingSince(acceptedAt: acceptedAt, seenAt: self.foundAt).seconds(at: Surroundings.real.time)
    }

    nonisolated func logs(of route: String) -> SideLogs? {
        self.deliveries.withLock { $0.first { $0.route == route && $0.logs != nil }?.logs }
    }

    nonisolated func register(_ metrics: MetricsRegistry) {
        for route in self.names {
            let held = { @Sendable in self.holdings.filter { $0.route == route } }
            metrics.gauge(
                "forebay_delivery_lag_events", help: NodeRoute.lagHelp, labels: ["stage": Self.forward, "route": route]
            ) {
                Double(held().reduce(0) { $0 + $1.lagEvents })
            }
            metrics.gauge("forebay_set_aside_events", help: NodeRoute.setAsideHelp, labels: ["route": route]) {
                Double(held().reduce(0) { $0 + $1.setAsideEvents })
            }
        }
    }

    /// What is set aside of a route, by unit.
    nonisolated func setAside(of route: String, limit: Int) -> SetAsideRouteView? {
        guard let log = self.logs(of: route)?.setAside else { return nil }
        let units = log.units.filter { $0.end > $0.settled }.sorted { ($0.topic, $0.partition ?? -1) < ($1.topic, $1.partition ?? -1) }
        let events = units.reduce(UInt64(0)) { $0 + $1.end - $1.settled }
        return SetAsideRouteView(
            route: route, totals: SetAsideTotals(units: units.count, events: events, bytes: log.frameBytes),
            units: units.prefix(limit).map { unit in
                SetAsideUnitView(
                    unit: unit.name, topic: unit.topic, partition: unit.partition,
                    state: .waiting, code: unit.code, reason: unit.reason,
                    advice: "the route \(route) is not configured any more: " + Culprit.removedAdvice(route), since: unit.since,
                    events: unit.end - unit.settled, bytes: Int(Double(log.frameBytes) * Double(unit.end - unit.settled) / Double(events)),
                    oldestEventAgeSeconds: self.age(unit.oldestAcceptedAt))
            })
    }

    nonisolated var setAsideRoutes: [String] { self.holdings.filter { $0.setAsideEvents > 0 }.map(\.route) }

    /// What every route holds. Waits for the disk.
    ///
    /// - Parameter routes: those that are configured.
    func all(_ routes: [String: NodeRoute]) throws(ForebayError) -> [RouteHolding] {
        var all = self.holdings
        for (name, route) in routes {
            let held = self.storage.spool.held(by: route.cursor)
            var asideBytes = 0
            for log in route.setAside.logs { asideBytes += try self.data.folder(.setAside, log.name).size() }
            all.append(
                RouteHolding(
                    route: name, stage: Self.forward, isConfigured: true, cursor: route.cursor.sequence,
                    lagEvents: route.source.waiting, setAsideEvents: route.setAside.events,
                    deadLetters: self.storage.deadLetters[name]?.count ?? 0, spoolBytes: held.bytes, setAsideBytes: asideBytes,
                    deadLetterBytes: self.storage.deadLetters[name]?.byteCount ?? 0))
        }
        return all.sorted { ($0.route, $0.stage) < ($1.route, $1.stage) }
    }

    // MARK: Giving up

    func forget(_ route: String, stage: String?, isDryRun: Bool) async throws(ForebayError) -> ForgetOutcome {
        if self.configured.contains(route), stage == nil || stage == Self.forward { return .configured }
        if let other = self.successors[route] { return .takenOver(by: other) }
        let found = self.deliveries.withLock { $0.filter { $0.route == route && (stage == nil || $0.stage == stage) } }
        guard !found.isEmpty else {
            let stages = self.deliveries.withLock { $0.filter { $0.route == route }.map(\.stage) }
            if let stage, !stages.isEmpty { return .unknownStage(stage, known: stages) }
            return .unknown(known: self.names.sorted())
        }
        let holdings = found.map(self.holding)
        if isDryRun { return .forgotten(holdings) }
        guard self.leaving.insert(route).inserted else { return .busy }
        defer { self.leaving.remove(route) }
        for delivery in found {
            try await self.data.giveUp(
                route, delivery.cursor, of: self.storage.spool, withSideLogs: delivery.logs != nil, closing: delivery.logs,
                self.storage.budget)
            self.deliveries.withLock { $0.removeAll { $0.route == route && $0.stage == delivery.stage } }
        }
        for held in holdings { held.tellForgotten(self.logger) }
        return .forgotten(holdings)
    }
}

extension RouteHolding {
    /// Something that was accepted is in it.
    var isWaited: Bool { self.cursor != nil || self.setAsideEvents > 0 || self.deadLetters > 0 }

    func tellForgotten(_ logger: Logger) {
        logger.warning(
            "a removed route was given up by command",
            [
                "route": self.route, "stage": self.stage, "events": "\(self.lagEvents)", "set_aside": "\(self.setAsideEvents)",
                "dead_letters": "\(self.deadLetters)", "freed_bytes": "\(self.freedBytes)",
            ])
    }
}
