import ForebayAdmin
import ForebayBuffer
import ForebayConfig
import ForebayCore
import ForebayDelivery
import ForebaySpool
import Synchronization

/// What the admin API sees of a node, from before the disk is open until after the last answer.
final class NodeObservation: NodeView {
    /// What there is to look at once the disk is open.
    struct Parts: Sendable {
        let supervisor: Supervisor
        let storage: NodeStorage
        let storageHealth: StorageHealth
        let clock: NodeClock
        /// Those that are configured.
        let deliveries: [DeliveryName: KafkaDelivery]
        let removed: RemovedDeliveries
        let letters: NodeLetters
        let aside: NodeAside
    }

    private struct State: Sendable {
        var phase = NodeHealth.Phase.starting
        var progress = "opening the spool"
        var isListening = false
        var parts: Parts?
    }

    private let configuration: ForebayConfiguration
    private let startedAt = WallClock.milliseconds
    private let startedMonotonic = MonotonicClock.nanoseconds
    private let state = Mutex(State())

    init(_ configuration: ForebayConfiguration) {
        self.configuration = configuration
    }

    func opened(_ parts: Parts) {
        self.state.withLock {
            $0.parts = parts
            $0.progress = "starting the stages"
        }
    }

    func listening() {
        self.state.withLock {
            $0.isListening = true
            $0.phase = .running
        }
    }

    func draining() {
        self.state.withLock { $0.phase = .draining }
    }

    func health() -> NodeHealth {
        let state = self.state.withLock { $0 }
        guard let parts = state.parts else {
            return NodeHealth(phase: state.phase, progress: state.progress, buffer: .opening, isListening: false)
        }
        // Forward may be down: accepting is what the node is for while Kafka is away.
        let down = parts.supervisor.notRunning.map { (name: $0.name, text: "\($0.name) is down" + ($0.error.map { ": \($0)" } ?? "")) }
        let needed: Set = ["buffer", "ingest"]
        let buffer: NodeHealth.Buffer =
            if let reason = parts.storageHealth.unreadyReason { .failed(reason) } else {
                parts.storage.spool.isFull ? .full : .accepting
            }
        return NodeHealth(
            phase: state.phase, progress: state.progress, buffer: buffer, clockFault: parts.clock.fault, isListening: state.isListening,
            missingStages: down.filter { needed.contains($0.name) }.map(\.text),
            otherStagesDown: down.filter { !needed.contains($0.name) }.map(\.text))
    }

    func status() async -> NodeStatus {
        let uptime = Double(MonotonicClock.nanoseconds - self.startedMonotonic) / 1e9
        var status = NodeStatus(
            node: self.configuration.node.name, version: ForebayVersion.text, startedAt: self.startedAt, uptimeSeconds: uptime)
        guard let parts = self.state.withLock({ $0.parts }) else { return status }
        parts.removed.lookForOldest()
        status.stages = await parts.supervisor.reports()
        status.buffers = [self.buffer(parts)]
        status.routes = self.names.compactMap { parts.deliveries[$0] }.map { RouteStatus(of: $0, status.stages) } + parts.removed.statuses
        status.alarms = NodeAlarms.all(parts.storage)
        return status
    }

    /// Of what is configured, in the order of the configuration.
    private var names: [DeliveryName] { self.configuration.deliveries.map(\.name) }

    func deadLetterCounts() -> [(name: DeliveryName, count: UInt64)] {
        guard let parts = self.state.withLock({ $0.parts }) else { return [] }
        return self.names.map { ($0, parts.storage.deadLetters[$0]?.count ?? 0) }
            + parts.removed.holdings.filter { $0.deadLetters > 0 }.map { ($0.name, $0.deadLetters) }
    }

    func deadLetters(of name: DeliveryName, after: UInt64?, limit: Int) async throws(ForebayError) -> [DeadLetterView]? {
        guard let parts = self.state.withLock({ $0.parts }),
            let letters = parts.storage.deadLetters[name] ?? parts.removed.logs(of: name)?.deadLetters
        else { return nil }
        return try await letters.list(after: after, limit: limit).map { entry in
            DeadLetterView(
                sequence: entry.sequence, topic: entry.topic, code: entry.code, reason: entry.reason, eventID: entry.eventID, at: entry.at,
                timestamp: entry.timestamp, partition: entry.partition, key: entry.key, value: entry.value, headers: entry.headers)
        }
    }

    func work(_ action: LetterAction, _ selection: LetterSelection) async throws(ForebayError) -> LetterAnswer {
        guard let parts = self.state.withLock({ $0.parts }) else { return .starting }
        return await parts.letters.work(action, selection, parts.removed)
    }

    func mend(_ action: AsideSelection.Action, _ selection: AsideSelection) async throws(ForebayError) -> AsideAnswer {
        guard let parts = self.state.withLock({ $0.parts }) else { return .starting }
        return await parts.aside.mend(action, selection, parts.removed)
    }

    func setAside(of name: DeliveryName?, limit: Int) -> [SetAsideRouteView]? {
        let parts = self.state.withLock { $0.parts }
        let names = self.names + (parts?.removed.withSetAside ?? [])
        if let name, parts.map({ !names.contains(name) && !$0.removed.names.contains(name) }) ?? true { return nil }
        return (name.map { [$0] } ?? names).compactMap { name in
            parts?.deliveries[name].map { delivery in
                SetAsideRouteView(
                    name: name, totals: delivery.setAside.totals, units: delivery.setAside.shown(limit: limit).map(Self.unit))
            } ?? parts?.removed.setAside(of: name, limit: limit)
        }
    }

    func alarms(log: String?) async -> [AlarmStatus]? {
        guard let parts = self.state.withLock({ $0.parts }) else { return log == nil ? [] : nil }
        return NodeAlarms.of(log, parts.storage)
    }

    func acknowledgeAlarms(log: String?) async throws(ForebayError) -> [AlarmStatus]? {
        guard let parts = self.state.withLock({ $0.parts }) else { return log == nil ? [] : nil }
        return try await NodeAlarms.acknowledge(log, parts.storage)
    }

    func routes() async throws(ForebayError) -> [RouteHolding]? {
        guard let parts = self.state.withLock({ $0.parts }) else { return nil }
        return try await parts.removed.all(parts.deliveries.values)
    }

    func forget(route: String, stage: String?, isDryRun: Bool) async throws(ForebayError) -> ForgetOutcome {
        guard let parts = self.state.withLock({ $0.parts }) else { return .starting }
        return try await parts.removed.forget(route, stage: stage, isDryRun: isDryRun)
    }

    private static func unit(_ shown: SetAside.Shown) -> SetAsideUnitView {
        SetAsideUnitView(
            unit: shown.key.description, topic: shown.key.topic, partition: shown.key.partition,
            state: shown.isDraining ? .draining : .waiting, code: shown.code, reason: shown.reason, advice: shown.advice,
            since: shown.since, events: shown.events, bytes: shown.bytes,
            oldestEventAgeSeconds: shown.oldestAge)
    }

    private func buffer(_ parts: Parts) -> BufferStatus {
        let spool = parts.storage.spool
        let isFull = spool.isFull
        return BufferStatus(
            name: "spool", bytes: parts.storage.budget.fileBytes, capacity: parts.storage.budget.capacity,
            maxSize: parts.storage.budget.limit,
            oldestEventAgeSeconds: (parts.deliveries.values.map(\.source.oldestAge) + [parts.removed.oldestAge]).compactMap { $0 }.max(),
            firstSequence: spool.start,
            durableSequence: spool.durableEnd, segments: spool.segmentCount, isAccepting: !isFull,
            fullSince: isFull ? parts.storageHealth.fullSince : nil,
            missing: spool.missing.map { BufferStatus.Missing(events: $0.sequences, file: "segment \($0.segment)", reason: $0.reason) })
    }
}
