/// The name of a spool: 80 random bits, written as 16 characters of Crockford's base 32.
///
/// Derived event ids begin with it, so that ids of two spools never meet. A spool that lost its newest segment may have given numbers that
/// nobody knows of, so ids begin with another such name from then on, their origin; the spool stays the same.
package struct SpoolID: Hashable, Sendable, CustomStringConvertible {
    /// The number of ASCII characters, on disk and in ids.
    package static let length = 16

    package let high: UInt64
    package let low: UInt64

    /// - Parameter bytes: exactly 16 ASCII characters, as they stand in a segment's header.
    package init(characters bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count == Self.length)
        self.high = bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)
        self.low = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    }

    package static func random(using generator: inout some RandomNumberGenerator) -> SpoolID {
        var characters = [UInt8](repeating: 0, count: Self.length)
        for index in characters.indices { characters[index] = Base32.digit(UInt64.random(in: 0..<32, using: &generator)) }
        return characters.withUnsafeBytes { SpoolID(characters: $0) }
    }

    package func write(to target: UnsafeMutableRawPointer) {
        target.storeBytes(of: self.high, toByteOffset: 0, as: UInt64.self)
        target.storeBytes(of: self.low, toByteOffset: 8, as: UInt64.self)
    }

    package var description: String {
        withUnsafeTemporaryAllocation(byteCount: Self.length, alignment: 8) { bytes in
            self.write(to: bytes.baseAddress!)
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}

extension SpoolID {
    /// Of a batch that no spool has numbered yet.
    package static let none = [UInt8](repeating: UInt8(ascii: "0"), count: Self.length).withUnsafeBytes { SpoolID(characters: $0) }
}
