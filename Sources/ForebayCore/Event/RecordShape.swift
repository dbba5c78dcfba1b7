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
