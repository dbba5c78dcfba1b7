import ForebayBuffer
import ForebayCore
import ForebayDelivery
import ForebaySpool
import ForebayTelemetry
import Synchronization

/// A delivery that is not required: where there is no room for new events, its oldest ones are given up, counted and logged.
final class YieldingDelivery: YieldingHolder {
    let cursor: SpoolCursor
    private let name: DeliveryName
    private let source: SpoolSource
    private let deadLetters: DeadLetters
    private let setAside: DeliverySetAside
    private let mending: MendingTurn
    private let released = Atomic<UInt64>(0)
    private let logger = Logger(label: "node")

    /// - Parameter mending: what is set aside is worked on by one at a time.
    init(_ delivery: KafkaDelivery, _ mending: MendingTurn, _ metrics: MetricsRegistry) {
        self.mending = mending
        self.cursor = delivery.cursor
        self.name = delivery.name
        self.source = delivery.source
        self.deadLetters = delivery.deadLetters
        self.setAside = delivery.setAside
        metrics.counter(
            "forebay_released_events_total", help: "Events that a delivery which is not required gave up, for want of room for new ones.",
            labels: delivery.name.labels
        ) { [self] in Double(self.releasedEvents) }
    }

    /// How many were given up since the start.
    var releasedEvents: UInt64 { self.released.load(ordering: .relaxed) + self.source.dropped }

    func giveUpBesideSpool() async -> Bool {
        // Where somebody is at it, what is in the spool can make room, too.
        await self.mending.perform(busy: false, stopping: false) {
            do throws(ForebayError) {
                // Those no cluster takes; what is set aside may still be delivered.
                let letters = try await self.deadLetters.removeOldest()
                self.tell(letters, "dead letters")
                if letters > 0 { return true }
                for log in self.setAside.logs {
                    let taken = try await log.setAside.removeOldest()
                    for unit in taken { self.tell(unit.events, "set aside of \(unit.key)") }
                    if !taken.isEmpty { return true }
                }
            } catch {}  // The drain does not let go of it, or the disk fails.
            return false
        }
    }

    func giveUp(below sequence: UInt64, ordinal: UInt64) {
        guard let gone = self.source.giveUp(below: sequence, ordinal: ordinal) else { return }
        self.tell(
            gone.events, "sequences \(gone.range.lowerBound) to \(gone.range.upperBound - 1)", onTheirWay: gone.onTheirWay)
    }

    /// - Parameter onTheirWay: beside them in the same place, and not given up.
    private func tell(_ events: UInt64, _ what: String, onTheirWay: UInt64 = 0) {
        guard events > 0 else { return }
        self.released.wrappingAdd(events, ordering: .relaxed)
        self.logger.error(
            "there is no room for new events: a delivery that is not required gave up its oldest, and never gets them",
            [
                "stage": self.name.stage.rawValue, "route": self.name.description, "events": "\(events)", "what": what,
                "on_their_way": "\(onTheirWay)",
            ], folds: false)
    }
}
