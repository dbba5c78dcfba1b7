import ForebayKafka

/// What an operator brings into the log, and takes out of it.
///
///     waiting, asking ──────────────┐
///     draining, closing ── recall ──┴─ take ──> taken: waiting, and not tried ── remove, moved ──> released: tried again, or gone
///
/// Events that come to a unit while it is taken stand behind what is removed or moved, and stay.
extension SetAsideState {
    /// Units that an operator means.
    struct Meant {
        /// None: of all topics.
        var topic: String?
        /// None: all of the topic.
        var partition: Int32?
        /// Not of this one.
        var except: String?
        /// None: all of them.
        var numbers: Set<UInt64>?
    }

    /// Those of partitions first: what is of the whole topic may hold newer events of their keys.
    func numbers(_ meant: Meant) -> [UInt64] {
        let units = self.units.all.filter { unit in
            (meant.topic == nil || unit.key.topic == meant.topic) && (meant.partition == nil || unit.key.partition == meant.partition)
                && unit.key.topic != meant.except && meant.numbers?.contains(unit.number) ?? true
        }
        return units.sorted {
            ($0.key.topic, $0.turn, $0.key.partition ?? .max, $0.number) < ($1.key.topic, $1.turn, $1.key.partition ?? .max, $1.number)
        }.map(\.number)
    }

    // MARK: Out of the drain's hands

    /// How far a unit is meant.
    struct Asked {
        let end: UInt64
        let splitOff: Int
    }

    /// Takes what is meant out of the drain's hands.
    ///
    /// - Returns: how far each goes now.
    mutating func take(_ meant: Meant) -> [UInt64: Asked] {
        let numbers = self.numbers(meant)
        self.take(numbers)
        return numbers.reduce(into: [:]) { asked, number in
            guard let unit = self.units[number] else { return }
            // What is on its way from the drain was there when it was asked for.
            asked[number] = Asked(end: unit.end, splitOff: unit.splitOff - (unit.pending[.aside] ?? 0))
        }
    }

    /// What is taken; none: not yet. Units that the drain takes out of one that is meant, before it lets go of that, are, too.
    mutating func taken(_ meant: Meant, _ asked: [UInt64: Asked]) -> [(unit: UInt64, end: UInt64)]? {
        let numbers = self.numbers(meant).filter { asked[$0] != nil || self.units[$0]!.splitOff > 0 }
        self.take(numbers)
        guard self.areTaken(numbers) else { return nil }
        return numbers.map { number in
            let unit = self.units[number]!
            guard let asked = asked[number], asked.splitOff == unit.splitOff else { return (number, unit.end) }
            return (number, asked.end)
        }
    }

    /// From now on these are not tried. Those that are being drained are recalled first.
    mutating func take(_ numbers: [UInt64]) {
        for number in numbers {
            guard let unit = self.units[number] else { continue }
            self.units[number]!.isTaken = true
            switch unit.phase {
            // What is on its way may wait for room there.
            case .waiting: if self.unreported.appended(of: number) > 0 { self.recalled.insert(unit.key.topic) }
            case .asking: self.units[number]!.phase = .waiting(until: 0)
            case .draining, .closing: self.recalled.insert(unit.key.topic)
            }
        }
    }

    /// Whether none of them is in the drain's hands, and nothing of them on its way from there into another log.
    func areTaken(_ numbers: [UInt64]) -> Bool {
        numbers.allSatisfy { number in self.units[number].map { $0.isWaiting && self.unreported.appended(of: number) == 0 } ?? true }
    }

    /// They are tried again.
    mutating func release(_ numbers: [UInt64]) {
        for number in numbers { self.units[number]?.isTaken = false }
        self.nextDue = 0
    }

    /// The drain has let go of a topic.
    ///
    /// - Parameter unreported: what its producers have of it.
    mutating func recalled(_ topic: String, unreported: [(token: UInt64, unit: UInt64, position: UInt64)]) {
        for number in self.units.numbers(of: topic) {
            guard let unit = self.units[number], !unit.isWaiting else { continue }
            if unit.phase == .closing { self.changes.insert(topic) }
            self.units[number]!.phase = .waiting(until: 0)
            self.units[number]!.pass += 1
            self.reading.drop(number)
        }
        self.nextDue = 0
        for event in unreported { self.keepUnreported(event.token, unit: event.unit, position: event.position) }
    }

    // MARK: Out of the log

    /// All that a unit has in the log below a position is settled, by hand: it was removed, or stands elsewhere. Only of one that is taken.
    ///
    /// - Parameter now: of what comes behind it nobody knows when it was accepted.
    mutating func settleByHand(_ number: UInt64, through position: UInt64, now: Int64) {
        guard var unit = self.units[number], unit.isTaken, unit.isWaiting, position > unit.settled, position <= unit.end else { return }
        unit.bytes -= Int(Double(unit.bytes) * Double(position - unit.settled) / Double(max(1, unit.events)))
        unit.takenOut += position - unit.settled - UInt64(unit.ahead.count { $0 < position })
        unit.settled = position
        unit.ahead = unit.ahead.filter { $0 >= position }
        unit.lost = nil
        unit.readTimes = []
        if unit.settled == unit.end { unit.oldestAcceptedAt = now }
        self.units[number] = unit
        self.actions.moved.insert(number)
        self.settleAhead(number)
    }

    // MARK: Into the log

    /// What comes to a topic from now on has a turn of its own, behind what is brought.
    ///
    /// - Returns: the turn of what is brought, which is that of what is there already.
    mutating func openTurn(of topic: String) -> Int {
        self.changes.insert(topic)
        return self.turns.open(of: topic, KafkaFailure(.none, reason: "events that were moved to this topic come first"))
    }

    /// Events that were brought could not be made durable: whoever brought them has them still.
    mutating func appendByHandFailed(_ number: UInt64, count: Int, bytes: Int) {
        guard var unit = self.units[number] else { return }
        let left = (unit.pending[.hand] ?? 0) - count
        unit.pending[.hand] = left > 0 ? left : nil
        unit.bytes -= bytes
        self.units[number] = unit
        guard unit.events == 0, self.unreported.sent(of: number) == 0 else { return }
        guard unit.isInLog else {
            // The log may know it already, without any event.
            self.drop(unit)
            self.actions.gone.append(number)
            return
        }
        self.endIfEmpty(number)
    }
}
