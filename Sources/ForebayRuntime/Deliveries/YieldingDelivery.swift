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
    private let released: Counter
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
            of: delivery.name)
    }

    func giveUpAside() async -> Bool {
        let units = self.setAside.logs.flatMap { log in log.setAside.shown(limit: .max).map { (log.setAside, $0) } }
        guard let (log, oldest) = units.min(by: { $0.1.oldestAcceptedAt < $1.1.oldestAcceptedAt }) else { return false }
        // Somebody is at it: what is in the spool can make room, too.
        guard case .entered = self.mending.enter() else { return false }
        defer { self.mending.leave() }
        let unit = SetAside.Selection(topic: oldest.key.topic, partition: oldest.key.partition)
        do throws(ForebayError) {
            let taken = try await log.remove(unit)
            let events = taken.reduce(0) { $0 + $1.events }
            guard events > 0 else { return false }
            self.tell(events, "set aside of \(oldest.key)")
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
