/// Which topics a route takes. An exact name beats the longest prefix, which beats `*`.
package enum TopicPattern: Sendable, Hashable, CustomStringConvertible {
    case exact(String)
    /// The part before the asterisk; never empty.
    case prefix(String)
    case all

    /// - Returns: none for anything but a topic's name, a prefix of one with `*` behind, or `*`.
    package static func parse(_ text: String) -> TopicPattern? {
        if text == "*" { return .all }
        guard text.last == "*" else { return TopicName.isValid(text) ? .exact(text) : nil }
        let prefix = String(text.dropLast())
        return TopicName.hasValidCharacters(prefix) && prefix.utf8.count < TopicName.maximumLength ? .prefix(prefix) : nil
    }

    package func matches(_ topic: String) -> Bool {
        switch self {
        case .exact(let name): name == topic
        case .prefix(let prefix): topic.hasPrefix(prefix)
        case .all: true
        }
    }

    package var description: String {
        switch self {
        case .exact(let name): name
        case .prefix(let prefix): prefix + "*"
        case .all: "*"
        }
    }
}

/// Kafka's rule for the names of topics.
package enum TopicName {
    package static let maximumLength = 249

    package static func isValid(_ name: String) -> Bool {
        name.utf8.count <= Self.maximumLength && Self.hasValidCharacters(name) && name != "." && name != ".."
    }

    package static func hasValidCharacters(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy(Self.isAllowed)
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch Unicode.Scalar(byte) {
        case "a"..."z", "A"..."Z", "0"..."9", "_", ".", "-": true
        default: false
        }
    }
}

/// Where a key stands in a JSON value: `$.order_id`, `$.customer.id`, `$["odd name"]`.
package enum KeyPath {
    /// - Returns: the names from the outside in; none for anything but `$` followed by at least one name.
    package static func parse(_ text: String) -> [String]? {
        guard text.first == "$" else { return nil }
        var rest = text.dropFirst()
        var names: [String] = []
        while let opening = rest.first {
            guard let name = opening == "." ? Self.word(&rest) : Self.bracketed(&rest) else { return nil }
            names.append(name)
        }
        return names.isEmpty || names.count > 32 ? nil : names
    }

    private static func word(_ rest: inout Substring) -> String? {
        rest = rest.dropFirst()
        let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" }
        rest = rest.dropFirst(word.count)
        return word.isEmpty ? nil : String(word)
    }

    /// A name in quotes and brackets; no escapes, so a name with that very quote in it takes the other.
    private static func bracketed(_ rest: inout Substring) -> String? {
        guard rest.hasPrefix("[\"") || rest.hasPrefix("['"), let quote = rest.dropFirst().first else { return nil }
        let inside = rest.dropFirst(2)
        guard let end = inside.firstIndex(of: quote), inside[end...].dropFirst().first == "]" else { return nil }
        let name = inside[..<end]
        guard !name.isEmpty, !name.contains("\\") else { return nil }
        rest = inside[end...].dropFirst(2)
        return String(name)
    }
}
