import ForebayCore
import Testing

@testable import ForebayIngest

/// What a web page can make a browser send to any address, without asking first.
@Suite("Requests of web pages", .timeLimit(.minutes(1)))
struct WebPageTests {
    private static let unasked: [String?] = [
        nil, "", "text/plain", "Text/Plain;charset=UTF-8", " text/plain ; a=\"x,y\"", "application/x-www-form-urlencoded",
        "APPLICATION/x-www-form-urlencoded;charset=x", "text/ping", "application/csp-report", "application/reports+json",
    ]
    private static let pages: [(String, String)] = [
        ("Origin", "http://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site"), ("sec-fetch-site", " Same-Site"),
    ]

    private static func request(_ type: String?, _ header: (String, String)...) -> FakeRequest {
        FakeRequest("/v1/topics/orders", "1", headers: (type.map { [("Content-Type", $0)] } ?? []) + header)
    }

    @Test("are refused where the browser sends them without a preflight", arguments: Self.unasked)
    func refused(_ type: String?) async throws {
        try await IngestHarness.with(IngestHarness()) { harness, buffer in
            for page in Self.pages {
                let answer = await harness.answer(to: Self.request(type, page))
                #expect(answer.status == 403 && answer.member("code") == "origin_not_allowed", "\(page)")
                #expect(answer.member("detail")?.contains(type.map { _ in "Content-Type" } ?? "no Content-Type") == true)
            }
            await harness.turn()
            #expect(buffer.take().isEmpty)
        }
    }

    @Test("multipart is refused to everybody, in an envelope's place too")
    func parts() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, _ in
            for page in Self.pages {
                let answer = await harness.answer(to: Self.request("multipart/form-data; boundary=x", page))
                #expect(answer.status == 415)
                let envelope = FakeRequest("/v1/events", #"{"topic":"orders"}"#, headers: [("Content-Type", "text/plain"), page])
                #expect(await harness.answer(to: envelope).status == 403)
            }
        }
    }

    @Test("are taken with a type that browsers ask about first, and without what browsers send")
    func taken() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, buffer in
            await harness.send(
                Self.request("application/octet-stream", ("Origin", "http://a.example")),
                Self.request("application/json; charset=utf-8", ("Origin", "http://a.example"), ("Sec-Fetch-Site", "cross-site")),
                Self.request("text/plain", ("Sec-Fetch-Site", "same-origin")), Self.request(nil, ("Sec-Fetch-Site", "none")),
                Self.request("text/plain", ("Sec-Fetch-Mode", "no-cors"), ("Originator", "me")))
            for type in Self.unasked { await harness.send(Self.request(type)) }
            buffer.storeAll()
            #expect(buffer.stored.count == 5 + Self.unasked.count)
        }
    }

    @Test("what a head said of its sender holds for no other head")
    func next() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, buffer in
            let (page, producer) = (Self.request("text/plain", ("Origin", "null")), Self.request("text/plain"))
            await harness.send(producer, page, producer, page, page, producer)
            buffer.storeAll()
            #expect(buffer.stored.count == 3)
        }
    }
}
