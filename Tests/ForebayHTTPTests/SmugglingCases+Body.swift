/// Where a body ends.
extension SmugglingCase {
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
}
