import ForebayKafka

/// Decides for a route's units: which there are, who may send what of them, and when one is gone.
///
/// - A unit is drained only while no producer holds any of it: what a producer was given before the unit was set aside may still be
///   delivered by it, and librdkafka can't take it back. Its reports settle those events; if it ends first, draining begins at the first
///   that was not reported.
/// - A unit is gone when all of it is settled and nothing more is on its way into the log: only then may newer events go direct.
///
/// Planted bugs that its tests catch: a unit drained while a producer holds its head (`due` without looking at `held`), a unit gone while
/// events are on their way into the log (`isEmpty` without `pending`).
struct SetAsideState {
    /// Events of one unit that leave a stage for the log.
    struct Departure {
        let key: SetAsideKey
        let partitionCount: Int32
        let failure: KafkaFailure
        /// Of the first.
        let acceptedAt: Int64
        var count = 0
        var bytes = 0
        /// Those that a producer was given and has not reported: which of them, and their tokens.
        var held: [(index: Int, token: UInt64)] = []

        init(key: SetAsideKey, partitionCount: Int32, failure: KafkaFailure, acceptedAt: Int64) {
            self.key = key
            self.partitionCount = partitionCount
            self.failure = failure
            self.acceptedAt = acceptedAt
        }
    }

    /// What an operator may want to know.
    enum Note: Equatable {
        case entered(SetAsideKey, KafkaFailure)
        case left(SetAsideKey, events: UInt64, since: Int64)
    }

    private struct Token: Hashable {
        let role: ForwardRole
        let number: UInt64
    }

    private struct Held {
        let unit: UInt64
        let position: UInt64
    }

    let configuration: ForwardConfiguration
    var units: [UInt64: SetAsideUnit] = [:]
    var numbers: [String: [UInt64]] = [:]
    private var held: [Token: Held] = [:]
    private var nextNumber: UInt64
    /// Before this time no unit is to be looked at: there may be many, and they are asked for at every turn.
    var nextDue: UInt64 = 0
    /// Units that are empty: the log is to forget them.
    var gone: [UInt64] = []
    /// Units whose cursor is to be moved.
    var moved: Set<UInt64> = []
    var notes: [Note] = []
    /// Topics that each role is to look at again.
    private var changed: [ForwardRole: Set<String>] = [.direct: [], .drain: []]
    /// Units to be read from their settled end on.
    var toRead: [UInt64] = []
    /// Units that were given up by the drain while reading.
    var toDrop: [UInt64] = []

    init(configuration: ForwardConfiguration, units: [SetAsideUnit] = [], nextNumber: UInt64 = 1) {
        self.configuration = configuration
        self.nextNumber = nextNumber
        for unit in units {
            self.units[unit.number] = unit
            self.numbers[unit.key.topic, default: []].append(unit.number)
            self.changed(unit.key.topic)
        }
        for unit in units { self.endIfEmpty(unit.number) }
    }

    var isEmpty: Bool { self.units.isEmpty }

    func unit(_ key: SetAsideKey) -> UInt64? {
        self.numbers[key.topic]?.first { self.units[$0]?.key == key }
    }

    // MARK: What the stages see

    /// What changed for a stage since it asked last: topics, and what is set aside of them now; nothing: all is direct again.
    mutating func takeChanges(for role: ForwardRole) -> [(topic: String, now: SetAsideTopic?)] {
        let topics = self.changed[role] ?? []
        self.changed[role] = []
        return topics.map { ($0, self.view($0)) }
    }

    func hasChanges(for role: ForwardRole) -> Bool { !(self.changed[role]?.isEmpty ?? true) }

    /// A stage begins anew: it knows nothing.
    mutating func begin(_ role: ForwardRole) {
        self.changed[role] = Set(self.numbers.keys)
    }

    private func view(_ topic: String) -> SetAsideTopic? {
        guard let numbers = self.numbers[topic] else { return nil }
        var view = SetAsideTopic()
        for case let unit? in numbers.map({ self.units[$0] }) {
            let mode: SetAsideMode = unit.phase == .closing ? .closing : .aside
            if let partition = unit.key.partition {
                view.partitions[partition] = mode
                view.partitionCount = max(view.partitionCount, unit.partitionCount)
            } else {
                view.whole = mode
            }
        }
        return view.isEmpty ? nil : view
    }

    mutating func changed(_ topic: String) {
        for role in [ForwardRole.direct, .drain] { self.changed[role]?.insert(topic) }
    }

    // MARK: Into the log

    /// Events leave a stage; nobody may take their units for empty from now on.
    ///
    /// - Returns: the number of each departure's unit.
    mutating func depart(_ departures: [Departure], from role: ForwardRole, now: Int64) -> [UInt64] {
        departures.map { departure in
            let number = self.unit(departure.key) ?? self.enter(departure, now: now)
            let first = self.units[number]!.end + UInt64(self.units[number]!.pendingCount)
            self.units[number]!.pending[role, default: 0] += departure.count
            self.units[number]!.bytes += departure.bytes
            for (index, token) in departure.held { self.hold(Token(role: role, number: token), number, first + UInt64(index)) }
            return number
        }
    }

    private mutating func enter(_ departure: Departure, now: Int64) -> UInt64 {
        let number = self.nextNumber
        self.nextNumber += 1
        let unit = SetAsideUnit(
            number: number, key: departure.key, partitionCount: departure.partitionCount, code: "\(departure.failure.code)",
            reason: departure.failure.reason, since: now, oldestAcceptedAt: departure.acceptedAt)
        self.units[number] = unit
        self.numbers[departure.key.topic, default: []].append(number)
        self.changed(departure.key.topic)
        self.notes.append(.entered(departure.key, departure.failure))
        return number
    }

    /// The events of a unit are durable in the log.
    mutating func stored(_ number: UInt64, count: Int, from role: ForwardRole, now: UInt64) {
        guard var unit = self.units[number] else { return }
        unit.isInLog = true
        unit.end += UInt64(count)
        unit.pending[role] = max(0, (unit.pending[role] ?? 0) - count)
        self.nextDue = 0
        if unit.phase == .waiting(until: 0) { unit.phase = .waiting(until: now + UInt64(self.configuration.holdDelay)) }
        self.units[number] = unit
        self.settleAhead(number)
    }

    // MARK: What producers still hold

    private mutating func hold(_ token: Token, _ unit: UInt64, _ position: UInt64) {
        self.held[token] = Held(unit: unit, position: position)
        self.units[unit]!.held += 1
    }

    /// The drain gives a unit up while its producer holds this event of it.
    mutating func keepHeld(_ token: UInt64, unit: UInt64, position: UInt64) {
        guard self.units[unit] != nil else { return }
        self.hold(Token(role: .drain, number: token), unit, position)
    }

    /// A producer reported an event that it held, or let go of it.
    mutating func reported(_ token: UInt64, by role: ForwardRole, isDelivered: Bool) {
        // Its unit stays while it is held.
        guard let held = self.held.removeValue(forKey: Token(role: role, number: token)) else { return }
        self.units[held.unit]!.held -= 1
        self.nextDue = 0
        guard isDelivered else { return }
        self.units[held.unit]!.ahead.insert(held.position)
        self.settleAhead(held.unit)
    }

    mutating func settleAhead(_ number: UInt64) {
        guard var unit = self.units[number] else { return }
        let before = unit.settled
        while unit.settled < unit.end, unit.ahead.remove(unit.settled) != nil { unit.settled += 1 }
        if let lost = unit.lost, lost.contains(unit.settled) { unit.settled = min(unit.end, lost.upperBound) }
        self.units[number] = unit
        if unit.settled != before { self.moved.insert(number) }
        self.endIfEmpty(number)
    }

    mutating func endIfEmpty(_ number: UInt64) {
        guard let unit = self.units[number], unit.isEmpty, unit.held == 0 else { return }
        self.units[number] = nil
        self.numbers[unit.key.topic]?.removeAll { $0 == number }
        if self.numbers[unit.key.topic]?.isEmpty == true { self.numbers[unit.key.topic] = nil }
        self.moved.remove(number)
        if unit.isInLog { self.gone.append(number) }
        self.toDrop.append(number)
        self.notes.append(.left(unit.key, events: unit.settled, since: unit.since))
        self.changed(unit.key.topic)
    }

    // MARK: The ends of the stages

    /// A stage's run has ended: what it had on its way comes again from its cursor, and its producers hold nothing any more.
    mutating func end(_ role: ForwardRole, now: UInt64) {
        self.nextDue = 0
        for (token, held) in self.held where token.role == role {
            self.held[token] = nil
            self.units[held.unit]?.held -= 1
        }
        for number in Array(self.units.keys) {
            self.units[number]!.pending[role] = nil
            if role == .drain, !self.units[number]!.isWaiting {
                if self.units[number]!.phase == .closing { self.changed(self.units[number]!.key.topic) }
                self.units[number]!.phase = .waiting(until: now)
                self.units[number]!.pass += 1
            }
            self.endIfEmpty(number)
        }
        if role == .drain { (self.toRead, self.toDrop) = ([], []) }
    }
}
