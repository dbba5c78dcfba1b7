/// The topics that events in flight are for, or were lately: by name and by index, and which of them are without events, back off, or to be
/// asked for their limits. An index is another topic's once its own was forgotten.
struct TopicTable {
    /// Topics that back off until a time, and the first of these times.
    struct BackingOff {
        fileprivate(set) var topics: [Int] = []
        fileprivate(set) var nextUntil: UInt64 = .max
    }

    private var names = TopicNames()
    private var states: [TopicState] = []
    /// Indices that are nobody's.
    private(set) var free: [Int] = []
    /// Those that have perhaps no events, those first that have been without for longest.
    private(set) var idle = WaitingTopics()
    /// Those of which the cluster is to be asked for limits.
    private(set) var limitsWanted = WaitingTopics()
    private(set) var backingOff = BackingOff()
    /// What the last event was for, if its index still means the same: the next event is most often for it, too.
    private var last: Int?
    /// Counts the batches taken in, to find topics long out of use.
    private var admission: UInt64 = 0
    /// The smallest limit below the main producer's batches, as it was last found; none: it may have changed.
    private var smallest: (limit: Int?, isKnown: Bool) = (nil, false)

    subscript(topic: Int) -> TopicState {
        @inline(__always) _read { yield self.states[topic] }
        @inline(__always) _modify { yield &self.states[topic] }
    }

    // MARK: By name

    var count: Int { self.names.count }
    /// All that were ever used at once; see ``holds(_:)``.
    var indices: Range<Int> { self.states.indices }

    /// Whether a topic has this index.
    func holds(_ topic: Int) -> Bool { self.names.holds(topic) }

    func index(of name: UnsafeRawBufferPointer) -> Int? { self.names.index(of: name) }

    func index(of name: String) -> Int? {
        var name = name
        return name.withUTF8 { self.names.index(of: UnsafeRawBufferPointer($0)) }
    }

    @inline(__always)
    func isName(_ name: UnsafeRawBufferPointer, of topic: Int) -> Bool { self.names.isName(name, of: topic) }

    // MARK: Use

    mutating func beginAdmission() { self.admission += 1 }

    /// The topic of an event that comes; none: it is to be added.
    @inline(__always)
    mutating func use(_ name: UnsafeRawBufferPointer) -> Int? {
        if let last, self.names.isName(name, of: last) {
            self.states[last].use.last = self.admission
            return last
        }
        guard let topic = self.names.index(of: name) else { return nil }
        self.use(topic)
        return topic
    }

    mutating func use(_ topic: Int) {
        self.states[topic].use.last = self.admission
        self.last = topic
    }

    /// The topic of the last event.
    var lastUsed: Int? { self.last }

    mutating func add(_ name: UnsafeRawBufferPointer) -> Int {
        let state = TopicState(name: String(decoding: name, as: UTF8.self))
        let topic: Int
        if let free = self.free.popLast() {
            topic = free
            self.states[free] = state
        } else {
            topic = self.states.count
            self.states.append(state)
        }
        self.names.add(name, at: topic)
        return topic
    }

    /// It has perhaps no events any more, for now: from here on it may be forgotten.
    @inline(__always)
    mutating func listIfIdle(_ topic: Int) {
        guard !self.states[topic].use.isListedIdle else { return }
        self.states[topic].use.isListedIdle = true
        self.states[topic].use.lastWhenListed = self.states[topic].use.last
        self.idle.append(topic)
    }

    /// Forgets topics without events where there are many, those first that have been without for longest.
    ///
    /// - Parameters:
    ///   - kept: so many may be without events.
    ///   - now: whether those used in this admission may go, too.
    /// - Returns: those that are forgotten; their names and partitions are still to be read, once.
    mutating func forgetIdle(beyond kept: Int, alsoUsedNow now: Bool) -> [Int] {
        guard self.idle.count > kept else { return [] }
        var forgotten: [Int] = []
        for _ in 0..<(self.idle.count - kept / 2) {
            guard let topic = self.idle.popFirst() else { break }
            self.states[topic].use.isListedIdle = false
            guard self.names.holds(topic), self.states[topic].isIdle else { continue }  // Listed again when it has none.
            let state = self.states[topic]
            guard state.use.last == state.use.lastWhenListed, now || state.use.last < self.admission, !state.metadata.isAsked,
                state.events.delivered == 0
            else {
                self.listIfIdle(topic)
                continue
            }
            forgotten.append(topic)
        }
        guard !forgotten.isEmpty else { return [] }
        self.names.remove(forgotten)
        self.smallest.isKnown = false
        self.free += forgotten
        self.last = nil
        return forgotten
    }

    // MARK: Backing off

    mutating func backOff(_ topic: Int, until: UInt64) {
        self.states[topic].phase = .backingOff(until: until)
        self.backingOff.topics.append(topic)
        self.backingOff.nextUntil = min(self.backingOff.nextUntil, until)
    }

    /// Those whose time is over; they are to be asked for again.
    mutating func takeDue(now: UInt64) -> [Int] {
        guard now >= self.backingOff.nextUntil else { return [] }
        let all = self.backingOff.topics
        self.backingOff = BackingOff()
        var over: [Int] = []
        for topic in all {
            guard case .backingOff(let until) = self.states[topic].phase else { continue }  // Set aside, or forgotten.
            if until <= now {
                self.states[topic].phase = .unknown
                over.append(topic)
            } else {
                self.backingOff.topics.append(topic)
                self.backingOff.nextUntil = min(self.backingOff.nextUntil, until)
            }
        }
        return over
    }

    // MARK: Limits

    mutating func wantLimit(of topic: Int) {
        guard !self.states[topic].limits.isWanted else { return }
        self.states[topic].limits.isWanted = true
        self.limitsWanted.append(topic)
    }

    /// The topics whose limits are to be asked for now.
    mutating func takeLimitsWanted(atMost most: Int) -> [Int] {
        var taken: [Int] = []
        while taken.count < most, let topic = self.limitsWanted.popFirst() {
            self.states[topic].limits.isWanted = false
            guard self.names.holds(topic), self.states[topic].isKnown(by: .main),
                !self.states[topic].limits.isKnown || self.states[topic].limits.isStale
            else { continue }
            taken.append(topic)
        }
        return taken
    }

    /// - Parameter batchSize: of the main producer.
    mutating func setLimit(_ bytes: Int, of topic: Int, batchSize: Int) {
        self.states[topic].limits.bytes = bytes
        self.states[topic].producers.slot = bytes < batchSize ? .small : .main
        self.smallest.isKnown = false
    }

    /// The batches of the small topics' producer: the smallest limit, less what a request adds.
    var smallBatchSize: Int? {
        mutating get {
            if !self.smallest.isKnown {
                let small = self.states.indices.filter { self.names.holds($0) && self.states[$0].producers.slot == .small }
                self.smallest = (small.compactMap { self.states[$0].limits.bytes }.min(), true)
            }
            return self.smallest.limit.map { max(1, $0 - 128) }
        }
    }
}
