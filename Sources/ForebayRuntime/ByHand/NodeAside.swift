import ForebayAdmin
import ForebayConfig
import ForebayCore
import ForebayDelivery
import ForebayKafka
import ForebaySpool
import ForebayTelemetry

/// What an operator does with what is set aside on a running node.
final class NodeAside: Sendable {
    private let storage: NodeStorage
    private let deliveries: [DeliveryName: KafkaDelivery]
    private let removed: [DeliveryName: Counter]
    private let moved: [DeliveryName: Counter]

    init(_ storage: NodeStorage, _ deliveries: [DeliveryName: KafkaDelivery], _ metrics: MetricsRegistry) {
        self.storage = storage
        self.deliveries = deliveries
        // What is left of a removed one is not added to.
        let names = Set(deliveries.keys).union(storage.removed.filter { $0.value.setAsideEvents > 0 }.keys)
        func counters(_ name: String, _ help: String) -> [DeliveryName: Counter] {
            Dictionary(uniqueKeysWithValues: names.map { ($0, metrics.counter(name, help: help, labels: $0.labels)) })
        }
        self.removed = counters("forebay_set_aside_removed_events_total", "Events set aside that an operator removed.")
        self.moved = counters("forebay_set_aside_moved_events_total", "Events set aside that an operator moved to another topic.")
    }

    /// - Parameter removed: where what is left of routes that are not configured any more is still known.
    func mend(_ action: AsideSelection.Action, _ selection: AsideSelection, _ removed: RemovedDeliveries) async -> AsideAnswer {
        guard !selection.isDryRun else { return await self.run(action, selection, removed) }
        return await self.storage.mending.perform(busy: .busy, stopping: .stopping) { await self.run(action, selection, removed) }
    }

    private func run(_ action: AsideSelection.Action, _ selection: AsideSelection, _ removed: RemovedDeliveries) async -> AsideAnswer {
        let targets = self.targets(removed)
        if let route = selection.route, !targets.contains(where: { $0.name == DeliveryName(name: route) }) { return .unknownRoute(route) }
        let mending = self.storage.mending
        let work = AsideWork(
            action: action, selection: selection, executor: self.storage.threads.side.executor(), isOver: { mending.isStopping })
        let answer = await work.run(targets)
        switch answer {
        case .done(let outcome), .failed(let outcome, _, _): self.count(outcome)
        default: break
        }
        return answer
    }

    private func targets(_ removed: RemovedDeliveries) -> [AsideTarget] {
        var targets: [AsideTarget] = []
        for (name, delivery) in self.deliveries.sorted(by: { $0.key < $1.key }) {
            targets += delivery.setAside.logs.map { log in
                AsideTarget(
                    name: name, setAside: log.setAside, former: log.name == name ? nil : log.name, cluster: delivery.target.cluster)
            }
        }
        for name in removed.names {
            guard let log = removed.logs(of: name)?.setAside else { continue }
            targets.append(AsideTarget(name: name, setAside: .undelivered(name, log)))
        }
        return targets
    }

    private func count(_ outcome: AsideOutcome) {
        guard !outcome.isDryRun else { return }
        let counters = outcome.action == .remove ? self.removed : self.moved
        for unit in outcome.units { counters[unit.delivery]?.increment(by: unit.events) }
    }
}

extension SetAside {
    /// Of a log that no stage drains: its route is not configured any more, or its node is down.
    ///
    /// - Parameter isAlone: it takes no turns with other logs, which are ordered with it later.
    static func undelivered(_ name: DeliveryName, _ log: SetAsideLog, isAlone: Bool = true) -> SetAside {
        let setAside = SetAside(
            route: name.description, log: log, properties: KafkaProperties(client: [:], producer: [:]), configuration: DeliverySettings(),
            surroundings: .real, isQuiet: true)
        if isAlone { Self.order([setAside]) }
        return setAside
    }

    /// Those of one topic in several logs take turns.
    static func order(_ logs: [SetAside]) {
        for topic in logs.reduce(into: Set<String>(), { $0.formUnion($1.topics) }) { Self.order(topic, in: logs, ends: logs) }
    }
}
