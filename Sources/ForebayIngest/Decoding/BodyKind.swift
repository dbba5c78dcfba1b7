/// What a body is, by its `Content-Type`: the table of the HTTP reference.
enum BodyKind: Equatable {
    /// One event: the body's bytes.
    case raw
    /// An array: an event an element; anything else: one event.
    case json
    /// An event a line.
    case lines
    /// An envelope, or an array of them.
    case envelopes
    /// An envelope a line.
    case envelopeLines

    var isEnvelope: Bool { self == .envelopes || self == .envelopeLines }

    /// - Parameter type: the header's value as it came.
    /// - Throws: 415 for the types that are reserved, named, so that nothing accepted today means something else tomorrow.
    init(contentType type: UnsafeRawBufferPointer) throws(Refusal) {
        if Self.isList(type) { throw Refusal(.unsupportedMediaType, "Content-Type is one media type, and not the list \(type.text())") }
        let semicolon = type.offset(of: UInt8(ascii: ";")) ?? type.count
        let name = type.slice(0..<semicolon).trimmed()
        self = try Self.named(name)
        if self != .raw, semicolon < type.count {
            try Self.checkCharset(type.slice(semicolon..<type.count))
        }
    }

    /// A comma that stands in no quotes: two fields that somebody joined, or what belongs into Accept.
    private static func isList(_ type: UnsafeRawBufferPointer) -> Bool {
        guard type.offset(of: UInt8(ascii: ",")) != nil else { return false }
        var (isQuoted, isEscaped) = (false, false)
        for byte in type {
            switch byte {
            case _ where isEscaped: isEscaped = false
            case UInt8(ascii: "\\") where isQuoted: isEscaped = true
            case UInt8(ascii: "\""): isQuoted.toggle()
            case UInt8(ascii: ",") where !isQuoted: return true
            default: break
            }
        }
        return false
    }

    private static func named(_ name: UnsafeRawBufferPointer) throws(Refusal) -> Self {
        if name.startsIgnoringCase("multipart/") {
            throw Refusal(.unsupportedMediaType, "\(name.text()) is not supported: its parts would be stored as one event")
        }
        let prefix: StaticString = "application/"
        guard name.startsIgnoringCase(prefix) else { return .raw }
        let subtype = name.slice(prefix.utf8CodeUnitCount..<name.count)
        if subtype.equalsIgnoringCase("json") { return .json }
        if subtype.equalsIgnoringCase("x-ndjson") || subtype.equalsIgnoringCase("jsonl") { return .lines }
        if subtype.equalsIgnoringCase("vnd.forebay.v1+json") { return .envelopes }
        if subtype.equalsIgnoringCase("vnd.forebay.v1+x-ndjson") { return .envelopeLines }
        if subtype.startsIgnoringCase("vnd.forebay.") {
            throw Refusal(
                .unsupportedMediaType,
                "\(name.text()) is reserved; envelopes are application/vnd.forebay.v1+json or application/vnd.forebay.v1+x-ndjson")
        }
        if subtype.startsIgnoringCase("vnd.kafka") {
            throw Refusal(.unsupportedMediaType, "\(name.text()) is reserved for the Confluent REST API, which is not supported yet")
        }
        if subtype.startsIgnoringCase("cloudevents") {
            throw Refusal(.cloudEventsUnsupported, "CloudEvents (\(name.text())) are not supported yet")
        }
        return .raw
    }

    /// Whether browsers send it to any site for any page without asking first: what the Fetch standard calls CORS-safelisted, pings of
    /// links, and reports.
    ///
    /// - Parameter type: none: there is no such header.
    static func needsNoPreflight(_ type: UnsafeRawBufferPointer?) -> Bool {
        guard let type else { return true }
        let name = type.slice(0..<(type.offset(of: UInt8(ascii: ";")) ?? type.count)).trimmed()
        return name.isEmpty || self.safelisted.contains { name.equalsIgnoringCase($0) }
    }

    private static let safelisted: [StaticString] = [
        "application/x-www-form-urlencoded", "multipart/form-data", "text/plain", "text/ping", "application/csp-report",
        "application/reports+json",
    ]

    /// JSON is UTF-8. A body that says it is something else is not taken for it.
    private static func checkCharset(_ parameters: UnsafeRawBufferPointer) throws(Refusal) {
        var rest = parameters
        while let start = rest.offset(of: UInt8(ascii: ";")) {
            rest = rest.slice(start + 1..<rest.count)
            let parameter = rest.slice(0..<(rest.offset(of: UInt8(ascii: ";")) ?? rest.count)).trimmed()
            guard parameter.startsIgnoringCase("charset=") else { continue }
            var name = parameter.slice(8..<parameter.count)
            if name.count >= 2, name[0] == UInt8(ascii: "\""), name[name.count - 1] == UInt8(ascii: "\"") {
                name = name.slice(1..<name.count - 1)
            }
            guard name.equalsIgnoringCase("utf-8") || name.equalsIgnoringCase("utf8") || name.equalsIgnoringCase("us-ascii") else {
                throw Refusal(.unsupportedCharset, "JSON is UTF-8; charset \(name.text()) is not supported")
            }
        }
    }
}
