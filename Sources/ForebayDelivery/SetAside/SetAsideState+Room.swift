/// What there is no room for in the log.
extension SetAsideState {
    /// There is no room to set these aside. Where nothing of a unit waits in the log, nor with a producer, its events go back to the stage
    /// that they left: its topic or partition may be there again, and nobody else asks for it.
    ///
    /// - Returns: the units that are gone so, and the tokens of their events that a producer delivered after they had left.
    mutating func requeue(_ numbers: Set<UInt64>, from way: DeliveryWay) -> (units: Set<UInt64>, delivered: Set<UInt64>) {
        let own = numbers.filter { number in
            // What a producer has is not only here.
            guard let unit = self.units[number], unit.durable == 0, self.unreported.sent(of: number) == 0,
                unit.pendingCount == unit.pending[way] ?? 0
            else {
                return false
            }
            guard !self.turns.waits(unit.key.topic) else { return false }
            return !self.units.units(of: unit.key.topic).contains { $0.turn < unit.turn }
        }
        // Newer events of a partition's keys may be among those of the whole topic: the partition's must not come behind them.
        let taken = own.filter { number in
            guard let unit = self.units[number], unit.key.partition != nil else { return true }
            return self.unit(SetAsideKey(unit.key.topic), turn: unit.turn).map(own.contains) ?? true
        }
        var delivered: Set<UInt64> = []
        for number in taken {
            let unit = self.units[number]!
            for (_, token) in unit.pendingUnreported[way] ?? []
            where self.unreported.requeue(UnreportedEvents.Token(way: way, number: token)) { delivered.insert(token) }
            self.goBack(unit, to: way, events: unit.events)
        }
        return (taken, delivered)
    }

    /// There is no room for what the drain had on its way, and it stands in the log already. The drain reads it again where it has read it.
    ///
    /// - Parameter units: where it was on its way to, and how many bytes.
    /// - Returns: the tokens of its events that a producer delivered after they had left.
    mutating func letGo(_ units: [UInt64: Int]) -> Set<UInt64> {
        var delivered: Set<UInt64> = []
        for (number, bytes) in units {
            guard var unit = self.units[number] else { continue }
            for (_, token) in unit.pendingUnreported[.aside] ?? []
            where self.unreported.requeue(UnreportedEvents.Token(way: .aside, number: token)) { delivered.insert(token) }
            let events = unit.events
            (unit.pending[.aside], unit.pendingUnreported[.aside]) = (nil, nil)
            unit.bytes -= bytes
            self.units[number] = unit
            self.nextDue = 0
            if unit.isInLog {
                self.endIfEmpty(number)
            } else if unit.events == 0 {
                self.goBack(unit, to: .aside, events: events)
            }
        }
        return delivered
    }

    private mutating func goBack(_ unit: SetAsideUnit, to way: DeliveryWay, events: UInt64) {
        self.drop(unit)
        self.actions.moved.remove(unit.number)
        // The log may know it already, without any event.
        self.actions.gone.append(unit.number)
        self.reading.drop(unit.number)
        self.requeued[unit.key] = Requeued(way: way, events: events, since: unit.since)
    }

    /// Whether a partition's events went back, and nobody was told yet that they go direct.
    var hasRequeuedPartition: Bool { self.requeued.contains { $0.key.partition != nil && $0.value.way == .direct } }

    /// What went back to its stage has not come again for a while.
    ///
    /// - Parameter topic: one whose events are all delivered; none: of all.
    mutating func forgetRequeued(_ way: DeliveryWay, of topic: String? = nil) {
        for (key, unit) in self.requeued where unit.way == way && (topic == nil || key.topic == topic) {
            self.actions.notes.append(.left(key, events: unit.events, since: unit.since))
            self.requeued[key] = nil
        }
    }
}
