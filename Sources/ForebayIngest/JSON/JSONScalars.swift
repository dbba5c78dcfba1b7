// Strings, numbers and literals: the leaves of the grammar.
extension JSONScanner {
    /// Checks the string whose opening quote is at `start`. Returns the offset just behind its closing quote.
    @inline(__always)
    static func string(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int) throws(JSONFault) -> Int {
        var at = start &+ 1
        while at &+ 8 <= end {
            let stops = self.stops(in: self.word(text, at))
            if stops == 0 {
                at &+= 8
                continue
            }
            at &+= stops.trailingZeroBitCount >> 3
            if text[at] == UInt8(ascii: "\"") { return at &+ 1 }
            at = try self.afterStop(text, at, end)
        }
        return try self.lastOfString(text, at, end)
    }

    /// Marks the bytes of a word that a string can't just contain: quote, backslash, control character, not ASCII.
    ///
    /// The lowest mark is exact; a borrow may set false ones above it, so only the lowest may be used.
    @inline(__always)
    private static func stops(in word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quote = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
        let backslash = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
        let found = ((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash) | ((word &- ones &* 0x20) & ~word) | word
        return found & (ones &* 0x80)
    }

    /// The end of a string less than eight bytes before the end of the text.
    private static func lastOfString(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int) throws(JSONFault) -> Int {
        var at = start
        while at < end {
            let byte = text[at]
            if byte == UInt8(ascii: "\"") { return at + 1 }
            if byte >= 0x80 || byte < 0x20 || byte == UInt8(ascii: "\\") {
                at = try self.afterStop(text, at, end)
            } else {
                at += 1
            }
        }
        throw JSONFault(.unexpectedEnd, at: end)
    }

    /// What stopped the fast loop at `at` and is no quote: an escape, a run beyond ASCII, or a fault.
    private static func afterStop(_ text: UnsafePointer<UInt8>, _ at: Int, _ end: Int) throws(JSONFault) -> Int {
        let byte = text[at]
        if byte >= 0x80 {
            var next = try StrictUTF8.afterScalar(text, at, end)
            while next < end && text[next] >= 0x80 { next = try StrictUTF8.afterScalar(text, next, end) }
            return next
        }
        if byte != UInt8(ascii: "\\") { throw JSONFault(.control, at: at) }
        guard at + 1 < end else { throw JSONFault(.unexpectedEnd, at: end) }
        switch text[at + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            return at + 2
        case UInt8(ascii: "u"):
            for digit in at + 2..<at + 6 {
                guard digit < end else { throw JSONFault(.unexpectedEnd, at: end) }
                guard self.hexadecimal(text[digit]) != nil else { throw JSONFault(.escape, at: at) }
            }
            return at + 6
        default:
            throw JSONFault(.escape, at: at)
        }
    }

    /// The value of a hexadecimal digit.
    @inline(__always)
    static func hexadecimal(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    /// A number or a literal at `start`. Returns the offset just behind it.
    @inline(__always)
    static func scalar(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int) throws(JSONFault) -> Int {
        switch text[start] {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): return try self.number(text, start, end)
        case UInt8(ascii: "t"): return try self.literal("true", text, start, end)
        case UInt8(ascii: "f"): return try self.literal("false", text, start, end)
        case UInt8(ascii: "n"): return try self.literal("null", text, start, end)
        case 0xEF where start + 2 < end && text[start + 1] == 0xBB && text[start + 2] == 0xBF:
            throw JSONFault(.byteOrderMark, at: start)
        default: throw JSONFault(.expectedValue, at: start)
        }
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
    @inline(__always)
    private static func number(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int) throws(JSONFault) -> Int {
        var at = start
        if text[at] == UInt8(ascii: "-") { at += 1 }
        guard at < end else { throw JSONFault(.unexpectedEnd, at: end) }
        if text[at] == UInt8(ascii: "0") {
            at += 1
            if at < end && self.isDigit(text[at]) { throw JSONFault(.number, at: start) }
        } else {
            at = try self.digits(text, at, end, of: start)
        }
        if at < end && text[at] == UInt8(ascii: ".") { at = try self.digits(text, at + 1, end, of: start) }
        if at < end && text[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if at < end && (text[at] == UInt8(ascii: "+") || text[at] == UInt8(ascii: "-")) { at += 1 }
            at = try self.digits(text, at, end, of: start)
        }
        return at
    }

    /// One digit or more.
    @inline(__always)
    private static func digits(
        _ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int, of number: Int
    ) throws(JSONFault) -> Int {
        guard start < end else { throw JSONFault(.unexpectedEnd, at: end) }
        var at = start
        while at < end && self.isDigit(text[at]) { at &+= 1 }
        if at == start { throw JSONFault(.number, at: number) }
        return at
    }

    @inline(__always)
    private static func isDigit(_ byte: UInt8) -> Bool {
        byte &- UInt8(ascii: "0") < 10
    }

    @inline(__always)
    private static func literal(
        _ name: StaticString, _ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int
    ) throws(JSONFault) -> Int {
        let count = name.utf8CodeUnitCount
        for index in 0..<count {
            guard start + index < end else { throw JSONFault(.unexpectedEnd, at: end) }
            if text[start + index] != name.utf8Start[index] { throw JSONFault(.literal, at: start) }
        }
        return start + count
    }
}
