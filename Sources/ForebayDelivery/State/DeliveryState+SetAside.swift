import ForebayCore
import ForebayKafka

/// What can't be delivered now.
///
/// The direct state moves it to the log: all of a topic, or of one partition, in its order. The drain's state lets go of it, for it stands
/// in the log already; only a partition that stalls within a topic that drains becomes a unit of its own.
extension DeliveryState {
    /// Events of one unit that leave for the set-aside log, in their order.
    struct Leaving {
        let topic: Int
        let place: Int?
        var flights: [UInt64]
        var departure: SetAsideState.Departure
    }

    /// A unit that the drain lets go of.
    struct Refusal: Equatable {
        let key: SetAsideKey
        let failure: KafkaFailure
        /// Events were refused; the cluster knows the topic all the same.
        let byDelivery: Bool
        /// Of a whole topic: those of its partitions that are units of their own go on.
        var sparesPartitions = false
    }

    /// In the drain: a topic that the cluster knows.
    struct Found {
        let topic: String
        /// Its partitions that have no leader.
        let leaderless: Set<Int32>
        let partitionCount: Int
    }

    // MARK: Leaving

    /// An event leaves for the log, behind those of its unit: a partition, or the whole topic.
    mutating func leave(_ flight: UInt32, _ topic: Int, place: Int?) {
        let batch = self.flights[flight].batch
        let number = self.flights.number(flight)
        self.flights[flight].status = .leaving
        let group = self.leavingGroup(topic, place, acceptedAt: self.batches[batch].batch.acceptedAt)
        if !self.holds.isEmpty, self.holds[number] != nil {
            self.leaving[group].departure.held.append((self.leaving[group].flights.count, number))
        }
        self.leaving[group].flights.append(number)
        self.leaving[group].departure.count += 1
        self.leaving[group].departure.bytes += Int(self.flights[flight].bytes)
    }

    private mutating func leavingGroup(_ topic: Int, _ place: Int?, acceptedAt: Int64) -> Int {
        if let group = place.map({ self.partitions[$0].leaving }) ?? self.topics[topic].leaving { return group }
        let failure = (place.map { self.partitions[$0].failure } ?? self.topics[topic].failure) ?? KafkaFailure(.leaderNotAvailable)
        let departure = SetAsideState.Departure(
            key: SetAsideKey(self.topics[topic].name, place.map { self.partitions[$0].number }),
            partitionCount: Int32(self.topics[topic].keyCount), failure: failure, acceptedAt: acceptedAt)
        let group = self.leaving.count
        self.leaving.append(Leaving(topic: topic, place: place, flights: [], departure: departure))
        if let place { self.partitions[place].leaving = group } else { self.topics[topic].leaving = group }
        return group
    }

    /// What left since it was asked last.
    mutating func takeLeaving() -> [Leaving] {
        defer { self.leaving = [] }
        for group in self.leaving {
            if let place = group.place { self.partitions[place].leaving = nil } else { self.topics[group.topic].leaving = nil }
        }
        return self.leaving
    }

    /// An event is durable in the log.
    mutating func setAside(_ flight: UInt64) {
        let flight = UInt32(truncatingIfNeeded: flight)
        self.settle(flight)
        self.totals.setAside += 1
        // It goes out once more, when it is drained.
        if self.flights[flight].flags.contains(.mayBeStored) { self.totals.redelivered += 1 }
    }

    /// An event that left was delivered meanwhile by the producer that had it, and is not in the log.
    mutating func settleDelivered(_ flight: UInt64) {
        self.settle(UInt32(truncatingIfNeeded: flight))
    }

    /// Events that there is no room for in the log wait at their topics again, before those that are newer: these may wait there, too,
    /// until more is known of the topic. To be placed when it is seen what is still set aside.
    ///
    /// - Parameter isAlone: each goes by itself.
    /// - Returns: the topics.
    mutating func comeBack(_ numbers: [UInt64], isAlone: Bool = false) -> [Int] {
        var back: [[UInt8]: [UInt64]] = [:]
        for number in numbers {
            let flight = UInt32(truncatingIfNeeded: number)
            self.flights[flight].status = .queued
            self.flights[flight].flags.remove(.alone)
            self.queuedBytes += Int(self.flights[flight].bytes)
            back[Array(self.event(of: flight).topic), default: []].append(number)
        }
        var topics: [Int] = []
        for older in back.values.sorted(by: { $0[0] < $1[0] }) {
            // Others may be forgotten for it: those to which nothing has come back yet.
            let topic = self.topic(of: self.event(of: UInt32(truncatingIfNeeded: older[0])))
            topics.append(topic)
            if isAlone { for number in older { self.setAlone(UInt32(truncatingIfNeeded: number), topic) } }
            var all = older
            while self.topics[topic].waiting.count > 0 {
                all.append(self.flights.number(self.topics[topic].waiting.removeFirst(in: self.flights)))
            }
            for number in all.sorted() { self.topics[topic].waiting.append(UInt32(truncatingIfNeeded: number), in: &self.flights) }
        }
        return topics.sorted()
    }

    /// What came back to a topic goes on, or leaves once more.
    mutating func placeBack(_ topic: Int, now: UInt64) {
        guard self.topics[topic].aside == .aside else {
            self.want(topic, by: .main)
            return self.placeWaiting(topic, now: now)
        }
        let taken = self.takeAll(topic)
        self.listIfIdle(topic)
        for flight in taken { self.leave(flight, topic, place: nil) }
    }

    /// All of a topic is set aside.
    mutating func setAside(topic: Int, _ failure: KafkaFailure) {
        let taken = self.takeAll(topic)
        self.topics[topic].aside = .aside
        self.topics[topic].failure = failure
        self.asides[self.topics[topic].name, default: SetAsideTopic()].whole = .aside
        self.closeTopic(topic)
        for flight in taken { self.leave(flight, topic, place: nil) }
    }

    /// A partition is set aside.
    mutating func setAside(partition place: Int, _ failure: KafkaFailure, now: UInt64) {
        let topic = self.partitions[place].topic
        let name = self.topics[topic].name
        let taken = self.takeAll(of: place)
        self.partitions[place].aside = .aside
        self.partitions[place].failure = failure
        self.asides[name, default: SetAsideTopic()].partitions[self.partitions[place].number] = .aside
        if self.asides[name]?.partitionCount == 0 { self.asides[name]?.partitionCount = Int32(self.topics[topic].keyCount) }
        for flight in taken { self.leave(flight, topic, place: place) }
        self.refreshLive(topic)
        self.applyCount(topic, now: now)
    }

    /// A partition can't be delivered to now.
    mutating func fail(partition place: Int, _ failure: KafkaFailure, byDelivery: Bool, now: UInt64) {
        guard self.partitions[place].unsettled > 0 else { return }
        let topic = self.partitions[place].topic
        if self.way == .aside, self.isShared(place) {
            self.withdraw(topic: topic, failure, byDelivery: byDelivery)
        } else if self.way == .aside, let number = self.batches.partition(self.flights[self.partitions[place].oldest].batch) {
            self.withdraw(partition: number, place, failure, byDelivery: byDelivery, now: now)
        } else if self.maySetAside(topic) {
            self.setAside(partition: place, failure, now: now)
        } else {
            self.want(topic, by: .main)
        }
    }

    /// Whether a partition holds events of several units, as it may once they have picked partitions anew: if it fails, each of them is
    /// given up.
    private mutating func isShared(_ place: Int) -> Bool {
        let first = self.batches.partition(self.flights[self.partitions[place].oldest].batch)
        var isShared = false
        self.forEachUnsettled(of: place) { state, flight in
            if state.batches.partition(state.flights[flight].batch) != first { isShared = true }
        }
        return isShared
    }

    /// So many topics at once are set aside, not more: their units cost memory and room in the log's table.
    func maySetAside(_ topic: Int) -> Bool {
        self.asides.count < self.configuration.setAsideTopics || self.asides[self.topics[topic].name] != nil
    }

    // MARK: Letting go, in the drain

    /// Nothing of a topic can be delivered now.
    mutating func withdraw(topic: Int, _ failure: KafkaFailure, byDelivery: Bool) {
        for flight in self.takeAll(topic) { self.letGo(flight) }
        self.closeTopic(topic)
        self.refusals.append(Refusal(key: SetAsideKey(self.topics[topic].name), failure: failure, byDelivery: byDelivery))
    }

    /// A partition that is a unit of its own can't be delivered to now.
    private mutating func withdraw(partition: Int32, _ place: Int, _ failure: KafkaFailure, byDelivery: Bool, now: UInt64) {
        let topic = self.partitions[place].topic
        for flight in self.takeAll(of: place) { self.letGo(flight) }
        self.applyCount(topic, now: now)
        self.refusals.append(Refusal(key: SetAsideKey(self.topics[topic].name, partition), failure: failure, byDelivery: byDelivery))
    }

    /// Events on their way from a unit into one of its partition's own can't be stored. They stand in theirs still, which is let go of
    /// whole and tried again later: waiting for room, they would hold up what makes some by being delivered.
    ///
    /// - Parameter delivered: those of them that a producer has delivered since they left.
    mutating func withdraw(leaving numbers: [UInt64], delivered: Set<UInt64>, _ failure: KafkaFailure, now: UInt64) {
        var names: Set<String> = []
        for number in numbers {
            let flight = UInt32(truncatingIfNeeded: number)
            names.insert(String(decoding: self.event(of: flight).topic, as: UTF8.self))
            if delivered.contains(number) {
                self.withheld.append((token: number, offset: self.offset(of: flight)))
                self.heldReports.append((number, true))
            }
            self.letGo(flight)
        }
        for name in names.sorted() {
            self.refusals.append(Refusal(key: SetAsideKey(name), failure: failure, byDelivery: false, sparesPartitions: true))
            guard let topic = name.withBytes({ self.names.index(of: $0) }) else { continue }  // Forgotten: it had nothing else here.
            let places = self.topics[topic].partitions.filter { self.partitions[$0].unsettled > 0 }
            if places.contains(where: { self.isShared($0) }) {
                self.withdraw(topic: topic, failure, byDelivery: false)
                continue
            }
            for flight in self.takeWhole(topic, places) { self.letGo(flight) }
            if self.topics[topic].isIdle { self.closeTopic(topic) } else { self.applyCount(topic, now: now) }
        }
    }

    private mutating func letGo(_ flight: UInt32) {
        let number = self.flights.number(flight)
        if self.holds[number] != nil { self.withheld.append((token: number, offset: self.offset(of: flight))) }
        self.settle(flight)
    }

    // MARK: Taking events out of their queues

    /// Takes all unsettled flights of a topic out of their queues, in their order.
    private mutating func takeAll(_ topic: Int) -> [UInt32] {
        var taken: [UInt32] = []
        for place in self.topics[topic].partitions { taken += self.takeAll(of: place) }
        while self.topics[topic].waiting.count > 0 {
            let flight = self.topics[topic].waiting.removeFirst(in: self.flights)
            self.forget(flight, topic)
            taken.append(flight)
        }
        return taken.sorted { self.flights.number($0) < self.flights.number($1) }
    }

    /// Takes what is a topic's as a whole out of its queues, and leaves what is a partition's own.
    private mutating func takeWhole(_ topic: Int, _ places: [Int]) -> [UInt32] {
        func isWhole(_ flight: UInt32) -> Bool { self.batches.partition(self.flights[flight].batch) == nil }
        var taken: [UInt32] = []
        for place in places where isWhole(self.partitions[place].oldest) { taken += self.takeAll(of: place) }
        for _ in 0..<self.topics[topic].waiting.count {
            let flight = self.topics[topic].waiting.removeFirst(in: self.flights)
            if isWhole(flight) {
                self.forget(flight, topic)
                taken.append(flight)
            } else {
                self.topics[topic].waiting.append(flight, in: &self.flights)
            }
        }
        return taken
    }

    /// Takes all unsettled flights out of a partition, in their order. What was sent is held by its producer from now on.
    private mutating func takeAll(of place: Int) -> [UInt32] {
        let partition = self.partitions[place]
        var taken: [UInt32] = []
        self.forEachUnsettled(of: place) { state, flight in
            if state.flights[flight].status == .sent {
                state.hold(flight, by: partition.slot)
            } else {
                state.queuedBytes -= Int(state.flights[flight].bytes)
            }
            if state.flights[flight].flags.contains(.alone) { state.topics[partition.topic].alone -= 1 }
            taken.append(flight)
        }
        self.topics[partition.topic].assigned -= partition.unsettled
        self[partition.slot].outstanding -= partition.outstanding
        var emptied = PartitionState(topic: partition.topic, number: partition.number)
        (emptied.isReady, emptied.stalledAt) = (partition.isReady, partition.stalledAt)
        (emptied.aside, emptied.failure, emptied.isLeaderless) = (partition.aside, partition.failure, partition.isLeaderless)
        emptied.leaving = partition.leaving
        (emptied.caution, emptied.aloneLeft) = (partition.caution, partition.aloneLeft)
        self.partitions[place] = emptied
        if self.topics[partition.topic].phase == .probing(partition: place) {
            self.topics[partition.topic].phase = .unknown
            self.want(partition.topic, by: .main)
        }
        return taken
    }

    /// Nothing is asked or expected of a topic any more.
    private mutating func closeTopic(_ topic: Int) {
        self.topics[topic].phase = .unknown
        self.topics[topic].isAsked = false
        self.topics[topic].wantedBy = 0
        self.topics[topic].knownBy = 0
        self.topics[topic].needsProbe = false
        self.topics[topic].nextCount = nil
        self.topics[topic].failures = 0
        self.closedTopics.append(topic)  // `held` looks at the phase.
        self.listIfIdle(topic)
    }

    // MARK: Seeing what changed

    /// Something of a topic was set aside, or is not any more.
    mutating func see(_ name: String, _ now: SetAsideTopic?, at time: UInt64) {
        self.asides[name] = now
        if now == nil, self.refusedTimes.remove(name) != nil { self.notes.append(.timeTaken(topic: name)) }
        guard let topic = name.withBytes({ self.names.index(of: $0) }) else { return }
        self.apply(now ?? SetAsideTopic(), topic, now: time)
        // What is drained needs no place in the drain's librdkafka any more.
        if self.way == .aside, now == nil, self.topics[topic].isIdle { self.closeTopic(topic) }
    }

    mutating func apply(_ aside: SetAsideTopic, _ topic: Int, now: UInt64) {
        for place in self.topics[topic].partitions {
            let mode = aside.partitions[self.partitions[place].number] ?? .none
            let before = self.partitions[place].aside
            guard mode != before else { continue }
            self.partitions[place].aside = mode
            guard self.way == .direct else { continue }
            if mode == .aside {
                for flight in self.takeAll(of: place) { self.leave(flight, topic, place: place) }
            } else {
                self.partitions[place].movedAt = now
                if self.partitions[place].queued > 0 { self.markReady(place) }
            }
        }
        self.refreshLive(topic)
        if self.way == .direct, self.topics[topic].aside != aside.whole { self.apply(whole: aside.whole, topic) }
        self.spreadKeys(topic, now: now)
        self.applyCount(topic, now: now)
    }

    private mutating func apply(whole mode: SetAsideMode, _ topic: Int) {
        self.topics[topic].aside = mode
        switch mode {
        case .none:
            self.release(topic)
            self.want(topic, by: .main)
        case .aside:
            let taken = self.takeAll(topic)
            self.closeTopic(topic)
            for flight in taken { self.leave(flight, topic, place: nil) }
        case .closing: break
        }
    }

    mutating func refreshLive(_ topic: Int) {
        self.topics[topic].live = self.topics[topic].partitions.filter {
            !self.partitions[$0].isLeaderless && self.partitions[$0].aside == .none
        }.map { self.partitions[$0].number }
        self.topics[topic].sticky = (0, 0)
    }

    // MARK: The drain's questions

    /// A unit is to be tried: the cluster is asked for its topic.
    mutating func ask(_ name: String, probe: Bool) {
        let topic = name.withBytes { self.names.index(of: $0) ?? self.addTopic($0) }
        self.topics[topic].isAsked = true
        if probe { self.topics[topic].needsProbe = true }
        self[.main].isWanted = true
        self.want(topic, by: .main)
    }
}

extension String {
    fileprivate func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        var text = self
        return text.withUTF8 { body(UnsafeRawBufferPointer($0)) }
    }
}
