import ForebayCore

/// Turns the body of a request into events, checked, and appends them to what is gathered: a line's or an element's own bytes go
/// straight from the socket's buffer into the batch.
struct BodyDecoder: ~Copyable {
    /// What one request is decoded with.
    struct Request {
        /// Where its events go; none where each names its own topic.
        var target: TopicTarget?
        /// For events without a timestamp, milliseconds since 1970.
        var now: Int64
    }

    var key = JSONUnescaper()
    var envelope: EnvelopeReader
    let timestamps: TimestampRule

    init(_ limits: IngestConfiguration.Limits) {
        self.envelope = EnvelopeReader(headerLimit: limits.headersPerEvent)
        self.timestamps = limits.timestamp
    }

    /// - Throws: what is wrong with the first event that is; the caller rolls back.
    mutating func decode(
        _ body: UnsafeRawBufferPointer, _ fields: borrowing RequestFields, _ request: Request, routes: inout IngestRoutes,
        into sink: inout EventSink
    ) throws(Refusal) {
        if body.isEmpty { throw Refusal(.emptyBody, "the body is empty; a tombstone is an envelope without a value") }
        if fields.kind.isEnvelope && fields.speakOfEvents {
            throw Refusal(.headerForEnvelopes, "envelopes carry their own key, id, timestamp and headers: leave out the Forebay- headers")
        }
        if let timestamp = fields.timestamp, let fault = self.timestamps.fault(in: timestamp, now: request.now) {
            throw Refusal(.invalidTimestamp, "Forebay-Timestamp: \(fault)")
        }
        switch fields.kind {
        case .raw: try self.raw(body, fields, request, &sink)
        case .json: try self.json(body, fields, request, &sink)
        case .lines: try self.lines(body, fields, request, &sink)
        case .envelopes: try self.envelopes(body, request, &routes, &sink)
        case .envelopeLines: try self.envelopeLines(body, request, &routes, &sink)
        }
    }

    private mutating func raw(
        _ body: UnsafeRawBufferPointer, _ fields: borrowing RequestFields, _ request: Request, _ sink: inout EventSink
    ) throws(Refusal) {
        guard let target = request.target else { return }
        if target.rules.requiresJSON { return try self.plain(body, at: .init(offset: 0, line: nil), fields, target, request, &sink) }
        var event = EventFields(topic: target.storedName, value: body, timestamp: fields.timestamp ?? request.now)
        event.headers = fields.headers.bytes
        event.key = fields.key
        if let id = fields.id { event.id = id }
        try sink.append(event, target)
    }

    private mutating func json(
        _ body: UnsafeRawBufferPointer, _ fields: borrowing RequestFields, _ request: Request, _ sink: inout EventSink
    ) throws(Refusal) {
        guard let target = request.target else { return }
        let text = JSONText(body)
        let start = text.skipSpace(0)
        guard text.byte(at: start) == UInt8(ascii: "[") else {
            return try self.plain(body, at: .init(offset: 0, line: nil), fields, target, request, &sink)
        }
        var elements = JSONElements(of: text, at: start, depth: 0)
        while true {
            let element: Range<Int>
            do {
                guard let next = try elements.next() else { break }
                element = next
            } catch {
                throw Self.malformed(error, event: sink.count, at: .init(offset: 0, line: nil))
            }
            try self.checked(text[element], at: .init(offset: element.lowerBound, line: nil), fields, target, request, &sink)
        }
        try Self.checkEnd(of: text, after: elements.end, events: sink.count)
    }

    private mutating func lines(
        _ body: UnsafeRawBufferPointer, _ fields: borrowing RequestFields, _ request: Request, _ sink: inout EventSink
    ) throws(Refusal) {
        guard let target = request.target else { return }
        var lines = LineSplitter(body)
        while let line = lines.next() {
            try self.plain(line, at: .init(offset: 0, line: lines.number), fields, target, request, &sink)
        }
        if sink.count == 0 { throw Refusal(.emptyBody, "the body has no line with an event") }
    }

    /// One event that is a JSON value and nothing else, not checked yet.
    @inline(__always)
    private mutating func plain(
        _ value: UnsafeRawBufferPointer, at place: Place, _ fields: borrowing RequestFields, _ target: TopicTarget, _ request: Request,
        _ sink: inout EventSink
    ) throws(Refusal) {
        if target.rules.key != nil && fields.key == nil {  // Then finding the key checks the value, in one pass.
            return try self.checked(value, at: place, fields, target, request, &sink)
        }
        do {
            try JSONScanner.check(value)
        } catch {
            throw Self.malformed(error, event: sink.count, at: place)
        }
        try self.checked(value, at: place, fields, target, request, &sink)
    }

    @inline(__always)
    private mutating func checked(
        _ value: UnsafeRawBufferPointer, at place: Place, _ fields: borrowing RequestFields, _ target: TopicTarget, _ request: Request,
        _ sink: inout EventSink
    ) throws(Refusal) {
        var event = EventFields(topic: target.storedName, value: value, timestamp: fields.timestamp ?? request.now)
        event.headers = fields.headers.bytes
        if let key = fields.key {
            if sink.count > 0 {
                throw Refusal(.keyForManyEvents, "Forebay-Key stands for one event, and the body has several; use envelopes", event: 1)
            }
            event.key = key
        } else if let path = target.rules.key {
            event.key = try self.key(at: path, in: value, at: place, event: sink.count)
        }
        if let id = fields.id {
            if sink.count > 0 {
                throw Refusal(.idForManyEvents, "Forebay-Id stands for one event, and the body has several; use envelopes", event: 1)
            }
            event.id = id
        }
        try sink.append(event, target)
    }

    /// The key that stands in a JSON value; valid until the next call.
    mutating func key(
        at path: JSONPath, in value: UnsafeRawBufferPointer, at place: Place, event index: Int
    ) throws(Refusal) -> UnsafeRawBufferPointer? {
        do {
            switch try path.find(in: value, &self.key) {
            case .none: return nil
            case .string(let range): return try self.key.text(of: value.slice(range), at: range.lowerBound)
            case .scalar(let range): return value.slice(range)
            case .container: break
            }
        } catch {
            guard error.reason == .surrogate else { throw Self.malformed(error, event: index, at: place) }
            throw Refusal(.invalidKey, "the key at \(path) has no UTF-8: \(error.reason.rawValue)", event: index)
        }
        throw Refusal(.invalidKey, "the key at \(path) is an object or an array; it may be a string, a number or a boolean", event: index)
    }
}

extension BodyDecoder {
    /// Where the bytes at hand lie in the body.
    struct Place {
        var offset: Int
        /// From 1; none where the body is one text.
        var line: Int?
    }

    static func malformed(_ fault: JSONFault, event index: Int, at place: Place) -> Refusal {
        let byte = "byte \(place.offset + fault.offset)"
        return Refusal(.malformedJSON, "\(place.line.map { "line \($0), " } ?? "")\(byte): \(fault.reason.rawValue)", event: index)
    }

    static func checkEnd(of text: JSONText, after end: Int, events: Int) throws(Refusal) {
        let rest = text.skipSpace(end)
        if rest < text.bytes.count {
            throw Self.malformed(JSONFault(.trailing, at: rest), event: events, at: Place(offset: 0, line: nil))
        }
    }
}
