import ForebayCore
import ForebayKafka

/// What can't be delivered now, in the direct state: it moves to the log, all of a topic or of one partition, in its order.
///
/// The drain's state moves only a partition that stalls within a topic that drains: it becomes a unit of its own.
extension DeliveryState {
    /// An event leaves for the log, behind those of its unit: a partition, or the whole topic.
    mutating func appendToSetAside(_ flight: UInt32, _ topic: Int, place: Int?) {
        let number = self.window.number(flight)
        self.window.divert(flight, as: .settingAside)
        let group = self.setAsideGroup(topic, place, acceptedAt: self.window.acceptedAt(flight))
        if self.settledOutstanding.contains(number) {
            self.actions.settingAside[group].request.unreported.append((self.actions.settingAside[group].flights.count, number))
        }
        self.actions.settingAside[group].flights.append(number)
        self.actions.settingAside[group].request.count += 1
        self.actions.settingAside[group].request.bytes += Int(self.window[flight].bytes)
    }

    private mutating func setAsideGroup(_ topic: Int, _ place: Int?, acceptedAt: Int64) -> Int {
        if let group = place.map({ self.partitions[$0].aside.group }) ?? self.topics[topic].aside.group { return group }
        let failure = place.map { self.partitions[$0].aside.failure } ?? self.topics[topic].trouble.failure
        let request = SetAsideState.AppendRequest(
            key: SetAsideKey(self.topics[topic].name, place.map { self.partitions[$0].number }),
            partitionCount: Int32(self.topics[topic].metadata.keyCount), failure: failure ?? KafkaFailure(.leaderNotAvailable),
            acceptedAt: acceptedAt)
        let group = self.actions.settingAside.count
        self.actions.settingAside.append(DeliveryActions.SetAsideGroup(topic: topic, place: place, flights: [], request: request))
        if let place { self.partitions[place].aside.group = group } else { self.topics[topic].aside.group = group }
        return group
    }

    /// What left since it was asked last.
    mutating func takeSettingAside() -> [DeliveryActions.SetAsideGroup] {
        defer { self.actions.settingAside = [] }
        for group in self.actions.settingAside {
            if let place = group.place {
                self.partitions[place].aside.group = nil
            } else {
                self.topics[group.topic].aside.group = nil
            }
        }
        return self.actions.settingAside
    }

    /// An event is durable in the log.
    mutating func setAside(_ flight: UInt64) {
        let flight = UInt32(truncatingIfNeeded: flight)
        self.window.settle(flight)
        self.totals.setAside += 1
        // It goes out once more, when it is drained.
        if self.window[flight].flags.contains(.mayBeStored) { self.totals.redelivered += 1 }
    }

    /// An event that left was delivered meanwhile by the producer that had it, and is not in the log.
    mutating func settleDelivered(_ flight: UInt64) {
        self.window.settle(UInt32(truncatingIfNeeded: flight))
    }

    // MARK: Coming back

    /// Events that there is no room for in the log wait at their topics again, before those that are newer: these may wait there, too,
    /// until more is known of the topic. To be placed when it is seen what is still set aside.
    ///
    /// - Parameter isAlone: each goes by itself.
    /// - Returns: the topics.
    mutating func requeueAtTopics(_ numbers: [UInt64], isAlone: Bool = false) -> [Int] {
        var back: [[UInt8]: [UInt64]] = [:]
        for number in numbers {
            let flight = UInt32(truncatingIfNeeded: number)
            self.window.requeue(flight)
            self.window[flight].flags.remove(.alone)
            back[Array(self.window.event(of: flight).topic), default: []].append(number)
        }
        var topics: [Int] = []
        for older in back.values.sorted(by: { $0[0] < $1[0] }) {
            // Others may be forgotten for it: those to which nothing has come back yet.
            let topic = self.topic(of: self.window.event(of: UInt32(truncatingIfNeeded: older[0])))
            topics.append(topic)
            if isAlone { for number in older { self.setAlone(UInt32(truncatingIfNeeded: number), topic) } }
            let newer = self.topics[topic].events.waiting.removeAll(in: self.window).map(self.window.number)
            for number in (older + newer).sorted() {
                self.topics[topic].events.waiting.append(UInt32(truncatingIfNeeded: number), in: &self.window)
            }
        }
        return topics.sorted()
    }

    /// What came back to a topic goes on, or leaves once more.
    mutating func placeRequeued(_ topic: Int, now: UInt64) {
        guard self.topics[topic].aside.mode == .aside else {
            self.want(topic, by: .main)
            return self.placeWaiting(topic, now: now)
        }
        let taken = self.takeAll(topic)
        self.topics.listIfIdle(topic)
        for flight in taken { self.appendToSetAside(flight, topic, place: nil) }
    }

    // MARK: Setting aside

    /// All of a topic is set aside.
    mutating func setAside(topic: Int, _ failure: KafkaFailure) {
        let taken = self.takeAll(topic)
        self.topics[topic].aside.mode = .aside
        self.topics[topic].trouble.failure = failure
        self.asides[self.topics[topic].name, default: SetAsideTopic()].whole = .aside
        self.closeTopic(topic)
        for flight in taken { self.appendToSetAside(flight, topic, place: nil) }
    }

    /// A partition is set aside.
    mutating func setAside(partition place: Int, _ failure: KafkaFailure, now: UInt64) {
        let topic = self.partitions[place].topic
        let name = self.topics[topic].name
        let taken = self.takeAll(of: place)
        self.partitions[place].aside.mode = .aside
        self.partitions[place].aside.failure = failure
        self.asides[name, default: SetAsideTopic()].partitions[self.partitions[place].number] = .aside
        if self.asides[name]?.partitionCount == 0 { self.asides[name]?.partitionCount = Int32(self.topics[topic].metadata.keyCount) }
        for flight in taken { self.appendToSetAside(flight, topic, place: place) }
        self.refreshLive(topic)
        self.applyCount(topic, now: now)
    }

    /// A partition can't be delivered to now.
    mutating func fail(partition place: Int, _ failure: KafkaFailure, byDelivery: Bool, now: UInt64) {
        guard self.partitions[place].events.unsettled > 0 else { return }
        let topic = self.partitions[place].topic
        if self.way == .aside, self.isShared(place) {
            self.withdraw(topic: topic, failure, byDelivery: byDelivery)
        } else if self.way == .aside, let number = self.window.unitPartition(of: self.partitions[place].events.oldest) {
            self.withdraw(partition: number, place, failure, byDelivery: byDelivery, now: now)
        } else if self.maySetAside(topic) {
            self.setAside(partition: place, failure, now: now)
        } else {
            self.want(topic, by: .main)
        }
    }

    /// So many topics at once are set aside, not more: their units cost memory and room in the log's table.
    func maySetAside(_ topic: Int) -> Bool {
        self.asides.count < self.settings.setAsideTopics || self.asides[self.topics[topic].name] != nil
    }

    // MARK: Taking events out of their queues

    /// Takes all unsettled flights of a topic out of their queues, in their order.
    mutating func takeAll(_ topic: Int) -> [UInt32] {
        var taken: [UInt32] = []
        for place in self.topics[topic].metadata.partitions { taken += self.takeAll(of: place) }
        for flight in self.topics[topic].events.waiting.removeAll(in: self.window) {
            self.forget(flight, topic)
            taken.append(flight)
        }
        return taken.sorted { self.window.number($0) < self.window.number($1) }
    }

    /// Takes all unsettled flights out of a partition, in their order. What was sent is held by its producer from now on.
    mutating func takeAll(of place: Int) -> [UInt32] {
        let partition = self.partitions[place]
        let taken = self.partitions.unsettled(of: place, in: self.window)
        for flight in taken {
            if self.window[flight].status == .sent { self.keepOutstanding(flight, by: partition.producer.slot) }
            if self.window[flight].flags.contains(.alone) { self.topics[partition.topic].events.alone -= 1 }
        }
        self.topics[partition.topic].events.assigned -= partition.events.unsettled
        self.producers[partition.producer.slot].outstanding -= partition.events.outstanding
        self.partitions[place] = partition.emptied
        if self.topics[partition.topic].phase == .probing(partition: place) {
            self.topics[partition.topic].phase = .unknown
            self.want(partition.topic, by: .main)
        }
        return taken
    }
}
