/// Turns what stands between a JSON string's quotes into UTF-8, in a buffer that is used again and again.
struct JSONUnescaper: ~Copyable {
    private var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256, alignment: 1)

    deinit { self.buffer.deallocate() }

    /// - Parameters:
    ///   - content: of a string that was checked, between its quotes.
    ///   - offset: where it starts, for the fault.
    /// - Returns: its text in UTF-8: `content` itself where nothing is escaped, else bytes that are valid until the next call.
    /// - Throws: `surrogate` where half a pair stands alone: it has no UTF-8.
    mutating func text(of content: UnsafeRawBufferPointer, at offset: Int) throws(JSONFault) -> UnsafeRawBufferPointer {
        guard var at = content.offset(of: UInt8(ascii: "\\")) else { return content }
        self.reserve(content.count)  // An escape never grows: the shortest, `\n`, is two bytes for one.
        self.buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: content[..<at]))
        var used = at
        while at < content.count {
            let byte = content[at]
            guard byte == UInt8(ascii: "\\") else {
                self.buffer[used] = byte
                used += 1
                at += 1
                continue
            }
            let (scalar, length) = try Self.escape(content, at, offset)
            used = self.put(scalar, at: used)
            at += length
        }
        return UnsafeRawBufferPointer(rebasing: self.buffer[..<used])
    }

    /// The scalar that the escape at `at` stands for, and how many bytes it takes.
    private static func escape(
        _ content: UnsafeRawBufferPointer, _ at: Int, _ offset: Int
    ) throws(JSONFault) -> (scalar: UInt32, length: Int) {
        switch content[at + 1] {
        case UInt8(ascii: "b"): return (0x08, 2)
        case UInt8(ascii: "f"): return (0x0C, 2)
        case UInt8(ascii: "n"): return (0x0A, 2)
        case UInt8(ascii: "r"): return (0x0D, 2)
        case UInt8(ascii: "t"): return (0x09, 2)
        case UInt8(ascii: "u"): break
        case let itself: return (UInt32(itself), 2)
        }
        let unit = self.unit(content, at + 2)
        if unit & 0xF800 != 0xD800 { return (unit, 6) }
        guard unit < 0xDC00, at + 12 <= content.count, content[at + 6] == UInt8(ascii: "\\"), content[at + 7] == UInt8(ascii: "u") else {
            throw JSONFault(.surrogate, at: offset + at)
        }
        let low = self.unit(content, at + 8)
        if low & 0xFC00 != 0xDC00 { throw JSONFault(.surrogate, at: offset + at) }
        return (0x10000 + (unit & 0x3FF) << 10 + (low & 0x3FF), 12)
    }

    private static func unit(_ content: UnsafeRawBufferPointer, _ at: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 << 4 | (JSONScanner.hexadecimal(content[at + $1]) ?? 0) }
    }

    private func put(_ scalar: UInt32, at place: Int) -> Int {
        func tail(_ shift: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: 0x80 | scalar >> shift & 0x3F) }
        switch scalar {
        case ..<0x80:
            self.buffer[place] = UInt8(truncatingIfNeeded: scalar)
            return place + 1
        case ..<0x800:
            self.buffer[place] = UInt8(truncatingIfNeeded: 0xC0 | scalar >> 6)
            self.buffer[place + 1] = tail(0)
            return place + 2
        case ..<0x10000:
            self.buffer[place] = UInt8(truncatingIfNeeded: 0xE0 | scalar >> 12)
            self.buffer[place + 1] = tail(6)
            self.buffer[place + 2] = tail(0)
            return place + 3
        default:
            self.buffer[place] = UInt8(truncatingIfNeeded: 0xF0 | scalar >> 18)
            self.buffer[place + 1] = tail(12)
            self.buffer[place + 2] = tail(6)
            self.buffer[place + 3] = tail(0)
            return place + 4
        }
    }

    private mutating func reserve(_ count: Int) {
        guard self.buffer.count < count else { return }
        self.buffer.deallocate()
        self.buffer = .allocate(byteCount: max(count, self.buffer.count * 2), alignment: 1)
    }
}
