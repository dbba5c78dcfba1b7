/// What stands in a head: its first line, its fields, and how lines end.
extension SmugglingCase {
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
}
