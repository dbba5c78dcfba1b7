import ForebayCore
import ForebayNet
import Synchronization

@testable import ForebayHTTP
@testable import ForebayIngest

/// An answer as a client would see it.
struct SeenAnswer: Equatable, Sendable {
    var status: Int
    var fields: String
    var body: String

    /// The value of a member of a problem document; strings without their quotes.
    func member(_ name: String) -> String? {
        guard let found = self.body.firstRange(of: "\"\(name)\":") else { return nil }
        let rest = self.body[found.upperBound...]
        if rest.first == "\"" { return rest.dropFirst().firstIndex(of: "\"").map { String(rest.dropFirst()[..<$0]) } }
        return rest.firstIndex { ",}".contains($0) }.map { String(rest[..<$0]) }
    }
}

/// A server without sockets: frames requests as the real one does, and keeps the answers. Lives on the loop.
final class FakeServer: RequestAnswering, @unchecked Sendable {  // Safe because: every member is used on the loop, except those under `shared`.
    private struct Shared {
        var answers: [RequestID: SeenAnswer] = [:]
        var answerCount = 0
        var waiting: [RequestID: CheckedContinuation<SeenAnswer, Never>] = [:]
        var handled: CheckedContinuation<Void, Never>?
        var handlerCount = 0
        var isPaused = false
        var pauseWaiter: (isPaused: Bool, continuation: CheckedContinuation<Void, Never>)?
    }

    private let scratch = HeadScratch(limits: HTTPLimits())
    private let shared = Mutex(Shared())
    private var handler: any HTTPHandler = StartingHandler()
    private var sequence: UInt32 = 0

    // MARK: What the stage sees

    func answer(_ id: RequestID, _ response: HTTPResponse) {
        self.keep(id, SeenAnswer(status: response.status, fields: Self.text(response.fields), body: Self.text(response.body)))
    }

    func answer(_ id: RequestID, status: Int, fields: StaticString, body: UnsafeRawBufferPointer) {
        self.keep(id, SeenAnswer(status: status, fields: "\(fields)", body: String(decoding: body, as: UTF8.self)))
    }

    func replaceHandler(_ handler: any HTTPHandler) {
        self.handler = handler
        let waiting = self.shared.withLock { shared in
            shared.handlerCount += 1
            defer { shared.handled = nil }
            return shared.handled
        }
        waiting?.resume()
    }

    func pauseReading() { self.setPaused(true) }
    func resumeReading() { self.setPaused(false) }

    private func setPaused(_ isPaused: Bool) {
        let waiter = self.shared.withLock { shared -> CheckedContinuation<Void, Never>? in
            shared.isPaused = isPaused
            guard let waiter = shared.pauseWaiter, waiter.isPaused == isPaused else { return nil }
            shared.pauseWaiter = nil
            return waiter.continuation
        }
        waiter?.resume()
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private func keep(_ id: RequestID, _ answer: SeenAnswer) {
        let waiting = self.shared.withLock { shared in
            precondition(shared.answers[id] == nil, "answered twice")
            shared.answers[id] = answer
            shared.answerCount += 1
            return shared.waiting.removeValue(forKey: id)
        }
        waiting?.resume(returning: answer)
    }

    // MARK: What a test does

    /// Sends a request as a connection would: its head is judged, then its body is given.
    func send(_ request: FakeRequest) -> RequestID {
        let head = Array(request.head.utf8)
        self.sequence += 1
        let id = RequestID(slot: 0, generation: 1, sequence: self.sequence, traits: [])
        head.withUnsafeBytes { bytes in
            guard case .framed(let framed) = HeaderFraming.frame(bytes, scratch: self.scratch) else {
                preconditionFailure("no request: \(request.head)")
            }
            let seen = HTTPRequestHead(framed, id: id, base: bytes.baseAddress!, scratch: self.scratch)
            switch self.handler.head(seen) {
            case .refuse(let response): self.answer(id, response)
            case .accept(let limit):
                precondition(request.body.count <= limit)
                // The buffer is gone after the call, as the socket's is.
                let body = UnsafeMutableRawBufferPointer.allocate(byteCount: request.body.count, alignment: 1)
                body.copyBytes(from: request.body)
                self.handler.request(id, seen, UnsafeRawBufferPointer(body))
                for index in body.indices { body[index] = 0xFF }
                body.deallocate()
            }
        }
        return id
    }

    func drop(_ id: RequestID) { self.handler.dropped(id) }

    // MARK: From any thread

    func answer(to id: RequestID) -> SeenAnswer? { self.shared.withLock { $0.answers[id] } }
    var isPaused: Bool { self.shared.withLock { $0.isPaused } }
    var answerCount: Int { self.shared.withLock { $0.answerCount } }

    func untilAnswered(_ id: RequestID) async -> SeenAnswer {
        await withCheckedContinuation { continuation in
            let known = self.shared.withLock { shared in
                if shared.answers[id] == nil { shared.waiting[id] = continuation }
                return shared.answers[id]
            }
            if let known { continuation.resume(returning: known) }
        }
    }

    /// Until a handler was set that many times in all.
    func untilHandled(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isHandled = self.shared.withLock { shared in
                if shared.handlerCount < count { shared.handled = continuation }
                return shared.handlerCount >= count
            }
            if isHandled { continuation.resume() }
        }
    }

    func untilPaused(_ isPaused: Bool) async {
        await withCheckedContinuation { continuation in
            let isSo = self.shared.withLock { shared in
                if shared.isPaused != isPaused { shared.pauseWaiter = (isPaused, continuation) }
                return shared.isPaused == isPaused
            }
            if isSo { continuation.resume() }
        }
    }
}

struct FakeRequest: Sendable {
    var method = "POST"
    var target: String
    var headers: [(String, String)] = []
    var body: [UInt8] = []

    init(_ target: String, _ body: String = "x", type: String? = nil, headers: [(String, String)] = [], method: String = "POST") {
        self.method = method
        self.target = target
        self.headers = (type.map { [("Content-Type", $0)] } ?? []) + headers
        self.body = Array(body.utf8)
    }

    var head: String {
        "\(self.method) \(self.target) HTTP/1.1\r\nHost: test\r\nContent-Length: \(self.body.count)\r\n"
            + self.headers.map { "\($0): \($1)\r\n" }.joined() + "\r\n"
    }
}
