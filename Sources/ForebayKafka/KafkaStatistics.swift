/// The few of librdkafka's statistics that are kept.
package struct KafkaStatistics: Sendable, Equatable {
    package struct Broker: Sendable, Equatable {
        /// The broker's number, `1`.
        package var node = ""
        package var isUp = false
        /// Round trip, 99th percentile, in seconds; 0: nothing was asked in the last interval.
        package var roundTrip = 0.0
    }

    package var queuedMessages = 0
    package var queuedBytes = 0
    /// Real brokers, without the addresses that were only given to find them.
    package var brokers: [Broker] = []

    /// Reads librdkafka's JSON; none if it isn't what librdkafka writes.
    package init?(json: String) {
        var text = json
        guard let statistics = text.withUTF8({ KafkaStatistics(json: UnsafeRawBufferPointer($0)) }) else { return nil }
        self = statistics
    }

    /// - Parameter json: its end may be missing: the topics come last, may be very many, and are not read.
    init?(json: UnsafeRawBufferPointer) {
        var scanner = StatisticsScanner(json)
        let isObject = scanner.object { name, scanner in
            switch name {
            case "msg_cnt": self.queuedMessages = scanner.count()
            case "msg_size": self.queuedBytes = scanner.count()
            case "brokers": _ = scanner.object { _, scanner in self.add(Self.broker(&scanner)) }
            case "topics": scanner.end()
            default: scanner.skip()
            }
        }
        guard isObject else { return nil }
    }

    private mutating func add(_ broker: Broker?) {
        if let broker { self.brokers.append(broker) }
    }

    private static func broker(_ scanner: inout StatisticsScanner) -> Broker? {
        var broker = Broker()
        var number: Int?
        _ = scanner.object { name, scanner in
            switch name {
            case "nodeid": number = Int(exactly: scanner.number())
            case "state": broker.isUp = scanner.string() == "UP"
            case "rtt":
                _ = scanner.object { name, scanner in
                    if name == "p99" { broker.roundTrip = scanner.number() / 1_000_000 } else { scanner.skip() }
                }
            default: scanner.skip()
            }
        }
        guard let number, number >= 0 else { return nil }
        broker.node = String(number)
        return broker
    }
}

/// Walks JSON that a library wrote for us: it need not judge it, but must end and must not trap on any.
private struct StatisticsScanner {
    private let bytes: UnsafeRawBufferPointer
    private var next = 0
    /// Nothing behind this is wanted.
    private var isEnded = false

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    private var first: UInt8? { self.next < self.bytes.count ? self.bytes[self.next] : nil }

    mutating func end() {
        self.isEnded = true
    }

    /// Calls `member` with each name; it must take the value.
    mutating func object(_ member: (String, inout Self) -> Void) -> Bool {
        guard self.take(UInt8(ascii: "{")) else { return false }
        while !self.take(UInt8(ascii: "}")) {
            let before = self.next
            let name = self.string()
            guard self.take(UInt8(ascii: ":")) else { return false }
            member(name, &self)
            if self.isEnded { return true }
            _ = self.take(UInt8(ascii: ","))
            guard self.next > before else { return false }
        }
        return true
    }

    mutating func number() -> Double {
        self.blanks()
        let from = self.next
        while let byte = self.first, "+-.eE0123456789".utf8.contains(byte) { self.next += 1 }
        let number = Double(String(decoding: self.bytes[from..<self.next], as: UTF8.self)) ?? 0
        return number.isFinite ? number : 0
    }

    /// A number of things: 0 if it can't be one.
    mutating func count() -> Int { max(0, Int(exactly: self.number().rounded()) ?? 0) }

    mutating func string() -> String {
        guard self.take(UInt8(ascii: "\"")) else { return "" }
        let from = self.next
        while let byte = self.first, byte != UInt8(ascii: "\"") { self.next += 1 }
        defer { self.next = min(self.bytes.count, self.next + 1) }
        return String(decoding: self.bytes[from..<self.next], as: UTF8.self)
    }

    /// Steps over one value, however deep.
    mutating func skip() {
        self.blanks()
        var depth = 0
        while let byte = self.first {
            switch byte {
            case UInt8(ascii: "\""): _ = self.string()
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                self.next += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == 0 { return }
                depth -= 1
                self.next += 1
            case UInt8(ascii: ",") where depth == 0: return
            default: self.next += 1
            }
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        self.blanks()
        guard self.first == byte else { return false }
        self.next += 1
        return true
    }

    private mutating func blanks() {
        while let byte = self.first, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { self.next += 1 }
    }
}
