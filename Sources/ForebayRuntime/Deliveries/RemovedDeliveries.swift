import ForebayAdmin
import ForebayBuffer
import ForebayConfig
import ForebayCore
import ForebayDelivery
import ForebaySpool
import ForebayTelemetry
import Synchronization

/// What deliveries that are not configured any more still have on disk: each holds it until it is back, taken over, or given up by
/// command. It lives on a thread that may wait for the disk.
actor RemovedDeliveries {
    private struct Delivery: Sendable {
        let name: DeliveryName
        /// What the log of dead letters had when it was looked at: some may be removed since.
        let letterBytes: Int
        /// None: there is none, or what it held was given up.
        var cursor: SpoolCursor?
        let logs: SideLogs?
        /// In the spool; none: nothing, when it was looked for.
        var oldestAcceptedAt: Int64?
        /// Monotonic, in ns: nothing of it is delivered, so the oldest stays that.
        var oldestSeenAt = MonotonicClock.nanoseconds
        /// Bytes of the side logs, as they were found; nobody adds to them.
        let setAsideBytes: Int
        let deadLetterBytes: Int
    }

    private let executor: any SerialExecutor
    private let storage: NodeStorage
    private let data: DataFolderLogs
    private let configured: Set<DeliveryName>
    /// Which routes deliver what they left under former names, by those.
    private let successors: [DeliveryName: DeliveryName]
    private let deliveries: Mutex<[Delivery]>
    /// When what is set aside of them was found, in the same way.
    private let foundAt = MonotonicClock.nanoseconds
    private let logger = Logger(label: "node")
    private var leaving: Set<DeliveryName> = []
    private let isLooking = Atomic<Bool>(false)

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

    /// After all deliveries have their cursors. The log says at each start what is there; a cursor that holds nothing is given up here if
    /// nothing is added for it.
    static func find(
        _ configuration: ForebayConfiguration, _ storage: NodeStorage, isolation: isolated (any Actor)? = #isolation
    ) async throws(ForebayError) -> RemovedDeliveries {
        let configured = Set(configuration.deliveries.map(\.name))
        let data = storage.data
        var deliveries: [Delivery] = []
        var logs = storage.removed
        func add(_ name: DeliveryName, _ cursor: SpoolCursor?, _ logs: SideLogs?) throws(ForebayError) {
            deliveries.append(
                Delivery(
                    name: name, letterBytes: logs?.deadLetters.byteCount ?? 0, cursor: cursor, logs: logs,
                    oldestAcceptedAt: try cursor.flatMap { cursor throws(ForebayError) in try storage.spool.oldestAcceptedAt(of: cursor) },
                    setAsideBytes: logs?.setAside == nil ? 0 : try data.folder(.setAside, name.folder).size(),
                    deadLetterBytes: logs == nil ? 0 : try data.folder(.deadLetters, name.folder).size()))
        }
        // Renamed, it is its route's still.
        let routes = Set(configuration.routes.flatMap { [$0.name] + $0.formerly })
        for cursor in try await storage.spool.removedCursors(
            { configured.contains($0.delivery) }, goesOn: { routes.contains($0.delivery.route) })
        {
            try add(cursor.delivery, cursor, logs.removeValue(forKey: cursor.delivery))
        }
        // One that has come to be empty is nowhere: its files are small, and the next delivery of the name uses them.
        for (name, logs) in logs where logs.setAsideEvents > 0 || logs.deadLetters.count > 0 { try add(name, nil, logs) }
        let removed = RemovedDeliveries(storage, data, configured, deliveries)
        removed.tell()
        return removed
    }

    private init(_ storage: NodeStorage, _ data: DataFolderLogs, _ configured: Set<DeliveryName>, _ deliveries: [Delivery]) {
        self.executor = storage.threads.letters.executor()
        self.storage = storage
        self.data = data
        self.configured = configured
        let former = storage.formerSetAside.flatMap { name, logs in logs.map { ($0.name, name) } }
        self.successors = Dictionary(former) { first, _ in first }
        self.deliveries = Mutex(deliveries.sorted { $0.name < $1.name })
    }

    private nonisolated func tell() {
        for held in self.holdings where held.isWaited {
            // What its route accepts from now on is kept for it too, so that it is whole if it comes back.
            let goesOn = self.configured.contains(DeliveryName(.forward, of: held.name.route))
            self.logger.error(
                (goesOn
                    ? "a \(held.name.stage.rawValue) is no longer configured, and its route is; what it has not delivered is kept for it, "
                        + "also what comes, and holds disk space: "
                    : "a \(held.name.stage == .forward ? "route" : held.name.stage.rawValue) that is no longer configured still has events; "
                        + "they are kept and hold disk space: ") + Culprit.removedAdvice(held.name),
                [
                    "route": held.name.description, "stage": held.name.stage.rawValue, "events": "\(held.lagEvents)",
                    "set_aside": "\(held.setAsideEvents)", "dead_letters": "\(held.deadLetters)", "spool_bytes": "\(held.spoolBytes)",
                ])
        }
    }

    // MARK: What is there

    nonisolated var names: [DeliveryName] { self.deliveries.withLock { $0.map(\.name) } }

    /// Without waiting for the disk.
    nonisolated var holdings: [RouteHolding] { self.deliveries.withLock { $0 }.map(self.holding) }

    private nonisolated func holding(_ delivery: Delivery) -> RouteHolding {
        let held = delivery.cursor.map(self.storage.spool.held)
        let deadLetterBytes = max(0, delivery.deadLetterBytes - delivery.letterBytes + (delivery.logs?.deadLetters.byteCount ?? 0))
        return RouteHolding(
            name: delivery.name, isConfigured: false, isRequired: true, releasedEvents: 0, cursor: delivery.cursor?.sequence,
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
                route: held.name.route, stage: held.name.stage.rawValue, cluster: nil, state: "removed",
                cursor: held.cursor ?? self.storage.spool.durableEnd, lagEvents: held.lagEvents,
                oldestEventAgeSeconds: delivery.oldestAcceptedAt.map { self.age($0, seenAt: delivery.oldestSeenAt) },
                deadLetters: held.deadLetters, setAside: setAside,
                heldBytes: held.spoolBytes + held.setAsideBytes + held.deadLetterBytes)
        }
    }

    /// How long the oldest event of all of them has waited, in seconds, as far as that was looked for.
    nonisolated var oldestAge: Double? { self.statuses.compactMap(\.oldestEventAgeSeconds).max() }

    /// A mirror that had nothing when it was found is kept for, and so may have something now: whoever asks next is told since when. Waits
    /// for nothing.
    nonisolated func lookForOldest() {
        guard self.deliveries.withLock({ $0 }).contains(where: self.isSought),
            !self.isLooking.exchange(true, ordering: .relaxed)
        else { return }
        Task {
            await self.findOldest()
            self.isLooking.store(false, ordering: .relaxed)
        }
    }

    private nonisolated func isSought(_ delivery: Delivery) -> Bool {
        delivery.oldestAcceptedAt == nil && delivery.cursor.map { self.storage.spool.lag(of: $0) > 0 } ?? false
    }

    /// Waits for the disk.
    private func findOldest() {
        for delivery in self.deliveries.withLock({ $0 }).filter(self.isSought) {
            // It is only a number that is shown; whoever delivers tells of what can't be read.
            let oldest = try? delivery.cursor.flatMap { try self.storage.spool.oldestAcceptedAt(of: $0) }
            self.deliveries.withLock { all in
                guard let place = all.firstIndex(where: { $0.name == delivery.name }) else { return }
                (all[place].oldestAcceptedAt, all[place].oldestSeenAt) = (oldest ?? nil, MonotonicClock.nanoseconds)
            }
        }
    }

    private nonisolated func age(_ acceptedAt: Int64, seenAt: UInt64? = nil) -> Double {
        WaitingSince(acceptedAt: acceptedAt, seenAt: seenAt ?? self.foundAt).seconds(at: Surroundings.real.time)
    }

    nonisolated func logs(of name: DeliveryName) -> SideLogs? {
        self.deliveries.withLock { $0.first { $0.name == name }?.logs }
    }

    /// - Parameter configured: the deliveries that are.
    nonisolated func register(_ metrics: MetricsRegistry, beside configured: [KafkaDelivery]) {
        metrics.gauge("forebay_buffer_oldest_event_age_seconds", help: "Age of the oldest event that is not settled; 0 if none waits.") {
            self.lookForOldest()
            return (configured.compactMap(\.source.oldestAge) + [self.oldestAge].compactMap { $0 }).max() ?? 0
        }
        for name in self.names {
            let held = { @Sendable in self.holdings.first { $0.name == name } }
            metrics.gauge("forebay_delivery_lag_events", help: KafkaDelivery.lagHelp, labels: name.labels(way: "direct")) {
                Double(held()?.lagEvents ?? 0)
            }
            metrics.gauge("forebay_set_aside_events", help: KafkaDelivery.setAsideHelp, labels: name.labels) {
                Double(held()?.setAsideEvents ?? 0)
            }
        }
    }

    /// What is set aside of a delivery, by unit.
    nonisolated func setAside(of name: DeliveryName, limit: Int) -> SetAsideRouteView? {
        guard let log = self.logs(of: name)?.setAside else { return nil }
        let units = log.units.filter { $0.end > $0.settled }.sorted { ($0.topic, $0.partition ?? -1) < ($1.topic, $1.partition ?? -1) }
        let events = units.reduce(UInt64(0)) { $0 + $1.end - $1.settled }
        return SetAsideRouteView(
            name: name, totals: SetAsideTotals(units: units.count, events: events, bytes: log.frameBytes),
            units: units.prefix(limit).map { unit in
                SetAsideUnitView(
                    unit: unit.name, topic: unit.topic, partition: unit.partition,
                    state: .waiting, code: unit.code, reason: unit.reason,
                    advice: "\(name) is not configured any more: " + Culprit.removedAdvice(name), since: unit.since,
                    events: unit.end - unit.settled, bytes: Int(Double(log.frameBytes) * Double(unit.end - unit.settled) / Double(events)),
                    oldestEventAgeSeconds: self.age(unit.oldestAcceptedAt))
            })
    }

    nonisolated var withSetAside: [DeliveryName] { self.holdings.filter { $0.setAsideEvents > 0 }.map(\.name) }

    /// What every delivery holds. Waits for the disk.
    ///
    /// - Parameter configured: those that are.
    func all(_ configured: some Sequence<KafkaDelivery> & Sendable) throws(ForebayError) -> [RouteHolding] {
        var all = self.holdings
        for delivery in configured {
            let held = self.storage.spool.held(by: delivery.cursor)
            var asideBytes = 0
            for log in delivery.setAside.logs { asideBytes += try self.data.folder(.setAside, log.name.folder).size() }
            all.append(
                RouteHolding(
                    name: delivery.name, isConfigured: true, isRequired: delivery.target.isRequired,
                    releasedEvents: delivery.releasedEvents, cursor: delivery.cursor.sequence, lagEvents: delivery.source.waiting,
                    setAsideEvents: delivery.setAside.events, deadLetters: delivery.deadLetters.count, spoolBytes: held.bytes,
                    setAsideBytes: asideBytes, deadLetterBytes: delivery.deadLetters.byteCount))
        }
        return all.sorted { $0.name < $1.name }
    }

    // MARK: Giving up

    /// - Parameter stage: none: all of the route.
    func forget(_ route: String, stage: String?, isDryRun: Bool) async throws(ForebayError) -> ForgetOutcome {
        let known = ForgottenRoute(configured: self.configured, successors: self.successors, removed: self.names)
        let found: [DeliveryName]
        switch known.find(route, stage) {
        case .success(let names): found = names
        case .failure(let refusal): return refusal.outcome
        }
        let meant = self.deliveries.withLock { $0.filter { found.contains($0.name) } }
        let holdings = meant.map(self.holding)
        if isDryRun { return .forgotten(holdings) }
        guard self.leaving.isDisjoint(with: found) else { return .busy }
        self.leaving.formUnion(found)
        defer { self.leaving.subtract(found) }
        for delivery in meant {
            try await self.data.giveUp(
                delivery.name.folder, delivery.cursor, of: self.storage.spool, withSideLogs: delivery.logs != nil, closing: delivery.logs,
                self.storage.budget)
            self.deliveries.withLock { $0.removeAll { $0.name == delivery.name } }
        }
        for held in holdings { held.tellForgotten(self.logger) }
        return .forgotten(holdings)
    }
}

/// Which deliveries are meant where a route is given up, and which can be.
struct ForgottenRoute {
    struct Refusal: Error {
        let outcome: ForgetOutcome
    }

    let configured: Set<DeliveryName>
    /// Which take over what others left, by these.
    let successors: [DeliveryName: DeliveryName]
    /// Those that left something and are not configured.
    let removed: [DeliveryName]

    func find(_ route: String, _ stage: String?) -> Result<[DeliveryName], Refusal> {
        let name = stage.map { DeliveryName.Stage(rawValue: $0).map { DeliveryName($0, of: route) } } ?? DeliveryName(.forward, of: route)
        let ofRoute = self.removed.filter { $0.route == route }
        if let name {
            // A stage beside one that is configured is given up by its own name.
            if self.configured.contains(name) {
                return .failure(Refusal(outcome: .configured(removed: stage == nil ? ofRoute.map(\.description) : [])))
            }
            if let other = self.successors[name] { return .failure(Refusal(outcome: .takenOver(by: other.route))) }
        }
        let found = ofRoute.filter { stage == nil || $0 == name }
        guard found.isEmpty else { return .success(found) }
        if let stage, !ofRoute.isEmpty {
            return .failure(Refusal(outcome: .unknownStage(stage, known: ofRoute.map(\.stage.rawValue))))
        }
        return .failure(Refusal(outcome: .unknown(known: self.removed.map(\.description))))
    }
}

extension RouteHolding {
    /// Something that was accepted is in it.
    var isWaited: Bool { self.cursor != nil || self.setAsideEvents > 0 || self.deadLetters > 0 }

    func tellForgotten(_ logger: Logger) {
        logger.warning(
            "a removed route was given up by command",
            [
                "route": self.name.description, "stage": self.name.stage.rawValue, "events": "\(self.lagEvents)",
                "set_aside": "\(self.setAsideEvents)", "dead_letters": "\(self.deadLetters)", "freed_bytes": "\(self.freedBytes)",
            ])
    }
}
