import ForebayKafka

/// One of the turns that the logs with events of a topic take.
struct SetAsideTurn: Hashable, Sendable {
    let topic: String
    let place: Int
}

/// The turns that one log has in its topics: which are still to come, and in which newer events are. A topic that is not here has one turn,
/// and it has come.
struct SetAsideTurns {
    /// Those that are still to come, by topic and place, and why they are.
    private var waits: [String: [Int: KafkaFailure]] = [:]
    /// In which one newer events are, where it is not the first.
    private var last: [String: Int] = [:]

    /// Topics that wait for a turn.
    var waiting: Set<String> { Set(self.waits.keys) }

    func waits(_ topic: String) -> Bool { self.waits[topic] != nil }

    /// Why a turn is still to come; none: it has.
    func wait(of topic: String, _ place: Int) -> KafkaFailure? { self.waits[topic]?[place] }

    func hasCome(_ topic: String, _ place: Int) -> Bool { self.waits[topic]?[place] == nil }

    /// Where newer events of a topic come.
    func last(of topic: String) -> Int { self.last[topic] ?? 0 }

    /// A turn is one of this log's.
    mutating func add(_ turn: SetAsideTurn) {
        self.last[turn.topic] = max(turn.place, self.last[turn.topic] ?? 0)
    }

    /// The one before it is another log's, or an operator's.
    mutating func wait(for turn: SetAsideTurn, _ failure: KafkaFailure) {
        self.waits[turn.topic, default: [:]][turn.place] = failure
    }

    /// It has come.
    mutating func begin(_ turn: SetAsideTurn) {
        self.waits[turn.topic]?[turn.place] = nil
        if self.waits[turn.topic]?.isEmpty == true { self.waits[turn.topic] = nil }
    }

    /// What comes to a topic from now on has a turn of its own, which waits.
    ///
    /// - Returns: the turn of what is there already.
    mutating func open(of topic: String, _ failure: KafkaFailure) -> Int {
        let place = self.last(of: topic)
        self.last[topic] = place + 1
        self.wait(for: SetAsideTurn(topic: topic, place: place + 1), failure)
        return place
    }

    /// Nothing of a topic is left: if none of its turns is to come, the next time is as if there had been none.
    mutating func forget(_ topic: String) {
        if self.waits[topic] == nil { self.last[topic] = nil }
    }
}
