/// Walks the members of one object, checking each as it goes; what `next` has not reached yet is not checked.
struct JSONMembers {
    struct Member {
        /// Between the quotes, escapes as written.
        let name: Range<Int>
        let value: Range<Int>
    }

    private let text: JSONText
    private let depth: Int
    private var isFirst = true
    /// Once `next` has given none: just behind the closing brace.
    private(set) var end: Int

    /// - Parameters:
    ///   - start: of the opening brace.
    ///   - depth: containers that count as open around the members' values, this object included or not, as the limit is meant.
    init(of text: JSONText, at start: Int, depth: Int) {
        self.text = text
        self.depth = depth
        self.end = start + 1
    }

    mutating func next() throws(JSONFault) -> Member? {
        var at = self.text.skipSpace(self.end)
        guard let byte = self.text.byte(at: at) else { throw JSONFault(.unexpectedEnd, at: at) }
        if byte == UInt8(ascii: "}") {
            self.end = at + 1
            return nil
        }
        if !self.isFirst {
            if byte != UInt8(ascii: ",") { throw JSONFault(.expectedCommaOrBrace, at: at) }
            at = self.text.skipSpace(at + 1)
        }
        self.isFirst = false
        let name = try self.text.string(at: at)
        at = self.text.skipSpace(name.upperBound + 1)
        guard let colon = self.text.byte(at: at) else { throw JSONFault(.unexpectedEnd, at: at) }
        if colon != UInt8(ascii: ":") { throw JSONFault(.expectedColon, at: at) }
        let value = try self.text.value(at: self.text.skipSpace(at + 1), depth: self.depth)
        self.end = value.upperBound
        return Member(name: name, value: value)
    }
}

/// Walks the elements of one array, checking each as it goes.
struct JSONElements {
    private let text: JSONText
    private let depth: Int
    private var isFirst = true
    /// Once `next` has given none: just behind the closing bracket.
    private(set) var end: Int

    /// - Parameters:
    ///   - start: of the opening bracket.
    ///   - depth: containers that count as open around the elements.
    init(of text: JSONText, at start: Int, depth: Int) {
        self.text = text
        self.depth = depth
        self.end = start + 1
    }

    mutating func next() throws(JSONFault) -> Range<Int>? {
        guard let start = try self.nextStart() else { return nil }
        let element = try self.text.value(at: start, depth: self.depth)
        self.end = element.upperBound
        return element
    }

    /// Where the next element starts, for a caller that walks it by other means and then says where it ended.
    mutating func nextStart() throws(JSONFault) -> Int? {
        let at = self.text.skipSpace(self.end)
        guard let byte = self.text.byte(at: at) else { throw JSONFault(.unexpectedEnd, at: at) }
        if byte == UInt8(ascii: "]") {
            self.end = at + 1
            return nil
        }
        if self.isFirst {
            self.isFirst = false
            return at
        }
        if byte != UInt8(ascii: ",") { throw JSONFault(.expectedCommaOrBracket, at: at) }
        return self.text.skipSpace(at + 1)
    }

    mutating func ended(at end: Int) {
        self.end = end
    }
}
