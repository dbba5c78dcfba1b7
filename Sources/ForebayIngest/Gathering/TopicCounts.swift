/// How many events of each topic were accepted in one group: a topic has one place, however many of its requests have events of it.
struct TopicCounts {
    /// From 1, in the order in which groups are made.
    let group: UInt64
    private(set) var entries: [(target: TopicTarget, count: Int)] = []

    init(group: UInt64) {
        self.group = group
    }

    mutating func add(_ targets: [(target: TopicTarget, count: Int)]) {
        for (target, count) in targets {
            if let place = target.counted.place(in: self.group) {
                self.entries[place].count += count
            } else {
                target.counted = CountedPlace(self.entries.count, in: self.group)
                self.entries.append((target, count))
            }
        }
    }
}

/// Where a topic stands in the counts of the last group that counted it, so that nothing is looked up for an event.
struct CountedPlace {
    private let group: UInt64
    private let place: Int

    /// In no group.
    init() { self.init(0, in: 0) }

    init(_ place: Int, in group: UInt64) {
        self.group = group
        self.place = place
    }

    /// None: it is not counted there yet.
    func place(in group: UInt64) -> Int? { self.group == group ? self.place : nil }
}
