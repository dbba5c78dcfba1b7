import ForebayCore
import ForebayKafka
import Synchronization

/// What is shown of what is set aside.
extension SetAside {
    /// One unit as it is shown.
    package struct Shown: Sendable, Equatable {
        package let key: SetAsideKey
        /// `waiting` for its next try, or `draining`.
        package let isDraining: Bool
        package let code: String
        package let reason: String
        /// What to do about it.
        package let advice: String?
        /// ms since 1970.
        package let since: Int64
        package let events: UInt64
        package let bytes: Int
        /// When the first of them was accepted, ms since 1970.
        package let oldestAcceptedAt: Int64
        /// How long it has waited, in seconds.
        package let oldestAge: Double
    }

    package var isEmpty: Bool { self.state.withLock { $0.isEmpty } }
    /// Those in the log.
    package var events: UInt64 { self.state.withLock { $0.units.all.reduce(0) { $0 + $1.durable } } }
    package var bytes: Int { self.state.withLock { $0.units.all.reduce(0) { $0 + $1.durableBytes } } }
    /// Those of which something is set aside.
    package var topics: Set<String> { self.state.withLock { Set($0.units.all.map(\.key.topic)) } }
    package var unitCount: Int { self.state.withLock { $0.units.count } }
    package var oldestAcceptedAt: Int64? { self.state.withLock { $0.units.all.map(\.oldestAcceptedAt).min() } }

    /// How long the oldest of all has waited, in seconds; none: nothing does.
    package var oldestAge: Double? {
        let units = self.state.withLock { $0.units.all.map(Self.waiting) }
        return units.map { $0.seconds(at: self.time) }.max()
    }

    private static func waiting(_ unit: SetAsideUnit) -> WaitingSince {
        WaitingSince(acceptedAt: unit.oldestAcceptedAt, seenAt: unit.oldestSeenAt ?? .max)
    }

    /// The units by name, at most `limit`.
    package func shown(limit: Int) -> [Shown] {
        let units = self.state.withLock { Array($0.units.all) }
        let sorted = units.sorted {
            ($0.key.topic, $0.key.partition ?? .min, $0.number) < ($1.key.topic, $1.key.partition ?? .min, $1.number)
        }
        return sorted.prefix(limit).map { unit in
            Shown(
                key: unit.key, isDraining: unit.phase == .draining || unit.phase == .closing, code: unit.code, reason: unit.reason,
                advice: KafkaErrorCode(name: unit.code).flatMap { self.advice.text(for: KafkaFailure($0), topic: unit.key.topic) },
                since: unit.since, events: unit.durable,
                bytes: unit.durableBytes, oldestAcceptedAt: unit.oldestAcceptedAt, oldestAge: Self.waiting(unit).seconds(at: self.time))
        }
    }
}
