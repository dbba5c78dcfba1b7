import ForebayTelemetry

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral, ExpressibleByDictionaryLiteral {
    init(stringLiteral value: String) { self = .string(value) }
    init(integerLiteral value: Int) { self = .number("\(value)") }
    init(booleanLiteral value: Bool) { self = .boolean(value) }
    init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(elements.map { Member(name: $0.0, value: $0.1) }) }

    static func number(_ number: some BinaryInteger) -> JSONValue { .number("\(number)") }

    /// On one line.
    var line: String {
        switch self {
        case .null: "null"
        case .boolean(let value): value ? "true" : "false"
        case .number(let text): text
        case .string(let text): JSONText.quoted(text)
        case .array(let items): "[" + items.map(\.line).joined(separator: ", ") + "]"
        case .object(let members): "{" + members.map { JSONText.quoted($0.name) + ": " + $0.value.line }.joined(separator: ", ") + "}"
        }
    }

    /// The outermost object's members on lines of their own, and the items of its lists; the rest on one line each.
    var document: String {
        guard case .object(let members) = self else { return self.line + "\n" }
        let lines = members.map { member in
            var value = member.value.line
            if case .array(let items) = member.value, !items.isEmpty {
                value = "[\n" + items.map { "    " + $0.line }.joined(separator: ",\n") + "\n  ]"
            }
            return "  " + JSONText.quoted(member.name) + ": " + value
        }
        return "{\n" + lines.joined(separator: ",\n") + "\n}\n"
    }
}
