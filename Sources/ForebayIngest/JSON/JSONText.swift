/// A run of bytes that is being read as JSON: the scanner's functions over one buffer.
struct JSONText {
    let bytes: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    private var text: UnsafePointer<UInt8>? { self.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) }

    subscript(range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self.bytes[range])
    }

    /// The first offset from `start` on that holds no white space.
    func skipSpace(_ start: Int) -> Int {
        guard let text = self.text else { return 0 }
        return JSONScanner.skipSpace(text, start, self.bytes.count)
    }

    /// The byte at `offset`, none at the end.
    func byte(at offset: Int) -> UInt8? {
        offset < self.bytes.count ? self.bytes[offset] : nil
    }

    /// Checks the value that starts at `start` and gives its extent.
    ///
    /// - Parameter depth: containers already open around it that count towards the limit.
    func value(at start: Int, depth: Int) throws(JSONFault) -> Range<Int> {
        guard let text = self.text, start < self.bytes.count else { throw JSONFault(.unexpectedEnd, at: self.bytes.count) }
        return start..<(try JSONScanner.value(text, start, self.bytes.count, depth: depth))
    }

    /// Checks the string that starts at `start` and gives what lies between its quotes, escapes as written.
    func string(at start: Int) throws(JSONFault) -> Range<Int> {
        guard let text = self.text, start < self.bytes.count else { throw JSONFault(.unexpectedEnd, at: self.bytes.count) }
        guard text[start] == UInt8(ascii: "\"") else { throw JSONFault(.expectedName, at: start) }
        return start + 1..<(try JSONScanner.string(text, start, self.bytes.count)) - 1
    }
}

/// What a value is, by its first byte.
enum JSONKind {
    case object, array, string, number, boolean, null

    /// - Parameter first: of a value that was checked.
    init(first: UInt8) {
        switch first {
        case UInt8(ascii: "{"): self = .object
        case UInt8(ascii: "["): self = .array
        case UInt8(ascii: "\""): self = .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"): self = .boolean
        case UInt8(ascii: "n"): self = .null
        default: self = .number
        }
    }
}
