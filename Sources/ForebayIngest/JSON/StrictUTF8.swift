/// Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
enum StrictUTF8 {
    /// Checks the sequence that starts at `at`, whose first byte is not ASCII. Returns the offset just behind it.
    static func afterScalar(_ text: UnsafePointer<UInt8>, _ at: Int, _ end: Int) throws(JSONFault) -> Int {
        let length: Int
        // Only the second byte's range depends on the first: that is where overlong forms and surrogates show.
        let second: ClosedRange<UInt8>
        switch text[at] {
        case 0xC2...0xDF: (length, second) = (2, 0x80...0xBF)
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xE1...0xEC, 0xEE...0xEF: (length, second) = (3, 0x80...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: (length, second) = (4, 0x80...0xBF)
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: throw JSONFault(.encoding, at: at)
        }
        guard at + length <= end, second.contains(text[at + 1]) else { throw JSONFault(.encoding, at: at) }
        if length > 2 && text[at + 2] & 0xC0 != 0x80 { throw JSONFault(.encoding, at: at) }
        if length > 3 && text[at + 3] & 0xC0 != 0x80 { throw JSONFault(.encoding, at: at) }
        return at + length
    }

    /// Whether the bytes are UTF-8 without control characters (C0, DEL, C1): what a log line and a terminal can show.
    static func isPrintable(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let base = bytes.baseAddress else { return true }
        let text = base.assumingMemoryBound(to: UInt8.self)
        var at = 0
        while at < bytes.count {
            let byte = text[at]
            if byte < 0x20 || byte == 0x7F { return false }
            if byte < 0x80 {
                at += 1
            } else {
                if byte == 0xC2 && at + 1 < bytes.count && text[at + 1] < 0xA0 { return false }
                // The fault's place is of no use here: the caller names the field.
                guard let next = try? self.afterScalar(text, at, bytes.count) else { return false }
                at = next
            }
        }
        return true
    }
}
