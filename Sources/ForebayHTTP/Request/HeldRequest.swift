/// A request whose body is coming: its head as it came, and what there is of its body.
struct HeldRequest: ~Copyable {
    private enum Framing {
        case counted(remaining: UInt64, whole: UInt64)
        case chunked(ChunkedFraming, limit: UInt64)
    }

    /// Nil between requests, and from ``withdraw()`` on.
    private(set) var id: RequestID?
    private var framing = Framing.counted(remaining: 0, whole: 0)
    /// It is framed again when the body is whole, which costs less than keeping what was found.
    private var headStore = ByteStore()
    private var bodyStore = ByteStore()

    /// - Parameters:
    ///   - head: All of it; copied.
    ///   - framing: How the body ends. There must be one.
    ///   - limit: The most bytes of a chunked body.
    mutating func begin(_ id: RequestID, head: UnsafeRawBufferPointer, _ framing: BodyFraming, limit: UInt64) {
        switch framing {
        case .none: preconditionFailure("a request without a body is whole")
        case .length(let length): self.framing = .counted(remaining: length, whole: length)
        case .chunked: self.framing = .chunked(ChunkedFraming(), limit: limit)
        }
        self.id = id
        self.headStore.append(head)
    }

    /// Takes what has come of the body, and after it leaves what is not its own.
    mutating func take(_ bytes: UnsafeRawBufferPointer, _ limits: HTTPLimits) -> ChunkedFraming.Outcome {
        switch self.framing {
        case .counted(let remaining, let whole):
            let count = Int(Swift.min(UInt64(bytes.count), remaining))
            self.bodyStore.append(UnsafeRawBufferPointer(rebasing: bytes[..<count]), expected: Int(whole))
            self.framing = .counted(remaining: remaining - UInt64(count), whole: whole)
            return UInt64(count) == remaining ? .complete(consumed: count) : .more
        case .chunked(var framing, let limit):
            let outcome = framing.consume(bytes, into: &self.bodyStore, bodyLimit: limit, limits: limits)
            self.framing = .chunked(framing, limit: limit)
            return outcome
        }
    }

    /// What the body will still take; nil: nobody knows.
    var remaining: UInt64? {
        if case .counted(let remaining, _) = self.framing { remaining } else { nil }
    }

    /// Valid until ``clear()``.
    var head: UnsafeRawBufferPointer { self.headStore.bytes }
    /// What has come of the body, its chunks' framing apart. Valid until the next ``take(_:_:)``.
    var body: UnsafeRawBufferPointer { self.bodyStore.bytes }

    /// Bytes of memory.
    var capacity: Int { self.headStore.capacity + self.bodyStore.capacity }

    /// It is nobody's any more, for it was given to a handler or will never be; who reads its bytes still may.
    mutating func withdraw() { self.id = nil }

    mutating func clear() {
        self.headStore.clear()
        self.bodyStore.clear()
    }
}
