import ForebayCore

// Bodies of envelopes: one, an array of them, or one a line.
extension BodyDecoder {
    mutating func envelopes(
        _ body: UnsafeRawBufferPointer, _ request: Request, _ routes: inout IngestRoutes, _ sink: inout EventSink
    ) throws(Refusal) {
        let text = JSONText(body)
        let place = Place(offset: 0, line: nil)
        let start = text.skipSpace(0)
        guard text.byte(at: start) == UInt8(ascii: "[") else {
            let end = try self.one(text, at: start, place, request, &routes, &sink)
            return try Self.checkEnd(of: text, after: end, events: sink.count)
        }
        var elements = JSONElements(of: text, at: start, depth: 0)
        while true {
            let next: Int?
            do { next = try elements.nextStart() } catch { throw Self.malformed(error, event: sink.count, at: place) }
            guard let next else { break }
            elements.ended(at: try self.one(text, at: next, place, request, &routes, &sink))
        }
        try Self.checkEnd(of: text, after: elements.end, events: sink.count)
    }

    mutating func envelopeLines(
        _ body: UnsafeRawBufferPointer, _ request: Request, _ routes: inout IngestRoutes, _ sink: inout EventSink
    ) throws(Refusal) {
        var lines = LineSplitter(body)
        while let line = lines.next() {
            let text = JSONText(line)
            let place = Place(offset: 0, line: lines.number)
            let end = try self.one(text, at: text.skipSpace(0), place, request, &routes, &sink)
            let rest = text.skipSpace(end)
            if rest < line.count { throw Self.malformed(JSONFault(.trailing, at: rest), event: sink.count - 1, at: place) }
        }
        if sink.count == 0 { throw Refusal(.emptyBody, "the body has no line with an envelope") }
    }

    /// - Returns: the offset just behind the envelope that starts at `start`.
    private mutating func one(
        _ text: JSONText, at start: Int, _ place: Place, _ request: Request, _ routes: inout IngestRoutes, _ sink: inout EventSink
    ) throws(Refusal) -> Int {
        let index = sink.count
        let end = try self.envelope.read(text, at: start, event: index, place: place, namesTopic: request.target == nil)
        let target: TopicTarget
        if let named = request.target {
            target = named
        } else {
            guard let topic = self.envelope.topic else { preconditionFailure("read() has checked that it names its topic") }
            do {
                target = try routes.target(for: topic)
            } catch {
                throw Refusal(error.code, error.detail, event: index, pointer: EnvelopeMember.topic.pointer)
            }
        }
        if let timestamp = self.envelope.timestamp, let fault = self.timestamps.fault(in: timestamp, now: request.now) {
            throw Refusal(.invalidTimestamp, fault, event: index, pointer: EnvelopeMember.timestamp.pointer)
        }
        let isJSON = self.envelope.valueIsJSON ? true : try self.checkJSON(target, event: index)
        var event = EventFields(
            topic: target.storedName, value: self.envelope.value, timestamp: self.envelope.timestamp ?? request.now)
        event.headers = self.envelope.headers.bytes
        event.partition = self.envelope.partition
        if let id = self.envelope.id { event.id = id }
        if let key = self.envelope.key {
            event.key = key
        } else if let path = target.rules.key, isJSON, let value = self.envelope.value {
            event.key = try self.key(at: path, in: value, at: place, event: index)
        }
        try sink.append(event, target)
        return end
    }

    /// - Returns: whether the envelope's `value_base64` is JSON, where the topic wants all values to be; a tombstone is none.
    private func checkJSON(_ target: TopicTarget, event index: Int) throws(Refusal) -> Bool {
        guard target.rules.requiresJSON, let value = self.envelope.value else { return false }
        do {
            try JSONScanner.check(value)
        } catch {
            throw Refusal(
                .malformedJSON, "byte \(error.offset) of value_base64: \(error.reason.rawValue)", event: index,
                pointer: EnvelopeMember.valueBase64.pointer)
        }
        return true
    }
}
