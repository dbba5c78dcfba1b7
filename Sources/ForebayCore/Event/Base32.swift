/// Crockford's base 32: its digits rise as their ASCII codes do, so ids sort as their numbers.
package enum Base32 {
    private static let digits: StaticString = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

    @inline(__always)
    package static func digit(_ value: UInt64) -> UInt8 {
        self.digits.utf8Start[Int(value & 31)]
    }
}
