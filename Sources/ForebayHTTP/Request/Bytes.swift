import Glibc

/// Small questions about bytes that came from outside.
extension UnsafeRawBufferPointer {
    @inline(__always)
    func equals(_ text: StaticString) -> Bool {
        self.count == text.utf8CodeUnitCount && (self.isEmpty || memcmp(self.baseAddress!, text.utf8Start, self.count) == 0)
    }

    /// - Parameter text: In lower case.
    @inline(__always)
    func equalsIgnoringCase(_ text: StaticString) -> Bool {
        guard self.count == text.utf8CodeUnitCount else { return false }
        let other = text.utf8Start
        for index in 0..<self.count where self[index].lowercased != other[index] { return false }
        return true
    }

    /// Without the blanks at both ends that HTTP allows around values.
    var trimmed: UnsafeRawBufferPointer {
        var (start, end) = (0, self.count)
        while start < end && self[start].isBlank { start += 1 }
        while end > start && self[end - 1].isBlank { end -= 1 }
        return UnsafeRawBufferPointer(rebasing: self[start..<end])
    }

    /// The elements of a comma-separated list, trimmed; empty ones too.
    func forEachListElement(_ body: (UnsafeRawBufferPointer) -> Void) {
        var start = 0
        for index in 0...self.count where index == self.count || self[index] == UInt8(ascii: ",") {
            body(UnsafeRawBufferPointer(rebasing: self[start..<index]).trimmed)
            start = index + 1
        }
    }
}

extension UInt8 {
    @inline(__always)
    var lowercased: UInt8 { self &- 0x41 < 26 ? self | 0x20 : self }

    @inline(__always)
    var isBlank: Bool { self == 0x20 || self == 0x09 }

    @inline(__always)
    var isDigit: Bool { self &- 0x30 < 10 }

    @inline(__always)
    var hexValue: UInt8? {
        if self.isDigit { return self - 0x30 }
        let lower = self | 0x20
        return lower &- 0x61 < 6 ? lower - 0x61 + 10 : nil
    }

    /// What a field name, a method or a coding's name may hold (RFC 9110, 5.6.2).
    @inline(__always)
    var isTokenByte: Bool { ByteClasses.shared.isToken(self) }
}

/// A table of what each byte may be part of.
///
/// Held as a value where many bytes are asked about: a global is looked up anew each time, which costs more than the question.
struct ByteClasses {
    static let shared = ByteClasses()

    private static let token: UInt8 = 1
    private static let target: UInt8 = 2
    private static let host: UInt8 = 4

    // Safe because: written once here, and only read after.
    private nonisolated(unsafe) let table: UnsafePointer<UInt8>

    /// What a field name, a method or a coding's name may hold (RFC 9110, 5.6.2).
    @inline(__always)
    func isToken(_ byte: UInt8) -> Bool { self.table[Int(byte)] & Self.token != 0 }

    /// What a path and a query may hold (RFC 3986: pchar, `/` and `?`), escapes being checked apart.
    @inline(__always)
    func isTarget(_ byte: UInt8) -> Bool { self.table[Int(byte)] & Self.target != 0 }

    /// What a host's name or IPv4 address may hold here: no list, no user name, no escapes.
    @inline(__always)
    func isHost(_ byte: UInt8) -> Bool { self.table[Int(byte)] & Self.host != 0 }

    private init() {
        // Never freed: there is one.
        let table = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
        table.initialize(repeating: 0, count: 256)
        func mark(_ bytes: String.UTF8View, _ bits: UInt8) {
            for byte in bytes { table[Int(byte)] |= bits }
        }
        mark("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._~".utf8, Self.token | Self.target | Self.host)
        mark("!#$%&'*+^`|".utf8, Self.token)
        mark("!$&'()*+,;=:@/?%".utf8, Self.target)
        self.table = UnsafePointer(table)
    }
}
