import ForebayKafka

/// Topics that take nothing now, and those that do again.
extension DeliveryState {
    /// A topic takes nothing now.
    ///
    /// - Parameter byDelivery: events were refused; metadata alone can't say that it is over.
    mutating func fail(topic: Int, _ failure: KafkaFailure, byDelivery: Bool, now: UInt64) {
        if case .backingOff = self.topics[topic].phase { return }
        // It may be made anew, and know nobody then.
        for place in self.topics[topic].metadata.partitions { self.partitions[place].producer.known = 0 }
        guard self.way == .direct else { return self.withdraw(topic: topic, failure, byDelivery: byDelivery) }
        self.topics[topic].trouble.failure = failure
        self.topics[topic].trouble.failures += 1
        let failures = self.topics[topic].trouble.failures
        // One that the brokers are just creating is missing, then leaderless, for a moment: asked twice.
        if failures >= (!byDelivery && Self.isPerhapsNew(failure) ? 2 : 1), self.maySetAside(topic) {
            return self.setAside(topic: topic, failure)
        }
        self.noteHold(topic, failure)
        if byDelivery { self.topics[topic].trouble.needsProbe = true }
        let delay = DeliverySettings.delay(self.settings.backoffDelay, failures: failures, limit: self.settings.backoffLimit)
        self.topics.backOff(topic, until: now + delay)
        if !byDelivery { self.closeIfUnused(topic) }
    }

    private static func isPerhapsNew(_ failure: KafkaFailure) -> Bool {
        failure.code == .unknownTopicOrPartition || failure.code == .leaderNotAvailable
    }

    /// Too much is set aside to add this topic.
    private mutating func noteHold(_ topic: Int, _ failure: KafkaFailure) {
        guard !self.maySetAside(topic), self.topics[topic].trouble.told != failure.code else { return }
        // Perhaps just being created: not told at once.
        guard self.topics[topic].trouble.failures >= (Self.isPerhapsNew(failure) ? 3 : 1) else { return }
        self.topics[topic].trouble.told = failure.code
        self.actions.notes.append(.backsOff(topic: self.topics[topic].name, failure))
    }

    /// librdkafka goes on asking for an open topic that does not exist; with nothing in flight there, it need not.
    private mutating func closeIfUnused(_ topic: Int) {
        guard self.topics[topic].metadata.partitions.allSatisfy({ self.partitions[$0].events.outstanding == 0 }) else { return }
        self.topics[topic].producers.knownBy = 0
        self.actions.closedTopics.append(topic)
    }

    /// Nothing is asked or expected of a topic any more.
    mutating func closeTopic(_ topic: Int) {
        self.topics[topic].phase = .unknown
        self.topics[topic].metadata.isAsked = false
        self.topics[topic].producers.wantedBy = 0
        self.topics[topic].producers.knownBy = 0
        self.topics[topic].trouble.needsProbe = false
        self.topics[topic].metadata.nextCount = nil
        self.topics[topic].trouble.failures = 0
        self.actions.closedTopics.append(topic)  // What backs off looks at the phase.
        self.topics.listIfIdle(topic)
    }

    /// An event was settled at a partition or topic that had failed.
    mutating func recovered(_ place: Int, now: UInt64) {
        self.partitions[place].retry.failures = 0
        self.partitions[place].retry.notTaken = .none
        let topic = self.partitions[place].topic
        guard self.topics[topic].trouble.needsProbe else { return }
        switch self.topics[topic].phase {
        case .ready, .probing(place): break
        case .unknown, .backingOff, .probing: return
        }
        self.topics[topic].trouble.needsProbe = false
        self.topics[topic].phase = .ready
        self.release(topic)
        self.partitions.markReady(allOf: self.topics[topic].metadata.partitions)
    }

    /// It takes events again.
    mutating func release(_ topic: Int) {
        let name = self.topics[topic].name
        self.topics[topic].trouble.failure = nil
        self.topics[topic].trouble.failures = 0
        if self.topics[topic].trouble.told != nil { self.actions.notes.append(.released(topic: name)) }
        self.topics[topic].trouble.told = nil
        self.timesTaken(of: name)
    }
}
