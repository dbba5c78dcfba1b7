/// Writes JSON without building values: what is written is what is sent.
///
///     var json = JSONWriter()
///     json.object { $0.field("accepted", 3); $0.field("durability", "durable") }
///
/// Commas are placed by the writer. Misuse (a value without a key in an object, depth over 63) is our mistake and traps in debug.
package struct JSONWriter: Sendable {
    package private(set) var bytes: [UInt8]
    /// Bit `depth` says that the open container at that depth has an element already.
    private var filled: UInt64 = 0
    private var depth: UInt64 = 0
    private var afterKey = false

    package init(reserving capacity: Int = 256) {
        self.bytes = []
        self.bytes.reserveCapacity(capacity)
    }

    package var text: String { String(decoding: self.bytes, as: UTF8.self) }

    // MARK: Containers

    package mutating func object(_ body: (inout JSONWriter) throws -> Void) rethrows {
        self.open(UInt8(ascii: "{"))
        try body(&self)
        self.close(UInt8(ascii: "}"))
    }

    package mutating func array(_ body: (inout JSONWriter) throws -> Void) rethrows {
        self.open(UInt8(ascii: "["))
        try body(&self)
        self.close(UInt8(ascii: "]"))
    }

    package mutating func object(_ key: String, _ body: (inout JSONWriter) throws -> Void) rethrows {
        self.key(key)
        try self.object(body)
    }

    /// `null` for none.
    package mutating func object<Value>(
        _ key: String, of value: Value?, _ body: (inout JSONWriter, Value) throws -> Void
    ) rethrows {
        self.key(key)
        guard let value else { return self.null() }
        try self.object { try body(&$0, value) }
    }

    package mutating func array(_ key: String, _ body: (inout JSONWriter) throws -> Void) rethrows {
        self.key(key)
        try self.array(body)
    }

    // MARK: Members

    package mutating func key(_ key: String) {
        assert(!self.afterKey, "two keys in a row")
        self.string(key)
        self.bytes.append(UInt8(ascii: ":"))
        self.afterKey = true
    }

    package mutating func field(_ key: String, _ value: String) {
        self.key(key)
        self.string(value)
    }

    package mutating func field(_ key: String, _ value: some BinaryInteger) {
        self.key(key)
        self.number(value)
    }

    package mutating func field(_ key: String, _ value: Double) {
        self.key(key)
        self.number(value)
    }

    package mutating func field(_ key: String, _ value: Bool) {
        self.key(key)
        self.bool(value)
    }

    /// `null` where there is no value, so that a field never comes and goes.
    package mutating func field(_ key: String, _ value: String?) {
        self.key(key)
        if let value { self.string(value) } else { self.null() }
    }

    package mutating func field(_ key: String, _ value: (some BinaryInteger)?) {
        self.key(key)
        if let value { self.number(value) } else { self.null() }
    }

    package mutating func field(_ key: String, _ value: Double?) {
        self.key(key)
        if let value { self.number(value) } else { self.null() }
    }

    package mutating func field(_ key: String, _ value: Bool?) {
        self.key(key)
        if let value { self.bool(value) } else { self.null() }
    }

    // MARK: Values

    package mutating func string(_ value: String) {
        self.beginValue()
        JSONText.append(value, to: &self.bytes)
    }

    package mutating func number(_ value: some BinaryInteger) {
        self.beginValue()
        self.bytes.append(contentsOf: value.description.utf8)
    }

    /// JSON has no infinity and no NaN: they become `null`.
    package mutating func number(_ value: Double) {
        self.beginValue()
        self.bytes.append(contentsOf: (value.isFinite ? value.description : "null").utf8)
    }

    package mutating func bool(_ value: Bool) {
        self.beginValue()
        self.bytes.append(contentsOf: (value ? "true" : "false").utf8)
    }

    package mutating func null() {
        self.beginValue()
        self.bytes.append(contentsOf: "null".utf8)
    }

    /// Bytes that are known to be one JSON value.
    package mutating func raw(_ value: some Sequence<UInt8>) {
        self.beginValue()
        self.bytes.append(contentsOf: value)
    }

    // MARK: Commas

    private mutating func beginValue() {
        if self.afterKey {
            self.afterKey = false
        } else if self.filled & (1 << self.depth) != 0 {
            self.bytes.append(UInt8(ascii: ","))
        }
        self.filled |= 1 << self.depth
    }

    private mutating func open(_ bracket: UInt8) {
        self.beginValue()
        self.bytes.append(bracket)
        self.depth += 1
        assert(self.depth < 64, "JSON nested deeper than the writer counts")
        self.filled &= ~(1 << self.depth)
    }

    private mutating func close(_ bracket: UInt8) {
        assert(!self.afterKey && self.depth > 0, "a key without a value, or one bracket too many")
        self.bytes.append(bracket)
        self.depth -= 1
    }
}
