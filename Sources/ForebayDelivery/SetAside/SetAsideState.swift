import ForebayKafka

/// Decides for a route's units: which there are, who may send what of them, and when one is gone.
///
/// - A unit is drained only while no producer holds any of it: what a producer was given before the unit was set aside may still be
///   delivered by it, and librdkafka can't take it back. Its reports settle those events; if it ends first, draining begins at the first
///   that was not reported.
/// - A unit is gone when all of it is settled and nothing more is on its way into the log: only then may newer events go direct.
/// - Where several logs have events of a topic, their units have *turns*, the oldest events the first; a unit is drained only in its turn,
///   and newer events of the topic are set aside behind the last one.
///
/// Its parts own what they count; what is here needs several of them.
///
/// Planted bugs that its tests catch: a unit drained while a producer holds its head (`due` without looking at `unreported`), a unit gone
/// while events are on their way into the log (`isEmpty` without `pending`).
struct SetAsideState {
    struct Requeued {
        let way: DeliveryWay
        let events: UInt64
        let since: Int64
    }

    let configuration: DeliverySettings
    var units: SetAsideUnits
    var unreported = UnreportedEvents()
    var turns = SetAsideTurns()
    /// What each stage is to look at again.
    var changes = SetAsideChanges()
    var actions = SetAsideActions()
    var reading = ReadRequests()
    /// Before this time no unit is to be looked at: there may be many, and they are asked for at every turn.
    var nextDue: UInt64 = 0
    /// Units that could not be made durable and went back to their stage.
    var requeued: [SetAsideKey: Requeued] = [:]
    /// Topics whose units an operator wants, and the drain is to let go of.
    var recalled: Set<String> = []

    init(configuration: DeliverySettings, units: [SetAsideUnit] = [], nextNumber: UInt64 = 1) {
        self.configuration = configuration
        self.units = SetAsideUnits(nextNumber: nextNumber)
        for unit in units {
            self.units.add(unit)
            self.changes.insert(unit.key.topic)
        }
        for unit in units { self.endIfEmpty(unit.number) }
    }

    var isEmpty: Bool { self.units.isEmpty }

    func unit(_ key: SetAsideKey, turn: Int = 0) -> UInt64? { self.units.number(of: key, turn: turn) }

    // MARK: What the stages see

    /// What changed for a stage since it asked last: topics, and what is set aside of them now; nothing: all is direct again.
    mutating func takeChanges(for way: DeliveryWay) -> [(topic: String, now: SetAsideTopic?)] {
        self.changes.take(for: way).map { ($0, self.view($0)) }
    }

    /// A stage begins anew: it knows nothing.
    mutating func begin(_ way: DeliveryWay) {
        self.changes.begin(way, self.units.topics.union(self.turns.waiting))
    }

    private func view(_ topic: String) -> SetAsideTopic? {
        var view = SetAsideTopic()
        for unit in self.units.units(of: topic) {
            let mode: SetAsideMode = unit.phase == .closing ? .closing : .aside
            if let partition = unit.key.partition {
                if view.partitions[partition] != .aside { view.partitions[partition] = mode }
                view.partitionCount = max(view.partitionCount, unit.partitionCount)
            } else if view.whole != .aside {
                view.whole = mode
            }
        }
        if self.turns.waits(topic) { view.whole = .aside }
        return view.isEmpty ? nil : view
    }

    // MARK: Turns

    /// Units of a topic, and with them what is newer than they are, have a turn. Before any stage begins.
    mutating func take(_ turn: SetAsideTurn, _ numbers: [UInt64]) {
        for number in numbers { self.units[number]?.turn = turn.place }
        self.turns.add(turn)
    }

    /// The turn before this one is another log's.
    mutating func wait(for turn: SetAsideTurn, _ failure: KafkaFailure) {
        self.turns.wait(for: turn, failure)
        self.changes.insert(turn.topic)
    }

    /// It has come.
    mutating func begin(_ turn: SetAsideTurn) {
        self.turns.begin(turn)
        if !self.units.holds(turn.topic) { self.turns.forget(turn.topic) }
        self.nextDue = 0
        self.changes.insert(turn.topic)
    }

    func isTurn(of unit: SetAsideUnit) -> Bool { self.turns.hasCome(unit.key.topic, unit.turn) }

    // MARK: What is settled

    mutating func settleAhead(_ number: UInt64) {
        guard var unit = self.units[number] else { return }
        let before = unit.settled
        while unit.ahead.remove(unit.settled) != nil { unit.settled += 1 }
        if let lost = unit.lost, lost.contains(unit.settled) { unit.settled = lost.upperBound }
        self.units[number] = unit
        if unit.settled != before { self.actions.moved.insert(number) }
        self.endIfEmpty(number)
    }

    mutating func endIfEmpty(_ number: UInt64) {
        guard let unit = self.units[number], unit.events == 0, self.unreported.sent(of: number) == 0 else { return }
        self.drop(unit)
        self.actions.moved.remove(number)
        // The log may know it without any event.
        self.actions.gone.append(number)
        self.reading.drop(number)
        self.actions.notes.append(.left(unit.key, events: unit.delivered, takenOut: unit.takenOut, since: unit.since))
    }

    /// A unit is over.
    mutating func drop(_ unit: SetAsideUnit) {
        let topic = unit.key.topic
        if self.units.remove(unit) {
            self.turns.forget(topic)
            self.forgetRequeued(.aside, of: topic)
        }
        if !self.units.holds(topic, turn: unit.turn) { self.actions.turnsOver.append(SetAsideTurn(topic: topic, place: unit.turn)) }
        self.nextDue = 0  // The whole topic's may have waited for it.
        self.changes.insert(topic)
    }

    // MARK: The ends of the stages

    /// A stage's run has ended: what it had on its way comes again from its cursor, and its producers hold nothing any more.
    mutating func end(_ way: DeliveryWay, now: UInt64) {
        self.nextDue = 0
        self.forgetRequeued(way)
        self.unreported.end(way)
        for number in self.units.all.map(\.number) {
            self.units[number]!.pending[way] = nil
            self.units[number]!.pendingUnreported[way] = nil
            if way == .aside, !self.units[number]!.isWaiting {
                if self.units[number]!.phase == .closing { self.changes.insert(self.units[number]!.key.topic) }
                self.units[number]!.phase = .waiting(until: now)
                self.units[number]!.pass += 1
            }
            self.endIfEmpty(number)
        }
        if way == .aside { (self.reading, self.recalled) = (ReadRequests(), []) }
    }
}
