import ForebayTelemetry

/// Which of the two texts a scraper wants.
enum Negotiation {
    /// OpenMetrics where the client names it (version 1.0.0 or none) and does not like plain text better; plain text for everybody else.
    static func format(accept: String) -> PrometheusText.Format {
        var openMetrics = 0.0
        var text = 0.0
        for range in accept.split(separator: ",") {
            let parts = range.split(separator: ";").map { $0.trimmed.lowercased() }
            let parameters = parts.dropFirst().map { $0.split(separator: "=", maxSplits: 1).map { String($0.trimmed) } }
            func value(_ name: String) -> String? { parameters.first { $0.first == name && $0.count == 2 }?[1] }
            let quality = value("q").map { Double($0) ?? 0 } ?? 1
            switch parts.first {
            case "application/openmetrics-text" where ["1.0.0", nil].contains(value("version")): openMetrics = max(openMetrics, quality)
            case "text/plain": text = max(text, quality)
            default: continue
            }
        }
        return openMetrics > 0 && openMetrics >= text ? .openMetrics : .prometheus
    }
}

extension Substring {
    var trimmed: Substring {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\"" }
        var rest = self.drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest.removeLast() }
        return rest
    }
}
