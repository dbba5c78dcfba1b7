/// Topics, by their index, that wait for a question to the cluster, those first that came first. Some may have no need of it any more.
struct WaitingTopics {
    private var topics: [Int] = []
    private var next = 0

    var isEmpty: Bool { self.next == self.topics.count }
    var count: Int { self.topics.count - self.next }
    /// In memory: those that wait, and at most as many that were taken.
    var stored: Int { self.topics.count }

    mutating func append(_ topic: Int) {
        self.topics.append(topic)
    }

    mutating func popFirst() -> Int? {
        guard !self.isEmpty else { return nil }
        defer {
            self.next += 1
            if self.next * 2 > self.topics.count {
                self.topics.removeFirst(self.next)
                self.next = 0
            }
        }
        return self.topics[self.next]
    }
}
