import ForebayKafka

/// What the cluster is asked of topics, and what it answers.
extension DeliveryState {
    mutating func addTopic(_ name: UnsafeRawBufferPointer) -> Int {
        self.forgetIdleTopics(alsoUsedNow: false)
        let topic = self.topics.add(name)
        if self.way == .direct { self.topics[topic].aside.mode = self.asides[self.topics[topic].name]?.whole ?? .none }
        self.want(topic, by: .main)
        return topic
    }

    /// Forgets topics without events where there are many. The engine closes their handles.
    mutating func forgetIdleTopics(alsoUsedNow: Bool = true) {
        for topic in self.topics.forgetIdle(beyond: self.settings.idleTopics, alsoUsedNow: alsoUsedNow) {
            self.partitions.remove(self.topics[topic].metadata.partitions)
            self.topics[topic].metadata.partitions = []
            self.actions.closedTopics.append(topic)
        }
    }

    // MARK: Questions

    /// Has a producer ask the cluster for a topic (again). For one that is set aside, the drain asks.
    mutating func want(_ topic: Int, by slot: ProducerSlot) {
        guard self.topics[topic].aside.mode == .none, !self.topics[topic].isWanted(by: slot) else { return }
        self.topics[topic].setWanted(by: slot, true)
        self.producers[slot].wanted.append(topic)
    }

    /// Has all topics asked for again, to see new partitions, leaders and limits. Sending goes on meanwhile.
    mutating func wantAll() {
        for topic in self.topics.indices where self.topics.holds(topic) {
            self.want(topic, by: .main)
            self.topics[topic].limits.isStale = true
        }
    }

    /// The topics that a producer is to ask for now: those that have waited longest, at most `topicsPerRequest`.
    mutating func takeWanted(by slot: ProducerSlot) -> [Int] {
        self.forgetIdleTopics()
        var taken: [Int] = []
        while taken.count < self.settings.topicsPerRequest, let topic = self.producers[slot].wanted.popFirst() {
            guard self.topics.holds(topic), self.topics[topic].isWanted(by: slot) else { continue }
            self.topics[topic].setWanted(by: slot, false)
            if case .backingOff = self.topics[topic].phase { continue }  // Its time will ask for it.
            if slot == .main { self.topics[topic].metadata.askedBefore = self.window.tail }
            taken.append(topic)
        }
        return taken
    }

    /// New topics, if more of them wait than one request is for: most may be missing, and librdkafka keeps each that it is asked for by
    /// name, so the cluster is asked which topics it has.
    func manyNew() -> [Int] {
        guard self.way == .direct, self.producers[.main].wanted.count > self.settings.topicsPerRequest else { return [] }
        let new = self.topics.indices.filter { self.topics.holds($0) && self.topics[$0].isNew }
        return new.count > self.settings.topicsPerRequest ? new : []
    }

    // MARK: Answers

    /// The cluster has told all topics that it has, and a new one is not among them. Set aside, it is asked for by name, which creates it
    /// where the brokers do so.
    mutating func notListed(_ topic: Int, now: UInt64) {
        guard self.topics[topic].isNew, self.maySetAside(topic) else { return }
        self.topics[topic].setWanted(by: .main, false)
        self.fail(topic: topic, KafkaFailure(.unknownTopicOrPartition), byDelivery: false, now: now)
    }

    /// What the cluster answered to a producer.
    mutating func learned(_ answer: KafkaMetadata.Topic, _ topic: Int, from slot: ProducerSlot, now: UInt64) {
        self.clusterAnswered(now: now)
        if case .backingOff = self.topics[topic].phase { return }  // It failed meanwhile; its time will ask for it.
        guard self.topics[topic].aside.mode == .none else { return }
        guard !answer.error.isError, !answer.leaders.isEmpty else {
            let code = answer.error.isError ? answer.error : .leaderNotAvailable
            return self.fail(topic: topic, KafkaFailure(code), byDelivery: false, now: now)
        }
        self.topics[topic].setKnown(by: slot, true)
        if slot == .main {
            self.learned(leaders: answer.leaders, topic, now: now)
            guard self.topics[topic].isKnown(by: .main) else { return }  // It gave way to what is older.
        }
        self.open(topic)
    }

    private mutating func learned(leaders: [Int32?], _ topic: Int, now: UInt64) {
        self.topics[topic].metadata.learnedAt = now
        self.topics[topic].metadata.learnedBefore = self.topics[topic].metadata.askedBefore
        if !self.topics[topic].limits.isKnown || self.topics[topic].limits.isStale { self.topics.wantLimit(of: topic) }
        // Before any event is placed: a keyless one goes where there is a leader.
        self.learned(leaderless: Set(leaders.indices.filter { leaders[$0] == nil }.map(Int32.init)), topic)
        if leaders.count != self.topics[topic].metadata.partitions.count || self.topics[topic].metadata.nextCount != nil {
            self.setPartitionCount(topic, leaders.count, now: now)
            guard self.topics[topic].isKnown(by: .main) else { return }
        }
        self.placeWaiting(topic, now: now)
        guard self.way == .aside else { return }
        self.topics[topic].metadata.isAsked = false
        self.actions.found.append(
            DeliveryActions.Found(
                topic: self.topics[topic].name, leaderless: self.topics[topic].metadata.leaderless, partitionCount: leaders.count))
    }

    private mutating func learned(leaderless: Set<Int32>, _ topic: Int) {
        guard leaderless != self.topics[topic].metadata.leaderless else { return }
        self.topics[topic].metadata.leaderless = leaderless
        for place in self.topics[topic].metadata.partitions {
            self.partitions[place].isLeaderless = leaderless.contains(self.partitions[place].number)
        }
        self.refreshLive(topic)
    }

    /// The cluster does not list a topic that was asked for, or did not answer at all: asked again.
    mutating func notLearned(_ topics: [Int], from slot: ProducerSlot) {
        for topic in topics { self.want(topic, by: slot) }
    }

    /// A topic that is known, and whose limit is known or can't be, takes events.
    mutating func open(_ topic: Int) {
        guard self.topics[topic].isKnown(by: .main), self.topics[topic].limits.isKnown else { return }
        switch self.topics[topic].phase {
        case .backingOff: return
        case .probing: break
        case .unknown, .ready:
            if self.topics[topic].trouble.needsProbe {
                guard let probe = self.choosePartitionToProbe(topic) else { return }  // As soon as there is something to send.
                self.topics[topic].phase = .probing(partition: probe)
            } else {
                self.topics[topic].phase = .ready
                if self.topics[topic].trouble.failure != nil { self.release(topic) }
            }
        }
        self.partitions.markReady(allOf: self.topics[topic].metadata.partitions)
    }

    // MARK: Limits

    /// The topics whose limits are to be asked for now, at most `topicsPerRequest`.
    mutating func takeLimitsWanted() -> [Int] { self.topics.takeLimitsWanted(atMost: self.settings.topicsPerRequest) }

    /// The cluster told how large a batch a topic takes; none: it does not tell.
    mutating func learnedLimit(_ bytes: Int?, times: KafkaTimeLimits = KafkaTimeLimits(), _ topic: Int, now: UInt64) {
        self.topics[topic].limits.times = times
        self.topics[topic].limits.isKnown = true
        self.topics[topic].limits.isStale = false
        if let bytes {
            self.topics[topic].limits.isTold = true
            self.setLimit(bytes, topic)
        }
        self.placeWaiting(topic, now: now)
        self.open(topic)
    }

    private mutating func setLimit(_ bytes: Int, _ topic: Int) {
        self.topics.setLimit(bytes, of: topic, batchSize: self.settings.batchSize)
        if self.topics[topic].producers.slot == .small, !self.topics[topic].isKnown(by: .small) { self.want(topic, by: .small) }
    }

    /// A batch was too large: the limit has changed, or was never told. Ask again; where nobody tells, guess smaller.
    mutating func tooLarge(_ topic: Int, from slot: ProducerSlot) {
        guard slot != .single, !self.topics[topic].limits.isStale else { return }
        self.topics[topic].limits.isStale = true
        self.topics.wantLimit(of: topic)
        guard !self.topics[topic].limits.isTold else { return }
        let size = (slot == .small ? self.topics.smallBatchSize : nil) ?? self.settings.batchSize
        self.setLimit(max(1024, min(self.topics[topic].limits.bytes ?? size, size) / 4), topic)
    }
}
