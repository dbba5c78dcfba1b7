import ForebayCore
import ForebayTestKit

/// Rounds whose events come from a consumer group: several lanes, with holes, that are given to others and come back.
extension RouteRound {
    /// What a run of many such rounds must have met.
    static let requiredOfGroups = ["lane assigned", "lane revoked", "lane lost", "offsets flushed"]

    private static let partitions = 4

    /// A key's events lie in one partition.
    func makeGroup() -> GroupSource {
        var events = [[(offset: UInt64, event: EventFactory.Sample)]](repeating: [], count: Self.partitions)
        var ends = [UInt64](repeating: 0, count: Self.partitions)
        for (number, event) in self.events.enumerated() {
            let key = event.key.map { Int($0.utf8.reduce(0) { $0 &* 31 &+ UInt64($1) } % UInt64(Self.partitions)) }
            let index = key ?? self.number(0...Self.partitions - 1)
            if self.chance(1, in: 10) { ends[index] += UInt64(self.number(1...5)) }
            let id = EventID.text(origin: self.spool, sequence: UInt64(number))
            events[index].append(
                (ends[index], EventFactory.Sample(event.topic, key: event.key, value: event.value, id: id, timestamp: event.timestamp)))
            ends[index] += 1
        }
        let partitions = (0..<Self.partitions).map { index in
            GroupSource.Partition(
                topic: "front", number: Int32(index), events: events[index], end: ends[index] + UInt64(self.number(0...3)))
        }
        return GroupSource(partitions, origin: self.spool, seed: self.seed ^ 0x6209)
    }

    /// - Returns: what happened.
    func rebalance() -> String {
        guard let group = self.group else { return "healed" }
        let index = self.number(0...Self.partitions - 1)
        switch (group.phases[index], self.number(0...9)) {
        case (_, 0):
            group.flush()
            return "offsets flushed"
        case (.unassigned, _):
            group.assign(index)
            return "lane assigned"
        case (.assigned, 1...6):
            group.revoke(index)
            return "lane revoked"
        case (.assigned, _), (.revoked, _):
            group.lose(index)
            return "lane lost"
        }
    }

    /// All have to be somebody's, or nothing comes to rest; who does not give one back in time loses it.
    func assignAll() {
        guard let group = self.group else { return }
        for (index, phase) in group.phases.enumerated() {
            switch phase {
            case .unassigned: group.assign(index)
            case .revoked: if self.chance(1, in: 50) { group.lose(index) }
            case .assigned: break
            }
        }
    }
}
