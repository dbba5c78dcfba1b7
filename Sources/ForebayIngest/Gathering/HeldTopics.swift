/// The topics of which one group holds events, each once: they are not settled before the group is. See ``UnsettledTopics``.
struct HeldTopics {
    private var uses: [TopicUse] = []
    /// Among all groups that ever held events; none before the first event.
    private var number: UInt64 = 0

    /// The request that was read last is in the group.
    mutating func hold(_ targets: [(target: TopicTarget, count: Int)], in topics: UnsettledTopics) {
        if self.number == 0 { self.number = topics.beginGroup() }
        for (target, _) in targets {
            if let use = target.use, use.group != self.number { self.hold(use) }
        }
        topics.commit()
    }

    private mutating func hold(_ use: TopicUse) {
        use.group = self.number
        use.pending += 1
        self.uses.append(use)
    }

    /// All events of the group lie below `end`, durably. None: it was not stored.
    func settled(in topics: UnsettledTopics, end: UInt64?) {
        topics.settled(self.uses, end: end)
    }
}
