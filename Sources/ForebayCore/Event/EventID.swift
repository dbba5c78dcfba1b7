/// The id of an event that its producer gave none: its batch's origin (16 characters), `-`, and the sequence in 13 digits of base 32.
package enum EventID {
    package static let length = SpoolID.length + 1 + 13

    /// Writes ``length`` ASCII characters.
    package static func write(origin: SpoolID, sequence: UInt64, to target: UnsafeMutableRawPointer) {
        origin.write(to: target)
        target.storeBytes(of: UInt8(ascii: "-"), toByteOffset: SpoolID.length, as: UInt8.self)
        var rest = sequence
        for place in stride(from: Self.length - 1, to: SpoolID.length, by: -1) {
            target.storeBytes(of: Base32.digit(rest), toByteOffset: place, as: UInt8.self)
            rest >>= 5
        }
    }

    package static func text(origin: SpoolID, sequence: UInt64) -> String {
        withUnsafeTemporaryAllocation(byteCount: Self.length, alignment: 8) { bytes in
            self.write(origin: origin, sequence: sequence, to: bytes.baseAddress!)
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}
