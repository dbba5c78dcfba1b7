import ForebayCore
import ForebayKafka

@testable import ForebayDelivery

/// What must hold of a ``DeliveryState`` between any two calls, counted anew from its flights: its accounts, and that whatever waits has
/// something to wait for. The simulations and ``Driver`` look after every step, so a count that drifts is found where it drifts.
extension DeliveryState {
    /// What does not add up; empty when all does.
    func brokenAccounts() -> [String] {
        var broken: [String] = []
        func check(_ isTrue: Bool, _ what: @autoclosure () -> String) {
            if !isTrue { broken.append(what()) }
        }
        var seen: Set<UInt64> = []
        var outstanding = [Int](repeating: 0, count: ProducerSlot.allCases.count)
        for topic in self.topics.indices where self.topics.holds(topic) {
            let known = self.topics[topic]
            var assigned = 0, alone = 0
            for (number, place) in known.metadata.partitions.enumerated() {
                let partition = self.partitions[place], name = "\(known.name)/\(number)"
                check(partition.topic == topic && partition.number == Int32(number), "\(name) is the place of another partition")
                let flights = self.unsettledFlights(of: place)
                let sent = flights.filter { self.window[$0].status == .sent }
                let queued = flights.filter { self.window[$0].status == .queued }
                check(sent.count + queued.count == flights.count, "\(name) holds events that have left it")
                check(partition.events.queued == queued.count, "\(name) says \(partition.events.queued) queued, and has \(queued.count)")
                check(
                    partition.events.outstanding == sent.count,
                    "\(name) says \(partition.events.outstanding) outstanding, and has \(sent.count)")
                let bytes = sent.reduce(0) { $0 + Int(self.window[$1].bytes) }
                check(
                    partition.events.outstandingBytes == bytes,
                    "\(name) says \(partition.events.outstandingBytes) B outstanding of \(bytes)")
                check(
                    partition.producer.isAlone == (!sent.isEmpty && partition.producer.slot == .single),
                    "\(name): alone \(partition.producer.isAlone), \(sent.count) sent to \(partition.producer.slot)")
                check(!partition.producer.isAlone || sent.count == 1, "\(name): \(sent.count) were sent alone at once")
                check(!partition.producer.isHalted || !sent.isEmpty, "\(name) waits for reports that were all made")
                let numbers = flights.map(self.window.number)
                check(numbers == numbers.sorted(), "\(name) has its events in another order: \(numbers)")
                check(seen.isDisjoint(with: numbers), "\(name) has events of another place")
                seen.formUnion(numbers)
                check(flights.allSatisfy { self.window[$0].place == UInt32(place) }, "\(name) holds events of another place")
                check(numbers.isEmpty || self.window.number(partition.events.newest) >= numbers.last!, "\(name): another newest")
                if !partition.producer.isHalted, let first = queued.first {
                    check(self.firstQueued(place) == first, "\(name) passes over \(first)")
                }
                check(!partition.isReady || self.partitions.ready.contains(place), "\(name) is not looked at")
                for slot in ProducerSlot.allCases where partition.producer.stalledAt & slot.bit != 0 {
                    check(self.producers[slot].stalled.contains(place), "\(name) is not woken by \(slot)")
                }
                assigned += flights.count
                alone += flights.count { self.window[$0].flags.contains(.alone) }
                outstanding[partition.producer.slot.rawValue] += sent.count
            }
            let waiting = self.waitingFlights(of: topic)
            check(waiting.allSatisfy { self.window[$0].status == .queued }, "\(known.name): what has left it waits for a partition")
            let numbers = waiting.map(self.window.number)
            check(numbers == numbers.sorted() && seen.isDisjoint(with: numbers), "\(known.name) waits in another order: \(numbers)")
            check(
                waiting.allSatisfy { self.topics.isName(self.window.event(of: $0).topic, of: topic) },
                "\(known.name): another topic's events wait")
            seen.formUnion(numbers)
            alone += waiting.count { self.window[$0].flags.contains(.alone) }
            check(known.events.assigned == assigned, "\(known.name) says \(known.events.assigned) have a partition, and \(assigned) do")
            check(known.events.alone == alone, "\(known.name) says \(known.events.alone) go alone, and \(alone) do")
            broken += self.brokenLists(of: topic)
        }
        for slot in ProducerSlot.allCases {
            let count = outstanding[slot.rawValue]
            check(
                self.producers[slot].outstanding == count, "\(slot) says \(self.producers[slot].outstanding) outstanding, and has \(count)")
        }
        var queuedBytes = 0, settled: UInt64 = 0
        for number in self.window.head..<self.window.tail {
            let flight = self.window[UInt32(truncatingIfNeeded: number)]
            if flight.status == .queued { queuedBytes += Int(flight.bytes) }
            if flight.status == .settled { settled += 1 }
            let isListed = flight.status == .queued || flight.status == .sent
            check(isListed == seen.contains(number), "\(number) is \(flight.status), and listed: \(seen.contains(number))")
        }
        check(
            self.window.settledAheadCount == settled,
            "it says \(self.window.settledAheadCount) are settled beyond the oldest, and \(settled) are")
        check(self.window.queuedBytes == queuedBytes, "it says \(self.window.queuedBytes) B queued, and has \(queuedBytes)")
        for slot in ProducerSlot.allCases {
            let count = self.settledOutstanding.count(of: slot)
            check(
                self.producers[slot].settledOutstanding == count,
                "\(slot) says it holds \(self.producers[slot].settledOutstanding), and holds \(count)")
        }
        check(
            self.settledOutstanding.isEmpty == self.settledOutstanding.batches.isEmpty,
            "batches are kept for nothing, or what is held is not kept")
        return broken
    }

    /// Questions and lists that a topic says it stands in.
    private func brokenLists(of topic: Int) -> [String] {
        let known = self.topics[topic]
        var broken: [String] = []
        for slot in ProducerSlot.allCases where known.producers.wantedBy & slot.bit != 0 {
            if !self.producers[slot].wanted.contains(topic) { broken.append("\(known.name) is not asked for by \(slot)") }
        }
        if known.limits.isWanted, !self.topics.limitsWanted.contains(topic) { broken.append("\(known.name): its limit is not asked for") }
        if known.use.isListedIdle, !self.topics.idle.contains(topic) { broken.append("\(known.name) is not listed as idle") }
        if case .backingOff(let until) = known.phase,
            !self.topics.backingOff.topics.contains(topic) || self.topics.backingOff.nextUntil > until
        {
            broken.append("\(known.name) is held for ever")
        }
        return broken
    }

    /// Budget that the batches and flights in it hold, by the prices of ``DeliverySettings``.
    var heldBudget: Int {
        let flight = min(MemoryLayout<Flight>.stride, self.settings.eventOverhead)
        return self.window.count * flight + self.window.allBatches.reduce(0) { $0 + self.settings.cost(of: $1) - $1.count * flight }
    }

    // MARK: After sending

    /// Events that nothing holds up, and that were not sent all the same: to be asked after ``pump(now:_:)``.
    func leftBehind(now: UInt64) -> [String] {
        self.topics.indices.filter { self.topics.holds($0) }.flatMap { topic in
            self.topics[topic].metadata.partitions.filter { self.partitions[$0].events.queued > 0 && !self.mayWait($0, topic, now: now) }
                .map {
                    "\(self.topics[topic].name)/\(self.partitions[$0].number) has \(self.partitions[$0].events.queued) events that nothing holds up"
                }
        }
    }

    private func mayWait(_ place: Int, _ topic: Int, now: UInt64) -> Bool {
        let partition = self.partitions[place]
        if partition.producer.isHalted || partition.producer.isAlone || partition.isLeaderless { return true }
        if self.way == .direct, partition.aside.mode != .none { return true }
        if partition.retry.retryAt > now { return self.partitions.backingOff.contains(place) }
        var isAlone = self.window[self.firstQueued(place)].flags.contains(.alone)
        switch self.topics[topic].phase {
        case .unknown, .backingOff: return true
        case .probing(let probe):
            if probe != place { return true }
            isAlone = true
        case .ready: break
        }
        let slot = isAlone ? ProducerSlot.single : self.topics[topic].producers.slot
        if partition.events.outstanding > 0 {
            if isAlone || partition.producer.slot != slot || partition.producer.known != self.producers[slot].number { return true }
            let size = Int(self.window[self.firstQueued(place)].bytes)
            if partition.events.outstandingBytes + size > self.settings.partitionWindow { return true }
        }
        return partition.producer.stalledAt & slot.bit != 0 && self.producers[slot].isWanted
    }

    // MARK: Walks

    private func unsettledFlights(of place: Int) -> [UInt32] {
        var flights: [UInt32] = []
        var flight = self.partitions[place].events.oldest
        for _ in 0..<self.partitions[place].events.unsettled {
            var steps = 0
            while self.window[flight].status == .settled || self.window[flight].status == .becomingDeadLetter {
                flight = self.window[flight].next
                steps += 1
                if steps > self.window.count { return flights }
            }
            flights.append(flight)
            flight = self.window[flight].next
        }
        return flights
    }

    private func waitingFlights(of topic: Int) -> [UInt32] {
        var flights: [UInt32] = []
        var flight = self.topics[topic].events.waiting.first
        for _ in 0..<self.topics[topic].events.waiting.count {
            flights.append(flight)
            flight = self.window[flight].next
        }
        return flights
    }

    private func firstQueued(_ place: Int) -> UInt32 {
        var flight = self.partitions[place].events.next
        for _ in 0..<self.window.count where self.window[flight].status != .queued { flight = self.window[flight].next }
        return flight
    }
}

extension PartitionQueues {
    var all: [PartitionState] { self.places.map { self[$0] } }
}

extension TopicTable {
    var all: [TopicState] { self.indices.map { self[$0] } }
}

extension ProducerPool {
    var all: [ProducerSlotState] { ProducerSlot.allCases.map { self[$0] } }
}

extension WaitingTopics {
    /// Of those that wait, in their order.
    var all: [Int] {
        var rest = self
        var all: [Int] = []
        while let topic = rest.popFirst() { all.append(topic) }
        return all
    }

    func contains(_ topic: Int) -> Bool { self.all.contains(topic) }
}

extension SetAsideState {
    /// What does not add up; empty when all does.
    func brokenAccounts(now: UInt64) -> [String] {
        var broken: [String] = []
        for unit in self.units.all {
            let (number, sent) = (unit.number, self.unreported.sent(of: unit.number))
            let name = "unit \(number) \(unit.key)"
            if self.units[number]?.key != unit.key || !self.units.numbers(of: unit.key.topic).contains(number) {
                broken.append("\(name) is not found")
            }
            if unit.settled > unit.end { broken.append("\(name) has settled \(unit.settled) of \(unit.end)") }
            if sent < 0 || self.unreported.appended(of: number) < 0 || unit.pending.values.contains(where: { $0 < 0 }) {
                broken.append("\(name) counts below zero")
            }
            if unit.events == 0, sent == 0 { broken.append("\(name) is empty, and stays") }
            if unit.ahead.contains(where: { $0 < unit.settled || $0 >= unit.end + UInt64(unit.pendingCount) }) {
                broken.append("\(name) has settled ahead what is not its own: \(unit.ahead)")
            }
            if case .waiting(let until) = unit.phase, sent == 0, unit.durable > 0, !self.units.isBehindPartitions(unit), !unit.isTaken,
                self.isTurn(of: unit),
                self.nextDue > max(until, now + 20)
            {
                broken.append("\(name) waits until \(until), and is looked at \(self.nextDue)")
            }
        }
        for topic in self.units.topics {
            let numbers = self.units.numbers(of: topic)
            if numbers.isEmpty || numbers.contains(where: { self.units[$0]?.key.topic != topic }) {
                broken.append("\(topic) lists units that are gone")
            }
        }
        return broken
    }
}
