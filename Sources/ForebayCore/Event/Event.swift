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

/// Where the parts of a record begin, counted from its start; each ends where the next one begins, the value with the record.
struct RecordShape {
    let size: Int
    let flags: RecordLayout.Flags
    let partition: Int32?
    let topicStart: Int, idStart: Int, keyStart: Int, headersStart: Int, valueStart: Int

    /// Of the record at the start of `bytes`; none if its lengths do not fit.
    @inline(__always)
    init?(at bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= RecordLayout.fixed else { return nil }
        let size = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt32.self)))
        guard size >= RecordLayout.fixed, size <= bytes.count else { return nil }
        let flags = RecordLayout.Flags(rawValue: bytes[4])
        let (topic, id) = (Int(bytes[5]), Int(bytes[6]))
        var start = RecordLayout.fixed
        var key = 0, headers = 0
        var partition: Int32?
        if flags.contains(.key) {
            guard start + 4 <= size else { return nil }
            key = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt32.self)))
            start += 4
        }
        if flags.contains(.partition) {
            guard start + 4 <= size else { return nil }
            partition = Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: Int32.self))
            start += 4
        }
        if flags.contains(.headers) {
            guard start + 4 <= size else { return nil }
            headers = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt32.self)))
            start += 4
        }
        self.size = size
        self.flags = flags
        self.partition = partition
        self.topicStart = start
        self.idStart = start + topic
        self.keyStart = self.idStart + id
        self.headersStart = self.keyStart + key
        self.valueStart = self.headersStart + headers
        guard self.valueStart <= size else { return nil }
    }
}

/// A view of one event in the bytes of a batch. Valid only while the batch is; copy out what must live longer.
package struct Event {
    /// The whole record, header included.
    package let record: UnsafeRawBufferPointer
    package let flags: RecordLayout.Flags
    package let topic: UnsafeRawBufferPointer
    /// The producer's own id; empty where the id is derived (``EventID``).
    package let id: UnsafeRawBufferPointer
    package let key: UnsafeRawBufferPointer?
    package let partition: Int32?
    /// Encoded as ``RecordLayout`` says; walk it with ``forEachHeader(_:)``.
    package let headers: UnsafeRawBufferPointer
    /// None: a tombstone.
    package let value: UnsafeRawBufferPointer?

    /// Milliseconds since 1970: the producer's, or that of acceptance.
    package var timestamp: Int64 { Int64(littleEndian: self.record.loadUnaligned(fromByteOffset: 8, as: Int64.self)) }

    /// Reads the record at the start of `bytes`; none if its lengths do not fit, so bytes from outside can't trap.
    package init?(at bytes: UnsafeRawBufferPointer) {
        guard let shape = RecordShape(at: bytes), let base = bytes.baseAddress else { return nil }
        func part(_ start: Int, _ end: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base + start, count: end - start) }
        self.record = part(0, shape.size)
        self.flags = shape.flags
        self.partition = shape.partition
        self.topic = part(shape.topicStart, shape.idStart)
        self.id = part(shape.idStart, shape.keyStart)
        self.key = shape.flags.contains(.key) ? part(shape.keyStart, shape.headersStart) : nil
        self.headers = part(shape.headersStart, shape.valueStart)
        self.value = shape.flags.contains(.value) ? part(shape.valueStart, shape.size) : nil
    }

    /// Calls `body` with each header's name and value (none: null), in order.
    package func forEachHeader(_ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) -> Void) {
        var rest = self.headers
        while rest.count >= 6 {
            let nameLength = Int(UInt16(littleEndian: rest.loadUnaligned(fromByteOffset: 0, as: UInt16.self)))
            guard rest.count >= 6 + nameLength else { return }
            let name = UnsafeRawBufferPointer(rebasing: rest[2..<2 + nameLength])
            let length = UInt32(littleEndian: rest.loadUnaligned(fromByteOffset: 2 + nameLength, as: UInt32.self))
            let start = 6 + nameLength
            guard length != RecordLayout.nullLength else {
                body(name, nil)
                rest = UnsafeRawBufferPointer(rebasing: rest[start...])
                continue
            }
            guard rest.count - start >= Int(length) else { return }
            body(name, UnsafeRawBufferPointer(rebasing: rest[start..<start + Int(length)]))
            rest = UnsafeRawBufferPointer(rebasing: rest[(start + Int(length))...])
        }
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
