import ForebayAdmin
import ForebayCore
import ForebayDelivery
import ForebayKafka
import ForebaySpool
import ForebayTelemetry

/// What an operator does with what is set aside on a running node.
final class NodeAside: Sendable {
    private let storage: NodeStorage
    private let routes: [String: NodeRoute]
    private let turn = OneAtATime()
    private let removed: [String: Counter]
    private let moved: [String: Counter]

    init(_ storage: NodeStorage, _ routes: [String: NodeRoute], _ metrics: MetricsRegistry) {
        self.storage = storage
        self.routes = routes
        let names = Set(routes.keys).union(storage.removed.keys)
        func counters(_ name: String, _ help: String) -> [String: Counter] {
            Dictionary(uniqueKeysWithValues: names.map { ($0, metrics.counter(name, help: help, labels: ["route": $0])) })
        }
        self.removed = counters("forebay_set_aside_removed_events_total", "Events set aside that an operator removed.")
        self.moved = counters("forebay_set_aside_moved_events_total", "Events set aside that an operator moved to another topic.")
    }

    /// - Parameter removed: where what is left of routes that are not configured any more is still known.
    func mend(_ action: AsideSelection.Action, _ selection: AsideSelection, _ removed: RemovedRoutes) async -> AsideAnswer {
        guard selection.isDryRun || self.turn.enter() else { return .busy }
        defer { if !selection.isDryRun { self.turn.leave() } }
        let targets = self.targets(selection.route, removed)
        if let route = selection.route, targets.isEmpty { return .unknownRoute(route) }
        let work = AsideWork(action: action, selection: selection, executor: self.storage.threads.side.executor())
        let answer = await work.run(targets)
        switch answer {
        case .done(let outcome), .failed(let outcome, _, _): self.count(outcome)
        default: break
        }
        return answer
    }

    private func targets(_ route: String?, _ removed: RemovedRoutes) -> [AsideTarget] {
        var targets: [AsideTarget] = []
        for (name, known) in self.routes.sorted(by: { $0.key < $1.key }) where route == nil || name == route {
            targets += known.setAside.logs.map { AsideTarget(route: name, setAside: $0.setAside) }
        }
        for name in removed.names.sorted() where self.routes[name] == nil && (route == nil || name == route) {
            guard let log = removed.logs(of: name)?.setAside else { continue }
            targets.append(AsideTarget(route: name, setAside: .undelivered(name, log)))
        }
        return targets
    }

    private func count(_ outcome: AsideOutcome) {
        guard !outcome.isDryRun else { return }
        let counters = outcome.action == .remove ? self.removed : self.moved
        for unit in outcome.units { counters[unit.route]?.increment(by: unit.events) }
    }
}

extension SetAside {
    /// Of a log that no stage drains: its route is not configured any more, or its node is down.
    static func undelivered(_ route: String, _ log: SetAsideLog) -> SetAside {
        let setAside = SetAside(
            route: route, log: log, properties: KafkaProperties(client: [:], producer: [:]), configuration: DeliverySettings(),
            surroundings: .real, isQuiet: true)
        for topic in setAside.topics { SetAside.order(topic, in: [setAside], ends: [setAside]) }
        return setAside
    }
}
