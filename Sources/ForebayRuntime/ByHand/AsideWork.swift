import ForebayAdmin
import ForebayCore
import ForebayDelivery
import ForebayIngest
import ForebaySpool
import ForebayTelemetry

/// Removes or moves what is set aside.
struct AsideWork: Sendable {
    let action: AsideSelection.Action
    let selection: AsideSelection
    /// Of a thread that may wait for the disk.
    let executor: any SerialExecutor
    /// Whether the log is told; a command tells whoever gave it.
    var isLogged = true
    /// Nothing more is begun once this says so.
    var isOver: @Sendable () -> Bool = { false }

    /// - Parameter all: of all deliveries.
    func run(_ all: [AsideTarget]) async -> AsideAnswer {
        if let refusal = Self.refusal(self.action, self.selection) { return refusal }
        let route = self.selection.route.map { DeliveryName(name: $0) }
        let targets = all.filter { route == nil || $0.name == route }
        var outcome = AsideOutcome(self.action, isDryRun: self.selection.isDryRun)
        let meant = SetAside.Selection(topic: self.selection.topic, partition: self.selection.partition)
        if case .move(let topic) = self.action, let hindrance = AsideOrder(all: all).hindrance(meant, to: topic, from: targets) {
            return .elsewhere(hindrance)
        }
        for target in targets {
            do throws(ForebayError) {
                let (taken, failure) = try await self.run(meant, target)
                outcome.units += taken.map {
                    AsideOutcome.Unit(
                        delivery: target.name, unit: $0.key.description, code: $0.code, events: $0.events,
                        isOfRemoved: target.cluster == nil)
                }
                if !self.selection.isDryRun, self.isLogged { self.tell(taken, target) }
                if let failure { throw failure }
            } catch {
                return .failed(outcome, code: error.code.description, detail: error.description)
            }
        }
        return outcome.units.isEmpty ? .nothing(self.selection) : .done(outcome)
    }

    /// Why it can't be done, whatever is set aside; none if it can.
    static func refusal(_ action: AsideSelection.Action, _ selection: AsideSelection) -> AsideAnswer? {
        guard case .move(let topic) = action else { return nil }
        if TopicName.isValid(topic), topic.hasPrefix("__") { return .reservedTopic(topic) }
        return TopicName.isValid(topic) && topic != selection.topic ? nil : .invalidTopic(topic)
    }

    /// - Returns: what was taken, and why that is not all, if it is not.
    private func run(
        _ meant: SetAside.Selection, _ target: AsideTarget
    ) async throws(ForebayError) -> (taken: [SetAside.Taken], failure: ForebayError?) {
        switch self.action {
        case .remove:
            return (self.selection.isDryRun ? target.setAside.found(meant) : try await target.setAside.remove(meant), nil)
        case .move(let topic):
            if self.selection.isDryRun { return (target.setAside.found(meant, movingTo: topic), nil) }
            return try await target.setAside.move(meant, to: topic, executor: self.executor, isOver: self.isOver)
        }
    }

    private func tell(_ taken: [SetAside.Taken], _ target: AsideTarget) {
        for unit in taken {
            var to = ""
            if case .move(let topic) = self.action { to = topic }
            Logger(label: "setaside").warning(
                "events that were set aside are \(self.action.done) by command",
                [
                    "route": target.name.description, "unit": unit.key.description, "events": "\(unit.events)",
                    "positions": "\(unit.positions.lowerBound)-\(unit.positions.upperBound - 1)", "to": to,
                ], folds: false)
        }
    }
}
