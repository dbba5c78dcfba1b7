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
        guard let flight = self.window.sentFlight(report.token) else {
            self.reportLate(report)  // It was settled otherwise meanwhile.
            return false
        }
        let place = Int(self.window[flight].place)
        guard !report.error.isError else {
            self.failed(flight, place, slot, report, now: now)
            return false
        }
        self.delivered(acceptedAt: self.window.acceptedAt(flight))
        self.window.settle(flight)
        self.remove(flight, place, slot)
        self.partitions[place].movedAt = now
        self.partitions[place].producer.known = self.producers[slot].number
        if slot != .single {
            self.partitions[place].caution.deliveredTogether += 1
        } else if self.partitions[place].caution.aloneLeft > 0 {
            self.partitions[place].caution.aloneLeft -= 1
        }
        let topic = self.partitions[place].topic
        if self.topics[topic].events.delivered == 0 {
            self.actions.deliveredTopics.append(topic)
            self.topics.listIfIdle(topic)
        }
        self.topics[topic].events.delivered += 1
        self.topics[topic].events.deliveredBytes += UInt64(self.window[flight].bytes)
        if self.partitions[place].retry.failures > 0 || self.topics[topic].trouble.needsProbe { self.recovered(place, now: now) }
        self.producers[slot].failures = 0
        if self.partitions[place].producer.isHalted {
            self.resumeIfReported(place, now: now)
        } else if self.partitions[place].events.queued > 0 {
            self.partitions.markReady(place)
        }
        self.settledOne(place, now: now)
        return true
    }

    /// Reports came, so librdkafka has room again.
    mutating func reportsTaken(from slot: ProducerSlot) {
        guard self.producers[slot].isFull else { return }
        self.producers[slot].isFull = false
        self.wakeStalled(slot)
    }

    /// Takes a sent flight out of all accounts but the window's; its status says already that it is settled or becomes a dead letter.
    @inline(__always)
    mutating func remove(_ flight: UInt32, _ place: Int, _ slot: ProducerSlot) {
        self.partitions.removeSent(flight, of: place, in: &self.window)
        self.producers[slot].outstanding -= 1
        self.unassign(flight, self.partitions[place].topic)
    }

    @inline(__always)
    mutating func unassign(_ flight: UInt32, _ topic: Int) {
        self.topics[topic].events.assigned -= 1
        if self.window[flight].flags.contains(.alone) { self.topics[topic].events.alone -= 1 }
    }

    @inline(__always)
    mutating func settledOne(_ place: Int, now: UInt64) {
        let topic = self.partitions[place].topic
        if self.topics[topic].metadata.nextCount != nil {
            self.recallIfSettled(topic)
            self.applyCount(topic, now: now)
        }
    }

    // MARK: Failures

    private mutating func failed(_ flight: UInt32, _ place: Int, _ slot: ProducerSlot, _ report: KafkaReport, now: UInt64) {
        let topic = self.partitions[place].topic
        let fate = KafkaFate(of: report.error)
        if report.error.isOfBroker { self.clusterAnswered(now: now) }
        self.partitions[place].retry.notTaken = .none
        if fate == .refused, slot == .single, report.error == .invalidTimestamp, self.hasTimeOfAcceptance(flight) {
            return self.timeRefused(flight, place, now: now)
        }
        if fate == .refused, slot == .single, report.error == .messageTooLarge, self.goesBare(flight) {
            self.requeue(flight, place, slot)
            return self.resumeIfReported(place, now: now)
        }
        if fate == .refused, slot == .single { return self.refusedAlone(flight, place, report.error, now: now) }
        if report.mayBeStored { self.window[flight].flags.insert(.mayBeStored) }
        if fate == .refused, !self.partitions[place].producer.isHalted { self.beCautious(place, report.error, slot) }
        self.requeue(flight, place, slot)
        self.partitions[place].producer.isHalted = true
        switch fate {
        case .refused:
            self.setAlone(flight, topic)
            self.actions.note(suspectOf: self.topics[topic].name, report.error)
            if report.error == .messageTooLarge { self.tooLarge(topic, from: slot) }
        case .hold(.topic): self.fail(topic: topic, KafkaFailure(report.error), byDelivery: true, now: now)
        case .hold(.partition):
            if report.error == .unknownPartition { self.want(topic, by: .main) }  // The topic has another number of them.
            self.fail(partition: place, KafkaFailure(report.error), byDelivery: true, now: now)
        case .hold(.cluster): break  // Its producer took a fatal error, and is rebuilt with growing delays.
        case .unknown:
            // Perhaps one event's fault, perhaps not: none is given up, but each goes alone, so that the others flow.
            self.setAlone(flight, topic)
            self.topics[topic].trouble.refusal = (report.error, isOfEvent: false)
            self.actions.noteOnce(.unknownError(topic: self.topics[topic].name, code: report.error))
        case .wait: break
        }
        self.resumeIfReported(place, now: now, backsOff: fate != .refused && !Self.isPurge(report.error))
        self.settledOne(place, now: now)
    }

    /// It is the event's own fault.
    private mutating func refusedAlone(_ flight: UInt32, _ place: Int, _ code: KafkaErrorCode, now: UInt64) {
        let topic = self.partitions[place].topic
        self.becomeDeadLetter(flight, topic, code, reason: self.reason(flight, topic, code))
        self.remove(flight, place, .single)
        self.partitions[place].caution.aloneLeft = max(self.partitions[place].caution.aloneLeft, self.partitions[place].caution.level)
        self.topics[topic].trouble.refusal = (code, isOfEvent: true)
        self.partitions[place].movedAt = now
        self.recovered(place, now: now)
        self.resumeIfReported(place, now: now)
        self.settledOne(place, now: now)
    }

    /// A batch was refused, and its producer is lost by that: what stands behind goes alone until some of it is delivered, for it may be no
    /// better. Where that was too little it is twice as much the next time: events that go alone cost their own partition some time, a
    /// producer costs all of the route's.
    private mutating func beCautious(_ place: Int, _ code: KafkaErrorCode, _ slot: ProducerSlot) {
        let before = self.partitions[place].caution
        let level = before.deliveredTogether < Self.worthOfProducer ? min(max(1, before.level * 2), Self.worthOfProducer) : 1
        self.partitions[place].caution = PartitionState.Caution(aloneLeft: level, level: level)
        let topic = self.partitions[place].topic
        self.topics[topic].trouble.refusal = (code, isOfEvent: false)
        // Its topic's others get the same events, and each would lose a producer to learn it.
        for other in self.topics[topic].metadata.partitions {
            self.partitions[other].caution.aloneLeft = max(1, self.partitions[other].caution.aloneLeft)
        }
        self.producers[slot].hasRefused = true
    }

    /// A new producer costs its route about as much time as so many events that go alone cost their partition.
    private static let worthOfProducer = 1024

    private static func isPurge(_ code: KafkaErrorCode) -> Bool { code == .purgedInQueue || code == .purgedInFlight }

    /// A flight that was sent is queued again, before those behind it.
    mutating func requeue(_ flight: UInt32, _ place: Int, _ slot: ProducerSlot) {
        self.partitions.requeue(flight, of: place, in: &self.window)
        self.producers[slot].outstanding -= 1
    }

    /// When all reports of a halted partition are in, it begins again at its oldest flight.
    mutating func resumeIfReported(_ place: Int, now: UInt64, backsOff: Bool = false) {
        guard self.partitions[place].events.outstanding == 0, self.partitions.resume(place) else { return }
        if backsOff, self.partitions[place].retry.retryAt <= now { self.backOff(place, now: now) }
        self.partitions.markReady(place)
    }

    mutating func setAlone(_ flight: UInt32, _ topic: Int) {
        guard !self.window[flight].flags.contains(.alone) else { return }
        self.window[flight].flags.insert(.alone)
        self.topics[topic].events.alone += 1
    }

    /// It is settled when its dead letter is durable.
    mutating func becomeDeadLetter(_ flight: UInt32, _ topic: Int, _ code: KafkaErrorCode, reason: String) {
        self.topics.listIfIdle(topic)
        self.window.divert(flight, as: .becomingDeadLetter)
        self.actions.deadLetters.append(DeliveryActions.PendingDeadLetter(flight: self.window.number(flight), code: code, reason: reason))
    }
}
