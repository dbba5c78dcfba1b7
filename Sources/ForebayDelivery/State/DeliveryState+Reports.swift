import ForebayCore
import ForebayKafka

/// What reports mean.
extension DeliveryState {
    /// Takes reports of the producer in `slot`.
    mutating func take(_ reports: UnsafeBufferPointer<KafkaReport>, from slot: ProducerSlot, now: UInt64) {
        for report in reports { _ = self.report(report, from: slot, now: now) }
    }

    /// Takes one report of the producer in `slot`.
    ///
    /// - Returns: whether the event is delivered by it.
    @inline(__always)
    mutating func report(_ report: KafkaReport, from slot: ProducerSlot, now: UInt64) -> Bool {
        let flight = UInt32(truncatingIfNeeded: report.token)
        guard self.flights.contains(report.token), self.flights[flight].status == .sent else {
            self.reportHeld(report)  // It was settled otherwise meanwhile.
            return false
        }
        let place = Int(self.flights[flight].place)
        guard !report.error.isError else {
            self.failed(flight, place, slot, report, now: now)
            return false
        }
        self.delivered(acceptedAt: self.batches.acceptedAt(self.flights[flight].batch))
        self.settle(flight)
        self.remove(flight, place, slot)
        self.partitions[place].movedAt = now
        self.partitions[place].knownProducer = self[slot].number
        if slot != .single {
            self.partitions[place].deliveredTogether += 1
        } else if self.partitions[place].aloneLeft > 0 {
            self.partitions[place].aloneLeft -= 1
        }
        let topic = self.partitions[place].topic
        if self.topics[topic].delivered == 0 {
            self.deliveredTopics.append(topic)
            self.listIfIdle(topic)
        }
        self.topics[topic].delivered += 1
        self.topics[topic].deliveredBytes += UInt64(self.flights[flight].bytes)
        if self.partitions[place].failures > 0 || self.topics[topic].needsProbe { self.recovered(place, now: now) }
        self[slot].failures = 0
        if self.partitions[place].isHalted {
            self.resumeIfReported(place, now: now)
        } else if self.partitions[place].queued > 0 {
            self.markReady(place)
        }
        self.settledOne(place, now: now)
        return true
    }

    @inline(__always)
    mutating func delivered(acceptedAt: Int64) {
        self.totals.delivered += 1
        if let last = self.deliveries.indices.last, self.deliveries[last].acceptedAt == acceptedAt {
            self.deliveries[last].count += 1
        } else {
            self.deliveries.append((acceptedAt, 1))
        }
    }

    /// What was delivered since this was asked last, by topic.
    mutating func takeDelivered() -> [(topic: String, events: UInt64, bytes: UInt64)] {
        let taken = self.deliveredTopics.map { (self.topics[$0].name, self.topics[$0].delivered, self.topics[$0].deliveredBytes) }
        for topic in self.deliveredTopics { (self.topics[topic].delivered, self.topics[topic].deliveredBytes) = (0, 0) }
        self.deliveredTopics.removeAll(keepingCapacity: true)
        return taken
    }

    /// Reports came, so librdkafka has room again.
    mutating func reportsTaken(from slot: ProducerSlot) {
        guard self[slot].isFull else { return }
        self[slot].isFull = false
        self.wakeStalled(slot)
    }

    /// Takes a sent flight out of its partition's account; its status says already that it is settled or dying.
    @inline(__always)
    mutating func remove(_ flight: UInt32, _ place: Int, _ slot: ProducerSlot) {
        self.partitions[place].outstanding -= 1
        self.partitions[place].outstandingBytes -= Int(self.flights[flight].bytes)
        self.partitions[place].isAlone = false
        self.partitions[place].unsettled -= 1
        self[slot].outstanding -= 1
        let topic = self.partitions[place].topic
        self.topics[topic].assigned -= 1
        if self.flights[flight].flags.contains(.alone) { self.topics[topic].alone -= 1 }
        guard self.partitions[place].unsettled > 0, self.partitions[place].oldest == flight else { return }
        var oldest = self.flights[flight].next
        while self.flights[oldest].status == .settled || self.flights[oldest].status == .dying { oldest = self.flights[oldest].next }
        self.partitions[place].oldest = oldest
    }

    @inline(__always)
    mutating func settledOne(_ place: Int, now: UInt64) {
        let topic = self.partitions[place].topic
        if self.topics[topic].nextCount != nil {
            self.recallIfSettled(topic)
            self.applyCount(topic, now: now)
        }
    }

    // MARK: Failures

    private mutating func failed(_ flight: UInt32, _ place: Int, _ slot: ProducerSlot, _ report: KafkaReport, now: UInt64) {
        let topic = self.partitions[place].topic
        let fate = KafkaFate(of: report.error)
        self.partitions[place].notTaken = .none
        if fate == .refused, slot == .single, report.error == .invalidTimestamp, self.hasTimeOfAcceptance(flight) {
            return self.timeRefused(flight, place, now: now)
        }
        if fate == .refused, slot == .single, report.error == .messageTooLarge, self.goesBare(flight) {
            self.requeue(flight, place, slot)
            return self.resumeIfReported(place, now: now)
        }
        if fate == .refused, slot == .single {
            // Refused alone: it is the event's own fault.
            self.flights[flight].status = .dying
            self.remove(flight, place, slot)
            self.die(flight, topic, report.error, reason: self.reason(flight, topic, report.error))
            self.partitions[place].aloneLeft = max(self.partitions[place].aloneLeft, self.partitions[place].caution)
            self.topics[topic].refusal = (report.error, isOfEvent: true)
            self.partitions[place].movedAt = now
            self.recovered(place, now: now)
            self.resumeIfReported(place, now: now)
            self.settledOne(place, now: now)
            return
        }
        if report.mayBeStored { self.flights[flight].flags.insert(.mayBeStored) }
        if fate == .refused, !self.partitions[place].isHalted { self.beCautious(place, report.error, slot) }
        self.requeue(flight, place, slot)
        self.partitions[place].isHalted = true
        switch fate {
        case .refused:
            self.setAlone(flight, topic)
            self.note(suspectOf: topic, report.error)
            if report.error == .messageTooLarge { self.tooLarge(topic, from: slot) }
        case .hold(.topic): self.fail(topic: topic, KafkaFailure(report.error), byDelivery: true, now: now)
        case .hold(.partition):
            if report.error == .unknownPartition { self.want(topic, by: .main) }  // The topic has another number of them.
            self.fail(partition: place, KafkaFailure(report.error), byDelivery: true, now: now)
        case .hold(.cluster): break  // Its producer took a fatal error, and is rebuilt with growing delays.
        case .unknown:
            // Perhaps one event's fault, perhaps not: none is given up, but each goes alone, so that the others flow.
            self.setAlone(flight, topic)
            self.topics[topic].refusal = (report.error, isOfEvent: false)
            self.noteOnce(.unknownError(topic: self.topics[topic].name, code: report.error))
        case .wait: break
        }
        self.resumeIfReported(place, now: now, rests: fate != .refused && !Self.isPurge(report.error))
        self.settledOne(place, now: now)
    }

    /// A batch was refused, and its producer is lost by that: what stands behind goes alone until some of it is delivered, for it may be no
    /// better. Where that was too little it is twice as much the next time: events that go alone cost their own partition some time, a
    /// producer costs all of the route's.
    private mutating func beCautious(_ place: Int, _ code: KafkaErrorCode, _ slot: ProducerSlot) {
        let isSoon = self.partitions[place].deliveredTogether < Self.worthOfProducer
        self.partitions[place].caution = isSoon ? min(max(1, self.partitions[place].caution * 2), Self.worthOfProducer) : 1
        self.partitions[place].deliveredTogether = 0
        self.partitions[place].aloneLeft = self.partitions[place].caution
        self.topics[self.partitions[place].topic].refusal = (code, isOfEvent: false)
        // Its topic's others get the same events, and each would lose a producer to learn it.
        for other in self.topics[self.partitions[place].topic].partitions {
            self.partitions[other].aloneLeft = max(1, self.partitions[other].aloneLeft)
        }
        self[slot].hasRefused = true
    }

    /// A new producer costs its route about as much time as so many events that go alone cost their partition.
    private static let worthOfProducer = 1024

    private static func isPurge(_ code: KafkaErrorCode) -> Bool { code == .purgedInQueue || code == .purgedInFlight }

    /// A flight that was sent is queued again, before those behind it.
    mutating func requeue(_ flight: UInt32, _ place: Int, _ slot: ProducerSlot) {
        self.flights[flight].status = .queued
        self.partitions[place].outstanding -= 1
        self.partitions[place].outstandingBytes -= Int(self.flights[flight].bytes)
        self.partitions[place].isAlone = false
        self.partitions[place].queued += 1
        self[slot].outstanding -= 1
        self.queuedBytes += Int(self.flights[flight].bytes)
    }

    /// When all reports of a halted partition are in, it begins again at its oldest flight.
    mutating func resumeIfReported(_ place: Int, now: UInt64, rests: Bool = false) {
        guard self.partitions[place].outstanding == 0 else { return }
        self.partitions[place].isHalted = false
        guard self.partitions[place].unsettled > 0 else { return }
        self.partitions[place].next = self.partitions[place].oldest
        if rests, self.partitions[place].restsUntil <= now { self.rest(place, now: now) }
        self.markReady(place)
    }

    mutating func setAlone(_ flight: UInt32, _ topic: Int) {
        guard !self.flights[flight].flags.contains(.alone) else { return }
        self.flights[flight].flags.insert(.alone)
        self.topics[topic].alone += 1
    }

    /// The flight is out of all accounts; it is settled when its dead letter is durable.
    mutating func die(_ flight: UInt32, _ topic: Int, _ code: KafkaErrorCode, reason: String) {
        self.listIfIdle(topic)
        self.flights[flight].status = .dying
        self.deaths.append(Death(flight: self.flights.number(flight), code: code, reason: reason))
    }

    // MARK: Notes

    private mutating func note(suspectOf topic: Int, _ code: KafkaErrorCode) {
        let name = self.topics[topic].name
        if case .suspects(name, let count, code)? = self.notes.last {
            self.notes[self.notes.count - 1] = .suspects(topic: name, count: count + 1, code: code)
        } else {
            self.notes.append(.suspects(topic: name, count: 1, code: code))
        }
    }

    mutating func noteOnce(_ note: Note) {
        if !self.notes.contains(note) { self.notes.append(note) }
    }
}
