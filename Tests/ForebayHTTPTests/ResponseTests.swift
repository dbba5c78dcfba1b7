import Foundation
import Testing

@testable import ForebayHTTP

@Suite("Answers")
struct ResponseTests {
    @Test(
        "the date is written as HTTP asks",
        arguments: [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_709_164_799, "Wed, 28 Feb 2024 23:59:59 GMT"),
        ])
    func date(seconds: Int, text: String) {
        let date = HTTPDate()
        date.update(to: seconds)
        #expect(String(decoding: date.text, as: UTF8.self) == text)
    }

    @Test("a problem document holds what a client needs, and is JSON whatever the texts hold")
    func problem() throws {
        let items = [ProblemDetails.Item(index: 3, pointer: "/a\"b", code: "bad", detail: "tab\there, \u{1} and \\ and é")]
        let problem = ProblemDetails(status: 503, code: "spool_full", detail: "Line\nbreak", retryAfter: 7, errors: items)
        let id = RequestID(slot: 1, generation: 2, sequence: 3, traits: [])
        let response = problem.response(to: id)
        let json = try #require(try JSONSerialization.jsonObject(with: Data(response.body)) as? [String: Any])
        #expect(json["type"] as? String == "/problems/spool_full")
        #expect(json["title"] as? String == "Service Unavailable")
        #expect(json["status"] as? Int == 503)
        #expect(json["detail"] as? String == "Line\nbreak")
        #expect(json["retryable"] as? Bool == true)
        #expect(json["request_id"] as? String == id.description)
        let item = try #require((json["errors"] as? [[String: Any]])?.first)
        #expect(item["index"] as? Int == 3)
        #expect(item["pointer"] as? String == "/a\"b")
        #expect(item["detail"] as? String == "tab\there, \u{1} and \\ and é")
        #expect(String(decoding: response.fields, as: UTF8.self) == "Content-Type: application/problem+json\r\nRetry-After: 7\r\n")
    }

    @Test("503 and 429 always say when to come back; 400 does not invite")
    func retryAfter() {
        #expect(ProblemDetails(status: 503, code: "x", detail: "").retryAfter == 1)
        #expect(ProblemDetails(status: 429, code: "x", detail: "").isRetryable)
        #expect(ProblemDetails(status: 400, code: "x", detail: "").retryAfter == nil)
        #expect(!ProblemDetails(status: 400, code: "x", detail: "").isRetryable)
        #expect(ProblemDetails.methodNotAllowed(allow: "GET").headers.first?.value == "GET")
    }

    @Test("early answers wait for their turn, each is taken once, and numbers may wrap")
    func answerQueue() {
        let queue = AnswerQueue()
        let (first, second, third) = (queue.open(), queue.open(), queue.open())
        #expect(queue.outstanding == 3)
        queue.keep(AnswerQueue.Early(bytes: [2], closes: false), for: second)
        #expect(!queue.isWaited(second))
        #expect(queue.isWaited(third) && queue.isFirst(first) && queue.isLast(third))
        #expect(queue.takeFirstEarly()?.bytes == nil)
        #expect(queue.unanswered == [first, third])
        queue.advance()
        #expect(queue.takeFirstEarly()?.bytes == [2])
        #expect(queue.takeFirstEarly()?.bytes == nil)
        queue.advance()
        queue.withdrawLast()
        #expect(queue.outstanding == 0 && queue.earlyBytes == 0)
        #expect(!queue.isWaited(third) && !queue.isWaited(first))
    }
}

@Suite("Request heads")
struct RequestHeadTests {
    /// Frames a head and lets a closure look at it.
    private func look<Result>(_ text: String, _ body: (borrowing HTTPRequestHead) -> Result) throws -> Result {
        let scratch = HeadScratch(limits: HTTPLimits())
        return try Array(text.utf8).withUnsafeBytes { bytes in
            guard case .framed(let framed) = HeaderFraming.frame(bytes, scratch: scratch) else { throw ConditionNotMet() }
            let id = RequestID(slot: 0, generation: 0, sequence: 0, traits: [])
            return body(HTTPRequestHead(KnownHead(framed, scratch.fields), id: id, base: bytes.baseAddress!, scratch: scratch))
        }
    }

    private func text(_ bytes: UnsafeRawBufferPointer?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

    @Test("names are found in any case, the first of several, without the blanks around the value")
    func headers() throws {
        try self.look("GET / HTTP/1.1\r\nhOsT: a\r\nX-One:\t 1 2 \t\r\nx-one: 3\r\nEmpty:\r\n\r\n") { head in
            #expect(self.text(head.header("host")) == "a")
            #expect(head.headerText("x-one") == "1 2")
            #expect(head.headerText("empty") == "")
            #expect(head.header("x-two") == nil)
            var all: [String] = []
            head.forEachHeader { all.append(self.text($0)! + "=" + self.text($1)!) }
            #expect(all == ["hOsT=a", "X-One=1 2", "x-one=3", "Empty="])
        }
    }

    @Test("path and query are parted at the first question mark, and only the path is decoded")
    func target() throws {
        try self.look("GET /v1/topics/a%2Eb%25?ack=kafka&x=%20&flag&ack=2 HTTP/1.1\r\nHost: a\r\n\r\n") { head in
            #expect(head.pathText == "/v1/topics/a.b%")
            #expect(self.text(head.path(after: "/v1/topics/")) == "a.b%")
            #expect(head.path(after: "/v2/") == nil)
            #expect(self.text(head.queryParameter("ack")) == "kafka")
            #expect(self.text(head.queryParameter("x")) == "%20")
            #expect(self.text(head.queryParameter("flag")) == "")
            #expect(head.queryParameter("no") == nil)
        }
        try self.look("GET http://a?x=y HTTP/1.1\r\nHost: a\r\n\r\n") { head in
            let isRoot = head.pathIs("/")
            #expect(isRoot)
            #expect(self.text(head.query) == "x=y")
        }
    }

    @Test("a request's name is the same for its whole life, and no other's")
    func requestID() {
        let id = RequestID(slot: 1, generation: 2, sequence: 3, traits: .isHead)
        #expect(id == RequestID(slot: 1, generation: 2, sequence: 3, traits: []))
        #expect(id != RequestID(slot: 1, generation: 3, sequence: 3, traits: []))
        #expect(id.description.count == 32)
        #expect(id.description.hasSuffix("000000010000000200000003"))
    }
}
