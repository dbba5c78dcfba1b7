import ForebayAdmin
import ForebayConfig
import ForebayCore
import ForebayDelivery

/// What of one delivery is set aside: in its own log, and in those that it left under former names and could not make its own. Each log
/// has a stage that drains it.
struct DeliverySetAside: Sendable {
    struct Log: Sendable {
        /// The delivery's, or a former one.
        let name: DeliveryName
        let setAside: SetAside
        let source: SetAsideSource
    }

    /// The last one is the delivery's own, to which newer events are added.
    let logs: [Log]

    var own: Log { self.logs[self.logs.count - 1] }

    var events: UInt64 { self.logs.reduce(0) { $0 + $1.setAside.events } }
    var bytes: Int { self.logs.reduce(0) { $0 + $1.setAside.bytes } }
    var unitCount: Int { self.logs.reduce(0) { $0 + $1.setAside.unitCount } }
    var topics: Set<String> { self.logs.reduce(into: []) { $0.formUnion($1.setAside.topics) } }
    var oldestAge: Double? { self.logs.compactMap(\.setAside.oldestAge).max() }

    func shown(limit: Int) -> [SetAside.Shown] { Array(self.logs.flatMap { $0.setAside.shown(limit: limit) }.prefix(limit)) }

    var totals: SetAsideTotals { SetAsideTotals(units: self.unitCount, events: self.events, bytes: self.bytes) }

    /// With a word of why: the first thousand units stand for all.
    var explained: SetAsideTotals {
        var totals = self.totals
        if totals.units > 0 { totals.code = self.shown(limit: 1000).max { $0.bytes < $1.bytes }?.code }
        return totals
    }

    // MARK: Which log comes first

    /// Logs of one cluster that have events of the same topic take turns. Before any stage begins.
    static func order(_ deliveries: [DeliveryName: KafkaDelivery], _ configuration: ForebayConfiguration) {
        for cluster in configuration.clusters.keys {
            let known = configuration.deliveries.filter { $0.cluster == cluster }.compactMap { deliveries[$0.name] }
                .map(\.setAside)
            let logs = known.flatMap(\.logs).map(\.setAside)
            for topic in logs.reduce(into: Set<String>(), { $0.formUnion($1.topics) }) {
                let names = configuration.routes(to: topic)
                SetAside.order(topic, in: logs, ends: known.map(\.own).filter { names.contains($0.name.route) }.map(\.setAside))
            }
        }
    }
}

extension ForebayConfiguration {
    /// The routes whose events have this topic in Kafka: by its own name, and by those that are renamed to it.
    fileprivate func routes(to topic: String) -> Set<String> {
        let renamed = self.topics.values.filter { $0.target == topic }.map(\.name)
        let kept = (self.topics[topic]?.target ?? topic) == topic ? [topic] : []
        return Set((renamed + kept).compactMap { self.route(of: $0)?.name })
    }
}
