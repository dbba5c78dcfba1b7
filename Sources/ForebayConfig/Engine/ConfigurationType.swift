import ForebayCore
import ForebayIngest
import ForebayYAML

/// What a key takes. Everything is read from text by the schema's type, so that YAML's own guesses (`yes`, `010`, `1:30`) never matter.
package enum ConfigurationType: Sendable {
    case integer(ClosedRange<Int>)
    /// Bytes.
    case size(ClosedRange<Int>)
    /// Milliseconds.
    case duration(ClosedRange<Int>)
    case text
    case path
    /// One of these words; `notYet` are words, or beginnings of words before a colon, that a later version brings.
    case choice([String], notYet: [String])
    case address
    /// The name of something in that section.
    case reference(to: String)
    case topic
    case keyPath
    /// A list, as the next one; everything else is a scalar.
    case topicPatterns
    case hostNames
    /// A list of names that routes have or had.
    case routeNames
    /// A property of librdkafka; its value is librdkafka's to judge.
    case property

    var isList: Bool {
        switch self {
        case .topicPatterns, .hostNames, .routeNames: true
        default: false
        }
    }
}

extension ConfigurationType {
    /// What would do, as it stands in messages after "expected".
    package var expectation: String {
        switch self {
        case .integer: "a whole number"
        case .size: "a size such as 8MiB (units KiB, MiB, GiB, TiB)"
        case .duration: "a duration such as 30s (units ms, s, m, h, d)"
        case .text: "a text"
        case .path: "a path"
        case .choice(let words, _): words.count == 1 ? words[0] : "one of " + words.joined(separator: ", ")
        case .address: "an address such as 127.0.0.1:8080 or [::1]:8080"
        case .reference(let section): "a name from \(section)"
        case .topic: "a topic's name (letters, digits, '.', '_', '-', at most 249)"
        case .keyPath: "a path such as $.order_id or $.customer.id"
        case .topicPatterns: "a list of topics, prefixes such as \"payments.*\", or \"*\""
        case .hostNames: "a list of host names, without ports"
        case .routeNames: "a list of routes' names"
        case .property: "a property's value"
        }
    }

    /// For one text; for a list, for each of its items.
    package func parse(_ text: String) throws(ConfigurationValueProblem) -> ConfigurationValue {
        guard !text.utf8.contains(0) else { throw ConfigurationValueProblem(message: "contains a NUL character") }
        switch self {
        case .integer(let range): return try self.number(text, Self.integer(text), range) { "\($0)" }
        case .size(let range): return try self.number(text, ByteCount.parse(text), range, ByteCount.text)
        case .duration(let range): return try self.number(text, DurationText.parse(text), range) { DurationText.text(milliseconds: $0) }
        case .text, .path, .reference:
            guard !text.isEmpty else { throw self.refusal(text) }
            return .text(text)
        case .choice(let words, let notYet): return try self.choice(text, words, notYet)
        case .address: return try self.parsed(text, ListenerAddress.parse(text).map(ConfigurationValue.address))
        case .topic: return try self.parsed(text, TopicName.isValid(text) ? .text(text) : nil)
        case .keyPath: return try self.parsed(text, JSONPath(text) != nil ? .text(text) : nil)
        case .topicPatterns:
            guard let pattern = TopicPattern.parse(text) else {
                throw ConfigurationValueProblem(
                    message: "expected a topic, a prefix such as \"payments.*\", or \"*\", found \(YAMLText.quoted(text))")
            }
            return .pattern(pattern)
        case .hostNames: return try self.parsed(text, Self.isHostName(text) ? .text(text) : nil)
        case .routeNames:
            if let problem = ConfigurationName.problem(text, placeholder: "<name>") {
                throw ConfigurationValueProblem(message: "\(YAMLText.quoted(text)) is \(problem)")
            }
            return .text(text)
        case .property: return .text(text)
        }
    }

    private static func isHostName(_ text: String) -> Bool {
        (1...253).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch Unicode.Scalar(byte) {
                case "a"..."z", "A"..."Z", "0"..."9", ".", "-", "_": true
                default: false
                }
            }
    }

    private static func integer(_ text: String) -> Int? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil
    }

    private func number(
        _ text: String, _ number: Int?, _ range: ClosedRange<Int>, _ shown: (Int) -> String
    ) throws(ConfigurationValueProblem) -> ConfigurationValue {
        guard let number else { throw self.refusal(text) }
        guard range.contains(number) else {
            if range.count == 1 {
                throw ConfigurationValueProblem(message: "must be \(shown(range.lowerBound)), found \(YAMLText.quoted(text))")
            }
            let bounds = "\(shown(range.lowerBound)) to \(shown(range.upperBound))"
            throw ConfigurationValueProblem(message: "must be within \(bounds), found \(YAMLText.quoted(text))")
        }
        return .number(number)
    }

    private func choice(_ text: String, _ words: [String], _ notYet: [String]) throws(ConfigurationValueProblem) -> ConfigurationValue {
        if words.contains(text) { return .text(text) }
        if let known = notYet.first(where: { text == $0 || text.hasPrefix($0 + ":") }) {
            throw ConfigurationValueProblem(message: "\(YAMLText.quoted(known)) is not supported yet; expected \(self.expectation)")
        }
        let hint = NearestName.hint(text, among: words)
        throw ConfigurationValueProblem(message: "expected \(self.expectation), found \(YAMLText.quoted(text))\(hint)")
    }

    private func parsed(_ text: String, _ value: ConfigurationValue?) throws(ConfigurationValueProblem) -> ConfigurationValue {
        guard let value else { throw self.refusal(text) }
        return value
    }

    private func refusal(_ text: String) -> ConfigurationValueProblem {
        ConfigurationValueProblem(message: "expected \(self.expectation), found \(YAMLText.quoted(text))")
    }
}
