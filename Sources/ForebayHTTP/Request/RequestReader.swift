/// What a reader asks of its connection.
protocol RequestSink: AnyObject {
    /// False: too many requests wait for answers, or the client does not take them. No further request is begun.
    var mayBegin: Bool { get }
    /// Takes the next place in the order of answers. Nil: for a refusal, of something that was no request.
    func open(_ head: FramedHead?) -> RequestID
    func judge(_ head: borrowing HTTPRequestHead) -> HTTPVerdict
    func deliver(_ id: RequestID, _ head: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer)
    func refuse(_ id: RequestID, _ refusal: HTTPRefusal)
    func answer(_ id: RequestID, _ response: HTTPResponse)
    /// The client waits for `100 Continue` before it sends its body.
    func inviteBody()
}

/// Turns the bytes of one connection into requests.
///
///     head --whole at once--------------------------------> head …
///       |--body comes later--> counted | chunked --whole--> head …
///       |--refused, small----> skipped -------------------> head …
///       `--refused, or the last of its connection---------> finished
///
/// It owns memory only for an unfinished request: what arrives whole is parsed and delivered where it lies.
final class RequestReader {
    private enum State {
        case head
        case counted(remaining: UInt64, whole: UInt64)
        case chunked(ChunkedFraming, limit: UInt64)
        case skipped(remaining: UInt64)
        case finished
    }

    /// Where the reader stands, for those who watch the time.
    enum Stage { case idle, head, body, finished }

    private let scratch: HeadScratch
    private let limits: HTTPLimits
    private let parser = MessageParser()
    private var state = State.head
    /// Behind a pointer: the checks for exclusive access to a property cost more than what is asked here for each request.
    private let stores = UnsafeMutablePointer<ByteStore>.allocate(capacity: 3)
    /// Bytes that came and belong to nothing yet: an incomplete head, or requests that may not begin yet.
    private var input: UnsafeMutablePointer<ByteStore> { self.stores }
    /// The head of the request whose body is coming. It is framed again when it is whole, which costs less than keeping what was found.
    private var heldHead: UnsafeMutablePointer<ByteStore> { self.stores + 1 }
    private var body: UnsafeMutablePointer<ByteStore> { self.stores + 2 }
    /// The request whose body is coming.
    private(set) var heldID: RequestID?
    private(set) var bodyReceived: UInt64 = 0
    /// Messages that have come whole. Who sees it change knows that what is coming now is another one.
    private(set) var messagesEnded = 0
    /// It has more, and may not begin it: call ``resume(_:)`` when it may.
    private(set) var isHeldUp = false
    private var hasSkippedLine = false
    /// Where in the memory of heads the last one of this connection stands.
    private var lastPlace = 0
    private var isParsing = false

    init(scratch: HeadScratch) {
        self.scratch = scratch
        self.limits = scratch.limits
        for index in 0..<3 { (self.stores + index).initialize(to: ByteStore()) }
    }

    deinit {
        self.stores.deinitialize(count: 3)
        self.stores.deallocate()
    }

    var stage: Stage {
        switch self.state {
        case .head: self.input.pointee.isEmpty ? .idle : .head
        case .counted, .chunked, .skipped: .body
        case .finished: .finished
        }
    }

    /// What the request whose body is coming will still take, at most; of a chunked one nobody knows.
    var remainingBody: UInt64? {
        switch self.state {
        case .counted(let remaining, _): remaining
        case .chunked: nil
        default: 0
        }
    }

    var heldBytes: Int { self.input.pointee.capacity + self.heldHead.pointee.capacity + self.body.pointee.capacity }

    /// Forgets what is unfinished, and takes no more.
    func finish() {
        self.state = .finished
        self.heldID = nil
        // A handler that ends its connection from inside a call still reads the bytes that it was given.
        if !self.isParsing { self.clear() }
    }

    private func clear() {
        self.input.pointee.clear()
        self.heldHead.pointee.clear()
        self.body.pointee.clear()
    }

    /// Takes bytes that lie somewhere else, and keeps what it can't use yet.
    func receive(_ bytes: UnsafeRawBufferPointer, _ sink: some RequestSink) {
        if self.input.pointee.isEmpty {
            let used = self.parse(bytes, sink)
            if used < bytes.count { self.input.pointee.append(UnsafeRawBufferPointer(rebasing: bytes[used...])) }
            if case .finished = self.state { self.clear() }
        } else {
            // A head is only worth another look when a line of it may have ended, else a client could have it read again for each byte.
            let mayEndLine = self.input.pointee.bytes.last == 0x0D || bytes.contains { $0 == 0x0A || $0 == 0x0D }
            self.input.pointee.append(bytes)
            if case .head = self.state, self.input.pointee.count <= self.limits.header, !mayEndLine { return }
            self.resume(sink)
        }
    }

    /// Goes on with what is kept, when requests may begin again.
    func resume(_ sink: some RequestSink) {
        guard !self.input.pointee.isEmpty else { return }
        let used = self.parse(self.input.pointee.bytes, sink)
        self.input.pointee.removeFirst(used)
        if case .finished = self.state { self.clear() }
    }

    private func parse(_ bytes: UnsafeRawBufferPointer, _ sink: some RequestSink) -> Int {
        self.isParsing = true
        defer { self.isParsing = false }
        var offset = 0
        while offset < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
            let used: Int?
            switch self.state {
            case .head:
                self.isHeldUp = !sink.mayBegin
                used = self.isHeldUp ? nil : self.parseHead(rest, sink)
            case .counted(let remaining, let whole): used = self.parseCounted(rest, remaining, whole, sink)
            case .chunked(let framing, let limit): used = self.parseChunked(rest, framing, limit, sink)
            case .skipped(let remaining): used = self.skip(rest, remaining)
            case .finished: return bytes.count
            }
            guard let used else { return offset }
            offset += used
        }
        if case .finished = self.state { return bytes.count }
        return offset
    }

    // MARK: Heads

    /// Returns how many bytes it took, or nil if it needs more.
    private func parseHead(_ bytes: UnsafeRawBufferPointer, _ sink: some RequestSink) -> Int? {
        if bytes[0] == 0x0D && !self.hasSkippedLine {
            // One empty line before a request is allowed: some clients send one too many after a body.
            guard bytes.count > 1 else { return nil }
            guard bytes[1] == 0x0A else { return self.refuse(.lineEnd, sink) }
            self.hasSkippedLine = true
            return 2
        }
        if let known = self.scratch.memory.find(at: self.lastPlace, in: bytes), known.pointee.framed.isWhole(in: bytes) {
            self.hasSkippedLine = false
            return self.begin(known.pointee, bytes, sink, isRepeat: true)
        }
        switch HeaderFraming.frame(bytes, scratch: self.scratch) {
        case .incomplete: return nil
        case .refused(let refusal): return self.refuse(refusal, sink)
        case .framed(let framed):
            guard self.parser.accepts(framed, UnsafeRawBufferPointer(rebasing: bytes[..<framed.length])) else {
                return self.refuse(.parser, sink)
            }
            self.hasSkippedLine = false
            let (known, place) = self.scratch.memory.remember(framed, self.scratch.fields, bytes)
            if let place { self.lastPlace = place }
            return self.begin(known, bytes, sink, isRepeat: false)
        }
    }

    /// - Parameter isRepeat: the message is whole, and both readers have passed a head of the same bytes before: llhttp has not seen it.
    private func begin(_ known: KnownHead, _ bytes: UnsafeRawBufferPointer, _ sink: some RequestSink, isRepeat: Bool) -> Int {
        let framed = known.framed
        let id = sink.open(framed)
        let head = HTTPRequestHead(known, id: id, base: bytes.baseAddress!, scratch: self.scratch)
        switch sink.judge(head) {
        case .refuse(let response):
            return self.passOver(id, framed, response, sink)
        case .accept(let limit):
            switch framed.body {
            case .none, .length(0):
                sink.deliver(id, head, UnsafeRawBufferPointer(start: nil, count: 0))
                self.endMessage(framed)
                return framed.length
            case .length(let length):
                let limit = UInt64(Swift.max(0, limit))
                guard length <= limit else { return self.refuse(id, .bodyTooLarge(limit), sink) }
                return self.beginBody(id, head, framed, Int(length), bytes, sink, isRepeat: isRepeat)
            case .chunked:
                self.hold(id, framed, bytes)
                self.state = .chunked(ChunkedFraming(), limit: UInt64(Swift.max(0, limit)))
                if framed.expectsContinue && bytes.count == framed.length { sink.inviteBody() }
                return framed.length
            }
        }
    }

    private func beginBody(
        _ id: RequestID, _ head: borrowing HTTPRequestHead, _ framed: FramedHead, _ length: Int, _ bytes: UnsafeRawBufferPointer,
        _ sink: some RequestSink, isRepeat: Bool
    ) -> Int {
        guard bytes.count - framed.length >= length else {
            self.hold(id, framed, bytes)
            self.state = .counted(remaining: UInt64(length), whole: UInt64(length))
            if framed.expectsContinue && bytes.count == framed.length { sink.inviteBody() }
            return framed.length
        }
        let body = UnsafeRawBufferPointer(rebasing: bytes[framed.length..<framed.length + length])
        guard isRepeat || self.parser.acceptsBody(body, isLast: true) else { return self.refuse(id, .parser, sink) }
        sink.deliver(id, head, body)
        self.endMessage(framed)
        return framed.length + length
    }

    private func hold(_ id: RequestID, _ framed: FramedHead, _ bytes: UnsafeRawBufferPointer) {
        self.heldID = id
        self.bodyReceived = 0
        self.heldHead.pointee.append(UnsafeRawBufferPointer(rebasing: bytes[..<framed.length]))
    }

    // MARK: Bodies

    private func parseCounted(_ bytes: UnsafeRawBufferPointer, _ remaining: UInt64, _ whole: UInt64, _ sink: some RequestSink) -> Int {
        let count = Int(Swift.min(UInt64(bytes.count), remaining))
        let part = UnsafeRawBufferPointer(rebasing: bytes[..<count])
        guard self.parser.acceptsBody(part, isLast: UInt64(count) == remaining) else { return self.refuseHeld(.parser, sink) }
        self.body.pointee.append(part, expected: Int(whole))
        self.bodyReceived += UInt64(count)
        self.state = .counted(remaining: remaining - UInt64(count), whole: whole)
        if UInt64(count) == remaining { self.deliverHeld(sink) }
        return count
    }

    private func parseChunked(_ bytes: UnsafeRawBufferPointer, _ framing: ChunkedFraming, _ limit: UInt64, _ sink: some RequestSink) -> Int
    {
        var framing = framing
        switch framing.consume(bytes, into: &self.body.pointee, bodyLimit: limit, limits: self.limits) {
        case .refused(let refusal):
            return self.refuseHeld(refusal, sink)
        case .more:
            guard self.parser.acceptsBody(bytes, isLast: false) else { return self.refuseHeld(.parser, sink) }
            self.bodyReceived += UInt64(bytes.count)
            self.state = .chunked(framing, limit: limit)
            return bytes.count
        case .complete(let consumed):
            let part = UnsafeRawBufferPointer(rebasing: bytes[..<consumed])
            guard self.parser.acceptsBody(part, isLast: true), self.parser.bodyCount == framing.bodyCount else {
                return self.refuseHeld(.parser, sink)
            }
            self.deliverHeld(sink)
            return consumed
        }
    }

    private func deliverHeld(_ sink: some RequestSink) {
        guard let id = self.heldID, case .framed(let framed) = HeaderFraming.frame(self.heldHead.pointee.bytes, scratch: self.scratch)
        else {
            preconditionFailure("a head that was framed once is framed again")
        }
        self.heldID = nil
        sink.deliver(
            id,
            HTTPRequestHead(
                KnownHead(framed, self.scratch.fields), id: id, base: self.heldHead.pointee.bytes.baseAddress!, scratch: self.scratch),
            self.body.pointee.bytes)
        self.heldHead.pointee.clear()
        self.body.pointee.clear()
        self.endMessage(framed)
    }

    private func endMessage(_ framed: FramedHead) {
        self.messagesEnded += 1
        if case .finished = self.state { return }
        self.state = framed.keepsAlive ? .head : .finished
    }

    private func skip(_ bytes: UnsafeRawBufferPointer, _ remaining: UInt64) -> Int {
        let count = Int(Swift.min(UInt64(bytes.count), remaining))
        self.bodyReceived += UInt64(count)
        guard UInt64(count) == remaining else {
            self.state = .skipped(remaining: remaining - UInt64(count))
            return count
        }
        self.state = .head
        self.messagesEnded += 1
        return count
    }

    // MARK: Refusals

    /// The handler won't have it: keep the connection if its body is soon over.
    private func passOver(_ id: RequestID, _ framed: FramedHead, _ response: HTTPResponse, _ sink: some RequestSink) -> Int {
        var response = response
        switch framed.body {
        case .none, .length(0):
            self.endMessage(framed)
        case .length(let length)
        where framed.keepsAlive && !framed.expectsContinue && length <= UInt64(self.limits.skippedBody) && !response.closes:
            self.bodyReceived = 0
            self.state = .skipped(remaining: length)
        default:
            response.closes = true
        }
        if response.closes { self.state = .finished }
        sink.answer(id, response)
        return framed.length
    }

    private func refuse(_ refusal: HTTPRefusal, _ sink: some RequestSink) -> Int {
        self.refuse(sink.open(nil), refusal, sink)
    }

    private func refuseHeld(_ refusal: HTTPRefusal, _ sink: some RequestSink) -> Int {
        self.refuse(self.heldID ?? sink.open(nil), refusal, sink)
    }

    /// Whoever breaks the rules once is not listened to again.
    private func refuse(_ id: RequestID, _ refusal: HTTPRefusal, _ sink: some RequestSink) -> Int {
        self.state = .finished
        self.heldID = nil
        sink.refuse(id, refusal)
        return 0
    }
}
