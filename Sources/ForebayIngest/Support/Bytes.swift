import Glibc

// Small questions to bytes, asked per header and per member: no strings are made for them.
extension UnsafeRawBufferPointer {
    @inline(__always)
    func equals(_ other: UnsafeRawBufferPointer) -> Bool {
        self.count == other.count && (self.isEmpty || memcmp(self.baseAddress!, other.baseAddress!, self.count) == 0)
    }

    @inline(__always)
    func equals(_ other: [UInt8]) -> Bool {
        other.withUnsafeBytes { self.equals($0) }
    }

    @inline(__always)
    func equals(_ text: StaticString) -> Bool {
        self.count == text.utf8CodeUnitCount && memcmp(self.baseAddress!, text.utf8Start, self.count) == 0
    }

    /// - Parameter text: ASCII in lower case.
    @inline(__always)
    func equalsIgnoringCase(_ text: StaticString) -> Bool {
        self.count == text.utf8CodeUnitCount && self.startsIgnoringCase(text)
    }

    /// - Parameter text: ASCII in lower case.
    @inline(__always)
    func startsIgnoringCase(_ text: StaticString) -> Bool {
        guard self.count >= text.utf8CodeUnitCount else { return false }
        for index in 0..<text.utf8CodeUnitCount where Self.lower(self[index]) != text.utf8Start[index] { return false }
        return true
    }

    @inline(__always)
    static func lower(_ byte: UInt8) -> UInt8 {
        byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
    }

    /// The offset of the first such byte from `start` on.
    @inline(__always)
    func offset(of byte: UInt8, from start: Int = 0) -> Int? {
        guard start < self.count, let base = self.baseAddress else { return nil }
        guard let found = memchr(base + start, Int32(byte), self.count - start) else { return nil }
        return UnsafeRawPointer(found) - base
    }

    @inline(__always)
    func slice(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[range])
    }

    /// Without the spaces and tabs around it.
    func trimmed() -> UnsafeRawBufferPointer {
        var low = 0
        var high = self.count
        while low < high, self[low] == 0x20 || self[low] == 0x09 { low += 1 }
        while high > low, self[high - 1] == 0x20 || self[high - 1] == 0x09 { high -= 1 }
        return self.slice(low..<high)
    }

    /// The bytes as text for people, with what is not UTF-8 replaced; at most `limit` bytes of them.
    func text(limit: Int = 80) -> String {
        let shown = String(decoding: self.prefix(limit), as: UTF8.self)
        return self.count > limit ? shown + "…" : shown
    }
}
