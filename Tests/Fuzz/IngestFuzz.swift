/// A libFuzzer target (`dev/fuzz-ingest`): any bytes as a body, in each of the ways in which bodies are read.
///
///     byte 0: what the body is, and whether it comes to /v1/events; byte 1: whether there is a key path, Forebay-Key, small limits; then the body
///
/// Finds reads beyond the body (by ASan, for the body is a block of its own size), traps, requests that are refused and leave something
/// behind, batches that are not well formed, and values that were taken for JSON and are none.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count >= 2 else { return -1 }
    let body = UnsafeMutableRawBufferPointer.allocate(byteCount: count - 2, alignment: 1)
    defer { body.deallocate() }
    body.copyMemory(from: UnsafeRawBufferPointer(start: start + 2, count: count - 2))
    Trial(kind: start[0], options: start[1]).run(UnsafeRawBufferPointer(body))
    return 0
}

private struct Trial {
    static let types = [
        "text/plain", "application/json", "application/x-ndjson", "application/vnd.forebay.v1+json", "application/vnd.forebay.v1+x-ndjson",
    ]

    let type: String
    let namesTopic: Bool
    let hasKeyPath: Bool
    let hasKeyField: Bool
    let isSmall: Bool

    init(kind: UInt8, options: UInt8) {
        self.type = Self.types[Int(kind & 0x7F) % Self.types.count]
        self.namesTopic = kind & 0x80 != 0 && self.type.contains("forebay")
        self.hasKeyPath = options & 1 != 0
        self.hasKeyField = options & 2 != 0
        self.isSmall = options & 4 != 0
    }

    func run(_ body: UnsafeRawBufferPointer) {
        var configuration = IngestConfiguration(routes: [.init(name: "a", topics: ["a*"]), .init(name: "rest", topics: ["*"])])
        if self.hasKeyPath { configuration.topics["t"] = .init(key: JSONPath("$.a.b")) }
        if self.isSmall {
            configuration.limits.event = 50
            configuration.limits.eventsPerRequest = 3
            configuration.limits.headersPerEvent = 1
            configuration.limits.timestamp = .any
            configuration.batch = 100
        }
        guard var routes = try? IngestRoutes(configuration) else { preconditionFailure("the routes are right") }
        let gathering = Gathering(routes: routes.ids, batch: configuration.batch)
        let topics = UnsettledTopics(configuration.routes)
        var sink = EventSink(
            gathering: gathering, topics: topics, limit: configuration.limits.eventsPerRequest, byteLimit: configuration.limits.records)
        var decoder = BodyDecoder(configuration.limits)
        var fields = RequestFields(headerLimit: configuration.limits.headersPerEvent)
        let texts = ["Content-Type", self.type, "Forebay-Key", "k", "t"].map { Array($0.utf8) }
        sink.begin(bodyCount: body.count, keepsPositions: true)
        do {
            try texts[0].withUnsafeBytes { name in try texts[1].withUnsafeBytes { try fields.take(name, $0) } }
            try texts[2].withUnsafeBytes { name in
                try texts[3].withUnsafeBytes { value in
                    if self.hasKeyField { try fields.take(name, value) }
                    let target = self.namesTopic ? nil : try texts[4].withUnsafeBytes { try routes.target(for: $0) }
                    try decoder.decode(body, fields, .init(target: target, now: 1), routes: &routes, into: &sink)
                }
            }
            sink.commit()
            topics.commit()
        } catch {
            sink.rollback()
            precondition(gathering.finish(acceptedAt: 0).batches.isEmpty, "a refused request left something behind")
            return
        }
        self.check(gathering.finish(acceptedAt: 0).batches, count: sink.count, limits: configuration.limits)
    }

    private func check(_ batches: [Batch], count: Int, limits: IngestConfiguration.Limits) {
        precondition(batches.reduce(0) { $0 + $1.count } == count && count <= limits.eventsPerRequest)
        for batch in batches {
            precondition(batch.isWellFormed)
            batch.forEachEvent { event, _ in
                precondition(event.timestamp >= 0 && (event.partition ?? 0) >= 0 && TopicName.isValid(event.topic))
                precondition((event.value?.count ?? 0) + (event.key?.count ?? 0) + event.headers.count + event.id.count <= limits.event)
                precondition(event.id.isEmpty || EventIdentity.fault(in: event.id) == nil)
                var headers = 0
                event.forEachHeader { name, _ in
                    precondition(!name.isEmpty && !name.startsIgnoringCase("forebay-"))
                    headers += name.count + 6
                }
                precondition(headers <= event.headers.count)
                // Only base 64 gives values that are no JSON.
                guard self.type.contains("json"), !self.type.contains("forebay"), let value = event.value else { return }
                precondition((try? JSONScanner.check(value)) != nil, "what was taken for JSON is none")
            }
        }
    }
}
