/// Metrics as the sources make them and as the reference page tells them.
enum MetricNames {
    struct Row: Equatable {
        var type: String?
        var labels: Set<String>?
    }

    /// Every name that stands in the sources as a string of its own, with the type and labels that can be seen beside it.
    static func made(in files: [SourceFile]) -> [String: Row] {
        var found: [String: Row] = [:]
        for file in files {
            let text = file.uncommented
            for match in text.matches(of: /(?<call>\w+)?\(?\s*"(?<name>(?:forebay|process)_[a-z0-9_]+)"/) {
                let name = String(match.name)
                var row = found[name] ?? Row()
                let kinds = ["counter", "gauge", "histogram"]
                if let call = match.call.map(String.init), kinds.contains(call) {
                    row.type = call
                    let call = Self.upToClosing(text[match.range.upperBound...])
                    if let list = call.firstMatch(of: /labels:\s*\[(?<list>[^\]]*)\]/) {
                        row.labels = Set(list.list.matches(of: /"(\w+)"\s*:/).map { String($0.1) })
                    }
                }
                found[name] = row
            }
        }
        return found
    }

    /// The rows of the page's tables.
    static func told(in page: String) -> [String: Row] {
        var found: [String: Row] = [:]
        for match in page.matches(of: /(?m)^\| `(?<name>[a-z0-9_]+)` \| (?<type>\w+) \| (?<labels>[^|]*)\|/) {
            found[String(match.name)] = Row(
                type: String(match.type), labels: Set(match.labels.matches(of: /`(\w+)`/).map { String($0.1) }))
        }
        return found
    }

    /// What the two disagree on, in words.
    static func differences(made: [String: Row], told: [String: Row]) -> [String] {
        var result = Set(made.keys).subtracting(told.keys).map { "\($0) is not on the page" }
        result += Set(told.keys).subtracting(made.keys).map { "\($0) is on the page and not in the sources" }
        for (name, row) in made {
            guard let page = told[name] else { continue }
            if let type = row.type, type != page.type { result.append("\(name) is a \(type)") }
            if let labels = row.labels, labels != page.labels { result.append("\(name) has the labels \(labels.sorted())") }
        }
        return result.sorted()
    }

    private static func upToClosing(_ text: Substring) -> Substring {
        var depth = 1
        let end = text.firstIndex { character in
            if character == "(" { depth += 1 }
            if character == ")" { depth -= 1 }
            return depth == 0
        }
        return text[..<(end ?? text.endIndex)]
    }
}
