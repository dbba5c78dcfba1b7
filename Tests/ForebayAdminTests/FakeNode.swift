import ForebayCore
import ForebayHTTP
import Foundation
import Synchronization

@testable import ForebayAdmin

/// A node that is as a test says.
final class FakeNode: NodeView {
    private let state: Mutex<(health: NodeHealth, status: NodeStatus)>
    let letters: [DeadLetterView]
    let aside: [SetAsideRouteView]
    let asked = Mutex<[Int]>([])

    init(
        health: NodeHealth = NodeHealth(phase: .running, buffer: .accepting, isListening: true),
        status: NodeStatus = NodeStatus(node: "n1", version: "1.2.3", startedAt: 1_785_576_600_125, uptimeSeconds: 12.5),
        letters: [DeadLetterView] = [], aside: [SetAsideRouteView] = [], held: [RouteHolding] = []
    ) {
        self.state = Mutex((health, status))
        self.letters = letters
        self.aside = aside
        self.held = held
    }

    func set(_ health: NodeHealth) { self.state.withLock { $0.health = health } }
    func health() -> NodeHealth { self.state.withLock { $0.health } }
    func status() async -> NodeStatus { self.state.withLock { $0.status } }
    func deadLetterCounts() -> [(name: DeliveryName, count: UInt64)] {
        [(DeliveryName(.forward, of: "orders"), UInt64(self.letters.count)), (DeliveryName(.mirror, of: "orders"), 0)]
    }

    func deadLetters(of name: DeliveryName, after: UInt64?, limit: Int) async throws(ForebayError) -> [DeadLetterView]? {
        self.asked.withLock { $0.append(limit) }
        if name.route == "broken" { throw ForebayError(.spoolUnreadable, recovery: .retry, "the log can't be read") }
        guard name == DeliveryName(.forward, of: "orders") else { return nil }
        return Array(self.letters.filter { letter in after.map { letter.sequence > $0 } ?? true }.prefix(limit))
    }

    /// What was asked of dead letters, as `replay topic=orders`, with `?` behind it if it was only asked about.
    let worked = Mutex<[String]>([])

    func work(_ action: LetterAction, _ selection: LetterSelection) async throws(ForebayError) -> LetterAnswer {
        self.worked.withLock { $0.append("\(action.rawValue) \(selection.text)" + (selection.isDryRun ? "?" : "")) }
        switch selection.delivery?.route {
        case "broken"?: throw ForebayError(.systemCall, recovery: .retry, "the disk does not answer")
        case "busy"?: return .busy
        case "starting"?: return .starting
        case "old"?: return .notConfigured(DeliveryName(.forward, of: "old"))
        case "full"?:
            var outcome = LetterOutcome(action, isDryRun: false, asOf: 9)
            outcome.groups[.init(delivery: DeliveryName(.forward, of: "full"), topic: "t", code: "c")] = 3
            return .failed(outcome, code: "spool_full", detail: "no room")
        case nil, "orders"?: break
        default: return .unknown(selection.delivery!, known: ["orders"])
        }
        var outcome = LetterOutcome(action, isDryRun: selection.isDryRun, asOf: selection.asOf ?? 1000)
        for letter in self.letters
        where selection.holds(
            number: letter.sequence, topic: letter.topic, code: letter.code, id: letter.eventID, at: letter.at, now: 1_785_576_600_125)
        {
            outcome.groups[.init(delivery: DeliveryName(.forward, of: "orders"), topic: letter.topic, code: letter.code), default: 0] += 1
        }
        return .done(outcome)
    }

    func mend(_ action: AsideSelection.Action, _ selection: AsideSelection) async throws(ForebayError) -> AsideAnswer {
        self.worked.withLock { $0.append("\(action) \(selection.unit ?? "-")" + (selection.isDryRun ? "?" : "")) }
        switch selection.route {
        case "broken"?: throw ForebayError(.systemCall, recovery: .retry, "the disk does not answer")
        case "busy"?: return .busy
        case "starting"?: return .starting
        case "nobody"?: return .unknownRoute("nobody")
        default: break
        }
        if case .move("a/b") = action { return .invalidTopic("a/b") }
        var outcome = AsideOutcome(action, isDryRun: selection.isDryRun)
        for route in self.aside where route.name.description == selection.route ?? route.name.description {
            for unit in route.units
            where unit.topic == selection.topic ?? unit.topic && (selection.partition == nil || unit.partition == selection.partition) {
                outcome.units.append(.init(delivery: route.name, unit: unit.unit, code: unit.code, events: unit.events))
            }
        }
        if selection.route == "full" { return .failed(outcome, code: "spool_full", detail: "no room") }
        return outcome.units.isEmpty ? .nothing(selection) : .done(outcome)
    }

    func setAside(of name: DeliveryName?, limit: Int) -> [SetAsideRouteView]? {
        let found = self.aside.filter { name == nil || $0.name == name }.map { route in
            SetAsideRouteView(name: route.name, totals: route.totals, units: Array(route.units.prefix(limit)))
        }
        return name != nil && found.isEmpty ? nil : found
    }

    /// Which logs' alarms were acknowledged, `-`: all.
    let acknowledged = Mutex<[String]>([])

    func alarms(log: String?) async -> [AlarmStatus]? {
        let found = self.state.withLock { $0.status.alarms }.filter { log == nil || $0.log == log }
        return log != nil && found.isEmpty ? nil : found
    }

    func acknowledgeAlarms(log: String?) async throws(ForebayError) -> [AlarmStatus]? {
        if log == "broken" { throw ForebayError(.systemCall, recovery: .retry, "the disk does not answer") }
        self.acknowledged.withLock { $0.append(log ?? "-") }
        return await self.alarms(log: log)
    }

    let held: [RouteHolding]
    /// What was given up, as `route/stage`, with `?` behind it if it was only asked about.
    let forgotten = Mutex<[String]>([])

    func routes() async throws(ForebayError) -> [RouteHolding]? { self.held.isEmpty ? nil : self.held }

    func forget(route: String, stage: String?, isDryRun: Bool) async throws(ForebayError) -> ForgetOutcome {
        if route == "broken" { throw ForebayError(.systemCall, recovery: .retry, "the disk does not answer") }
        if route == "busy" { return .busy }
        if self.held.isEmpty { return .starting }
        let found = self.held.filter { $0.name.route == route && (stage == nil || $0.name.stage.rawValue == stage) }
        guard !found.isEmpty else { return .unknown(known: self.held.filter { $0.isConfigured == false }.map(\.name.description)) }
        if found.contains(where: { $0.isConfigured == true }) { return .configured(removed: []) }
        self.forgotten.withLock { $0.append("\(route)/\(stage ?? "")" + (isDryRun ? "?" : "")) }
        return .forgotten(found)
    }
}

extension HTTPResponse {
    var text: String { String(decoding: self.body, as: UTF8.self) }
    var fieldText: String { String(decoding: self.fields, as: UTF8.self) }

    func object() throws -> [String: Any] {
        try JSONSerialization.jsonObject(with: Data(self.body)) as? [String: Any] ?? [:]
    }
}
