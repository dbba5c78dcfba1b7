package import ForebayBuffer
package import ForebayCore
package import ForebayDelivery
package import ForebaySpool
package import ForebayTelemetry
import Synchronization

/// A delivery that is not required: where there is no room for new events, its oldest ones are given up, counted and logged.
package final class YieldingDelivery: YieldingHolder {
    package let cursor: SpoolCursor
    private let name: DeliveryName
    private let source: SpoolSource
    private let deadLetters: DeadLetters
    private let setAside: [SetAside]
    private let mending: MendingTurn
    private let released = Atomic<UInt64>(0)
    private let logger = Logger(label: "node")

    /// - Parameters:
    ///   - setAside: the oldest first.
    ///   - mending: what is set aside is worked on by one at a time.
    package init(
        _ name: DeliveryName, _ source: SpoolSource, _ deadLetters: DeadLetters, _ setAside: [SetAside], _ mending: MendingTurn,
        _ metrics: MetricsRegistry
    ) {
        self.mending = mending
        self.cursor = source.spoolCursor
        self.name = name
        self.source = source
        self.deadLetters = deadLetters
        self.setAside = setAside
        metrics.counter(
            "forebay_released_events_total", help: "Events that a delivery which is not required gave up, for want of room for new ones.",
            labels: name.labels
        ) { [self] in Double(self.releasedEvents) }
    }

    /// How many were given up since the start.
    package var releasedEvents: UInt64 { self.released.load(ordering: .relaxed) + self.source.dropped }

    package var oldestAge: Double? { (self.setAside.map(\.oldestAge) + [self.source.oldestAge]).compactMap { $0 }.max() }

    package func giveUpBesideSpool() async -> Bool {
        // Where somebody is at it, what is in the spool can make room, too.
        await self.mending.perform(busy: false, stopping: false) {
            // Those no cluster takes; what is set aside may still be delivered.
            if await self.giveUpLetters() { return true }
            for log in self.setAside where await self.giveUp(in: log) { return true }
            return false
        }
    }

    private func giveUpLetters() async -> Bool {
        // A disk that fails: something else can make room perhaps.
        guard let letters = try? await self.deadLetters.removeOldest(), letters > 0 else { return false }
        self.tell(letters, "dead letters")
        return true
    }

    private func giveUp(in log: SetAside) async -> Bool {
        // The drain does not let go of it, or the disk fails.
        guard let units = try? await log.removeOldest(), !units.isEmpty else { return false }
        let topics = Set(units.map(\.key.topic)).sorted()
        let onTheirWay = units.reduce(0) { $0 + min($1.onTheirWay, $1.events) }
        self.tell(
            units.reduce(0) { $0 + $1.events } - onTheirWay,
            "set aside of \(topics.prefix(3).joined(separator: ", "))" + (topics.count > 3 ? " and \(topics.count - 3) more topics" : ""),
            onTheirWay: onTheirWay)
        return true
    }

    package func settledUnread(below sequence: UInt64) -> (position: UInt64, ranges: [Range<UInt64>]) {
        self.source.settledUnread(below: sequence)
    }

    package func giveUp(below sequence: UInt64, ordinal: UInt64, settledUnread: (position: UInt64, events: UInt64)) {
        guard let gone = self.source.giveUp(below: sequence, ordinal: ordinal, settledUnread: settledUnread) else { return }
        self.tell(
            gone.events, "sequences \(gone.range.lowerBound) to \(gone.range.upperBound - 1)", onTheirWay: gone.onTheirWay)
    }

    /// - Parameter onTheirWay: beside them in the same place: in memory alone from now on, and delivered if the node runs on.
    private func tell(_ events: UInt64, _ what: String, onTheirWay: UInt64 = 0) {
        guard events + onTheirWay > 0 else { return }
        self.released.wrappingAdd(events, ordering: .relaxed)
        self.logger.error(
            events > 0
                ? "there is no room for new events: a delivery that is not required gave up its oldest, and never gets them"
                : "there is no room for new events: a delivery that is not required has its oldest in memory alone, and gets them if the "
                    + "node runs on",
            [
                "stage": self.name.stage.rawValue, "route": self.name.description, "events": "\(events)", "what": what,
                "on_their_way": "\(onTheirWay)",
            ], folds: false)
    }
}
