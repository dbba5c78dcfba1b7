import ForebayCore

/// One dead letter as it is listed.
package struct DeadLetterEntry: Sendable {
    /// Its place in the log: what `after` and `show` take.
    package let sequence: UInt64
    package let topic: String
    package let code: String
    package let reason: String
    package let eventID: String
    /// Where the event lay in the spool.
    package let offset: UInt64
    /// When it was set aside, ms since 1970.
    package let at: Int64
    package let timestamp: Int64
    package let partition: Int32?
    package let key: [UInt8]?
    /// None: a tombstone.
    package let value: [UInt8]?
    /// The producer's headers, and that of an earlier replay.
    package let headers: [(name: String, value: [UInt8]?)]

    init(_ event: Event, _ sequence: UInt64, at: Int64) {
        var added: [String: String] = [:]
        var headers: [(name: String, value: [UInt8]?)] = []
        event.forEachHeader { name, value in
            let name = String(decoding: name, as: UTF8.self)
            if DeadLetterHeader.all.contains(name) {
                added[name] = value.map { String(decoding: $0, as: UTF8.self) }
            } else {
                headers.append((name, value.map(Array.init)))
            }
        }
        self.sequence = sequence
        self.topic = String(decoding: event.topic, as: UTF8.self)
        self.code = added[DeadLetterHeader.code] ?? ""
        self.reason = added[DeadLetterHeader.reason] ?? ""
        self.eventID = String(decoding: event.id, as: UTF8.self)
        self.offset = UInt64(added[DeadLetterHeader.offset] ?? "") ?? 0
        self.at = at
        self.timestamp = event.timestamp
        self.partition = event.partition
        self.key = event.key.map(Array.init)
        self.value = event.value.map(Array.init)
        self.headers = headers
    }

    static func append(_ letter: DeadLetter, to builder: inout BatchBuilder) {
        letter.record.withUnsafeBytes { record in
            guard let event = Event(at: record) else { return }
            var headers = Array(event.headers)
            for (name, value) in [
                (DeadLetterHeader.code, letter.code), (DeadLetterHeader.reason, letter.reason),
                (DeadLetterHeader.offset, String(letter.offset.number)),
            ] {
                headers.append(header: name.utf8, value: value.utf8.prefix(4096))
            }
            let id = Array(letter.eventID.utf8.prefix(255))
            id.withUnsafeBytes { id in
                headers.withUnsafeBytes { headers in
                    var fields = EventFields(topic: event.topic, value: event.value, timestamp: event.timestamp)
                    fields.key = event.key
                    fields.partition = event.partition
                    fields.id = id
                    fields.headers = headers
                    builder.append(fields)
                }
            }
        }
    }
}

/// Added to the producer's headers while an event is a dead letter.
enum DeadLetterHeader {
    static let code = "forebay-dead-letter-code"
    static let reason = "forebay-dead-letter-reason"
    static let offset = "forebay-dead-letter-offset"
    static let all = [code, reason, offset]
}
