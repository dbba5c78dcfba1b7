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
        var scanner = StatisticsScanner(json)
        let isWhole = scanner.object { name, scanner in
            switch name {
            case "msg_cnt": self.queuedMessages = Int(scanner.number())
            case "msg_size": self.queuedBytes = Int(scanner.number())
            case "brokers": _ = scanner.object { _, scanner in self.add(Self.broker(&scanner)) }
            default: scanner.skip()
            }
        }
        guard isWhole else { return nil }
    }

    private mutating func add(_ broker: Broker?) {
        if let broker { self.brokers.append(broker) }
    }

    private static func broker(_ scanner: inout StatisticsScanner) -> Broker? {
        var broker = Broker()
        var number = -1.0
        _ = scanner.object { name, scanner in
            switch name {
            case "nodeid": number = scanner.number()
            case "state": broker.isUp = scanner.string() == "UP"
            case "rtt":
                _ = scanner.object { name, scanner in
                    if name == "p99" { broker.roundTrip = scanner.number() / 1_000_000 } else { scanner.skip() }
                }
            default: scanner.skip()
            }
        }
        broker.node = String(Int(number))
        return number < 0 ? nil : broker
    }
}

/// Walks JSON that a library wrote for us: it need not judge it, but must end and must not trap on any.
private struct StatisticsScanner {
    private var bytes: Substring.UTF8View

    init(_ text: String) {
        self.bytes = text[...].utf8
    }

    /// Calls `member` with each name; it must take the value.
    mutating func object(_ member: (String, inout Self) -> Void) -> Bool {
        guard self.take(UInt8(ascii: "{")) else { return false }
        while !self.take(UInt8(ascii: "}")) {
            let before = self.bytes.count
            let name = self.string()
            guard self.take(UInt8(ascii: ":")) else { return false }
            member(name, &self)
            _ = self.take(UInt8(ascii: ","))
            guard self.bytes.count < before else { return false }
        }
        return true
    }

    mutating func number() -> Double {
        self.blanks()
        let text = self.bytes.prefix { "+-.eE0123456789".utf8.contains($0) }
        self.bytes = self.bytes.dropFirst(text.count)
        return Double(Substring(text)) ?? 0
    }

    mutating func string() -> String {
        guard self.take(UInt8(ascii: "\"")) else { return "" }
        let text = self.bytes.prefix { $0 != UInt8(ascii: "\"") }
        self.bytes = self.bytes.dropFirst(text.count + 1)
        return String(Substring(text))
    }

    /// Steps over one value, however deep.
    mutating func skip() {
        self.blanks()
        var depth = 0
        while let byte = self.bytes.first {
            switch byte {
            case UInt8(ascii: "\""): _ = self.string()
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                self.bytes.removeFirst()
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == 0 { return }
                depth -= 1
                self.bytes.removeFirst()
            case UInt8(ascii: ",") where depth == 0: return
            default: self.bytes.removeFirst()
            }
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        self.blanks()
        guard self.bytes.first == byte else { return false }
        self.bytes.removeFirst()
        return true
    }

    private mutating func blanks() {
        while let byte = self.bytes.first, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { self.bytes.removeFirst() }
    }
}
