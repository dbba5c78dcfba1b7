import ForebayKafka
import Synchronization

/// A topic's events may be set aside in several logs, or in another than the one that newer ones would go to: routes that became one, a
/// former name that is a route again. The logs take turns then, so that a key's events are delivered as they were accepted.
extension SetAside {
    /// Says who comes when. Before any stage of these logs begins.
    ///
    /// - Parameters:
    ///   - logs: all of one cluster.
    ///   - ends: those of them that newer events of the topic are added to, or go past if nothing is set aside.
    package static func order(_ topic: String, in logs: [SetAside], ends: [SetAside]) {
        let turns = Self.turns(of: topic, in: logs)
        guard let last = turns.last else { return }
        for (place, turn) in turns.enumerated() {
            turn.log.take(SetAsideTurn(topic: topic, place: place), turn.units, behind: place > 0 ? turns[place - 1] : nil)
        }
        for end in ends where end !== last.log {
            end.take(SetAsideTurn(topic: topic, place: turns.count), [], behind: last)
        }
    }

    private typealias Turn = (log: SetAside, units: [SetAsideUnit])

    /// By their oldest events. Units of one log that follow each other share a turn, unless they are of the same key.
    private static func turns(of topic: String, in logs: [SetAside]) -> [Turn] {
        var turns: [Turn] = []
        let found = logs.flatMap { log in log.units(of: topic).map { (log: log, unit: $0) } }.sorted {
            ($0.unit.oldestAcceptedAt, $0.unit.number) < ($1.unit.oldestAcceptedAt, $1.unit.number)
        }
        for (log, unit) in found {
            if let last = turns.last, last.log === log, !last.units.contains(where: { $0.key == unit.key }) {
                turns[turns.count - 1].units.append(unit)
            } else {
                turns.append((log, [unit]))
            }
        }
        return turns
    }

    private func units(of topic: String) -> [SetAsideUnit] {
        self.state.withLock { state in (state.numbers[topic] ?? []).compactMap { state.units[$0] } }
    }

    private func take(_ turn: SetAsideTurn, _ units: [SetAsideUnit], behind older: Turn?) {
        self.change { $0.take(turn, units.map(\.number)) }
        guard let older, let unit = older.units.first else { return }
        // Why it waits is why the older events do.
        let failure = KafkaFailure(KafkaErrorCode(name: unit.code) ?? .leaderNotAvailable, reason: unit.reason)
        self.change { $0.wait(for: turn, failure) }
        older.log.followers.withLock { followers in
            let before = SetAsideTurn(topic: turn.topic, place: older.log.place(of: unit.number))
            followers[before, default: []].append { [weak self] in self?.change { $0.begin(turn) } }
        }
    }

    private func place(of number: UInt64) -> Int { self.state.withLock { $0.units[number]?.turn ?? 0 } }
}
