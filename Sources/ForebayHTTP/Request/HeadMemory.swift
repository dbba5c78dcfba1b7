import Glibc

/// A head that was framed and that llhttp has passed.
struct KnownHead {
    let framed: FramedHead
    let fields: UnsafePointer<FieldSpan>
    /// See ``HTTPRequestHead/number``.
    let number: UInt64

    init(_ framed: FramedHead, _ fields: UnsafePointer<FieldSpan>, number: UInt64 = 0) {
        self.framed = framed
        self.fields = fields
        self.number = number
    }
}

/// The heads that a loop's connections have sent lately. A producer sends the same head again and again, and of the same bytes both
/// readers make the same each time: so a repeat costs one comparison. (Measured: they are two fifths of what a small request takes of
/// our own time.)
///
/// Bounded: a few heads of usual size. A head that is forgotten, or too large to be remembered, is framed again.
final class HeadMemory {
    private static let places = 64
    private static let largest = 1024
    private static let mostFields = 24

    private let heads: UnsafeMutablePointer<KnownHead>
    /// Of each place one piece of both: of a place that holds nothing the length is 0, and so nothing begins with it.
    private let bytes: UnsafeMutableRawPointer
    private let fields: UnsafeMutablePointer<FieldSpan>
    private var lastNumber: UInt64 = 0

    init() {
        self.heads = .allocate(capacity: Self.places)
        self.bytes = .allocate(byteCount: Self.places * Self.largest, alignment: 16)
        self.fields = .allocate(capacity: Self.places * Self.mostFields)
        self.heads.initialize(repeating: KnownHead(FramedHead(), self.fields), count: Self.places)
    }

    deinit {
        self.heads.deallocate()
        self.bytes.deallocate()
        self.fields.deallocate()
    }

    /// The head with which `bytes` begin, if it is the one at `place`. Valid until the next ``remember(_:_:_:)``.
    @inline(__always)
    func find(at place: Int, in bytes: UnsafeRawBufferPointer) -> UnsafePointer<KnownHead>? {
        let length = self.heads[place].framed.length
        guard length > 0, length <= bytes.count, memcmp(self.bytes + place * Self.largest, bytes.baseAddress!, length) == 0 else {
            return nil
        }
        return UnsafePointer(self.heads + place)
    }

    /// - Returns: the head, valid until another one is remembered, and where to look for it the next time; nowhere if it is too large.
    func remember(
        _ framed: FramedHead, _ fields: UnsafePointer<FieldSpan>, _ bytes: UnsafeRawBufferPointer
    ) -> (head: KnownHead, place: Int?) {
        guard framed.length <= Self.largest, framed.fieldCount <= Self.mostFields else { return (KnownHead(framed, fields), nil) }
        let place = Self.place(of: bytes, framed.length)
        if let known = self.find(at: place, in: bytes) { return (known.pointee, place) }
        let spans = self.fields + place * Self.mostFields
        (self.bytes + place * Self.largest).copyMemory(from: bytes.baseAddress!, byteCount: framed.length)
        spans.update(from: fields, count: framed.fieldCount)
        self.lastNumber += 1
        self.heads[place] = KnownHead(framed, spans, number: self.lastNumber)
        return (self.heads[place], place)
    }

    private static func place(of bytes: UnsafeRawBufferPointer, _ length: Int) -> Int {
        var hash = UInt64(truncatingIfNeeded: length)
        for at in stride(from: 0, through: length - 8, by: 8) {
            hash = (hash ^ bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash >> 32
        }
        return Int(hash % UInt64(self.places))
    }
}
