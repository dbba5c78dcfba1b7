import Glibc

/// Gathers events of one route into one run of bytes; what it holds becomes a ``Batch`` without a copy, unless it is little.
package struct BatchBuilder: ~Copyable {
    /// A place to go back to, when a request turns out to be bad in the middle.
    package struct Mark: Sendable {
        fileprivate let byteCount: Int
        fileprivate let count: Int
    }

    package private(set) var count = 0
    package private(set) var byteCount = 0
    private var slab: Slab
    private let initialCapacity: Int

    /// - Parameter initialCapacity: in bytes; it doubles as needed.
    package init(initialCapacity: Int = 16 * 1024) {
        self.initialCapacity = initialCapacity
        self.slab = Slab(capacity: initialCapacity)
    }

    package var isEmpty: Bool { self.count == 0 }

    package var mark: Mark { Mark(byteCount: self.byteCount, count: self.count) }

    /// Forgets what was appended since `mark` was taken.
    package mutating func rollback(to mark: Mark) {
        precondition(mark.byteCount <= self.byteCount && mark.count <= self.count, "a mark of another batch")
        self.byteCount = mark.byteCount
        self.count = mark.count
    }

    /// Appends one event. The caller has checked its limits; its record fits 32 bits.
    package mutating func append(_ fields: EventFields) {
        let size = fields.recordSize
        precondition(!fields.topic.isEmpty && fields.topic.count <= 255 && fields.id.count <= 255 && size <= UInt32.max)
        self.reserve(size)
        var flags: RecordLayout.Flags = []
        if fields.key != nil { flags.insert(.key) }
        if fields.value != nil { flags.insert(.value) }
        if fields.partition != nil { flags.insert(.partition) }
        if !fields.headers.isEmpty { flags.insert(.headers) }
        let record = self.slab.base + self.byteCount
        record.storeBytes(of: UInt32(truncatingIfNeeded: size).littleEndian, as: UInt32.self)
        let small = UInt32(flags.rawValue) | UInt32(fields.topic.count) << 8 | UInt32(fields.id.count) << 16
        record.storeBytes(of: small.littleEndian, toByteOffset: 4, as: UInt32.self)
        record.storeBytes(of: fields.timestamp.littleEndian, toByteOffset: 8, as: Int64.self)
        var next = record + RecordLayout.fixed
        func put(_ number: UInt32) {
            next.storeBytes(of: number.littleEndian, as: UInt32.self)
            next += 4
        }
        func put(_ bytes: UnsafeRawBufferPointer) {
            guard let base = bytes.baseAddress else { return }
            memcpy(next, base, bytes.count)
            next += bytes.count
        }
        if let key = fields.key { put(UInt32(truncatingIfNeeded: key.count)) }
        if let partition = fields.partition { put(UInt32(bitPattern: partition)) }
        if !fields.headers.isEmpty { put(UInt32(truncatingIfNeeded: fields.headers.count)) }
        put(fields.topic)
        put(fields.id)
        if let key = fields.key { put(key) }
        put(fields.headers)
        if let value = fields.value { put(value) }
        self.byteCount += size
        self.count += 1
    }

    /// Appends a record as it stands in another batch.
    package mutating func append(record: UnsafeRawBufferPointer) {
        self.reserve(record.count)
        memcpy(self.slab.base + self.byteCount, record.baseAddress!, record.count)
        self.byteCount += record.count
        self.count += 1
    }

    /// Hands over what was gathered, not numbered yet, and begins anew. None if there is nothing.
    package mutating func finish(route: RouteID, acceptedAt: Int64) -> Batch? {
        guard self.count > 0 else { return nil }
        let (slab, range) = self.slab.lean(0..<self.byteCount)
        let batch = Batch(
            lane: .spool(.none), origin: nil, first: 0, count: self.count, route: route, acceptedAt: acceptedAt, slab: slab, range: range)
        if slab === self.slab || self.slab.capacity > self.initialCapacity { self.slab = Slab(capacity: self.initialCapacity) }
        self.byteCount = 0
        self.count = 0
        return batch
    }

    /// Makes room for `size` bytes more, so that appending them copies nothing twice.
    package mutating func reserve(_ size: Int) {
        guard self.byteCount + size > self.slab.capacity else { return }
        let grown = Slab(capacity: max(self.slab.capacity * 2, self.byteCount + size))
        memcpy(grown.base, self.slab.base, self.byteCount)
        self.slab = grown
    }
}
