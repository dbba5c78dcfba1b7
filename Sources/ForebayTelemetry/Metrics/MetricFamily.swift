/// What a metric counts like, in the words of the exposition format.
package enum MetricKind: String, Sendable {
    case counter, gauge, histogram
}

/// One label and its value.
struct Label: Hashable, Comparable, Sendable {
    let name: String
    let value: String

    static func < (left: Self, right: Self) -> Bool { (left.name, left.value) < (right.name, right.value) }
}

/// All series of one name: they differ in their labels' values only.
struct MetricFamily: Sendable {
    /// Distinct values of one label; further ones become `other`. Topics come from outside, and each costs memory here and in every store.
    static let valuesPerLabel = 500
    static let overflow = "other"
    static let valueBound = 256

    enum Series: Sendable {
        case counter(Counter)
        case gauge(Gauge)
        case histogram(Histogram)
        /// Asked at each scrape.
        case read(@Sendable () -> Double)
    }

    let name: String
    let kind: MetricKind
    let help: String
    /// Sorted; the same for all series of the family.
    let labelNames: [String]
    private(set) var series: [[Label]: Series] = [:]
    private var values: [String: Set<String>] = [:]

    init(name: String, kind: MetricKind, help: String, labelNames: [String]) {
        precondition(Self.isName(name, allowing: ":"), "not a metric name: \(name)")
        precondition(kind != .counter || name.hasSuffix("_total"), "a counter's name ends in _total: \(name)")
        precondition(kind == .counter || !name.hasSuffix("_total"), "only a counter's name ends in _total: \(name)")
        precondition(!help.isEmpty, "\(name) has no help text")
        for label in labelNames {
            precondition(Self.isName(label) && !label.hasPrefix("__") && label != "le" && label != "quantile", "not a label name: \(label)")
        }
        precondition(Set(labelNames).count == labelNames.count, "a label twice in \(name)")
        self.name = name
        self.kind = kind
        self.help = help
        self.labelNames = labelNames
    }

    /// The labels under which a series with these is kept, and whether a value had to become `other`.
    mutating func key(for labels: KeyValuePairs<String, String>) -> (labels: [Label], overflowed: Bool) {
        var overflowed = false
        let key = labels.map { name, value in
            var value = value.utf8.count <= Self.valueBound ? value : String(value.prefix(Self.valueBound / 4))
            if self.values[name, default: []].contains(value) || value == Self.overflow { return Label(name: name, value: value) }
            if self.values[name]?.count ?? 0 < Self.valuesPerLabel {
                self.values[name, default: []].insert(value)
            } else {
                value = Self.overflow
                overflowed = true
            }
            return Label(name: name, value: value)
        }
        return (key.sorted(), overflowed)
    }

    mutating func set(_ series: Series, for key: [Label]) { self.series[key] = series }

    private static func isName(_ text: String, allowing extra: Character? = nil) -> Bool {
        guard let first = text.first, !first.isNumber else { return false }
        return text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == extra) }
    }
}
