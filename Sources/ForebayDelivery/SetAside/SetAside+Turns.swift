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
        // What enters a turn later has a place behind those that are on disk.
        var place = 0
        for (index, turn) in turns.enumerated() {
            place = max(index > 0 ? place + 1 : 0, turn.units.map(\.turnInLog).max() ?? 0)
            turn.log.take(SetAsideTurn(topic: topic, place: place), turn.units, behind: index > 0 ? turns[index - 1] : nil)
        }
        for end in ends where end !== last.log {
            end.take(SetAsideTurn(topic: topic, place: place + 1), [], behind: last)
        }
    }

    private typealias Turn = (log: SetAside, units: [SetAsideUnit])

    /// Those of one log in its own turns, those of several by their oldest events. Units of one log that follow each other share a turn,
    /// unless they had two, or are of the same key.
    private static func turns(of topic: String, in logs: [SetAside]) -> [Turn] {
        var turns: [Turn] = []
        let found = logs.flatMap { log in log.timed(log.units(of: topic)) }.sorted {
            ($0.time, $0.unit.turnInLog, $0.unit.number) < ($1.time, $1.unit.turnInLog, $1.unit.number)
        }
        for (log, unit, _) in found {
            if let last = turns.last, last.log === log,
                !last.units.contains(where: { $0.key == unit.key || $0.turnInLog != unit.turnInLog })
            {
                turns[turns.count - 1].units.append(unit)
            } else {
                turns.append((log, [unit]))
            }
        }
        return turns
    }

    /// With the time by which each is in its turn: no earlier than those of the turns before.
    private func timed(_ units: [SetAsideUnit]) -> [(log: SetAside, unit: SetAsideUnit, time: Int64)] {
        var (time, before) = (Int64.min, Int64.min)
        var turn = Int.min
        return units.sorted { ($0.turnInLog, $0.oldestAcceptedAt) < ($1.turnInLog, $1.oldestAcceptedAt) }.map { unit in
            if unit.turnInLog != turn { (turn, before) = (unit.turnInLog, time) }
            time = max(time, unit.oldestAcceptedAt)
            return (self, unit, max(before, unit.oldestAcceptedAt))
        }
    }

    private func units(of topic: String) -> [SetAsideUnit] {
        self.state.withLock { $0.units.units(of: topic) }
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
