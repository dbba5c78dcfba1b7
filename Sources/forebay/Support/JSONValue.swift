/// A JSON value, for what the command line reads from a node: small documents, from a peer that we know. Not for events.
indirect enum JSONValue: Equatable {
    case null
    case boolean(Bool)
    /// As it was written, so that no digit is lost.
    case number(String)
    case string(String)
    case array([JSONValue])
    /// In the order of the document.
    case object([Member])

    struct Member: Equatable {
        let name: String
        let value: JSONValue
    }

    /// - Returns: none for anything but one JSON document.
    init?(_ bytes: [UInt8]) {
        var reader = JSONReader(bytes)
        guard let value = reader.document() else { return nil }
        self = value
    }

    subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    var text: String? { if case .string(let text) = self { text } else { nil } }
    var items: [JSONValue]? { if case .array(let items) = self { items } else { nil } }
    var members: [Member]? { if case .object(let members) = self { members } else { nil } }
    var isTrue: Bool { self == .boolean(true) }

    var integer: Int? { if case .number(let text) = self { Int(text) } else { nil } }
    var real: Double? { if case .number(let text) = self { Double(text) } else { nil } }
}

/// Recursive descent over RFC 8259's grammar, with a bounded depth.
private struct JSONReader {
    private static let maximumDepth = 64

    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func document() -> JSONValue? {
        guard let value = self.value(depth: 0) else { return nil }
        self.skipSpace()
        return self.position == self.bytes.count ? value : nil
    }

    private var next: UInt8? { self.position < self.bytes.count ? self.bytes[self.position] : nil }

    private mutating func take(_ byte: Character) -> Bool {
        guard self.next == byte.asciiValue else { return false }
        self.position += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = self.next, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { self.position += 1 }
    }

    private mutating func value(depth: Int) -> JSONValue? {
        guard depth < Self.maximumDepth else { return nil }
        self.skipSpace()
        switch self.next.map({ Character(Unicode.Scalar($0)) }) {
        case "{": return self.object(depth)
        case "[": return self.array(depth)
        case "\"": return self.string().map(JSONValue.string)
        case "t": return self.word("true", .boolean(true))
        case "f": return self.word("false", .boolean(false))
        case "n": return self.word("null", .null)
        default: return self.number()
        }
    }

    private mutating func word(_ word: String, _ value: JSONValue) -> JSONValue? {
        guard self.bytes[self.position...].starts(with: word.utf8) else { return nil }
        self.position += word.utf8.count
        return value
    }

    private mutating func object(_ depth: Int) -> JSONValue? {
        _ = self.take("{")
        var members: [JSONValue.Member] = []
        self.skipSpace()
        if self.take("}") { return .object([]) }
        repeat {
            self.skipSpace()
            guard let name = self.string() else { return nil }
            self.skipSpace()
            guard self.take(":"), let value = self.value(depth: depth + 1) else { return nil }
            members.append(JSONValue.Member(name: name, value: value))
            self.skipSpace()
        } while self.take(",")
        return self.take("}") ? .object(members) : nil
    }

    private mutating func array(_ depth: Int) -> JSONValue? {
        _ = self.take("[")
        var items: [JSONValue] = []
        self.skipSpace()
        if self.take("]") { return .array([]) }
        repeat {
            guard let value = self.value(depth: depth + 1) else { return nil }
            items.append(value)
            self.skipSpace()
        } while self.take(",")
        return self.take("]") ? .array(items) : nil
    }

    private mutating func number() -> JSONValue? {
        let start = self.position
        _ = self.take("-")
        if !self.take("0") { guard self.digits() else { return nil } }
        if self.take(".") { guard self.digits() else { return nil } }
        if self.take("e") || self.take("E") {
            if !self.take("+") { _ = self.take("-") }
            guard self.digits() else { return nil }
        }
        return .number(String(decoding: self.bytes[start..<self.position], as: UTF8.self))
    }

    private mutating func digits() -> Bool {
        let start = self.position
        while let byte = self.next, (0x30...0x39).contains(byte) { self.position += 1 }
        return self.position > start
    }

    private mutating func string() -> String? {
        guard self.take("\"") else { return nil }
        var text: [UInt8] = []
        while let byte = self.next {
            self.position += 1
            switch byte {
            case UInt8(ascii: "\""): return String(validating: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let scalar = self.escape() else { return nil }
                text += Array(String(scalar).utf8)
            case 0..<0x20: return nil
            default: text.append(byte)
            }
        }
        return nil
    }

    private mutating func escape() -> Unicode.Scalar? {
        guard let byte = self.next else { return nil }
        self.position += 1
        switch Character(Unicode.Scalar(byte)) {
        case "\"": return "\""
        case "\\": return "\\"
        case "/": return "/"
        case "b": return "\u{08}"
        case "f": return "\u{0C}"
        case "n": return "\n"
        case "r": return "\r"
        case "t": return "\t"
        case "u": return self.codePoint()
        default: return nil
        }
    }

    private mutating func codePoint() -> Unicode.Scalar? {
        guard let first = self.fourHexDigits() else { return nil }
        guard (0xD800..<0xDC00).contains(first) else { return Unicode.Scalar(first) }
        guard self.take("\\"), self.take("u"), let second = self.fourHexDigits(), (0xDC00..<0xE000).contains(second) else { return nil }
        return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    }

    private mutating func fourHexDigits() -> UInt32? {
        guard self.position + 4 <= self.bytes.count else { return nil }
        let digits = self.bytes[self.position..<self.position + 4]
        guard digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else { return nil }
        self.position += 4
        return UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    }
}
