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
        case .string(let text): Self.quoted(text)
        case .array(let items): "[" + items.map(\.line).joined(separator: ", ") + "]"
        case .object(let members): "{" + members.map { Self.quoted($0.name) + ": " + $0.value.line }.joined(separator: ", ") + "}"
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
            return "  " + Self.quoted(member.name) + ": " + value
        }
        return "{\n" + lines.joined(separator: ",\n") + "\n}\n"
    }

    /// Text as a JSON string.
    static func quoted(_ text: some StringProtocol) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case _ where scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value):
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
