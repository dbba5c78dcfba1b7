import ForebayCore
import ForebayKafka

/// What is sent when.
extension DeliveryState {
    /// One event to be given to a producer.
    struct Outgoing {
        /// Which time it bears.
        enum Time {
            case itsOwn
            /// And its own in a header.
            case ofDelivery
            /// The header made it too large.
            case ofDeliveryAlone

            init(_ flags: Flight.Flags) {
                self = !flags.contains(.redated) ? .itsOwn : flags.contains(.bare) ? .ofDeliveryAlone : .ofDelivery
            }
        }

        let flight: UInt64
        let slot: ProducerSlot
        let topic: Int
        let partition: Int32
        /// What its id begins with, if it came without one.
        let origin: SpoolID?
        let time: Time
    }

    /// Sends what may be sent now.
    ///
    /// - Parameter send: gives one event to a producer and says whether it took it. Must not call back.
    mutating func pump(now: UInt64, _ send: (_ outgoing: Outgoing, _ event: Event, _ sequence: UInt64) -> KafkaErrorCode) {
        while let place = self.partitions.takeReady() { self.push(place, now: now, send) }
    }

    private mutating func push(
        _ place: Int, now: UInt64, _ send: (_ outgoing: Outgoing, _ event: Event, _ sequence: UInt64) -> KafkaErrorCode
    ) {
        let topic = self.partitions[place].topic
        guard self.mayGo(place, topic, now: now) else { return }
        let redatesThrough = self.topics[topic].limits.redatesThrough
        while self.partitions[place].events.queued > 0, !self.partitions[place].producer.isAlone {
            let flight = self.partitions.firstQueued(of: place, in: &self.window)
            if redatesThrough != .min, self.window.event(of: flight).timestamp <= redatesThrough, self.hasTimeOfAcceptance(flight) {
                self.window[flight].flags.insert(.redated)
            }
            guard let slot = self.slot(for: flight, place, topic) else { return }
            let outgoing = Outgoing(
                flight: self.window.number(flight), slot: slot, topic: topic, partition: self.partitions[place].number,
                origin: self.window.origin(of: flight), time: .init(self.window[flight].flags))
            let refusal = send(outgoing, self.window.event(of: flight), self.window.sequence(of: flight))
            guard !refusal.isError else { return self.notTaken(flight, place, slot, refusal, now: now) }
            if outgoing.time != .itsOwn { self.partitions[place].redatedAt = self.refusedTimes.wall }
            if self.window[flight].flags.contains(.mayBeStored) { self.totals.redelivered += 1 }
            self.partitions.sent(flight, of: place, by: slot, in: &self.window)
            self.producers[slot].outstanding += 1
        }
    }

    /// Whether a partition may be sent to at all.
    private mutating func mayGo(_ place: Int, _ topic: Int, now: UInt64) -> Bool {
        guard self.partitions[place].events.queued > 0, !self.partitions[place].producer.isHalted else { return false }
        switch self.topics[topic].phase {
        case .unknown, .backingOff: return false
        case .probing(let probe) where probe != place: return false
        case .ready, .probing: break
        }
        guard !self.partitions[place].isLeaderless, self.way == .aside || self.partitions[place].aside.mode == .none else { return false }
        return self.partitions[place].retry.retryAt <= now
    }

    /// The producer that an event may be given to now; none if it must wait for what is in flight, or for the producer.
    private mutating func slot(for flight: UInt32, _ place: Int, _ topic: Int) -> ProducerSlot? {
        if case .probing = self.topics[topic].phase { self.setAlone(flight, topic) }
        if self.partitions[place].caution.aloneLeft > 0 { self.setAlone(flight, topic) }
        let isAlone = self.window[flight].flags.contains(.alone)
        let slot = isAlone ? .single : self.topics[topic].producers.slot
        if self.partitions[place].events.outstanding > 0 {
            guard !isAlone, self.partitions[place].producer.slot == slot else { return nil }
            guard self.partitions[place].producer.known == self.producers[slot].number else { return nil }
            let bytes = self.partitions[place].events.outstandingBytes + Int(self.window[flight].bytes)
            guard bytes <= self.settings.partitionWindow else { return nil }
        }
        guard self.producers[slot].isOpen, !self.producers[slot].isFull, self.topics[topic].isKnown(by: slot) else {
            self.stall(place, at: slot)
            if !self.topics[topic].isKnown(by: slot) { self.want(topic, by: slot) }
            return nil
        }
        return slot
    }

    /// librdkafka would not queue it; there will be no report.
    private mutating func notTaken(_ flight: UInt32, _ place: Int, _ slot: ProducerSlot, _ code: KafkaErrorCode, now: UInt64) {
        let topic = self.partitions[place].topic
        switch KafkaFate(of: code) {
        case .refused where code == .messageTooLarge && self.goesBare(flight): self.partitions.markReady(place)
        case .refused:
            // Alone by nature: no batch was made yet.
            self.becomeDeadLetter(flight, topic, code, reason: code.text)
            self.partitions.removeQueued(flight, of: place, in: &self.window)
            self.unassign(flight, topic)
            self.partitions.markReady(place)
            self.settledOne(place, now: now)
        case _ where code == .queueFull && self.producers[slot].outstanding > 0:
            self.producers[slot].isFull = true
            self.stall(place, at: slot)
        case _ where code == .fatal:
            // The signal that it is fatal comes by the queue; the partition goes on when the producer is replaced.
            self.stall(place, at: slot)
        case .hold:
            // The producer's own knowledge of the topic is behind ours, or ahead: ask again.
            self.topics[topic].setKnown(by: slot, false)
            self.want(topic, by: slot)
            self.backOff(place, now: now)
        case .wait, .unknown:
            if self.producers[slot].outstanding + self.producers[slot].settledOutstanding == 0 {
                self.partitions[place].retry.notTaken = code
            }
            self.backOff(place, now: now)
        }
    }

    /// Tries a partition again a little later.
    mutating func backOff(_ place: Int, now: UInt64) {
        self.partitions[place].retry.failures += 1
        let failures = self.partitions[place].retry.failures
        self.partitions.backOff(
            place,
            until: now + DeliverySettings.delay(self.settings.backoffDelay, failures: failures, limit: self.settings.partitionBackoffLimit))
    }
}
