/// How one event lies in memory and on disk (the same bytes), little-endian:
///
///     0   u32  size of the record, this header included
///     4   u8   flags: 1 has a key, 2 has a value (none: a tombstone), 4 has a partition, 8 has headers
///     5   u8   length of the topic, 1…249
///     6   u8   length of the producer's own id, 0: the id is derived from where the event lies
///     7   u8   0
///     8   i64  timestamp, milliseconds since 1970
///     16  u32  length of the key         (only with flag 1)
///         i32  partition                 (only with flag 4)
///         u32  length of the headers     (only with flag 8)
///         topic, id, key, headers, value; the value goes on to the end of the record
///
/// Headers: for each `u16` length of the name, the name, `u32` length of the value (0xFFFFFFFF: null), the value.
package enum RecordLayout {
    package static let fixed = 16
    package static let nullLength: UInt32 = 0xFFFF_FFFF

    package struct Flags: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        package static let key = Flags(rawValue: 1)
        package static let value = Flags(rawValue: 2)
        package static let partition = Flags(rawValue: 4)
        package static let headers = Flags(rawValue: 8)
    }
}

extension [UInt8] {
    /// Appends one header as ``RecordLayout`` says.
    package mutating func append(header name: some Collection<UInt8>, value: some Collection<UInt8>) {
        Swift.withUnsafeBytes(of: UInt16(clamping: name.count).littleEndian) { self.append(contentsOf: $0) }
        self.append(contentsOf: name)
        Swift.withUnsafeBytes(of: UInt32(value.count).littleEndian) { self.append(contentsOf: $0) }
        self.append(contentsOf: value)
    }
}
