import Synchronization

/// All metrics of a process, by name, written as Prometheus text.
///
/// Asking for a metric takes a lock and a search: do it once and keep what you get. Using it takes neither. The same name and labels give
/// the same object, so a restarted stage goes on where the last one stopped. Another kind, other label names or other bounds under a known
/// name are our mistake and trap.
package final class MetricsRegistry: Sendable {
    private struct State {
        var families: [String: MetricFamily] = [:]
        var hooks: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())

    package init() {}

    package func counter(_ name: String, help: String, labels: KeyValuePairs<String, String> = [:]) -> Counter {
        let series = self.series(name, .counter, help, labels) { .counter(Counter()) }
        guard case .counter(let counter) = series else { preconditionFailure("\(name) is read by a closure, so it can't be counted up") }
        return counter
    }

    /// A counter that is kept elsewhere and asked when somebody scrapes. It must only rise. Given again, the new closure takes over.
    package func counter(
        _ name: String, help: String, labels: KeyValuePairs<String, String> = [:], read: @escaping @Sendable () -> Double
    ) {
        self.replace(name, .counter, help, labels, with: .read(read))
    }

    package func gauge(_ name: String, help: String, labels: KeyValuePairs<String, String> = [:]) -> Gauge {
        let series = self.series(name, .gauge, help, labels) { .gauge(Gauge()) }
        guard case .gauge(let gauge) = series else { preconditionFailure("\(name) is read by a closure, so it can't be set") }
        return gauge
    }

    /// A gauge that is asked when somebody scrapes, on that thread. Given again (by a stage's successor), the new closure takes over.
    package func gauge(
        _ name: String, help: String, labels: KeyValuePairs<String, String> = [:], read: @escaping @Sendable () -> Double
    ) {
        self.replace(name, .gauge, help, labels, with: .read(read))
    }

    /// - Parameter bounds: upper bounds in base units, rising; see ``Buckets``.
    package func histogram(
        _ name: String, help: String, labels: KeyValuePairs<String, String> = [:], bounds: [Double]
    ) -> Histogram {
        let series = self.series(name, .histogram, help, labels) { .histogram(Histogram(bounds: bounds)) }
        guard case .histogram(let histogram) = series, histogram.bounds == bounds else {
            preconditionFailure("\(name) has other bounds already")
        }
        return histogram
    }

    /// Called before each scrape, to set several gauges from one look (the process's own numbers, a client's statistics).
    package func beforeRender(_ hook: @escaping @Sendable () -> Void) {
        self.state.withLock { $0.hooks.append(hook) }
    }

    /// Everything, in the order of names.
    package func render(_ format: PrometheusText.Format = .prometheus) -> String {
        for hook in self.state.withLock({ $0.hooks }) { hook() }
        // A copy, so that a closure that is asked may itself ask for metrics.
        let families = self.state.withLock { $0.families.values.sorted { $0.name < $1.name } }
        return PrometheusText(format).text(of: families)
    }

    /// The sum over all series of a counter; 0 if there is none.
    package func total(_ counter: String) -> UInt64 {
        let family = self.state.withLock { $0.families[counter] }
        return (family?.series.values ?? [:].values).reduce(0) { sum, series in
            if case .counter(let counter) = series { sum + counter.value } else { sum }
        }
    }

    /// The names with what documentation says about them.
    package var listing: [(name: String, kind: MetricKind, labels: [String], help: String)] {
        self.state.withLock { $0.families.values.sorted { $0.name < $1.name } }.map { ($0.name, $0.kind, $0.labelNames, $0.help) }
    }

    // MARK: Series

    private func series(
        _ name: String, _ kind: MetricKind, _ help: String, _ labels: KeyValuePairs<String, String>, make: () -> MetricFamily.Series
    ) -> MetricFamily.Series {
        self.state.withLock { state in
            let key = Self.key(name, kind, help, labels, in: &state)
            if let known = state.families[name]!.series[key] { return known }
            let made = make()
            state.families[name]!.set(made, for: key)
            return made
        }
    }

    private func replace(
        _ name: String, _ kind: MetricKind, _ help: String, _ labels: KeyValuePairs<String, String>, with series: MetricFamily.Series
    ) {
        self.state.withLock { state in
            let key = Self.key(name, kind, help, labels, in: &state)
            switch state.families[name]!.series[key] {
            case nil, .read: state.families[name]!.set(series, for: key)
            default: preconditionFailure("\(name) is moved by its owner, so it can't be read by a closure")
            }
        }
    }

    private static func key(
        _ name: String, _ kind: MetricKind, _ help: String, _ labels: KeyValuePairs<String, String>, in state: inout State
    ) -> [Label] {
        let names = labels.map(\.key).sorted()
        if let family = state.families[name] {
            precondition(family.kind == kind, "\(name) is a \(family.kind.rawValue) already")
            precondition(family.labelNames == names, "\(name) has the labels \(family.labelNames) already")
        } else {
            state.families[name] = MetricFamily(name: name, kind: kind, help: help, labelNames: names)
        }
        let (key, overflowed) = state.families[name]!.key(for: labels)
        if overflowed { Self.countOverflow(of: name, in: &state) }
        return key
    }

    /// Kept beside the families it counts, so that a scrape shows which metric lost its detail.
    private static func countOverflow(of name: String, in state: inout State) {
        let own = "forebay_metrics_label_overflow_total"
        var family =
            state.families[own]
            ?? MetricFamily(
                name: own, kind: .counter, help: "Requests for a series whose label value was one too many and became 'other'.",
                labelNames: ["metric"])
        let (key, _) = family.key(for: ["metric": name])
        if case .counter(let counter) = family.series[key] {
            counter.increment()
        } else {
            let counter = Counter()
            counter.increment()
            family.set(.counter(counter), for: key)
        }
        state.families[own] = family
    }
}
