/// Base 64 of RFC 4648 §4, strictly: its own alphabet, padding, no white space, no stray bits. Into a buffer that is used again and again.
struct Base64Decoder: ~Copyable {
    private var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256, alignment: 1)

    deinit { self.buffer.deallocate() }

    /// - Returns: bytes that are valid until the next call; none if `text` is not base 64.
    mutating func decode(_ text: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard text.count % 4 == 0 else { return nil }
        if text.isEmpty { return UnsafeRawBufferPointer(rebasing: self.buffer[..<0]) }
        if self.buffer.count < text.count {
            self.buffer.deallocate()
            self.buffer = .allocate(byteCount: text.count, alignment: 1)
        }
        let padding = text[text.count - 1] != UInt8(ascii: "=") ? 0 : text[text.count - 2] != UInt8(ascii: "=") ? 1 : 2
        let whole = padding == 0 ? text.count : text.count - 4
        var used = 0
        var bad: UInt8 = 0
        for at in stride(from: 0, to: whole, by: 4) {
            let (a, b, c, d) = (Self.bits(text[at]), Self.bits(text[at + 1]), Self.bits(text[at + 2]), Self.bits(text[at + 3]))
            bad |= a | b | c | d
            self.buffer[used] = a << 2 | b >> 4
            self.buffer[used + 1] = b << 4 | c >> 2
            self.buffer[used + 2] = c << 6 | d
            used += 3
        }
        if padding > 0 {
            let (a, b) = (Self.bits(text[whole]), Self.bits(text[whole + 1]))
            let c = padding == 1 ? Self.bits(text[whole + 2]) : 0
            bad |= a | b | c
            if padding == 1 ? c & 0x03 != 0 : b & 0x0F != 0 { return nil }
            self.buffer[used] = a << 2 | b >> 4
            used += 1
            if padding == 1 {
                self.buffer[used] = b << 4 | c >> 2
                used += 1
            }
        }
        return bad & 0x80 == 0 ? UnsafeRawBufferPointer(rebasing: self.buffer[..<used]) : nil
    }

    /// Six bits, or 0x80 for what is not in the alphabet.
    @inline(__always)
    private static func bits(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: 0x80
        }
    }
}
