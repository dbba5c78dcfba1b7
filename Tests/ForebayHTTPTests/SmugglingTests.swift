import Testing

@testable import ForebayHTTP

@Suite("Requests that servers could read in two ways")
struct SmugglingTests {
    @Test("is refused, or read, the same in pieces of any size", arguments: SmugglingCase.all)
    func verdict(_ example: SmugglingCase) {
        for size in Reading.pieceSizes {
            let (seen, stage) = Reading.read(example.bytes, pieces: size)
            switch example.outcome {
            case .refused(let status):
                #expect(seen.count == 1 && isRefusal(seen.last, status), "in pieces of \(size): \(seen)")
                #expect(stage == .finished)
            case .refusedAfterOne(let status):
                #expect(seen.count == 2 && isRefusal(seen.last, status), "in pieces of \(size): \(seen)")
            case .delivered(let bodies):
                #expect(seen.compactMap(\.body) == bodies && seen.count == bodies.count, "in pieces of \(size): \(seen)")
                #expect(stage == .idle || stage == .finished)
            case .waits:
                #expect(seen.isEmpty, "in pieces of \(size): \(seen)")
                #expect(stage == .head || stage == .body || stage == .idle)
            }
        }
    }

    @Test(
        "a line that lacks a part is told as that, and not as one that ends wrongly",
        arguments: [
            ("GET / HTTP/1.1\r\nHost: a\r\nabc\r\n\r\n", "bad_field", "no colon"), ("GET / HTTP/1.1\r\nabc\r\n", "bad_field", "no colon"),
            ("GET /x\r\n\r\n", "bad_request_line", "METHOD target"), ("GET\r\n", "bad_request_line", "METHOD target"),
            ("GET / HTTP/1.1\r\nabc\rd: e\r\n\r\n", "bad_line_end", "CR LF"), ("GET / HTTP/1.1\r\nabc\n", "bad_line_end", "CR LF"),
            ("GET /x\n\n", "bad_line_end", "CR LF"), ("GET /\rx HTTP/1.1\r\n", "bad_line_end", "CR LF"),
        ])
    func lacking(_ text: String, _ code: String, _ detail: String) {
        for size in Reading.pieceSizes {
            let sink = RecordingSink()
            #expect(Reading.read(Array(text.utf8), pieces: size, sink: sink).seen == [.refused(400, code: code)], "in pieces of \(size)")
            #expect(sink.refusal?.detail.contains(detail) == true)
        }
    }

    @Test(
        "a trailer with a name that is for the header alone is refused, in pieces of any size",
        arguments: [
            ("Forebay-Key: k\r\n", true), ("X: y\r\nfOREBAY-:\r\n", true), ("Forebay: k\r\n", false), ("X-Forebay-Key: k\r\n", false),
            ("Fore: k\r\nbay-Key: k\r\n", false), ("FoForebay-: k\r\n", false), ("", false),
        ])
    func trailers(_ trailers: String, isRefused: Bool) {
        var limits = HTTPLimits()
        limits.headerOnly = "forebay-"
        let text = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\(trailers)\r\n"
        for size in Reading.pieceSizes {
            let seen = Reading.read(Array(text.utf8), pieces: size, limits: limits).seen
            #expect(
                seen == (isRefused ? [.refused(400, code: "field_in_trailer")] : [.request(method: "POST", path: "/", body: [0x61])]),
                "in pieces of \(size)")
        }
    }

    private func isRefusal(_ seen: Seen?, _ status: Int) -> Bool {
        if case .refused(status, _) = seen { true } else { false }
    }
}

extension Seen {
    var body: String? {
        if case .request(_, _, let body) = self { String(decoding: body, as: UTF8.self) } else { nil }
    }
}
