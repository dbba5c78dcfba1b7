import ForebayKafka

/// What is known of topics, and those that take nothing now.
extension DeliveryState {
    mutating func addTopic(_ name: UnsafeRawBufferPointer) -> Int {
        self.evictIdleTopics(usedBefore: self.admissions)
        let topic = TopicState(name: String(decoding: name, as: UTF8.self))
        let index: Int
        if let free = self.freeTopics.popLast() {
            index = free
            self.topics[free] = topic
        } else {
            index = self.topics.count
            self.topics.append(topic)
        }
        self.names.add(name, at: index)
        self.topics[index].aside = self.way == .direct ? self.asides[topic.name]?.whole ?? .none : .none
        self.want(index, by: .main)
        return index
    }

    /// A topic has perhaps no events any more, for now: from here on it may be forgotten.
    mutating func listIfIdle(_ topic: Int) {
        guard !self.topics[topic].isListedIdle else { return }
        self.topics[topic].isListedIdle = true
        self.topics[topic].lastUseWhenListed = self.topics[topic].lastUse
        self.idleTopics.append(topic)
    }

    /// Forgets topics without events where there are many, those first that have been without for longest. The stage closes their handles.
    ///
    /// - Parameter admission: topics used in it stay.
    mutating func evictIdleTopics(usedBefore admission: UInt64 = .max) {
        guard self.idleTopics.count > self.configuration.idleTopics else { return }
        var evicted: [Int] = []
        for _ in 0..<(self.idleTopics.count - self.configuration.idleTopics / 2) {
            guard let topic = self.idleTopics.popFirst() else { break }
            self.topics[topic].isListedIdle = false
            guard self.names.holds(topic), self.topics[topic].isIdle else { continue }  // Listed again when it has none.
            let known = self.topics[topic]
            guard known.lastUse == known.lastUseWhenListed, known.lastUse < admission, !known.isAsked, known.delivered == 0 else {
                self.listIfIdle(topic)
                continue
            }
            evicted.append(topic)
        }
        guard !evicted.isEmpty else { return }
        self.names.remove(evicted)
        for index in evicted {
            self.freePartitions += self.topics[index].partitions
            self.topics[index].partitions = []
        }
        self.limitsChanged = true
        self.freeTopics += evicted
        self.closedTopics += evicted
        self.forgetLastTopic()
    }

    /// Has a producer ask the cluster for a topic (again). For one that is set aside, the drain asks.
    mutating func want(_ topic: Int, by slot: ProducerSlot) {
        guard self.topics[topic].aside == .none, self.topics[topic].wantedBy & slot.bit == 0 else { return }
        self.topics[topic].wantedBy |= slot.bit
        self[slot].wanted.append(topic)
    }

    /// Has all topics asked for again, to see new partitions, leaders and limits. Sending goes on meanwhile.
    mutating func wantAll() {
        for topic in self.topics.indices where self.names.holds(topic) {
            self.want(topic, by: .main)
            self.topics[topic].limitIsStale = true
        }
    }

    /// The topics that a producer is to ask for now: those that have waited longest, at most `topicsPerRequest`.
    mutating func takeWanted(by slot: ProducerSlot) -> [Int] {
        self.evictIdleTopics()
        var taken: [Int] = []
        while taken.count < self.configuration.topicsPerRequest, let topic = self[slot].wanted.popFirst() {
            guard self.names.holds(topic), self.topics[topic].wantedBy & slot.bit != 0 else { continue }
            self.topics[topic].wantedBy &= ~slot.bit
            if case .held = self.topics[topic].phase { continue }  // Its time will ask for it.
            if slot == .main { self.topics[topic].askedBefore = self.flights.tail }
            taken.append(topic)
        }
        return taken
    }

    /// New topics, if more of them wait than one request is for: most may be missing, and librdkafka keeps each that it is asked for by
    /// name, so the cluster is asked which topics it has.
    func manyNew() -> [Int] {
        guard self.way == .direct, self[.main].wanted.count > self.configuration.topicsPerRequest else { return [] }
        let new = self.topics.indices.filter { self.names.holds($0) && self.isNew($0) }
        return new.count > self.configuration.topicsPerRequest ? new : []
    }

    private func isNew(_ topic: Int) -> Bool {
        self.topics[topic].learnedAt == 0 && self.topics[topic].phase == .unknown && self.topics[topic].aside == .none
            && self.topics[topic].wantedBy & ProducerSlot.main.bit != 0
    }

    /// The cluster has told all topics that it has, and a new one is not among them. Set aside, it is asked for by name, which creates it
    /// where the brokers do so.
    mutating func notListed(_ topic: Int, now: UInt64) {
        guard self.isNew(topic), self.maySetAside(topic) else { return }
        self.topics[topic].wantedBy &= ~ProducerSlot.main.bit
        self.fail(topic: topic, KafkaFailure(.unknownTopicOrPartition), byDelivery: false, now: now)
    }

    /// What the cluster answered to a producer.
    mutating func learned(_ answer: KafkaMetadata.Topic, _ topic: Int, from slot: ProducerSlot, now: UInt64) {
        if case .held = self.topics[topic].phase { return }  // It failed meanwhile; its time will ask for it.
        guard self.topics[topic].aside == .none else { return }
        guard !answer.error.isError, !answer.leaders.isEmpty else {
            let code = answer.error.isError ? answer.error : .leaderNotAvailable
            return self.fail(topic: topic, KafkaFailure(code), byDelivery: false, now: now)
        }
        self.topics[topic].setKnown(by: slot, true)
        if slot == .main {
            self.topics[topic].learnedAt = now
            self.topics[topic].learnedBefore = self.topics[topic].askedBefore
            if !self.topics[topic].limitIsKnown || self.topics[topic].limitIsStale { self.wantLimit(of: topic) }
            // Before any event is placed: a keyless one goes where there is a leader.
            self.learned(leaderless: Set(answer.leaders.indices.filter { answer.leaders[$0] == nil }.map(Int32.init)), topic)
            if answer.leaders.count != self.topics[topic].partitions.count || self.topics[topic].nextCount != nil {
                self.setPartitionCount(topic, answer.leaders.count, now: now)
                guard self.topics[topic].isKnown(by: .main) else { return }  // It gave way to what is older.
            }
            self.placeWaiting(topic, now: now)
            if self.way == .aside {
                self.topics[topic].isAsked = false
                self.found.append(
                    Found(topic: self.topics[topic].name, leaderless: self.topics[topic].leaderless, partitionCount: answer.leaders.count))
            }
        }
        self.open(topic)
    }

    private mutating func learned(leaderless: Set<Int32>, _ topic: Int) {
        guard leaderless != self.topics[topic].leaderless else { return }
        self.topics[topic].leaderless = leaderless
        for place in self.topics[topic].partitions {
            self.partitions[place].isLeaderless = leaderless.contains(self.partitions[place].number)
        }
        self.refreshLive(topic)
    }

    /// The cluster does not list a topic that was asked for, or did not answer at all: asked again.
    mutating func notLearned(_ topics: [Int], from slot: ProducerSlot) {
        for topic in topics { self.want(topic, by: slot) }
    }

    /// A topic that is known, and whose limit is known or can't be, takes events.
    private mutating func open(_ topic: Int) {
        guard self.topics[topic].isKnown(by: .main), self.topics[topic].limitIsKnown else { return }
        switch self.topics[topic].phase {
        case .held: return
        case .probing: break
        case .unknown, .ready:
            if self.topics[topic].needsProbe {
                guard let probe = self.choosePartitionToProbe(topic) else { return }  // As soon as there is something to send.
                self.topics[topic].phase = .probing(partition: probe)
            } else {
                self.topics[topic].phase = .ready
                if self.topics[topic].failure != nil { self.release(topic) }
            }
        }
        self.markReady(allOf: topic)
    }

    /// In the drain: there is something to send to a topic that is to be tried with one event.
    mutating func beginProbe(_ topic: Int) {
        if self.topics[topic].needsProbe, self.topics[topic].phase == .unknown || self.topics[topic].phase == .ready { self.open(topic) }
    }

    private func choosePartitionToProbe(_ topic: Int) -> Int? {
        let waiting = self.topics[topic].partitions.filter { self.partitions[$0].queued > 0 }
        return waiting.first { self.partitions[$0].outstanding == 0 } ?? waiting.first
    }

    private mutating func markReady(allOf topic: Int) {
        for place in self.topics[topic].partitions where self.partitions[place].queued > 0 { self.markReady(place) }
    }

    // MARK: Limits

    /// The cluster told how large a batch a topic takes; none: it does not tell.
    mutating func learnedLimit(_ bytes: Int?, times: KafkaTimeLimits = KafkaTimeLimits(), _ topic: Int, now: UInt64) {
        self.topics[topic].times = times
        self.topics[topic].limitIsKnown = true
        self.topics[topic].limitIsStale = false
        if let bytes {
            self.topics[topic].limitIsTold = true
            self.setLimit(bytes, topic)
        }
        self.placeWaiting(topic, now: now)
        self.open(topic)
    }

    private mutating func setLimit(_ bytes: Int, _ topic: Int) {
        self.topics[topic].limit = bytes
        self.limitsChanged = true
        self.topics[topic].slot = bytes < self.configuration.batchSize ? .small : .main
        if self.topics[topic].slot == .small, !self.topics[topic].isKnown(by: .small) { self.want(topic, by: .small) }
    }

    /// The batches of the small topics' producer: the smallest limit, less what a request adds.
    var smallBatchSize: Int? {
        mutating get {
            guard self.limitsChanged else { return self.knownSmallBatchSize }
            var smallest: Int?
            for topic in self.topics.indices where self.names.holds(topic) && self.topics[topic].slot == .small {
                if let limit = self.topics[topic].limit { smallest = min(smallest ?? .max, limit) }
            }
            self.knownSmallBatchSize = smallest.map { max(1, $0 - 128) }
            self.limitsChanged = false
            return self.knownSmallBatchSize
        }
    }

    /// A batch was too large: the limit has changed, or was never told. Ask again; where nobody tells, guess smaller.
    mutating func tooLarge(_ topic: Int, from slot: ProducerSlot) {
        guard slot != .single, !self.topics[topic].limitIsStale else { return }
        self.topics[topic].limitIsStale = true
        self.wantLimit(of: topic)
        guard !self.topics[topic].limitIsTold else { return }
        let size = (slot == .small ? self.smallBatchSize : nil) ?? self.configuration.batchSize
        self.setLimit(max(1024, min(self.topics[topic].limit ?? size, size) / 4), topic)
    }

    /// The topics whose limits are to be asked for now, at most `topicsPerRequest`.
    mutating func takeLimitsWanted() -> [Int] {
        var taken: [Int] = []
        while taken.count < self.configuration.topicsPerRequest, let topic = self.limitsWantedOf.popFirst() {
            self.topics[topic].isLimitWanted = false
            guard self.names.holds(topic), self.topics[topic].isKnown(by: .main),
                !self.topics[topic].limitIsKnown || self.topics[topic].limitIsStale
            else { continue }
            taken.append(topic)
        }
        return taken
    }

    mutating func wantLimit(of topic: Int) {
        guard !self.topics[topic].isLimitWanted else { return }
        self.topics[topic].isLimitWanted = true
        self.limitsWantedOf.append(topic)
    }

    // MARK: Not now

    /// A topic takes nothing now.
    ///
    /// - Parameter byDelivery: events were refused; metadata alone can't say that it is over.
    mutating func fail(topic: Int, _ failure: KafkaFailure, byDelivery: Bool, now: UInt64) {
        if case .held = self.topics[topic].phase { return }
        // It may be made anew, and know nobody then.
        for place in self.topics[topic].partitions { self.partitions[place].knownProducer = 0 }
        guard self.way == .direct else { return self.withdraw(topic: topic, failure, byDelivery: byDelivery) }
        self.topics[topic].failure = failure
        self.topics[topic].failures += 1
        // One that the brokers are just creating is missing, then leaderless, for a moment: asked twice.
        if self.topics[topic].failures >= (!byDelivery && self.isPerhapsNew(failure) ? 2 : 1), self.maySetAside(topic) {
            return self.setAside(topic: topic, failure)
        }
        self.noteHold(topic, failure)
        if byDelivery { self.topics[topic].needsProbe = true }
        let until = now + self.delay(self.configuration.holdDelay, self.topics[topic].failures, self.configuration.holdLimit)
        self.topics[topic].phase = .held(until: until)
        self.held.append(topic)
        self.nextHeldUntil = min(self.nextHeldUntil, until)
        if !byDelivery { self.closeIfUnused(topic) }
    }

    private func isPerhapsNew(_ failure: KafkaFailure) -> Bool {
        failure.code == .unknownTopicOrPartition || failure.code == .leaderNotAvailable
    }

    /// Too much is set aside to add this topic.
    private mutating func noteHold(_ topic: Int, _ failure: KafkaFailure) {
        guard !self.maySetAside(topic), self.topics[topic].told != failure.code else { return }
        // Perhaps just being created: not told at once.
        guard self.topics[topic].failures >= (self.isPerhapsNew(failure) ? 3 : 1) else { return }
        self.topics[topic].told = failure.code
        self.notes.append(.held(topic: self.topics[topic].name, failure))
    }

    /// librdkafka goes on asking for an open topic that does not exist; with nothing in flight there, it need not.
    private mutating func closeIfUnused(_ topic: Int) {
        guard self.topics[topic].partitions.allSatisfy({ self.partitions[$0].outstanding == 0 }) else { return }
        self.topics[topic].knownBy = 0
        self.closedTopics.append(topic)
    }

    /// An event was settled at a partition or topic that had failed.
    mutating func recovered(_ place: Int, now: UInt64) {
        self.partitions[place].failures = 0
        self.partitions[place].notTaken = .none
        let topic = self.partitions[place].topic
        guard self.topics[topic].needsProbe else { return }
        switch self.topics[topic].phase {
        case .ready, .probing(place): break
        case .unknown, .held, .probing: return
        }
        self.topics[topic].needsProbe = false
        self.topics[topic].phase = .ready
        self.release(topic)
        self.markReady(allOf: topic)
    }

    /// It takes events again.
    mutating func release(_ topic: Int) {
        self.topics[topic].failure = nil
        self.topics[topic].failures = 0
        if self.topics[topic].told != nil { self.notes.append(.released(topic: self.topics[topic].name)) }
        self.topics[topic].told = nil
        if self.refusedTimes.remove(self.topics[topic].name) != nil { self.notes.append(.timeTaken(topic: self.topics[topic].name)) }
    }

    // MARK: Time

    /// Looks at what was to wait until now.
    ///
    /// - Returns: whether anything still waits for a time.
    mutating func tick(now: UInt64) -> Bool {
        for place in self.resting where self.partitions[place].restsUntil <= now { self.markReady(place) }
        self.resting.removeAll { self.partitions[$0].restsUntil <= now }
        if now >= self.nextHeldUntil { self.lookAtHeld(now: now) }
        self.endVainRenewals(now: now)
        return !self.resting.isEmpty || !self.held.isEmpty || self.slots.contains { $0.waitsForTime }
    }

    private mutating func lookAtHeld(now: UInt64) {
        let held = self.held
        (self.held, self.nextHeldUntil) = ([], .max)
        for topic in held {
            guard case .held(let until) = self.topics[topic].phase else { continue }  // Set aside, or forgotten.
            if until <= now {
                self.topics[topic].phase = .unknown
                self.want(topic, by: .main)
            } else {
                self.held.append(topic)
                self.nextHeldUntil = min(self.nextHeldUntil, until)
            }
        }
    }
}
