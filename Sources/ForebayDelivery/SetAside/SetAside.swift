package import ForebayCore
package import ForebayKafka
package import ForebaySpool
import ForebayTelemetry
import Synchronization

/// What of one route can't be delivered now: its log on disk, and who may do what with it. Shared by the route's two stages.
package final class SetAside: Sendable {
    /// What is to be done once the state is let go of.
    private struct Effects {
        let actions: SetAsideActions
        let moved: [SetAsideUnit]
        let wakes: [DeliveryWay]
        let hasReading: Bool
    }

    package let route: String
    let log: SetAsideLog
    let time: any TimeSource
    let advice: KafkaAdvice
    private let logger = Logger(label: "setaside")
    /// No stage drains it: nothing goes direct when it is empty.
    private let isQuiet: Bool
    let state: Mutex<SetAsideState>
    let stages = Mutex<[DeliveryWay: @Sendable () -> Void]>([:])
    let reader = Wake()
    /// Whose turn it is next, when one is over here.
    let followers = Mutex<[SetAsideTurn: [@Sendable () -> Void]]>([:])

    package init(
        route: String, log: SetAsideLog, properties: KafkaProperties, configuration: DeliverySettings, surroundings: Surroundings,
        isQuiet: Bool = false
    ) {
        self.route = route
        self.isQuiet = isQuiet
        self.log = log
        self.time = surroundings.time
        self.advice = KafkaAdvice(properties: properties)
        let found = log.units
        let events = found.reduce(0) { $0 + $1.end - $1.settled }
        // Only files know their sizes: of what was there before, the bytes are an estimate.
        let eventBytes = Double(log.frameBytes) / Double(max(1, events))
        let units = found.map { unit in
            var known = SetAsideUnit(
                number: unit.number, key: SetAsideKey(unit.topic, unit.partition), partitionCount: unit.partitionCount, code: unit.code,
                reason: unit.reason, since: unit.since, oldestAcceptedAt: unit.oldestAcceptedAt)
            (known.settled, known.end, known.isInLog) = (unit.settled, unit.end, true)
            known.turnInLog = unit.turn
            known.settledBefore = unit.settled
            known.oldestSeenAt = surroundings.time.monotonicNanoseconds
            known.bytes = Int(Double(known.events) * eventBytes)
            return known
        }
        self.state = Mutex(SetAsideState(configuration: configuration, units: units, nextNumber: log.nextNumber))
        if events > 0, !isQuiet {
            self.logger.warning(
                "events are set aside from before the start", ["route": route, "units": "\(units.count)", "events": "\(events)"])
        }
        self.change { _ in }
    }

    // MARK: Effects

    func change<Result>(_ body: (inout SetAsideState) -> Result) -> Result {
        let (result, effects) = self.state.withLock { state in
            let result = body(&state)
            if !state.actions.moved.isEmpty {
                let now = self.time.monotonicNanoseconds
                for number in state.actions.moved { state.units[number]?.oldestSeenAt = now }
            }
            return (result, Self.takeEffects(&state))
        }
        for unit in effects.moved where unit.isInLog {
            self.log.settle(unit.number, through: unit.settled, oldestAcceptedAt: unit.oldestAcceptedAt)
        }
        for number in effects.actions.gone { self.log.end(number) }
        for turn in effects.actions.turnsOver {
            for follower in self.followers.withLock({ $0.removeValue(forKey: turn) }) ?? [] { follower() }
        }
        for note in effects.actions.notes { self.tell(note) }
        for way in effects.wakes { self.wake(way) }
        if effects.hasReading { self.reader.call() }
        return result
    }

    private static func takeEffects(_ state: inout SetAsideState) -> Effects {
        defer { state.actions = SetAsideActions() }
        return Effects(
            actions: state.actions, moved: state.actions.moved.compactMap { state.units[$0] },
            wakes: [.direct, .aside].filter { state.changes.has(for: $0) }, hasReading: !state.reading.isEmpty)
    }

    func wake(_ way: DeliveryWay) {
        self.stages.withLock { $0[way] }?()
    }

    private func tell(_ note: SetAsideActions.Note) {
        switch note {
        case .entered(let key, let failure):
            self.logger.warning(
                "set aside",
                [
                    "route": self.route, "unit": key.description, "code": "\(failure.code)", "reason": failure.reason,
                    "advice": self.advice.text(for: failure, topic: key.topic) ?? "",
                ], folds: false)
        case .left(let key, let events, let takenOut, let since):
            guard !self.isQuiet else { return }
            // Whoever took some out says so, too.
            self.logger.info(
                takenOut == 0 ? "goes direct again" : "goes direct again, and not all of it was delivered",
                [
                    "route": self.route, "unit": key.description, "events": "\(events)", "taken_out": "\(takenOut)",
                    "seconds": "\(max(0, self.time.wallMilliseconds - since) / 1000)",
                ])
        }
    }
}
