import Testing

/// One input and what must become of it.
struct SmugglingCase: CustomTestStringConvertible, Sendable {
    enum Outcome: Equatable, Sendable {
        /// Refused with that status, before anything was delivered.
        case refused(Int)
        /// Refused with that status after one request was delivered.
        case refusedAfterOne(Int)
        /// Delivered, so many requests with these bodies, and nothing refused.
        case delivered([String])
        /// Neither: more is needed.
        case waits
    }

    let name: String
    let bytes: [UInt8]
    let outcome: Outcome
    var testDescription: String { self.name }

    init(_ name: String, _ bytes: [UInt8], _ outcome: Outcome) {
        (self.name, self.bytes, self.outcome) = (name, bytes, outcome)
    }

    /// ISO Latin 1, so that `\u{80}` … `\u{FF}` are single bytes.
    init(_ name: String, _ text: String, _ outcome: Outcome) {
        self.init(name, text.unicodeScalars.map { UInt8($0.value) }, outcome)
    }
}

extension SmugglingCase {
    /// A POST with one field of ours between Host and the end, and a body after it.
    static func field(_ line: String, _ outcome: Outcome, body: String = "", name: String? = nil) -> SmugglingCase {
        SmugglingCase(name ?? "field \(line.debugDescription)", "POST /x HTTP/1.1\r\nHost: a\r\n\(line)\r\n\r\n\(body)", outcome)
    }

    static func chunked(_ body: String, _ outcome: Outcome, name: String? = nil) -> SmugglingCase {
        SmugglingCase(
            name ?? "chunked \(body.debugDescription)", "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(body)", outcome)
    }

    static func line(_ line: String, _ outcome: Outcome, name: String? = nil) -> SmugglingCase {
        SmugglingCase(name ?? "line \(line.debugDescription.prefix(60))", "\(line)\r\nHost: a\r\n\r\n", outcome)
    }

    static let next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"

    static let all: [SmugglingCase] =
        accepted + contentLength + transferEncoding + fields + lineEnds + chunks + extensions + trailers + requestLines + targets + hosts
        + sizes

    // MARK: What must pass

    static let accepted: [SmugglingCase] = [
        field("Content-Length: 3", .delivered(["abc"]), body: "abc"),
        field("content-length:3", .delivered(["abc"]), body: "abc"),
        field("Content-Length:  3 ", .delivered(["abc"]), body: "abc"),
        field("Content-Length: 0", .delivered([""])),
        field("Content-Length: 0003", .delivered(["abc"]), body: "abc"),
        field("Content-Length: 3", .delivered(["abc", ""]), body: "abc" + next, name: "a second request behind a body"),
        field("Content-Length: 3", .delivered(["abc", ""]), body: "abc\r\n" + next, name: "one empty line between requests"),
        field("Content-Length: 3", .waits, body: "ab", name: "a body cut short"),
        field("X: a\tb", .delivered([""])),
        field("X: \u{E9}\u{FF}", .delivered([""])),
        field("X:", .delivered([""])),
        field("X!#$%&'*+-.^_`|~9: 1", .delivered([""])),
        field("Connection: close", .delivered([""]), body: next, name: "data after close is not read"),
        field("Connection: close\t", .delivered([""]), body: next, name: "close with a TAB is close"),
        field("Connection: foo, CLOSE", .delivered([""]), body: next, name: "close in a list is close"),
        field("Connection: Upgrade\r\nUpgrade: h2c", .delivered([""]), name: "an offer to upgrade is ignored"),
        field(
            "Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3", .delivered(["abc", ""]), body: "abc" + next,
            name: "an upgrade with a body"),
        field("Transfer-Encoding: chunked", .delivered(["abc"]), body: "3\r\nabc\r\n0\r\n\r\n"),
        field("transfer-encoding:CHUNKED", .delivered(["abc"]), body: "3\r\nabc\r\n0\r\n\r\n"),
        field(
            "Transfer-Encoding: chunked", .delivered(["", ""]), body: "0\r\n\r\n" + next,
            name: "a second request behind an empty chunked body"),
        field("Transfer-Encoding: chunked", .waits, body: "3\r\nabc\r\n0\r\n", name: "a chunked body without its last line"),
        field("Transfer-Encoding: chunked", .waits, body: "3\r\nab", name: "a chunk cut short"),
        chunked("A\r\n0123456789\r\n00\r\n\r\n", .delivered(["0123456789"])),
        chunked("00000000000003\r\nabc\r\n0\r\n\r\n", .delivered(["abc"])),
        chunked("3;a\r\nabc\r\n0;b=c\r\n\r\n", .delivered(["abc"])),
        chunked("3;a;b\r\nabc\r\n0;d=\"e f\"\r\n\r\n", .delivered(["abc"])),
        // llhttp 8.1 takes no extension behind one with a token as its value, and no quoted pair. Nobody sends either.
        chunked("3;a=b;c\r\nabc\r\n0\r\n\r\n", .refused(400)),
        chunked("3;a=\"b\\\"c\"\r\nabc\r\n0\r\n\r\n", .refused(400)),
        chunked("3\r\nabc\r\n0\r\nX: y\r\n\r\n", .delivered(["abc"])),
        SmugglingCase("a leading empty line", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .delivered([""])),
        SmugglingCase("HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n" + next, .delivered([""])),
        SmugglingCase(
            "HTTP/1.0 that keeps the connection", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + next, .delivered(["", ""])),
        SmugglingCase(
            "HTTP/1.0 with an expectation", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", .delivered(["x"])),
        line("OPTIONS * HTTP/1.1", .delivered([""])),
        line("GET http://a HTTP/1.1", .delivered([""])),
        line("GET http://A/b?c HTTP/1.1", .delivered([""])),
        line("GET /a%20b?c=%00%2F HTTP/1.1", .delivered([""])),
        line("GET /a?b?c=/d HTTP/1.1", .delivered([""])),
    ]

    // MARK: Sizes

    static let sizes: [SmugglingCase] = [
        line("GET /" + String(repeating: "a", count: 8 << 10) + " HTTP/1.1", .refused(414)),
        line("GET /" + String(repeating: "a", count: (8 << 10) - 1) + " HTTP/1.1", .delivered([""])),
        SmugglingCase("a target of 200 kB", "GET /" + String(repeating: "a", count: 200_000), .refused(414)),
        field("X: " + String(repeating: "a", count: 200_000), .refused(431), name: "a value of 200 kB"),
        field("X: " + String(repeating: "a", count: 17_000), .refused(431), name: "a value of 17 kB"),
        field("X: " + String(repeating: "a", count: 16_000), .delivered([""]), name: "a value of 16 kB"),
        field(String(repeating: "X", count: 17_000) + ": y", .refused(431), name: "a name of 17 kB"),
        field(Array(repeating: "X: y", count: 5000).joined(separator: "\r\n"), .refused(431), name: "5,000 fields"),
        field(Array(repeating: "X: y", count: 100).joined(separator: "\r\n"), .refused(431), name: "101 fields with Host"),
        field(Array(repeating: "X: y", count: 99).joined(separator: "\r\n"), .delivered([""]), name: "100 fields with Host"),
        field(
            Array(repeating: "X: " + String(repeating: "a", count: 900), count: 20).joined(separator: "\r\n"), .refused(431),
            name: "18 kB of fields"),
        SmugglingCase("a field without an end", "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "a", count: 20_000), .refused(431)),
        chunked(
            String(repeating: "1\r\na\r\n", count: 20_000) + "0\r\n\r\n", .delivered([String(repeating: "a", count: 20_000)]),
            name: "chunks of one byte"),
        chunked(String(repeating: "1;abcdefghijk\r\na\r\n", count: 20_000), .refused(413), name: "more framing than data"),
    ]
}
