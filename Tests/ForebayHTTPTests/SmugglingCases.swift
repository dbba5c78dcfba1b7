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
    private static func field(_ line: String, _ outcome: Outcome, body: String = "", name: String? = nil) -> SmugglingCase {
        SmugglingCase(name ?? "field \(line.debugDescription)", "POST /x HTTP/1.1\r\nHost: a\r\n\(line)\r\n\r\n\(body)", outcome)
    }

    private static func chunked(_ body: String, _ outcome: Outcome, name: String? = nil) -> SmugglingCase {
        SmugglingCase(
            name ?? "chunked \(body.debugDescription)", "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(body)", outcome)
    }

    private static func line(_ line: String, _ outcome: Outcome, name: String? = nil) -> SmugglingCase {
        SmugglingCase(name ?? "line \(line.debugDescription.prefix(60))", "\(line)\r\nHost: a\r\n\r\n", outcome)
    }

    private static let next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"

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

    // MARK: Lengths

    static let contentLength: [SmugglingCase] =
        [
            "+3", "-3", "-0", "0x3", "3,", ",3", "3;", "\"3\"", "'3'", "3.0", "1_0", "3 3", "3,3", "3, 3", "", " ", "3\u{0B}", "\u{0B}3",
            "3\u{0C}", "3\t",
            "3\u{00}", "3a", "a3", "3e0", "\u{B3}", "3\u{A0}", "NaN", "18446744073709551615", "18446744073709551616",
            "99999999999999999999",
            "00000000000000000003", String(repeating: "0", count: 300) + "3",
        ].map { field("Content-Length: \($0)", .refused(400), body: "abc") } + [
            field("Content-Length: 3\r\nContent-Length: 3", .refused(400), body: "abc"),
            field("Content-Length: 3\r\nContent-Length: 4", .refused(400), body: "abc"),
            field("Content-Length: 3\r\ncontent-length: 3", .refused(400), body: "abc"),
            field("Content-Length: 0\r\nContent-Length: 44", .refused(400)),
            field("Content-Length : 3", .refused(400), body: "abc"),
            field("Content-Length\t: 3", .refused(400), body: "abc"),
            field("Content-Length\u{0B}: 3", .refused(400), body: "abc"),
            field(" Content-Length: 3", .refused(400), body: "abc"),
            field("Content-Length: \r\n 3", .refused(400), body: "abc"),
            field("Content-Length: 1\r\n 3", .refused(400), body: "abc"),
            field("Content_Length: 3", .refused(400), body: "abc"),
            field("Content-Length: 9223372036854775807", .refused(413), body: "abc"),
            field("Content-Length: 9999999999999999999", .refused(413), body: "abc"),
            field("Content-Length: 1048577", .refused(413)),
        ]

    // MARK: Transfer codings

    static let transferEncoding: [SmugglingCase] =
        [
            "xchunked", "chunkedx", "identity", "chunked, identity", "identity, chunked", "chunked, chunked", "chunked;q=1", "\"chunked\"",
            "'chunked'",
            "chunkedchunked", "chunked\u{E9}", "\u{A0}chunked", "chunked\u{A0}", "\u{0B}chunked", "chunked\u{0B}", "chunked\u{0C}",
            "chunked,", ",chunked", "",
            " ", "gzip", "chun ked", "cow", "chunked foo", "\u{17F}hunked".replacing("\u{17F}", with: "\u{73}"), "chunked, gzip",
            "gzip, cow, chunked",
            "chunked\t;", "x-gzip", "trailers",
        ].map { field("Transfer-Encoding: \($0)", .refused(400), body: "0\r\n\r\n") } + [
            field("Transfer-Encoding: gzip, chunked", .refused(501), body: "0\r\n\r\n"),
            field("Transfer-Encoding: deflate,chunked", .refused(501), body: "0\r\n\r\n"),
            field("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", .refused(400), body: "0\r\n\r\n"),
            field("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", .refused(400), body: "0\r\n\r\n"),
            field("Transfer-Encoding:\r\nTransfer-Encoding: chunked", .refused(400), body: "0\r\n\r\n"),
            field("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", .refused(400), body: "0\r\n\r\n"),
            field("Transfer-Encoding: chunked\r\nContent-Length: 3", .refused(400), body: "0\r\n\r\n"),
            field("Content-Length: 3\r\nTransfer-Encoding: chunked", .refused(400), body: "0\r\n\r\n"),
            field("Content-Length: 0\r\nTransfer-Encoding: chunked", .refused(400), body: "0\r\n\r\n"),
            field("Content-Length: 3\r\nTransfer-Encoding:", .refused(400), body: "abc"),
            field("Content-Length: 3\r\nTransfer-Encoding: identity", .refused(400), body: "abc"),
            field("Transfer-Encoding : chunked", .refused(400), body: "0\r\n\r\n"),
            field("Transfer-Encoding\t: chunked", .refused(400), body: "0\r\n\r\n"),
            field("Transfer Encoding: chunked", .refused(400), body: "0\r\n\r\n"),
            field(" Transfer-Encoding: chunked", .refused(400), body: "0\r\n\r\n"),
            field("Transfer-Encoding:\r\n chunked", .refused(400), body: "0\r\n\r\n"),
            field("Transfer-Encoding: chun\r\n ked", .refused(400), body: "0\r\n\r\n"),
            field("Transfer-Encoding: \u{00}chunked", .refused(400), body: "0\r\n\r\n"),
            field("Transfer_Encoding: chunked", .refused(400), body: "0\r\n\r\n"),
            field("X: \rTransfer-Encoding: chunked", .refused(400), body: "0\r\n\r\n", name: "CVE-2023-30589: a bare CR ends no field"),
            field("X: y\nTransfer-Encoding: chunked", .refused(400), body: "0\r\n\r\n"),
            SmugglingCase("chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", .refused(400)),
            SmugglingCase(
                "CVE-2022-35256: CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                .refused(400)),
            SmugglingCase(
                "CVE-2025-23167: CR LF CR and another byte", "GET / HTTP/1.1\r\nHost: a\r\n\rXGET /next HTTP/1.1\r\nHost: a\r\n\r\n",
                .refused(400)),
        ]

    // MARK: Fields

    static let fields: [SmugglingCase] =
        [
            ": 1", " : 1", "X : 1", "X\t: 1", "X\u{0B}: 1", "X Y: 1", "X\u{00}Y: 1", "X\u{E9}: 1", "\"X\": 1", "X/Y: 1", "X@Y: 1", "X(: 1",
            "X)Y: 1", "X,Y: 1",
            "X;Y: 1", "X=Y: 1", "X[Y]: 1", "X{Y}: 1", "X\\Y: 1", "X?Y: 1", "X<Y>: 1", "NoColon", "X\u{7F}: 1", "X: a\u{00}b", "X: \u{01}",
            "X: a\u{08}", "X: \u{0B}",
            "X: a\u{0C}b", "X: \u{1B}[31m", "X: \u{7F}", "X: 0123456789abcdef\u{7F}0123456789", "X: \u{1F}", "X: a\r\n b", "X: a\r\n\tb",
            "X: a\r\n \r\n\tb", "\tX: 1",
            "X: a\r\n b: c", "Connection: keep-alive\r\n , close", "Content-Type: a/b\r\nContent-Type: c/d",
            "Expect: 100-continue\r\nExpect: 100-continue",
        ].map { field($0, .refused(400)) } + [
            field("Expect: 200-ok", .refused(417)),
            field("Expect: 100-continue, x", .refused(417)),
            field("Expect:", .refused(417)),
            SmugglingCase("a blank before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", .refused(400)),
            SmugglingCase("a fold before the first field", "GET / HTTP/1.1\r\n\r\n Host: a\r\n\r\n", .refused(400)),
            SmugglingCase(
                "CVE-2024-27982: a blank before Content-Length", "GET / HTTP/1.1\r\nHost: a\r\n Content-Length: 44\r\n\r\n" + next,
                .refused(400)),
        ]

    // MARK: Line ends

    static let lineEnds: [SmugglingCase] = [
        SmugglingCase("bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", .refused(400)),
        SmugglingCase("bare LF after a field", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", .refused(400)),
        SmugglingCase("bare LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n", .refused(400)),
        SmugglingCase("bare LF everywhere", "GET / HTTP/1.1\nHost: a\n\n", .refused(400)),
        SmugglingCase("bare LF twice after the line", "GET / HTTP/1.1\n\n", .refused(400)),
        SmugglingCase("llhttp#877: a line of 0.9 with fields", "GET /x\nHost: a\r\nContent-Length: 3\r\n\r\nabc", .refused(400)),
        SmugglingCase("a line of 0.9", "GET /x\r\n\r\n", .refused(400)),
        SmugglingCase("bare CR after the request line", "GET / HTTP/1.1\rHost: a\r\n\r\n", .refused(400)),
        SmugglingCase("bare CR in the request line", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
        SmugglingCase("bare CR after a field", "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", .refused(400)),
        SmugglingCase("bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n", .refused(400)),
        SmugglingCase("bare CR in a name", "GET / HTTP/1.1\r\nHost: a\r\nX\rY: z\r\n\r\n", .refused(400)),
        SmugglingCase("CR CR LF", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", .refused(400)),
        SmugglingCase("CR CR LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", .refused(400)),
        SmugglingCase("CR and another byte as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\rA", .refused(400)),
        SmugglingCase("LF CR", "GET / HTTP/1.1\n\rHost: a\n\r\n\r", .refused(400)),
        SmugglingCase("two leading empty lines", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
        SmugglingCase("a leading LF", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
        SmugglingCase("a leading CR", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
        SmugglingCase("a leading blank", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
        SmugglingCase("a TLS greeting", [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00], .refused(400)),
        SmugglingCase("nothing but a line", "GET / HTTP/1.1\r\n", .waits),
        SmugglingCase("half a method", "PO", .waits),
    ]

    // MARK: Chunks

    static let chunks: [SmugglingCase] =
        [
            "+3\r\nabc\r\n0\r\n\r\n", "-3\r\nabc\r\n0\r\n\r\n", "\r\nabc\r\n0\r\n\r\n", " 3\r\nabc\r\n0\r\n\r\n", "3 \r\nabc\r\n0\r\n\r\n",
            "\t3\r\nabc\r\n0\r\n\r\n",
            "3\t\r\nabc\r\n0\r\n\r\n", "0x3\r\nabc\r\n0\r\n\r\n", "3_0\r\nabc\r\n0\r\n\r\n", "3g\r\nabc\r\n0\r\n\r\n",
            "g\r\nabc\r\n0\r\n\r\n", "3.0\r\nabc\r\n0\r\n\r\n",
            "\"3\"\r\nabc\r\n0\r\n\r\n", "3\nabc\r\n0\r\n\r\n", "3\rabc\r\n0\r\n\r\n", "3\r\rabc\r\n0\r\n\r\n", "3\rXabc\r\n0\r\n\r\n",
            "3\r\r\nabc\r\n0\r\n\r\n",
            "\r3\r\nabc\r\n0\r\n\r\n", "3\r\nabcXX0\r\n\r\n", "3\r\nabc\n0\r\n\r\n", "3\r\nabc\r0\r\n\r\n", "3\r\nabc0\r\n\r\n",
            "3\r\nabcd\r\n0\r\n\r\n", "3\r\nabc\r\n\r\n0\r\n\r\n",
            "3\r\nabc\rX0\r\n\r\n", "3\r\nabc\r\r\n0\r\n\r\n", "3\u{00}\r\nabc\r\n0\r\n\r\n", "3\u{0B}\r\nabc\r\n0\r\n\r\n",
            "\u{B3}\r\nabc\r\n0\r\n\r\n", "0\n\n", "0\r\n\n", "0\n\r\n", "0\r\n\rX",
            "0\r\rX", "00000000000000003\r\nabc\r\n0\r\n\r\n", "ffffffffffffffff0\r\nabc", "10000000000000003\r\nabc",
            "12345678901234567890\r\nabc",
        ].map { chunked($0, .refused(400)) } + [
            chunked("ffffffffffffffff\r\nabc", .refused(413)),
            chunked("7fffffffffffffff\r\nabc", .refused(413)),
            chunked("100001\r\nabc", .refused(413)),
            chunked("3\r\nabc\r\nffffffffffffffff\r\nabc", .refused(413)),
            chunked("3\r\nabc\r\nfffffffffffffffd\r\nabc", .refused(413)),
            chunked("0\r\n\r\nX\r\n\r\n", .refusedAfterOne(400), name: "rubbish behind a chunked body"),
        ]

    static let extensions: [SmugglingCase] =
        [
            ";", ";;", "; a", " ;a", ";a ", ";a =b", ";a= b", ";=b", ";a=", ";a=;", ";a=b;", ";a=b ", ";a\u{0D}X", ";a\n", ";a=\"b\n\"",
            ";a=\"b\rX\"", ";\u{00}", ";a\u{00}", ";a=\u{00}", ";\u{E9}",
            ";a=\u{E9}", ";a=\"b\"c", ";a=\"\u{00}\"", ";a=\"\u{7F}\"", ";a\tb", ";a=\"b\\\n\"", "a;b c", ";a,b",
        ].map { chunked("3\($0)\r\nabc\r\n0\r\n\r\n", .refused(400), name: "extension \($0.debugDescription)") } + [
            chunked("3;" + String(repeating: "a", count: 100_000) + "\r\nabc\r\n0\r\n\r\n", .refused(413), name: "an extension of 100 kB"),
            chunked(
                "3;a=\"" + String(repeating: "a", count: 100_000) + "\"\r\nabc\r\n0\r\n\r\n", .refused(413),
                name: "a quoted extension of 100 kB"),
        ]

    static let trailers: [SmugglingCase] =
        [
            "X : y", " X: y", "X: y\r\n z", "X: y\r\n\tz", ": y", "X", "X\u{00}: y", "X: \u{00}", "X: y\nZ: w", "X: y\rZ: w",
            "X: y\r\r\nZ: w", "Transfer-Encoding: chunked",
            "Transfer-Encoding: x", "X\u{E9}: y", "X: \u{7F}",
        ].map { chunked("3\r\nabc\r\n0\r\n\($0)\r\n\r\n", .refused(400), name: "trailer \($0.debugDescription)") } + [
            chunked("0\r\nHost: b\r\nConnection: close\r\nExpect: x\r\n\r\n" + next, .delivered(["", ""]), name: "trailers rule nothing"),
            chunked("0\r\nX: " + String(repeating: "a", count: 100_000) + "\r\n\r\n", .refused(413), name: "a trailer of 100 kB"),
            chunked("0\r\n" + String(repeating: "X: y\r\n", count: 101) + "\r\n", .refused(431), name: "101 trailers"),
        ]

    // MARK: Request lines

    static let requestLines: [SmugglingCase] = [
        line("GET  / HTTP/1.1", .refused(400)), line("GET /  HTTP/1.1", .refused(400)), line("GET\t/ HTTP/1.1", .refused(400)),
        line("GET /\tHTTP/1.1", .refused(400)),
        line("GET / HTTP/1.1 ", .refused(400)), line("GET / HTTP/1.1\t", .refused(400)), line("GET / HTTP /1.1", .refused(400)),
        line("GET / a HTTP/1.1", .refused(400)),
        line("GET / http/1.1", .refused(400)), line("GET / Http/1.1", .refused(400)), line("GET / HTTP/1.10", .refused(400)),
        line("GET / HTTP/01.1", .refused(400)),
        line("GET / HTTP/1", .refused(400)), line("GET / HTTP/1.", .refused(400)), line("GET / HTTP/.1", .refused(400)),
        line("GET / HTTP/1,1", .refused(400)),
        line("GET / HTTPS/1.1", .refused(400)), line("GET / HTP/1.1", .refused(400)), line("GET / 1.1", .refused(400)),
        line("GET /", .refused(400)),
        line("GET", .refused(400)), line("GET / HTTP/1.1\u{0B}", .refused(400)), line("GET / HTTP/1.1\u{00}", .refused(400)),
        line("GET HTTP/1.1", .refused(400)),
        line("GET / HTTP/0.9", .refused(505)), line("GET / HTTP/1.2", .refused(505)), line("GET / HTTP/2.0", .refused(505)),
        line("GET / HTTP/3.0", .refused(505)),
        line("PRI * HTTP/2.0", .refused(505)), line("GET / RTSP/1.0", .refused(505)), line("SETUP / RTSP/1.0", .refused(505)),
        line("SOURCE / ICE/1.0", .refused(505)),
        line("get / HTTP/1.1", .refused(501)), line("Get / HTTP/1.1", .refused(501)), line("BREW / HTTP/1.1", .refused(501)),
        line("CONNECT a:80 HTTP/1.1", .refused(501)),
        line("TRACE / HTTP/1.1", .refused(501)), line("PROPFIND / HTTP/1.1", .refused(501)), line("GETX / HTTP/1.1", .refused(501)),
        line("G(T / HTTP/1.1", .refused(400)), line("G\u{E9}T / HTTP/1.1", .refused(400)), line("G\u{00}T / HTTP/1.1", .refused(400)),
        line("\"GET\" / HTTP/1.1", .refused(400)),
        line(String(repeating: "G", count: 200), .refused(501)),
    ]

    static let targets: [SmugglingCase] = [
        line("GET * HTTP/1.1", .refused(400)), line("OPTIONS *x HTTP/1.1", .refused(400)), line("GET *x HTTP/1.1", .refused(400)),
        line("GET a HTTP/1.1", .refused(400)),
        line("GET a:80 HTTP/1.1", .refused(400)), line("GET ftp://a/ HTTP/1.1", .refused(400)),
        line("GET https://a/ HTTP/1.1", .refused(400)),
        line("GET file:///etc HTTP/1.1", .refused(400)), line("GET http:/a HTTP/1.1", .refused(400)),
        line("GET http://u@a/ HTTP/1.1", .refused(400)),
        line("GET http://u:p@a/ HTTP/1.1", .refused(400)), line("GET http:///x HTTP/1.1", .refused(400)),
        line("GET http://b/ HTTP/1.1", .refused(400)),
        line("GET http://a:81/ HTTP/1.1", .refused(400)), line("GET /#x HTTP/1.1", .refused(400)),
        line("GET /a?b#c HTTP/1.1", .refused(400)),
        line("GET /< HTTP/1.1", .refused(400)), line("GET /> HTTP/1.1", .refused(400)), line("GET /\" HTTP/1.1", .refused(400)),
        line("GET /{} HTTP/1.1", .refused(400)),
        line("GET /\\ HTTP/1.1", .refused(400)), line("GET /^ HTTP/1.1", .refused(400)), line("GET /` HTTP/1.1", .refused(400)),
        line("GET /| HTTP/1.1", .refused(400)),
        line("GET /%zz HTTP/1.1", .refused(400)), line("GET /% HTTP/1.1", .refused(400)), line("GET /%1 HTTP/1.1", .refused(400)),
        line("GET /?%zz HTTP/1.1", .refused(400)),
        line("GET /%00 HTTP/1.1", .refused(400)), line("GET /a%2Fb HTTP/1.1", .refused(400)), line("GET /a%2fb HTTP/1.1", .refused(400)),
        line("GET /\u{00} HTTP/1.1", .refused(400)), line("GET /\u{01} HTTP/1.1", .refused(400)),
        line("GET /\u{0C} HTTP/1.1", .refused(400)),
        line("GET /\u{7F} HTTP/1.1", .refused(400)), line("GET /\u{E9} HTTP/1.1", .refused(400)),
        line("GET /\u{FF} HTTP/1.1", .refused(400)),
        line("GET ? HTTP/1.1", .refused(400)), line("GET //a/ HTTP/1.1", .delivered([""])), line("GET http://a HTTP/1.0", .delivered([""])),
    ]

    // MARK: Hosts

    static let hosts: [SmugglingCase] =
        [
            "", "Host:\r\n", "Host: \r\n", "Host: a\r\nHost: a\r\n", "Host: a\r\nHost: b\r\n", "Host: a\r\nhost: a\r\n", "Host: a, b\r\n",
            "Host: a b\r\n",
            "Host: a,\r\n", "Host: a/b\r\n", "Host: u@a\r\n", "Host: a?b\r\n", "Host: a#b\r\n", "Host: a:b\r\n", "Host: a:80:80\r\n",
            "Host: a:123456\r\n", "Host: :80\r\n",
            "Host: [::1\r\n", "Host: ::1\r\n", "Host: []\r\n", "Host: [::1]x\r\n", "Host: [g]\r\n", "Host: a\\b\r\n", "Host: \u{E9}\r\n",
            "Host: a%41\r\n", "Host : a\r\n",
            "Host: a\r\n b\r\n", "Host: http://a\r\n", "Host: \"a\"\r\n", "Host: a;b\r\n",
        ].map { SmugglingCase("host \($0.debugDescription)", "GET / HTTP/1.1\r\n\($0)\r\n", .refused(400)) }
        + ["a", "A.example", "a:80", "a:", "127.0.0.1:8080", "[::1]", "[::1]:80", "a_b-c.d", "[::ffff:1.2.3.4]:1"].map {
            SmugglingCase("host \($0)", "GET / HTTP/1.1\r\nHost: \($0)\r\n\r\n", .delivered([""]))
        } + [
            SmugglingCase("two hosts in 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", .refused(400)),
            SmugglingCase("absolute target without Host", "GET http://a/ HTTP/1.1\r\n\r\n", .refused(400)),
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
