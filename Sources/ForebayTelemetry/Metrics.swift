import Synchronization

/// A number that only rises.
package final class Counter: Sendable {
    private let cell = Atomic<UInt64>(0)

    package init() {}

    package func increment(by amount: UInt64 = 1) {
        self.cell.wrappingAdd(amount, ordering: .relaxed)
    }

    package var value: UInt64 { self.cell.load(ordering: .relaxed) }
}

/// A number that rises and falls.
package final class Gauge: Sendable {
    private let cell = Atomic<UInt64>(0)

    package init() {}

    package func set(_ value: Double) {
        self.cell.store(value.bitPattern, ordering: .relaxed)
    }

    package var value: Double { Double(bitPattern: self.cell.load(ordering: .relaxed)) }
}

/// Counts observations by bucket. Buckets are upper bounds in base units, rising.
package final class Histogram: Sendable {
    package let bounds: [Double]

    package init(bounds: [Double]) {
        self.bounds = bounds
    }

    package func observe(_ value: Double) {}
}

/// All metrics of a process, by name, written as Prometheus text.
package final class MetricsRegistry: Sendable {
    package init() {}

    package func counter(_ name: String, help: String, labels: KeyValuePairs<String, String> = [:]) -> Counter { Counter() }

    package func gauge(_ name: String, help: String, labels: KeyValuePairs<String, String> = [:]) -> Gauge { Gauge() }

    /// A gauge that is asked when somebody scrapes.
    package func gauge(
        _ name: String, help: String, labels: KeyValuePairs<String, String> = [:], read: @escaping @Sendable () -> Double
    ) {}

    package func histogram(
        _ name: String, help: String, labels: KeyValuePairs<String, String> = [:], bounds: [Double]
    ) -> Histogram { Histogram(bounds: bounds) }

    package func render() -> String { "" }
}
