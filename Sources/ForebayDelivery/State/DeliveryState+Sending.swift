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

    @inline(__always)
    mutating func markReady(_ place: Int) {
        guard !self.partitions[place].isReady else { return }
        self.partitions[place].isReady = true
        self.ready.append(place)
    }

    /// Sends what may be sent now.
    ///
    /// - Parameter send: gives one event to a producer and says whether it took it. Must not call back.
    mutating func pump(now: UInt64, _ send: (_ outgoing: Outgoing, _ event: Event, _ sequence: UInt64) -> KafkaErrorCode) {
        var index = 0
        while index < self.ready.count {
            let place = self.ready[index]
            index += 1
            self.partitions[place].isReady = false
            self.push(place, now: now, send)
        }
        self.ready.removeAll(keepingCapacity: true)
    }

    private mutating func push(
        _ place: Int, now: UInt64, _ send: (_ outgoing: Outgoing, _ event: Event, _ sequence: UInt64) -> KafkaErrorCode
    ) {
        let topic = self.partitions[place].topic
        guard self.mayGo(place, topic, now: now) else { return }
        let redatesThrough = self.topics[topic].redatesThrough
        while self.partitions[place].queued > 0, !self.partitions[place].isAlone {
            let flight = self.nextQueued(place)
            let size = Int(self.flights[flight].bytes)
            if redatesThrough != .min, self.event(of: flight).timestamp <= redatesThrough, self.hasTimeOfAcceptance(flight) {
                self.flights[flight].flags.insert(.redated)
            }
            guard let slot = self.slot(for: flight, place, topic, size: size) else { return }
            let outgoing = Outgoing(
                flight: self.flights.number(flight), slot: slot, topic: topic, partition: self.partitions[place].number,
                origin: self.batches.origin(self.flights[flight].batch), time: .init(self.flights[flight].flags))
            let refusal = send(outgoing, self.event(of: flight), self.sequence(of: flight))
            guard !refusal.isError else { return self.notTaken(flight, place, slot, refusal, now: now) }
            if outgoing.time != .itsOwn { self.partitions[place].redatedAt = self.wall }
            self.sent(flight, place, slot, size: size)
        }
    }

    /// Whether a partition may be sent to at all.
    private mutating func mayGo(_ place: Int, _ topic: Int, now: UInt64) -> Bool {
        guard self.partitions[place].queued > 0, !self.partitions[place].isHalted else { return false }
        switch self.topics[topic].phase {
        case .unknown, .held: return false
        case .probing(let probe) where probe != place: return false
        case .ready, .probing: break
        }
        guard !self.partitions[place].isLeaderless, self.way == .aside || self.partitions[place].aside == .none else { return false }
        return self.partitions[place].restsUntil <= now
    }

    private func nextQueued(_ place: Int) -> UInt32 {
        var flight = self.partitions[place].next
        while self.flights[flight].status != .queued {
            precondition(flight != self.partitions[place].newest, "a partition that says it has queued events has none")
            flight = self.flights[flight].next
        }
        return flight
    }

    /// The producer that an event may be given to now; none if it must wait for what is in flight, or for the producer.
    private mutating func slot(for flight: UInt32, _ place: Int, _ topic: Int, size: Int) -> ProducerSlot? {
        if case .probing = self.topics[topic].phase { self.setAlone(flight, topic) }
        if self.partitions[place].aloneLeft > 0 { self.setAlone(flight, topic) }
        let isAlone = self.flights[flight].flags.contains(.alone)
        let slot = isAlone ? .single : self.topics[topic].slot
        if self.partitions[place].outstanding > 0 {
            guard !isAlone, self.partitions[place].slot == slot else { return nil }
            guard self.partitions[place].knownProducer == self[slot].number else { return nil }
            guard self.partitions[place].outstandingBytes + size <= self.configuration.partitionWindow else { return nil }
        }
        guard self[slot].isOpen, !self[slot].isFull, self.topics[topic].isKnown(by: slot) else {
            self.stall(place, at: slot)
            if !self.topics[topic].isKnown(by: slot) { self.want(topic, by: slot) }
            return nil
        }
        return slot
    }

    @inline(__always)
    private mutating func sent(_ flight: UInt32, _ place: Int, _ slot: ProducerSlot, size: Int) {
        if self.flights[flight].flags.contains(.mayBeStored) { self.totals.redelivered += 1 }
        self.flights[flight].status = .sent
        self.partitions[place].next = self.flights[flight].next
        self.partitions[place].queued -= 1
        self.partitions[place].outstanding += 1
        self.partitions[place].outstandingBytes += size
        self.partitions[place].slot = slot
        if slot == .single { self.partitions[place].isAlone = true }
        self[slot].outstanding += 1
        self.queuedBytes -= size
    }

    /// librdkafka would not queue it; there will be no report.
    private mutating func notTaken(_ flight: UInt32, _ place: Int, _ slot: ProducerSlot, _ code: KafkaErrorCode, now: UInt64) {
        let topic = self.partitions[place].topic
        switch KafkaFate(of: code) {
        case .refused where code == .messageTooLarge && self.goesBare(flight): self.markReady(place)
        case .refused:
            // Alone by nature: no batch was made yet.
            self.partitions[place].next = self.flights[flight].next
            self.partitions[place].queued -= 1
            self.partitions[place].outstanding += 1
            self.queuedBytes -= Int(self.flights[flight].bytes)
            self.partitions[place].outstandingBytes += Int(self.flights[flight].bytes)
            self[slot].outstanding += 1
            self.remove(flight, place, slot)
            self.die(flight, topic, code, reason: code.text)
            self.markReady(place)
            self.settledOne(place, now: now)
        case _ where code == .queueFull && self[slot].outstanding > 0:
            self[slot].isFull = true
            self.stall(place, at: slot)
        case _ where code == .fatal:
            // The signal that it is fatal comes by the queue; the partition goes on when the producer is replaced.
            self.stall(place, at: slot)
        case .hold:
            // The producer's own knowledge of the topic is behind ours, or ahead: ask again.
            self.topics[topic].setKnown(by: slot, false)
            self.want(topic, by: slot)
            self.rest(place, now: now)
        case .wait, .unknown:
            if self[slot].outstanding + self[slot].held == 0 { self.partitions[place].notTaken = code }
            self.rest(place, now: now)
        }
    }

    /// The partition is looked at again when the producer can be sent to.
    private mutating func stall(_ place: Int, at slot: ProducerSlot) {
        self[slot].isWanted = true
        guard self.partitions[place].stalledAt & slot.bit == 0 else { return }
        self.partitions[place].stalledAt |= slot.bit
        self[slot].stalled.append(place)
    }

    mutating func wakeStalled(_ slot: ProducerSlot) {
        let stalled = self[slot].stalled
        self[slot].stalled = []
        for place in stalled {
            self.partitions[place].stalledAt &= ~slot.bit
            if self.partitions[place].queued > 0 { self.markReady(place) }
        }
    }

    func delay(_ first: Int, _ failures: Int, _ limit: Int) -> UInt64 {
        DeliverySettings.delay(first, failures: failures, limit: limit)
    }

    /// Tries a partition again a little later.
    mutating func rest(_ place: Int, now: UInt64) {
        self.partitions[place].failures += 1
        self.partitions[place].restsUntil =
            now + self.delay(self.configuration.holdDelay, self.partitions[place].failures, self.configuration.restLimit)
        self.resting.append(place)
    }
}
