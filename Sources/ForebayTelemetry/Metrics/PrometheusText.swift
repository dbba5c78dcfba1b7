/// Writes families as Prometheus text 0.0.4 or OpenMetrics 1.0.
package struct PrometheusText: Sendable {
    package enum Format: Sendable {
        case prometheus, openMetrics

        package var contentType: String {
            switch self {
            case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }
    }

    private let format: Format
    private var output = ""

    init(_ format: Format) { self.format = format }

    consuming func text(of families: [MetricFamily]) -> String {
        let names = Set(families.map(\.name))
        for family in families where !family.series.isEmpty { self.write(family, among: names) }
        // OpenMetrics wants an end, so that a text that was cut can be told from a whole one.
        if self.format == .openMetrics { self.output += "# EOF\n" }
        return self.output
    }

    private mutating func write(_ family: MetricFamily, among names: Set<String>) {
        var (name, type) = (family.name, family.kind.rawValue)
        if self.format == .openMetrics, family.kind == .counter {
            // In OpenMetrics the family of a counter has no suffix; only its samples do. Where a gauge has that name already
            // (`forebay_dead_letters` beside `forebay_dead_letters_total`) the counter keeps its own and goes without a type.
            let bare = String(name.dropLast("_total".count))
            if names.contains(bare) { type = "unknown" } else { name = bare }
        }
        self.output += "# HELP \(name) \(self.escapedHelp(family.help))\n# TYPE \(name) \(type)\n"
        for (labels, series) in family.series.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            switch series {
            case .counter(let counter): self.sample(family.name, labels, String(counter.value))
            case .gauge(let gauge): self.sample(family.name, labels, Self.number(gauge.value))
            case .read(let read): self.sample(family.name, labels, Self.number(read()))
            case .histogram(let histogram): self.write(histogram, family.name, labels)
            }
        }
    }

    private mutating func write(_ histogram: Histogram, _ name: String, _ labels: [Label]) {
        // Read once: the count must be that of the last bucket, whatever comes in meanwhile.
        let (sum, cumulative) = (histogram.sum, histogram.cumulative)
        for (bound, count) in zip(histogram.bounds, cumulative) {
            let edge = self.format == .openMetrics ? bound.description : Self.number(bound)
            self.sample(name + "_bucket", labels + [Label(name: "le", value: edge)], String(count))
        }
        let count = String(cumulative.last ?? 0)
        self.sample(name + "_bucket", labels + [Label(name: "le", value: "+Inf")], count)
        self.sample(name + "_sum", labels, Self.number(sum))
        self.sample(name + "_count", labels, count)
    }

    private mutating func sample(_ name: String, _ labels: [Label], _ value: String) {
        self.output += name
        if !labels.isEmpty {
            self.output += "{"
            self.output += labels.map { "\($0.name)=\"\(Self.escapedValue($0.value))\"" }.joined(separator: ",")
            self.output += "}"
        }
        self.output += " \(value)\n"
    }

    /// Whole numbers without a fraction, others as short as they read back the same.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : value.description
    }

    private static func escapedValue(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: "\\") || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\n") }) else {
            return text
        }
        return Self.escaped(text, quotes: true)
    }

    private func escapedHelp(_ text: String) -> String {
        Self.escaped(text, quotes: self.format == .openMetrics)
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += #"\\"#
            case "\n": result += #"\n"#
            case "\"" where quotes: result += #"\""#
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
