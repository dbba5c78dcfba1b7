import ForebayIngest

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
