/// Checks bytes against the grammar of RFC 8259 without building values.
///
/// What it takes is exactly the grammar: UTF-8 without overlong forms and surrogates, any number (30 digits, `1e400`), escapes
/// such as `\ud800` that name half a character, names more than once. What it refuses beyond the grammar is depth: 64 containers.
/// The bytes are never changed, so what a producer wrote is what a consumer reads.
///
/// The loop holds no stack but one word: containers are at most 64 deep, so a bit each says object or array.
/// Strings and runs of spaces are read eight bytes at a time in an ordinary register: no intrinsics, the same on every CPU.
package enum JSONScanner {
    /// How many containers may lie inside each other.
    package static let maximumDepth = 64

    /// Checks that `bytes` are one JSON text: a value, white space around it, and nothing else.
    package static func check(_ bytes: UnsafeRawBufferPointer) throws(JSONFault) {
        let end = bytes.count
        guard let base = bytes.baseAddress, end > 0 else { throw JSONFault(.unexpectedEnd, at: 0) }
        let text = base.assumingMemoryBound(to: UInt8.self)
        let start = self.skipSpace(text, 0, end)
        let after = self.skipSpace(text, try self.value(text, start, end, depth: 0), end)
        if after != end { throw JSONFault(.trailing, at: after) }
    }

    /// Checks the value that starts at `start` (no white space before it).
    ///
    /// - Parameter depth: how many containers are already open around it.
    /// - Returns: the offset just behind its last byte. A number ends at the first byte that can't belong to it.
    static func value(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int, depth outer: Int) throws(JSONFault) -> Int {
        var at = start
        var depth = outer
        var kinds: UInt64 = 0  // One bit a container, the innermost lowest: 1 is an object.
        next: while true {
            guard at < end else { throw JSONFault(.unexpectedEnd, at: end) }
            switch text[at] {
            case UInt8(ascii: "\""):
                at = try self.string(text, at, end)
            case UInt8(ascii: "{"):
                depth += 1
                if depth > self.maximumDepth { throw JSONFault(.depth, at: at) }
                at = self.skipSpace(text, at + 1, end)
                if at < end && text[at] == UInt8(ascii: "}") {
                    depth -= 1
                    at += 1
                } else {
                    kinds = kinds << 1 | 1
                    at = try self.name(text, at, end)
                    continue next
                }
            case UInt8(ascii: "["):
                depth += 1
                if depth > self.maximumDepth { throw JSONFault(.depth, at: at) }
                at = self.skipSpace(text, at + 1, end)
                if at < end && text[at] == UInt8(ascii: "]") {
                    depth -= 1
                    at += 1
                } else {
                    kinds = kinds << 1
                    continue next
                }
            default:
                at = try self.scalar(text, at, end)
            }
            while depth > outer {
                at = self.skipSpace(text, at, end)
                guard at < end else { throw JSONFault(.unexpectedEnd, at: end) }
                let byte = text[at]
                if kinds & 1 != 0 {
                    if byte == UInt8(ascii: ",") {
                        at = try self.name(text, self.skipSpace(text, at + 1, end), end)
                        continue next
                    }
                    if byte != UInt8(ascii: "}") { throw JSONFault(.expectedCommaOrBrace, at: at) }
                } else {
                    if byte == UInt8(ascii: ",") {
                        at = self.skipSpace(text, at + 1, end)
                        continue next
                    }
                    if byte != UInt8(ascii: "]") { throw JSONFault(.expectedCommaOrBracket, at: at) }
                }
                depth -= 1
                kinds >>= 1
                at += 1
            }
            return at
        }
    }

    /// A member's name, its colon and the white space around it. Returns where the member's value starts.
    @inline(__always)
    private static func name(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int) throws(JSONFault) -> Int {
        guard start < end else { throw JSONFault(.unexpectedEnd, at: end) }
        if text[start] != UInt8(ascii: "\"") { throw JSONFault(.expectedName, at: start) }
        let colon = self.skipSpace(text, try self.string(text, start, end), end)
        guard colon < end else { throw JSONFault(.unexpectedEnd, at: end) }
        if text[colon] != UInt8(ascii: ":") { throw JSONFault(.expectedColon, at: colon) }
        return self.skipSpace(text, colon + 1, end)
    }

    /// The first offset from `start` on that holds no white space; `end` if there is none.
    @inline(__always)
    static func skipSpace(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int {
        if start < end && text[start] > 0x20 { return start }
        return self.skipSpaces(text, start, end)
    }

    private static func skipSpaces(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int {
        var at = start
        while at < end {
            // Indentation: words of spaces at once.
            while at &+ 8 <= end && self.word(text, at) == 0x2020_2020_2020_2020 { at &+= 8 }
            guard at < end, self.isSpace(text[at]) else { return at }
            at &+= 1
        }
        return at
    }

    @inline(__always)
    static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }

    @inline(__always)
    static func word(_ text: UnsafePointer<UInt8>, _ at: Int) -> UInt64 {
        UInt64(littleEndian: UnsafeRawPointer(text + at).loadUnaligned(as: UInt64.self))
    }
}
