/// Kafka's rule for topic names.
package enum TopicName {
    package static let maximumLength = 249

    /// `[a-zA-Z0-9._-]{1,249}`, not `.` or `..`.
    package static func isValid(_ name: UnsafeRawBufferPointer) -> Bool {
        guard (1...self.maximumLength).contains(name.count) else { return false }
        for byte in name where !self.isAllowed(byte) { return false }
        return !(name.equals(".") || name.equals(".."))
    }

    package static func isValid(_ name: String) -> Bool {
        var name = name
        return name.withUTF8 { self.isValid(UnsafeRawBufferPointer($0)) }
    }

    /// Of a topic's name, or of the beginning of one.
    package static func hasValidCharacters(_ text: String) -> Bool { !text.isEmpty && text.utf8.allSatisfy(self.isAllowed) }

    /// Kafka's own topics, such as `__consumer_offsets`: whoever writes there breaks the cluster.
    static func isReserved(_ name: UnsafeRawBufferPointer) -> Bool {
        name.count >= 2 && name[0] == UInt8(ascii: "_") && name[1] == UInt8(ascii: "_")
    }

    @inline(__always)
    static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
