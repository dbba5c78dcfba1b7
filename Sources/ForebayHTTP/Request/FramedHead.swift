/// A run of bytes inside a head.
struct Span32: Equatable {
    var start: UInt32 = 0
    var count: UInt32 = 0

    init() {}

    init(_ range: Range<Int>) {
        self.start = UInt32(truncatingIfNeeded: range.lowerBound)
        self.count = UInt32(truncatingIfNeeded: range.count)
    }

    @inline(__always)
    func bytes(in base: UnsafeRawPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Int(self.start), count: Int(self.count))
    }
}

/// Where one field's name and value stand. The value is trimmed.
struct FieldSpan: Equatable {
    var name: Span32
    var value: Span32
}

/// How the end of the body is found.
package enum BodyFraming: Equatable, Sendable {
    /// Neither Content-Length nor Transfer-Encoding: there is no body.
    case none
    /// Compare before converting: it is what the client says, up to 19 digits.
    case length(UInt64)
    case chunked
}

/// What framing found in a head: where everything stands, and what it says about the message.
struct FramedHead {
    /// All of it, with the empty line.
    var length = 0
    var method = HTTPMethod.get
    /// The whole target, then its parts; the path as it came, with its escapes.
    var target = Span32()
    var path = Span32()
    var query = Span32()
    /// Of a target with a scheme: it must equal the Host field.
    var authority = Span32()
    var isPathEscaped = false
    var isHTTP10 = false
    var fieldCount = 0
    var body = BodyFraming.none
    var keepsAlive = true
    var expectsContinue = false

    /// Whether the whole message has come, told without its body's framing: never of a chunked one.
    @inline(__always)
    func isWhole(in bytes: UnsafeRawBufferPointer) -> Bool {
        switch self.body {
        case .none: true
        case .length(let length): length <= UInt64(bytes.count - self.length)
        case .chunked: false
        }
    }
}

/// Memory in which heads are framed, and where those of late are remembered: one for all connections of a loop, for a head is framed anew
/// when its body has come.
final class HeadScratch {
    let fields: UnsafeMutablePointer<FieldSpan>
    let path: UnsafeMutableRawPointer
    let limits: HTTPLimits
    let classes = ByteClasses.shared
    let memory = HeadMemory()

    init(limits: HTTPLimits) {
        self.limits = limits
        self.fields = .allocate(capacity: limits.fields)
        self.path = .allocate(byteCount: limits.header, alignment: 1)
    }

    deinit {
        self.fields.deallocate()
        self.path.deallocate()
    }
}
