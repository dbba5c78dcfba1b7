/// Where in a JSON value the key stands, as `topics.<t>.key` says it: `$.order_id`, or deeper `$.customer.id`.
///
/// Names are compared unescaped. Where an object has a name more than once, the last one counts, as in JavaScript, Go and Python.
/// Arrays can't be stepped into: a key from an element's place is nobody's key.
package struct JSONPath: Sendable, Equatable, CustomStringConvertible {
    package let description: String
    private let names: [[UInt8]]

    /// - Returns: none for anything but `$` and names that each follow a dot and hold none of `.[]"\'*`, no space and no control character.
    package init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count >= 2, parts.count <= JSONScanner.maximumDepth, parts[0] == "$" else { return nil }
        let refused = Set("[]\"\\'* ".utf8)
        for name in parts.dropFirst() {
            if name.isEmpty || name.utf8.contains(where: { $0 < 0x20 || refused.contains($0) }) { return nil }
        }
        self.description = text
        self.names = parts.dropFirst().map { Array($0.utf8) }
    }

    /// What stands at the path.
    enum Found: Equatable {
        /// Nothing, or null: no key.
        case none
        /// A string: the offsets between its quotes.
        case string(Range<Int>)
        /// A number or a boolean: the offsets of its bytes.
        case scalar(Range<Int>)
        case container
    }

    /// Checks `bytes` as ``JSONScanner/check(_:)`` does, and finds the path in them, in one pass.
    func find(in bytes: UnsafeRawBufferPointer, _ unescaper: inout JSONUnescaper) throws(JSONFault) -> Found {
        let text = JSONText(bytes)
        let start = text.skipSpace(0)
        guard text.byte(at: start) == UInt8(ascii: "{") else {
            try JSONScanner.check(bytes)
            return .none
        }
        var (member, end) = try self.last(named: self.names[0], of: text, at: start, depth: 1, &unescaper)
        let after = text.skipSpace(end)
        if after != bytes.count { throw JSONFault(.trailing, at: after) }
        for name in self.names.dropFirst() {
            guard let object = member, text.byte(at: object.lowerBound) == UInt8(ascii: "{") else { return .none }
            // It was checked as part of the whole: this walk can't fail, and depth is no question any more.
            (member, end) = try self.last(named: name, of: text, at: object.lowerBound, depth: 0, &unescaper)
        }
        guard let value = member else { return .none }
        switch JSONKind(first: bytes[value.lowerBound]) {
        case .null: return .none
        case .object, .array: return .container
        case .string: return .string(value.lowerBound + 1..<value.upperBound - 1)
        case .number, .boolean: return .scalar(value)
        }
    }

    private func last(
        named name: [UInt8], of text: JSONText, at start: Int, depth: Int, _ unescaper: inout JSONUnescaper
    ) throws(JSONFault) -> (value: Range<Int>?, end: Int) {
        var members = JSONMembers(of: text, at: start, depth: depth)
        var found: Range<Int>?
        while let member = try members.next() {
            if Self.matches(text[member.name], name, &unescaper) { found = member.value }
        }
        return (found, members.end)
    }

    private static func matches(_ written: UnsafeRawBufferPointer, _ name: [UInt8], _ unescaper: inout JSONUnescaper) -> Bool {
        // Nearly always it is written plainly. An escape is longer than what it stands for, so lengths tell most others apart.
        if written.count <= name.count { return written.equals(name) && written.offset(of: UInt8(ascii: "\\")) == nil }
        guard written.offset(of: UInt8(ascii: "\\")) != nil else { return false }
        // Half a surrogate pair equals no name.
        guard let plain = try? unescaper.text(of: written, at: 0) else { return false }
        return plain.equals(name)
    }
}
