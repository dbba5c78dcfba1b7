import ForebayHTTP

/// What a path of the ingest listener names.
enum IngestResource {
    /// `/v1/topics/{topic}`; not checked yet.
    case topic(UnsafeRawBufferPointer)
    /// `/v1/events`
    case events

    static let allow = "POST, OPTIONS"

    /// - Parameter path: decoded.
    init(path: UnsafeRawBufferPointer) throws(Refusal) {
        let prefix: StaticString = "/v1/topics/"
        if path.count >= prefix.utf8CodeUnitCount, path.slice(0..<prefix.utf8CodeUnitCount).equals(prefix) {
            let name = path.slice(prefix.utf8CodeUnitCount..<path.count)
            if name.offset(of: UInt8(ascii: "/")) == nil {
                self = .topic(name)
                return
            }
        } else if path.equals("/v1/events") {
            self = .events
            return
        }
        throw Refusal(.notFound, "there is nothing at \(path.text()); events go to POST /v1/topics/{topic} or POST /v1/events")
    }
}

/// What the query of a request asks for.
struct IngestQuery {
    /// `?ack=kafka`: answer when the target cluster has settled the events.
    private(set) var waitsForKafka = false

    init(_ query: UnsafeRawBufferPointer) throws(Refusal) {
        var rest = query
        var isFirst = true
        while !rest.isEmpty {
            let end = rest.offset(of: UInt8(ascii: "&")) ?? rest.count
            let pair = rest.slice(0..<end)
            rest = rest.slice(min(end + 1, rest.count)..<rest.count)
            if pair.isEmpty { continue }
            let equals = pair.offset(of: UInt8(ascii: "=")) ?? pair.count
            guard pair.slice(0..<equals).equals("ack") else {
                throw Refusal(.unknownParameter, "\(pair.slice(0..<equals).text()) is not known; the only query parameter is ack")
            }
            if !isFirst { throw Refusal(.invalidParameter, "ack stands there twice") }
            isFirst = false
            let value = pair.slice(min(equals + 1, pair.count)..<pair.count)
            if value.equals("kafka") {
                self.waitsForKafka = true
            } else if value.equals("durable") {
                self.waitsForKafka = false
            } else {
                throw Refusal(.invalidParameter, "ack is durable (the default) or kafka")
            }
        }
    }
}
