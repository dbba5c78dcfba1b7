package import ForebayHTTP

/// What the admin routes need of a request, copied out of the connection's bytes.
package struct AdminRequest: Sendable {
    package let method: HTTPMethod
    package let path: String
    /// Of the query and of a form in the body, decoded, in order.
    package let query: [(name: String, value: String)]
    package let accept: String
    /// The type of a body that is no form.
    package var strangeType: String?

    package init(method: HTTPMethod = .get, path: String, query: [(name: String, value: String)] = [], accept: String = "") {
        self.method = method
        self.path = path
        self.query = query
        self.accept = accept
    }

    init(_ head: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)) {
        self.method = head.method
        self.path = head.pathText
        var query = QueryText.pairs(String(decoding: head.query, as: UTF8.self))
        self.accept = head.headerText("accept") ?? ""
        if !body.isEmpty {
            let type = head.headerText("content-type") ?? Self.form
            if type.prefix(while: { $0 != ";" }).trimmingSpaces.lowercased() == Self.form {
                query += QueryText.pairs(String(decoding: body, as: UTF8.self).trimmingSpaces)
            } else {
                self.strangeType = type
            }
        }
        self.query = query
    }

    static let form = "application/x-www-form-urlencoded"

    func value(_ name: String) -> String? { self.query.first { $0.name == name }?.value }
}

extension StringProtocol {
    fileprivate var trimmingSpaces: String {
        let isSpace: (Character) -> Bool = { $0.isWhitespace }
        return String(self.drop(while: isSpace).reversed().drop(while: isSpace).reversed())
    }
}

/// The part of a URL behind the question mark.
package enum QueryText {
    /// `a=1&b=x%20y` as pairs. What is no proper escape stays as it stands.
    package static func pairs(_ text: String) -> [(name: String, value: String)] {
        text.split(separator: "&").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (Self.decoded(parts[0], isForm: true), parts.count > 1 ? Self.decoded(parts[1], isForm: true) : "")
        }
    }

    /// - Parameter isForm: a plus is a space.
    static func decoded(_ text: Substring, isForm: Bool) -> String {
        var bytes: [UInt8] = []
        var rest = Substring(text).utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let value = UInt8(hexadecimal: rest.prefix(2)) {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(isForm && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension UInt8 {
    /// Two digits of base 16, and nothing else (`UInt8("+1", radix: 16)` is a number too).
    fileprivate init?(hexadecimal digits: some Collection<UInt8>) {
        guard digits.count == 2 else { return nil }
        var value: UInt8 = 0
        for digit in digits {
            switch digit {
            case 0x30...0x39: value = value << 4 | (digit - 0x30)
            case 0x41...0x46: value = value << 4 | (digit - 0x37)
            case 0x61...0x66: value = value << 4 | (digit - 0x57)
            default: return nil
            }
        }
        self = value
    }
}
