import ForebayCore
import ForebayKafka

/// What can't be delivered now, in the drain's state: it lets go of it, for it stands in the log already. And what the drain asks.
extension DeliveryState {
    /// A unit is to be tried: the cluster is asked for its topic.
    mutating func ask(_ name: String, probe: Bool) {
        var name = name
        let topic = name.withUTF8 { name in
            let name = UnsafeRawBufferPointer(name)
            return self.topics.index(of: name) ?? self.addTopic(name)
        }
        self.topics[topic].metadata.isAsked = true
        if probe { self.topics[topic].trouble.needsProbe = true }
        self.producers[.main].isWanted = true
        self.want(topic, by: .main)
    }

    // MARK: Letting go

    /// Nothing of a topic can be delivered now.
    mutating func withdraw(topic: Int, _ failure: KafkaFailure, byDelivery: Bool) {
        for flight in self.takeAll(topic) { self.letGo(flight) }
        self.releaseDeadLetters(self.topics[topic].name, partition: nil)
        self.closeTopic(topic)
        self.refuse(SetAsideKey(self.topics[topic].name), failure, byDelivery: byDelivery)
    }

    /// A partition that is a unit of its own can't be delivered to now.
    mutating func withdraw(partition: Int32, _ place: Int, _ failure: KafkaFailure, byDelivery: Bool, now: UInt64) {
        let topic = self.partitions[place].topic
        for flight in self.takeAll(of: place) { self.letGo(flight) }
        self.releaseDeadLetters(self.topics[topic].name, partition: partition)
        self.applyCount(topic, now: now)
        self.refuse(SetAsideKey(self.topics[topic].name, partition), failure, byDelivery: byDelivery)
    }

    private mutating func refuse(_ key: SetAsideKey, _ failure: KafkaFailure, byDelivery: Bool, sparesPartitions: Bool = false) {
        self.actions.refusals.append(
            DeliveryActions.Refusal(key: key, failure: failure, byDelivery: byDelivery, sparesPartitions: sparesPartitions))
    }

    /// Events on their way from a unit into one of its partition's own can't be stored. They stand in theirs still, which is let go of
    /// whole and tried again later: waiting for room, they would hold up what makes some by being delivered.
    ///
    /// - Parameter delivered: those of them that a producer has delivered since they left.
    mutating func withdraw(settingAside numbers: [UInt64], delivered: Set<UInt64>, _ failure: KafkaFailure, now: UInt64) {
        var names: Set<String> = []
        for number in numbers {
            let flight = UInt32(truncatingIfNeeded: number)
            names.insert(String(decoding: self.window.event(of: flight).topic, as: UTF8.self))
            if delivered.contains(number) {
                self.actions.unreported.append((token: number, offset: self.window.offset(of: flight)))
                self.actions.lateReports.append((number, true))
            }
            self.letGo(flight)
        }
        for name in names.sorted() {
            self.refuse(SetAsideKey(name), failure, byDelivery: false, sparesPartitions: true)
            guard let topic = self.topics.index(of: name) else { continue }  // Forgotten: it had nothing else here.
            let places = self.topics[topic].metadata.partitions.filter { self.partitions[$0].events.unsettled > 0 }
            if places.contains(where: { self.isShared($0) }) {
                self.withdraw(topic: topic, failure, byDelivery: false)
                continue
            }
            for flight in self.takeWhole(topic, places) { self.letGo(flight) }
            if self.topics[topic].isIdle { self.closeTopic(topic) } else { self.applyCount(topic, now: now) }
        }
    }

    private mutating func letGo(_ flight: UInt32) {
        let number = self.window.number(flight)
        if self.settledOutstanding.contains(number) {
            self.actions.unreported.append((token: number, offset: self.window.offset(of: flight)))
        }
        self.window[flight].flags.insert(.letGo)
        self.window.settle(flight)
    }

    /// Those of a topic that were refused for good, and are not being written as dead letters yet, are let go of, too.
    mutating func releaseDeadLetters(_ name: String, partition: Int32?) {
        let letters = self.actions.deadLetters
        guard letters.count > self.actions.lettersInWriting else { return }
        self.actions.deadLetters = Array(letters.prefix(self.actions.lettersInWriting))
        for letter in letters.dropFirst(self.actions.lettersInWriting) {
            let flight = UInt32(truncatingIfNeeded: letter.flight)
            if partition == nil || self.window.unitPartition(of: flight) == partition,
                self.window.event(of: flight).topic.elementsEqual(name.utf8)
            {
                self.letGo(flight)
                self.actions.releasedLetters.append(letter.flight)
            } else {
                self.actions.deadLetters.append(letter)
            }
        }
    }

    /// What the drain has of a unit, or of all of a topic, that is let go of: what is settled beyond the end that was committed, which need
    /// not be sent again, and what is on its way into another log, of which that is not known yet.
    func done(of key: SetAsideKey) -> [DeliveryActions.DoneUnit] {
        var done: [DeliveryActions.DoneUnit] = []
        for (lane, flight) in self.window.lanesInFlight {
            guard case .unit(let unit, let pass) = lane, self.window.event(of: flight).topic.elementsEqual(key.topic.utf8),
                key.partition == nil || self.window.unitPartition(of: flight) == key.partition
            else { continue }
            let (settled, appending) = self.window.done(of: lane)
            done.append(DeliveryActions.DoneUnit(number: unit, pass: pass, settled: settled, appending: appending))
        }
        return done
    }

    /// Whether a partition holds events of several units, as it may once they have picked partitions anew: if it fails, each of them is
    /// given up.
    func isShared(_ place: Int) -> Bool {
        let first = self.window.unitPartition(of: self.partitions[place].events.oldest)
        return self.partitions.unsettled(of: place, in: self.window).contains { self.window.unitPartition(of: $0) != first }
    }

    /// Takes what is a topic's as a whole out of its queues, and leaves what is a partition's own.
    private mutating func takeWhole(_ topic: Int, _ places: [Int]) -> [UInt32] {
        func isWhole(_ flight: UInt32) -> Bool { self.window.unitPartition(of: flight) == nil }
        var taken: [UInt32] = []
        for place in places where isWhole(self.partitions[place].events.oldest) { taken += self.takeAll(of: place) }
        for flight in self.topics[topic].events.waiting.removeAll(in: self.window) {
            if isWhole(flight) {
                self.forget(flight, topic)
                taken.append(flight)
            } else {
                self.topics[topic].events.waiting.append(flight, in: &self.window)
            }
        }
        return taken
    }

    // MARK: Probes

    /// There is something to send to a topic that is to be tried with one event.
    mutating func beginProbe(_ topic: Int) {
        guard self.topics[topic].trouble.needsProbe else { return }
        if self.topics[topic].phase == .unknown || self.topics[topic].phase == .ready { self.open(topic) }
    }

    func choosePartitionToProbe(_ topic: Int) -> Int? {
        let waiting = self.topics[topic].metadata.partitions.filter { self.partitions[$0].events.queued > 0 }
        return waiting.first { self.partitions[$0].events.outstanding == 0 } ?? waiting.first
    }
}
