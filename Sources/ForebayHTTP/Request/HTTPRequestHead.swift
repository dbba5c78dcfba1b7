/// The head of one request, as views into the bytes that came. Valid during the call that gives it; copy what outlives that.
package struct HTTPRequestHead: ~Copyable {
    /// By which the request is answered.
    package let id: RequestID
    private let base: UnsafeRawPointer
    private let framed: FramedHead
    private let fields: UnsafePointer<FieldSpan>
    /// The path, its escapes decoded once, without the query; "/" at least, or "*" of `OPTIONS *`.
    /// It holds no NUL, and no "/" that came escaped.
    package let path: UnsafeRawBufferPointer
    /// Heads of the same server with the same number have the same bytes, so what was read from one holds for the other; 0: not known.
    package let number: UInt64

    init(_ known: KnownHead, id: RequestID, base: UnsafeRawPointer, scratch: HeadScratch) {
        self.id = id
        self.base = base
        self.framed = known.framed
        self.fields = known.fields
        self.number = known.number
        let raw = known.framed.path.bytes(in: base)
        if known.framed.isPathEscaped {
            self.path = UnsafeRawBufferPointer(start: scratch.path, count: RequestTarget.decode(raw, into: scratch.path))
        } else {
            // "http://host" means "http://host/".
            self.path = raw.isEmpty ? UnsafeRawBufferPointer(start: slash.utf8Start, count: 1) : raw
        }
    }

    package var method: HTTPMethod { self.framed.method }
    /// What stands behind the "?", as it came; empty without one.
    package var query: UnsafeRawBufferPointer { self.framed.query.bytes(in: self.base) }
    package var body: BodyFraming { self.framed.body }
    package var isHTTP10: Bool { self.framed.isHTTP10 }
    package var fieldCount: Int { self.framed.fieldCount }

    /// The path as text; what is not UTF-8 in it becomes U+FFFD.
    package var pathText: String { String(decoding: self.path, as: UTF8.self) }

    /// What follows `prefix` in the path; nil if it doesn't begin so.
    package func path(after prefix: StaticString) -> UnsafeRawBufferPointer? {
        let count = prefix.utf8CodeUnitCount
        guard self.path.count >= count, UnsafeRawBufferPointer(rebasing: self.path[..<count]).equals(prefix) else { return nil }
        return UnsafeRawBufferPointer(rebasing: self.path[count...])
    }

    package func pathIs(_ path: StaticString) -> Bool { self.path.equals(path) }

    /// The value of the first field of that name, without blanks around it.
    ///
    /// - Parameter name: In lower case.
    package func header(_ name: StaticString) -> UnsafeRawBufferPointer? {
        for index in 0..<self.framed.fieldCount where Int(self.fields[index].name.count) == name.utf8CodeUnitCount {
            if self.fields[index].name.bytes(in: self.base).equalsIgnoringCase(name) {
                return self.fields[index].value.bytes(in: self.base)
            }
        }
        return nil
    }

    /// The same as text; bytes that are not UTF-8 become U+FFFD.
    package func headerText(_ name: StaticString) -> String? {
        self.header(name).map { String(decoding: $0, as: UTF8.self) }
    }

    /// All fields, in the order in which they came, names as they were spelled.
    package func forEachHeader(_ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Void) rethrows {
        for index in 0..<self.framed.fieldCount {
            try body(self.fields[index].name.bytes(in: self.base), self.fields[index].value.bytes(in: self.base))
        }
    }

    /// The value of the first query parameter of that name, still escaped; empty for one without "=".
    package func queryParameter(_ name: StaticString) -> UnsafeRawBufferPointer? {
        var rest = self.query[...]
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "&")) ?? rest.endIndex
            let pair = rest[rest.startIndex..<end]
            let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? end
            if UnsafeRawBufferPointer(rebasing: pair[..<equals]).equals(name) {
                return UnsafeRawBufferPointer(rebasing: pair[Swift.min(equals + 1, end)...])
            }
            rest = rest[Swift.min(end + 1, rest.endIndex)...]
        }
        return nil
    }
}

private let slash: StaticString = "/"

/// Names one request of one connection. It outlives both: an answer to a request that is gone is dropped.
package struct RequestID: Hashable, Sendable, CustomStringConvertible {
    let slot: UInt32
    let generation: UInt32
    let sequence: UInt32
    let traits: Traits

    var connection: ConnectionID { ConnectionID(slot: self.slot, generation: self.generation) }

    /// What the answer must know of the request.
    struct Traits: OptionSet, Hashable, Sendable {
        let rawValue: UInt8
        /// Asked by HEAD: the answer has no body.
        static let isHead = Traits(rawValue: 1)
        /// The connection ends with the answer.
        static let closes = Traits(rawValue: 2)
        static let isHTTP10 = Traits(rawValue: 4)
    }

    package static func == (left: Self, right: Self) -> Bool {
        left.slot == right.slot && left.generation == right.generation && left.sequence == right.sequence
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(self.slot)
        hasher.combine(self.generation)
        hasher.combine(self.sequence)
    }

    /// Unique across restarts, for logs and problem documents.
    package var description: String {
        [RequestID.process, self.slot, self.generation, self.sequence].map { part in
            let text = String(part, radix: 16)
            return String(repeating: "0", count: 8 - text.count) + text
        }.joined()
    }

    private static let process = UInt32.random(in: 0...UInt32.max)
}
