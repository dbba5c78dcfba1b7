/// Turns the bytes of one connection into requests.
///
///     head --whole at once--------------------------------> head …
///       |--body comes later--> body --whole---------------> head …
///       |--refused, small----> skipped -------------------> head …
///       `--refused, or the last of its connection---------> finished
///
/// It owns memory only for an unfinished request: what arrives whole is parsed and delivered where it lies.
final class RequestReader {
    private enum State {
        case head
        /// Of the held request.
        case body
        case skipped(remaining: UInt64)
        case finished
    }

    /// Where the reader stands, for those who watch the time.
    enum Stage { case idle, head, body, finished }

    private let scratch: HeadScratch
    private let limits: HTTPLimits
    private let parser = MessageParser()
    private var state = State.head
    // Behind pointers: the checks for exclusive access to a property cost more than what is asked here for each request.
    /// Bytes that came and belong to nothing yet: an incomplete head, or requests that may not begin yet.
    private let input = UnsafeMutablePointer<ByteStore>.allocate(capacity: 1)
    /// The request whose body is coming.
    private let held = UnsafeMutablePointer<HeldRequest>.allocate(capacity: 1)
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
        self.input.initialize(to: ByteStore())
        self.held.initialize(to: HeldRequest())
    }

    deinit {
        self.input.deinitialize(count: 1)
        self.input.deallocate()
        self.held.deinitialize(count: 1)
        self.held.deallocate()
    }

    var stage: Stage {
        switch self.state {
        case .head: self.input.pointee.isEmpty ? .idle : .head
        case .body, .skipped: .body
        case .finished: .finished
        }
    }

    /// Of the request whose body is coming.
    var heldID: RequestID? { self.held.pointee.id }

    /// What the request whose body is coming will still take, at most; of a chunked one nobody knows.
    var remainingBody: UInt64? {
        guard case .body = self.state else { return 0 }
        return self.held.pointee.remaining
    }

    var heldBytes: Int { self.input.pointee.capacity + self.held.pointee.capacity }

    /// Forgets what is unfinished, and takes no more.
    func finish() {
        self.state = .finished
        self.held.pointee.withdraw()
        // A handler that ends its connection from inside a call still reads the bytes that it was given.
        if !self.isParsing { self.clear() }
    }

    private func clear() {
        self.input.pointee.clear()
        self.held.pointee.clear()
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
            case .body: used = self.parseBody(rest, sink)
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
                guard length <= limit else { return self.refuse(id, .bodyTooLarge(limit, self.limits), sink) }
                return self.beginBody(id, head, framed, Int(length), bytes, sink, isRepeat: isRepeat)
            case .chunked: return self.hold(id, framed, bytes, limit: UInt64(Swift.max(0, limit)), sink)
            }
        }
    }

    private func beginBody(
        _ id: RequestID, _ head: borrowing HTTPRequestHead, _ framed: FramedHead, _ length: Int, _ bytes: UnsafeRawBufferPointer,
        _ sink: some RequestSink, isRepeat: Bool
    ) -> Int {
        guard bytes.count - framed.length >= length else { return self.hold(id, framed, bytes, limit: UInt64(length), sink) }
        let body = UnsafeRawBufferPointer(rebasing: bytes[framed.length..<framed.length + length])
        guard isRepeat || self.parser.acceptsBody(body, isLast: true) else { return self.refuse(id, .parser, sink) }
        sink.deliver(id, head, body)
        self.endMessage(framed)
        return framed.length + length
    }

    // MARK: Bodies that come later

    private func hold(
        _ id: RequestID, _ framed: FramedHead, _ bytes: UnsafeRawBufferPointer, limit: UInt64, _ sink: some RequestSink
    ) -> Int {
        self.held.pointee.begin(id, head: UnsafeRawBufferPointer(rebasing: bytes[..<framed.length]), framed.body, limit: limit)
        self.bodyReceived = 0
        self.state = .body
        if framed.expectsContinue && bytes.count == framed.length { sink.inviteBody() }
        return framed.length
    }

    private func parseBody(_ bytes: UnsafeRawBufferPointer, _ sink: some RequestSink) -> Int {
        let (count, isLast): (Int, Bool)
        switch self.held.pointee.take(bytes, self.limits) {
        case .refused(let refusal): return self.refuseHeld(refusal, sink)
        case .more: (count, isLast) = (bytes.count, false)
        case .complete(let consumed): (count, isLast) = (consumed, true)
        }
        guard self.parser.acceptsBody(UnsafeRawBufferPointer(rebasing: bytes[..<count]), isLast: isLast),
            !isLast || self.parser.bodyCount == UInt64(self.held.pointee.body.count)
        else { return self.refuseHeld(.parser, sink) }
        self.bodyReceived += UInt64(count)
        if isLast { self.deliverHeld(sink) }
        return count
    }

    private func deliverHeld(_ sink: some RequestSink) {
        let bytes = self.held.pointee.head
        guard let id = self.heldID, case .framed(let framed) = HeaderFraming.frame(bytes, scratch: self.scratch) else {
            preconditionFailure("a head that was framed once is framed again")
        }
        self.held.pointee.withdraw()
        sink.deliver(
            id, HTTPRequestHead(KnownHead(framed, self.scratch.fields), id: id, base: bytes.baseAddress!, scratch: self.scratch),
            self.held.pointee.body)
        self.held.pointee.clear()
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
        self.held.pointee.withdraw()
        sink.refuse(id, refusal)
        return 0
    }
}
