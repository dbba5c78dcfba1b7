@testable import ForebayDelivery

extension SetAsideSimulation {
    /// Topics that have each of these numbers of partitions in turn, made anew each time while some of their partitions are set aside, and
    /// with them the topics: events come all the time, and both stages begin anew in between.
    mutating func run(partitions: [[Int]]) throws {
        for stage in partitions[0].indices {
            for (topic, counts) in partitions.enumerated() { self.cluster.remake("topic-\(topic)", partitions: counts[stage]) }
            self.cluster.heal()
            try self.flow(batches: 3)
            guard stage + 1 < partitions[0].count else { break }
            for (topic, counts) in partitions.enumerated() {
                for partition in stride(from: stage % 2, to: counts[stage], by: 2) {
                    self.cluster.frozen.insert("topic-\(topic)/\(partition)")
                }
            }
            try self.flow(batches: 15)
            if stage % 2 == 0 { self.end(.aside) }
            for topic in partitions.indices { self.cluster.missing.insert("topic-\(topic)") }
            try self.flow(batches: 4)
            self.end(.direct)
            if stage % 2 == 1 { self.end(.aside) }
        }
        try self.settle()
        try self.checkTheEnd()
    }

    private mutating func flow(batches: Int) throws {
        for _ in 0..<batches {
            if self.states[.direct]!.wantsMore { self.admit() }
            for _ in 0..<20 { try self.step() }
        }
    }
}
