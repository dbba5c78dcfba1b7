import ForebayCore
import ForebayTelemetry

extension MetricsRegistry {
    /// A counter of one delivery.
    func counter(_ metric: String, help: String, of name: DeliveryName) -> Counter {
        self.counter(metric, help: help, labels: ["stage": name.stage.rawValue, "route": name.route])
    }
}
