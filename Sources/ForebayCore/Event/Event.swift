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
