import ForebayBuffer
import ForebayCore
import ForebayDelivery
import ForebaySpool
import ForebayTelemetry

/// A delivery that is not required: where there is no room for new events, its oldest ones are given up, counted and logged.
final class YieldingDelivery: YieldingHolder {
    let cursor: SpoolCursor
    private let name: DeliveryName
    private let source: SpoolSource
    private let setAside: DeliverySetAside
    private let mending: MendingTurn
    /// How many were given up since the start.
    let released: Counter
    private let logger = Logger(label: "node")

    /// - Parameter mending: what is set aside is worked on by one at a time.
    init(_ delivery: KafkaDelivery, _ mending: MendingTurn, _ metrics: MetricsRegistry) {
        self.mending = mending
        self.cursor = delivery.cursor
        self.name = delivery.name
        self.source = delivery.source
        self.setAside = delivery.setAside
        self.released = metrics.counter(
            "forebay_released_events_total", help: "Events that a delivery which is not required gave up, for want of room for new ones.",
            labels: delivery.name.labels)
    }

    func giveUpAside() async -> Bool {
        let units = self.setAside.logs.compactMap { log in log.setAside.oldestUnit.map { (log: log.setAside, unit: $0) } }
        guard let (log, oldest) = units.min(by: { $0.unit.acceptedAt < $1.unit.acceptedAt }) else { return false }
        // Where somebody is at it, what is in the spool can make room, too.
        return await self.mending.perform(busy: false, stopping: false) { await self.giveUp(oldest.key, in: log) }
    }

    private func giveUp(_ unit: SetAsideKey, in log: SetAside) async -> Bool {
        do throws(ForebayError) {
            let taken = try await log.remove(SetAside.Selection(topic: unit.topic, partition: unit.partition))
            let events = taken.reduce(0) { $0 + $1.events }
            guard events > 0 else { return false }
            self.tell(events, "set aside of \(unit)")
            return true
        } catch {
            return false  // The drain does not let go of it, or the disk fails.
        }
    }

    func giveUp(below sequence: UInt64, ordinal: UInt64) {
        let first = self.cursor.sequence
        let events = self.source.giveUp(below: sequence, ordinal: ordinal)
        self.tell(events, "sequences \(first) to \(sequence - 1)")
    }

    private func tell(_ events: UInt64, _ what: String) {
        guard events > 0 else { return }
        self.released.increment(by: events)
        self.logger.error(
            "there is no room for new events: a delivery that is not required gave up its oldest, and never gets them",
            ["stage": self.name.stage.rawValue, "route": self.name.route, "events": "\(events)", "what": what], folds: false)
    }
}
