/// A small seeded generator (SplitMix64), so that a failure can be repeated.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func chance(_ percent: Int) -> Bool { Int(self.next() % 100) < percent }
    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[Int(self.next() % UInt64(elements.count))] }
}

/// Makes requests that are nearly right.
struct RequestGenerator {
    private var random: Seeded

    init(seed: UInt64) { self.random = Seeded(seed) }

    /// One to three requests in a row, some of them broken.
    mutating func next() -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<self.random.pick([1, 1, 2, 3]) { bytes += self.request() }
        for _ in 0..<self.random.pick([0, 0, 0, 0, 1, 1, 2]) { self.damage(&bytes) }
        return bytes
    }

    private mutating func request() -> [UInt8] {
        var lines = ["\(self.method()) \(self.target()) \(self.version())"]
        var fields = [self.host()]
        let body = self.random.pick(["", "abc", "hello world", String(repeating: "x", count: 300), "GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
        var payload = ""
        switch self.random.next() % 10 {
        case 0...3: break
        case 4...6:
            fields.append("Content-Length: \(self.random.chance(85) ? String(body.utf8.count) : self.random.pick(Self.lengths))")
            payload = body
        case 7, 8:
            fields.append("Transfer-Encoding: \(self.random.chance(85) ? "chunked" : self.random.pick(Self.codings))")
            payload = self.chunks(body)
        default:
            fields.append("Content-Length: \(self.random.pick(Self.lengths))")
            fields.append("Transfer-Encoding: \(self.random.pick(Self.codings))")
            payload = self.chunks(body)
        }
        for _ in 0..<self.random.pick([0, 1, 2, 3]) {
            fields.append(self.random.pick(self.random.chance(85) ? Self.goodFields : Self.oddFields))
        }
        lines += fields.shuffled(using: &self.random)
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n" + payload).utf8)
    }

    private mutating func method() -> String {
        self.random.chance(90)
            ? self.random.pick(["GET", "POST", "PUT", "HEAD"]) : self.random.pick(["get", "BREW", "G T", "", "CONNECT"])
    }
    private mutating func version() -> String {
        self.random.chance(92) ? "HTTP/1.1" : self.random.pick(["HTTP/1.0", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", "HTTP/1.10", ""])
    }
    private mutating func host() -> String {
        self.random.chance(92)
            ? "Host: a" : self.random.pick(["Host:", "Host: a, b", "Host: a\r\nHost: b", "X: y", "host : a", "Host: a b"])
    }
    private mutating func target() -> String {
        self.random.chance(85)
            ? self.random.pick(["/", "/a/b?c=d", "/a%20b"])
            : self.random.pick(["*", "http://a/x", "http://b/x", "/%zz", "/#", "a", "/ a", "/\u{7F}", "/<"])
    }

    private mutating func chunks(_ body: String) -> String {
        var (text, rest) = ("", body[...])
        while !rest.isEmpty {
            let part = rest.prefix(self.random.pick([1, 3, 10, 1000]))
            rest = rest.dropFirst(part.utf8.count)
            let end = self.random.chance(95) ? "" : self.random.pick([";a=b", ";a=\"b\"", " ", ";", "; a"])
            text += "\(String(part.utf8.count, radix: 16))\(end)\r\n\(part)\r\n"
        }
        return text
            + (self.random.chance(90)
                ? "0\r\n\r\n"
                : self.random.pick(["0\r\nX: y\r\n\r\n", "0\r\n", "00\r\n\r\n", "0;x\r\n\r\n", "\r\n", "0\r\n X: y\r\n\r\n"]))
    }

    private static let lengths = [
        "0", "3", "+3", "3,3", "3, 3", "", "0x3", "18446744073709551615", "003", "3 ", " 3", "-1", "3\r\nContent-Length: 3",
        "3\r\nContent-Length: 4",
    ]
    private static let codings = [
        "chunked", "Chunked", "identity", "gzip, chunked", "chunked, identity", "", "xchunked", "chunked\r\nTransfer-Encoding: chunked",
        "chunked,",
    ]
    private static let goodFields = [
        "X: y", "X:", "X:y", "X: \t y \t", "Connection: keep-alive", "Upgrade: h2c", "Connection: Upgrade", "X_Y: z", "Accept: */*",
        "Expect: 100-continue",
    ]
    private static let oddFields = [
        "Connection: close", "X: a\r\n b", "X : y", " X: y", "X: \u{0}", "X: \u{1}", "Expect: 100-continue", "Expect: x",
        "Content-Type: text/plain", ": y", "X", "X: \u{7F}", "Upgrade: h2c", "Connection: Upgrade", "X_Y: z", "Content_Length: 3",
        "X: y\rZ: w", "X: y\nZ: w",
    ]

    private mutating func damage(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else { return }
        // Mostly where framing is decided: at the ends of lines.
        var index = Int(self.random.next() % UInt64(bytes.count))
        if self.random.chance(50), let end = bytes[index...].firstIndex(of: 0x0D) { index = end }
        let odd: [UInt8] = [0x0A, 0x0D, 0x20, 0x09, 0x00, 0x0B, 0x3A, 0x2C, 0x3B, 0x22, 0x7F, 0x80, 0xFF, 0x30, 0x61]
        switch self.random.next() % 6 {
        case 0: bytes[index] = self.random.pick(odd)
        case 1: bytes.insert(self.random.pick(odd), at: index)
        case 2: bytes.remove(at: index)
        case 3: bytes[index] ^= 1 << UInt8(self.random.next() % 8)
        case 4: bytes.insert(contentsOf: bytes[index..<min(bytes.count, index + Int(self.random.next() % 30))], at: index)
        default: bytes.removeSubrange(index..<min(bytes.count, index + Int(self.random.next() % 10)))
        }
    }
}
