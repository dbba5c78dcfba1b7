import ForebayHTTP

/// What a request's head says beside its fields, and which head that was.
struct JudgedHead {
    var id: RequestID
    /// See `HTTPRequestHead.number`.
    let number: UInt64
    /// Where its query begins, an empty one too. (A path with escapes is decoded to one place for all heads.)
    let place: UnsafeRawPointer?
    /// None where each event names its own topic.
    let target: TopicTarget?
    let waitsForKafka: Bool
    /// For how long, in milliseconds. None: it does not say.
    let wait: Int?
}

/// Reads requests: what a head says, and then the events of its body.
///
/// What the header fields say is kept of one head at a time. It holds for the body that came with its head, and for the next head that has
/// the same bytes; of any other it is read anew.
struct PostReader: ~Copyable {
    private var routes: IngestRoutes
    private var decoder: BodyDecoder
    private var fields: RequestFields
    /// The head that `fields` was read from, while nothing else was read since.
    private var judged: JudgedHead?

    init(_ routes: IngestRoutes, _ limits: IngestConfiguration.Limits) {
        self.routes = routes
        self.decoder = BodyDecoder(limits)
        self.fields = RequestFields(headerLimit: limits.headersPerEvent)
    }

    // MARK: The head

    /// Whether the same bytes were judged last, and lay where these lie, so that what `fields` points to is there again. Then this head is
    /// judged as that one was.
    mutating func isRepeat(_ head: borrowing HTTPRequestHead) -> Bool {
        guard head.number != 0, self.judged?.number == head.number, self.judged?.place == head.query.baseAddress else { return false }
        self.judged?.id = head.id
        return true
    }

    /// A head whose body is not there yet.
    ///
    /// - Throws: what is wrong with it.
    mutating func judge(_ head: borrowing HTTPRequestHead, _ resource: IngestResource) throws(Refusal) {
        self.judged = try self.read(head, resource)
    }

    /// What the head of a whole request says, without reading it twice where the body came with it: then it lies where it was judged, and
    /// `fields` holds. A body that came later comes with a copy of its head, which lies elsewhere.
    mutating func head(of head: borrowing HTTPRequestHead) throws(Refusal) -> JudgedHead {
        if let judged, judged.id == head.id, judged.place == head.query.baseAddress { return judged }
        return try self.read(head, try IngestResource(path: head.path))
    }

    /// Where the events go, and what the header fields say of them (in `fields`).
    private mutating func read(_ head: borrowing HTTPRequestHead, _ resource: IngestResource) throws(Refusal) -> JudgedHead {
        self.judged = nil  // Whatever was judged before: `fields` says something else from now on.
        let query = try IngestQuery(head.query)
        var target: TopicTarget?
        if case .topic(let name) = resource { target = try self.routes.target(for: name) }
        self.fields.reset()
        var refusal: Refusal?
        head.forEachHeader { name, value in
            guard refusal == nil else { return }
            do throws(Refusal) { try self.fields.take(name, value) } catch { refusal = error }
        }
        if let refusal { throw refusal }
        try self.fields.check()
        if target == nil && !self.fields.kind.isEnvelope {
            throw Refusal(
                .unsupportedMediaType,
                "/v1/events takes envelopes: application/vnd.forebay.v1+json or application/vnd.forebay.v1+x-ndjson")
        }
        return JudgedHead(
            id: head.id, number: head.number, place: head.query.baseAddress, target: target, waitsForKafka: query.waitsForKafka,
            wait: self.fields.wait)
    }

    // MARK: The body

    /// The events of the request whose head was read last.
    ///
    /// - Parameter now: for events without a timestamp, milliseconds since 1970.
    /// - Throws: what is wrong with the first event that is; the caller rolls back.
    mutating func decode(
        _ body: UnsafeRawBufferPointer, of head: JudgedHead, now: Int64, into sink: inout EventSink
    ) throws(Refusal) {
        let request = BodyDecoder.Request(target: head.target, now: now)
        try self.decoder.decode(body, self.fields, request, routes: &self.routes, into: &sink)
    }
}
