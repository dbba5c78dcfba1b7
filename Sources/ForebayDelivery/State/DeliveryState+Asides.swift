import ForebayKafka

/// What is set aside, as the other stage of the route, or the log, changed it.
extension DeliveryState {
    /// Something of a topic was set aside, or is not any more.
    mutating func see(_ name: String, _ aside: SetAsideTopic?, at now: UInt64) {
        self.asides[name] = aside
        if aside == nil { self.timesTaken(of: name) }
        guard let topic = self.topics.index(of: name) else { return }
        self.apply(aside ?? SetAsideTopic(), topic, now: now)
        // What is drained needs no place in the drain's librdkafka any more.
        if self.way == .aside, aside == nil, self.topics[topic].isIdle { self.closeTopic(topic) }
    }

    private mutating func apply(_ aside: SetAsideTopic, _ topic: Int, now: UInt64) {
        for place in self.topics[topic].metadata.partitions {
            let mode = aside.partitions[self.partitions[place].number] ?? .none
            guard mode != self.partitions[place].aside.mode else { continue }
            self.partitions[place].aside.mode = mode
            guard self.way == .direct else { continue }
            if mode == .aside {
                for flight in self.takeAll(of: place) { self.appendToSetAside(flight, topic, place: place) }
            } else {
                self.partitions[place].movedAt = now
                if self.partitions[place].events.queued > 0 { self.partitions.markReady(place) }
            }
        }
        self.refreshLive(topic)
        if self.way == .direct, self.topics[topic].aside.mode != aside.whole { self.apply(whole: aside.whole, topic) }
        self.spreadKeys(topic, now: now)
        self.applyCount(topic, now: now)
    }

    private mutating func apply(whole mode: SetAsideMode, _ topic: Int) {
        self.topics[topic].aside.mode = mode
        switch mode {
        case .none:
            self.release(topic)
            self.want(topic, by: .main)
        case .aside:
            let taken = self.takeAll(topic)
            self.closeTopic(topic)
            for flight in taken { self.appendToSetAside(flight, topic, place: nil) }
        case .closing: break
        }
    }
}
