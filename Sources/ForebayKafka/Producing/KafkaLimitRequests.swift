/// Questions for the limits of topics that are not answered yet. Each has a number, which goes out with it and comes back with its answer.
struct KafkaLimitRequests {
    typealias Waiting = UnsafeContinuation<[KafkaTopicLimit], Never>

    private var open: [UInt: (topics: [String], waiting: Waiting)] = [:]
    private var last: UInt = 0

    /// - Returns: the number of the question.
    mutating func add(_ topics: [String], _ waiting: Waiting) -> UInt {
        self.last += 1
        self.open[self.last] = (topics, waiting)
        return self.last
    }

    /// Who asked gets one answer for each topic. A number that is not known, or not any more, is nobody's.
    ///
    /// - Parameter error: what became of the question: that of each topic of which nothing was told.
    mutating func answer(_ number: UInt, _ told: [KafkaTopicLimit], _ error: KafkaErrorCode) {
        guard let (topics, waiting) = self.open.removeValue(forKey: number) else { return }
        let names = Set(told.map(\.topic))
        let missing = topics.filter { !names.contains($0) }
        waiting.resume(returning: told + Self.untold(missing, error.isError ? error : .unknownServerError))
    }

    /// The client is gone: nobody will answer.
    mutating func endAll() {
        for (topics, waiting) in self.open.values { waiting.resume(returning: Self.untold(topics, .destroyed)) }
        self.open = [:]
    }

    static func untold(_ topics: [String], _ error: KafkaErrorCode) -> [KafkaTopicLimit] {
        topics.map { KafkaTopicLimit(topic: $0, bytes: nil, error: error) }
    }
}
