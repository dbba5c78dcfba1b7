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
// Safe because: every member is used on the loop, except those under `shared`.
final class FakeServer: RequestAnswering, @unchecked Sendable {
    private struct Shared {
        var answers: [RequestID: SeenAnswer] = [:]
        var answerCount = 0
        var waiting: [RequestID: CheckedContinuation<SeenAnswer, Never>] = [:]
        var handled: CheckedContinuation<Void, Never>?
        var handlerCount = 0
        var isPaused = false
        var pauseCount = 0
        var pauseWaiter: (isPaused: Bool, continuation: CheckedContinuation<Void, Never>)?
    }

    private let scratch = HeadScratch(limits: HTTPLimits())
    private let shared = Mutex(Shared())
    private var handler: any HTTPHandler = StartingHandler()
    private var sequence: UInt32 = 0
    private let place = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 64)
    private var copies: [UnsafeMutableRawBufferPointer] = []

    deinit {
        self.place.deallocate()
        for memory in self.copies { memory.deallocate() }
    }

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
            if isPaused { shared.pauseCount += 1 }
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
        self.sequence += 1
        let id = RequestID(slot: 0, generation: 1, sequence: self.sequence, traits: [])
        var isAccepted = false
        var isDelivered = false
        self.with(Array(request.head.utf8), id) { head in
            switch self.handler.head(head) {
            case .refuse(let response): self.answer(id, response)
            case .accept(let limit):
                precondition(request.body.count <= limit)
                isAccepted = true
                if !request.bodyComesLater {
                    isDelivered = true
                    self.deliver(request, id, head)
                }
            }
        }
        guard isAccepted && !isDelivered else { return id }
        // Others are judged in between, and the head is framed anew, from a copy that lies elsewhere.
        self.with(Array("POST /v1/topics/clicks HTTP/1.1\r\nHost: x\r\nForebay-Key: wrong\r\n\r\n".utf8), id) { _ = self.handler.head($0) }
        self.with(Array(request.head.utf8), id, isCopy: true) { self.deliver(request, id, $0) }
        return id
    }

    /// As the server does, heads come in one place, equal ones with an equal number, and are overwritten after the call; a copy lies
    /// elsewhere, and has none.
    private func with(_ text: [UInt8], _ id: RequestID, isCopy: Bool = false, _ body: (borrowing HTTPRequestHead) -> Void) {
        let memory =
            isCopy ? .allocate(byteCount: text.count, alignment: 1) : UnsafeMutableRawBufferPointer(rebasing: self.place[..<text.count])
        memory.copyBytes(from: text)
        guard case .framed(let framed) = HeaderFraming.frame(UnsafeRawBufferPointer(memory), scratch: self.scratch) else {
            preconditionFailure("no request: \(text)")
        }
        let known =
            isCopy
            ? KnownHead(framed, self.scratch.fields)
            : self.scratch.memory.remember(framed, self.scratch.fields, UnsafeRawBufferPointer(memory)).head
        body(HTTPRequestHead(known, id: id, base: UnsafeRawPointer(memory.baseAddress!), scratch: self.scratch))
        for index in memory.indices { memory[index] = 0xFF }
        // Kept until the end, so that a later copy lies elsewhere; a test has few.
        if isCopy { self.copies.append(memory) }
    }

    private func deliver(_ request: FakeRequest, _ id: RequestID, _ head: borrowing HTTPRequestHead) {
        let body = UnsafeMutableRawBufferPointer.allocate(byteCount: request.body.count, alignment: 1)
        body.copyBytes(from: request.body)
        self.handler.request(id, head, UnsafeRawBufferPointer(body))
        for index in body.indices { body[index] = 0xFF }
        body.deallocate()
    }

    func drop(_ id: RequestID) { self.handler.dropped(id) }

    func end(_ id: RequestID) { self.handler.ended(id) }

    // MARK: From any thread

    func answer(to id: RequestID) -> SeenAnswer? { self.shared.withLock { $0.answers[id] } }
    var isPaused: Bool { self.shared.withLock { $0.isPaused } }
    /// How often reading was paused.
    var pauseCount: Int { self.shared.withLock { $0.pauseCount } }
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
    /// Not in the read that brought the head.
    var bodyComesLater = false

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
