import CLLHTTP

/// llhttp, strict, as the second reader of each message: it is fed what our own framing has passed, and must come to the same result.
/// Where the two differ, somebody else may differ too, so the request is refused.
struct MessageParser: ~Copyable {
    /// What the callbacks saw. Plain memory, so that they touch no object that is in use.
    fileprivate struct Notes {
        var headIsComplete = false
        var messageIsComplete = false
        var isChunked = false
        var contentLength: UInt64?
        var bodyCount: UInt64 = 0
    }

    private let parser: UnsafeMutablePointer<llhttp_t>
    private let notes: UnsafeMutablePointer<Notes>

    init() {
        self.parser = .allocate(capacity: 1)
        self.notes = .allocate(capacity: 1)
        self.notes.initialize(to: Notes())
        llhttp_init(self.parser, HTTP_REQUEST, settings)
        self.parser.pointee.data = UnsafeMutableRawPointer(self.notes)
    }

    deinit {
        self.parser.deallocate()
        self.notes.deallocate()
    }

    /// A whole head. False: llhttp refuses it, or reads it otherwise.
    func accepts(_ head: borrowing FramedHead, _ bytes: UnsafeRawBufferPointer) -> Bool {
        llhttp_reset(self.parser)  // Errors and pauses stick, and a trailer must not rule the next message.
        self.notes.pointee = Notes()
        guard self.feed(bytes), self.notes.pointee.headIsComplete else { return false }
        switch head.body {
        case .none: return self.notes.pointee.contentLength == nil && !self.notes.pointee.isChunked && self.notes.pointee.messageIsComplete
        case .length(let length): return self.notes.pointee.contentLength == length && self.notes.pointee.messageIsComplete == (length == 0)
        case .chunked: return self.notes.pointee.isChunked && !self.notes.pointee.messageIsComplete
        }
    }

    /// Some of the body, framing included. False: llhttp refuses it, or sees its end elsewhere.
    func acceptsBody(_ bytes: UnsafeRawBufferPointer, isLast: Bool) -> Bool {
        self.feed(bytes) && self.notes.pointee.messageIsComplete == isLast
    }

    /// How many bytes of body llhttp has seen, its chunks' framing apart.
    var bodyCount: UInt64 { self.notes.pointee.bodyCount }

    /// True if all of it was taken, and nothing found wrong.
    private func feed(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self) else { return true }
        switch llhttp_execute(self.parser, start, bytes.count) {
        case HPE_OK: return true
        case HPE_PAUSED: return llhttp_get_error_pos(self.parser) == start + bytes.count  // At the end of the message.
        default: return false
        }
    }
}

private func notes(_ parser: UnsafeMutablePointer<llhttp_t>?) -> UnsafeMutablePointer<MessageParser.Notes> {
    parser!.pointee.data.assumingMemoryBound(to: MessageParser.Notes.self)
}

// Safe because: written once here, and only read after.
private nonisolated(unsafe) let settings: UnsafePointer<llhttp_settings_t> = {
    let settings = UnsafeMutablePointer<llhttp_settings_t>.allocate(capacity: 1)
    llhttp_settings_init(settings)
    settings.pointee.on_headers_complete = { parser in
        let parser = parser!
        parser.pointee.upgrade = 0  // An offer to change the protocol may be ignored, and is.
        let flags = CInt(parser.pointee.flags)
        let notes = notes(parser)
        notes.pointee.headIsComplete = true
        notes.pointee.isChunked = flags & CInt(F_CHUNKED.rawValue) != 0
        notes.pointee.contentLength = flags & CInt(F_CONTENT_LENGTH.rawValue) != 0 ? parser.pointee.content_length : nil
        return 0
    }
    settings.pointee.on_body = { parser, _, count in
        notes(parser).pointee.bodyCount += UInt64(count)
        return 0
    }
    settings.pointee.on_message_complete = { parser in
        notes(parser).pointee.messageIsComplete = true
        return CInt(HPE_PAUSED.rawValue)
    }
    return UnsafePointer(settings)
}()
