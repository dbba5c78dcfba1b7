import ForebayCore

/// The last gate before a batch: counts and sizes of one request's events, and what its answer will need to know of them.
/// Used again for each request, so that its arrays keep their memory.
struct EventSink: ~Copyable {
    let gathering: Gathering
    let topics: UnsettledTopics
    private let limit: Int
    private let byteLimit: Int

    /// Of the request so far.
    private(set) var count = 0
    /// Of its records, in bytes. Header fields stand in each of them, so a small body can become large here.
    private(set) var byteCount = 0
    private(set) var first = Gathering.Position(route: 0, batch: 0, index: 0)
    private(set) var last = Gathering.Position(route: 0, batch: 0, index: 0)
    /// The producer's own ids of the first and the last event, empty where they are derived.
    private(set) var firstID: [UInt8] = []
    private(set) var lastID: [UInt8] = []
    /// In order, each with how many events in a row went there.
    private(set) var targets: [(target: TopicTarget, count: Int)] = []
    /// Of every event, where the request waits for Kafka.
    private(set) var positions: [Gathering.Position] = []
    private var keepsPositions = false

    /// - Parameters:
    ///   - limit: events of a request.
    ///   - byteLimit: of their records together.
    init(gathering: Gathering, topics: UnsettledTopics, limit: Int, byteLimit: Int) {
        self.gathering = gathering
        self.topics = topics
        self.limit = limit
        self.byteLimit = byteLimit
    }

    mutating func begin(bodyCount: Int, keepsPositions: Bool) {
        self.count = 0
        self.byteCount = 0
        if !self.firstID.isEmpty { self.firstID.removeAll(keepingCapacity: true) }
        if !self.lastID.isEmpty { self.lastID.removeAll(keepingCapacity: true) }
        self.targets.clear()
        self.positions.removeAll()
        self.keepsPositions = keepsPositions
        self.gathering.begin(bodyCount: bodyCount)
    }

    /// The request's events are to be stored. Its topics are ``UnsettledTopics/commit()``'s, once they are in a group.
    func commit() { self.gathering.commit() }

    /// The request is refused.
    func rollback() {
        self.gathering.rollback()
        self.topics.rollback()
    }

    @inline(__always)
    mutating func append(_ event: EventFields, _ target: TopicTarget) throws(Refusal) {
        let size = (event.key?.count ?? 0) + (event.value?.count ?? 0) + event.headers.count + event.id.count
        try target.rules.check(size: size, event: self.count)
        if self.count == self.limit {
            throw Refusal(
                .tooManyEvents, "a request has at most \(self.limit) events (limits.events_per_request)", event: self.count)
        }
        self.byteCount += event.recordSize
        if self.byteCount > self.byteLimit {
            throw Refusal(
                .requestTooLarge,
                "the events of this request with their keys and headers become more than \(self.byteLimit) bytes, about twice limits.body",
                event: self.count)
        }
        if let last = self.targets.last, last.target === target {
            self.targets[self.targets.count - 1].count += 1
        } else {
            try self.topics.admit(target, event: self.count)
            self.targets.append((target, 1))
        }
        self.last = self.gathering.append(event, route: target.route)
        if self.count == 0 { self.first = self.last }
        if !(event.id.isEmpty && self.lastID.isEmpty) { self.note(event.id) }
        if self.keepsPositions { self.positions.append(self.last) }
        self.count += 1
    }

    private mutating func note(_ id: UnsafeRawBufferPointer) {
        if self.count == 0 { self.firstID.append(contentsOf: id) }
        self.lastID.removeAll(keepingCapacity: true)
        self.lastID.append(contentsOf: id)
    }
}
