import ForebayCore

/// Lanes that go to somebody else: what of them is queued is dropped, for whoever has them next sends it; what is in flight is waited for.
extension DeliveryState {
    mutating func close(_ change: LaneChange, now: UInt64) {
        switch change {
        case .revoked(let lane): self.window.close(lane, isLost: false)
        case .lost(let lane):
            self.window.close(lane, isLost: true)
            self.forgetSent(of: lane, now: now)
        }
        self.dropClosing(now: now)
    }

    /// What of such lanes is queued, also what came back since.
    mutating func dropClosing(now: UInt64) {
        guard self.window.isClosing else { return }
        let queued = self.window.stopClosing()
        guard !queued.isEmpty else { return }
        let waited = self.takeWaiting(Set(queued))
        for flight in queued {
            self.window.settle(flight)
            guard !waited.contains(flight) else { continue }
            let place = Int(self.window[flight].place)
            self.partitions.drop(flight, of: place, in: &self.window)
            self.unassign(flight, self.partitions[place].topic)
            self.left(place, now: now)
        }
    }

    /// Takes flights from where they wait for a partition.
    ///
    /// - Returns: those that did.
    private mutating func takeWaiting(_ flights: Set<UInt32>) -> Set<UInt32> {
        var taken: Set<UInt32> = []
        for topic in self.topics.indices where self.topics[topic].events.waiting.count > 0 {
            for flight in self.topics[topic].events.waiting.removeAll(in: self.window) {
                if flights.contains(flight) {
                    self.forget(flight, topic)
                    taken.insert(flight)
                } else {
                    self.topics[topic].events.waiting.append(flight, in: &self.window)
                }
            }
            if self.topics[topic].isIdle { self.topics.listIfIdle(topic) }
        }
        return taken
    }

    /// Producers keep what they have of a lane that was lost; nobody waits for it.
    private mutating func forgetSent(of lane: Lane, now: UInt64) {
        for flight in self.window.sentFlights(of: lane) {
            let place = Int(self.window[flight].place)
            let slot = self.partitions[place].producer.slot
            self.keepOutstanding(flight, by: slot)
            self.window.settle(flight)
            self.remove(flight, place, slot)
            self.left(place, now: now)
        }
    }

    /// An event has left a partition, and was not delivered.
    private mutating func left(_ place: Int, now: UInt64) {
        let topic = self.partitions[place].topic
        if self.partitions[place].events.unsettled == 0, self.topics[topic].phase == .probing(partition: place) {
            self.topics[topic].phase = .unknown
            self.want(topic, by: .main)
        }
        if self.topics[topic].isIdle { self.topics.listIfIdle(topic) }
        if self.partitions[place].producer.isHalted { self.resumeIfReported(place, now: now) }
        if self.partitions[place].events.queued > 0 { self.partitions.markReady(place) }
        self.settledOne(place, now: now)
    }
}
