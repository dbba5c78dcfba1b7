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

/// Crockford's base 32: its digits rise as their ASCII codes do, so ids sort as their numbers.
package enum Base32 {
    private static let digits: StaticString = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

    @inline(__always)
    package static func digit(_ value: UInt64) -> UInt8 {
        self.digits.utf8Start[Int(value & 31)]
    }
}

/// What an offset counts in. One cursor passes all of it.
package enum Lane: Hashable, Sendable {
    /// By its own id, whatever the ids of its events begin with.
    case spool(SpoolID)
    /// Of a topic that a consumer group was assigned: each assignment is another lane, so that what an earlier one read does not count.
    case partition(topic: String, Int32, generation: Int32 = 0)
    /// A unit of what is set aside, by its number in its route's log, and which reading of it this is; counts the unit's own events from 0.
    case unit(UInt64, pass: UInt32 = 0)
}

/// A place in a lane: the number of the event that stands there.
package struct Offset: Hashable, Sendable {
    package let lane: Lane
    package let number: UInt64

    package init(lane: Lane, number: UInt64) {
        self.lane = lane
        self.number = number
    }
}

/// A route's stable name on disk: FNV-1a of its name in the configuration, 64 bits.
package struct RouteID: Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    package init(name: String) {
        self.rawValue = name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}
