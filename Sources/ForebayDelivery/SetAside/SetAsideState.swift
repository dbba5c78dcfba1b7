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
/// Planted bugs that its tests catch: a unit drained while a producer holds its head (`due` without looking at `held`), a unit gone while
/// events are on their way into the log (`isEmpty` without `pending`).
struct SetAsideState {
    /// Events of one unit that leave a stage for the log.
    struct Departure {
        let key: SetAsideKey
        let partitionCount: Int32
        let failure: KafkaFailure
        /// In the place of the failure's, of what an operator brings: nothing has failed.
        var code: String?
        /// In which turn they come, where not in the last.
        var turn: Int?
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
        /// - Parameters:
        ///   - events: how many were delivered since the start.
        ///   - takenOut: how many were removed, moved or given up.
        case left(SetAsideKey, events: UInt64, takenOut: UInt64 = 0, since: Int64)
    }

    struct Token: Hashable {
        let way: DeliveryWay
        let number: UInt64
        /// No producer has it: it was on its way into another log when the drain let go of its unit.
        var isLeaving = false
    }

    struct Held {
        let unit: UInt64
        /// None: it is not in the log yet.
        var position: UInt64?
        /// Before it was in the log.
        var isDelivered = false
    }

    struct TakenBack {
        let way: DeliveryWay
        let number: UInt64
        let events: UInt64
        let since: Int64
    }

    let configuration: DeliverySettings
    var units: [UInt64: SetAsideUnit] = [:]
    var numbers: [String: [UInt64]] = [:]
    var held: [Token: Held] = [:]
    private var nextNumber: UInt64
    /// Before this time no unit is to be looked at: there may be many, and they are asked for at every turn.
    var nextDue: UInt64 = 0
    /// Units that are empty: the log is to forget them.
    var gone: [UInt64] = []
    /// Units whose cursor is to be moved.
    var moved: Set<UInt64> = []
    var notes: [Note] = []
    /// The turns that are still to come, by topic, and why they are.
    var waits: [String: [Int: KafkaFailure]] = [:]
    /// Units that could not be made durable and went back to their stage: their numbers are theirs if they come again.
    var takenBack: [SetAsideKey: TakenBack] = [:]
    /// In which turn newer events are, where it is not the first.
    var lastTurns: [String: Int] = [:]
    /// Turns that are over: none of their units are left.
    var left: [SetAsideTurn] = []
    /// Topics that each way is to look at again.
    private var changed: [DeliveryWay: Set<String>] = [.direct: [], .aside: []]
    /// How many partitions the topics of units had when the cluster last told.
    var partitionCounts: [String: Int] = [:]
    /// Units to be read from their settled end on.
    var toRead: [UInt64] = []
    /// Units that were given up by the drain while reading.
    var toDrop: [UInt64] = []
    /// Topics whose units an operator wants, and the drain is to let go of.
    var recalled: Set<String> = []

    init(configuration: DeliverySettings, units: [SetAsideUnit] = [], nextNumber: UInt64 = 1) {
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

    func unit(_ key: SetAsideKey, turn: Int = 0) -> UInt64? {
        self.numbers[key.topic]?.first { self.units[$0]?.key == key && self.units[$0]?.turn == turn }
    }

    // MARK: What the stages see

    /// What changed for a stage since it asked last: topics, and what is set aside of them now; nothing: all is direct again.
    mutating func takeChanges(for way: DeliveryWay) -> [(topic: String, now: SetAsideTopic?)] {
        let topics = self.changed[way] ?? []
        self.changed[way] = []
        return topics.map { ($0, self.view($0)) }
    }

    func hasChanges(for way: DeliveryWay) -> Bool { self.changed[way]?.isEmpty == false }

    /// A stage begins anew: it knows nothing.
    mutating func begin(_ way: DeliveryWay) {
        self.changed[way] = Set(self.numbers.keys).union(self.waits.keys)
    }

    // MARK: Turns

    /// Units of a topic, and with them what is newer than they are, have a turn. Before any stage begins.
    mutating func take(_ turn: SetAsideTurn, _ numbers: [UInt64]) {
        for number in numbers { self.units[number]?.turn = turn.place }
        self.lastTurns[turn.topic] = max(turn.place, self.lastTurns[turn.topic] ?? 0)
    }

    /// The turn before this one is another log's.
    mutating func wait(for turn: SetAsideTurn, _ failure: KafkaFailure) {
        self.waits[turn.topic, default: [:]][turn.place] = failure
        self.changed(turn.topic)
    }

    /// It has come.
    mutating func begin(_ turn: SetAsideTurn) {
        self.waits[turn.topic]?[turn.place] = nil
        if self.waits[turn.topic]?.isEmpty == true { self.waits[turn.topic] = nil }
        self.forgetTurns(of: turn.topic)
        self.nextDue = 0
        self.changed(turn.topic)
    }

    /// All that had turns is delivered: the next time is as if there had been none.
    private mutating func forgetTurns(of topic: String) {
        if self.numbers[topic] == nil, self.waits[topic] == nil { self.lastTurns[topic] = nil }
    }

    func isTurn(of unit: SetAsideUnit) -> Bool { self.waits[unit.key.topic]?[unit.turn] == nil }

    /// Newer events come in the last turn; what the drain can't deliver stays in the one that it is at.
    private func turn(_ topic: String, from way: DeliveryWay) -> Int {
        let last = self.lastTurns[topic] ?? 0
        guard way == .aside else { return last }
        return (self.numbers[topic] ?? []).compactMap { self.units[$0] }.filter(self.isTurn).map(\.turn).min() ?? last
    }

    private func view(_ topic: String) -> SetAsideTopic? {
        var view = SetAsideTopic()
        for case let unit? in (self.numbers[topic] ?? []).map({ self.units[$0] }) {
            let mode: SetAsideMode = unit.phase == .closing ? .closing : .aside
            if let partition = unit.key.partition {
                if view.partitions[partition] != .aside { view.partitions[partition] = mode }
                view.partitionCount = max(view.partitionCount, unit.partitionCount)
            } else if view.whole != .aside {
                view.whole = mode
            }
        }
        if self.waits[topic] != nil { view.whole = .aside }
        return view.isEmpty ? nil : view
    }

    mutating func changed(_ topic: String) {
        for way in [DeliveryWay.direct, .aside] { self.changed[way]?.insert(topic) }
    }

    // MARK: Into the log

    /// Events leave a stage; nobody may take their units for empty from now on.
    ///
    /// - Returns: the number of each departure's unit.
    mutating func depart(_ departures: [Departure], from way: DeliveryWay, now: Int64) -> [UInt64] {
        departures.map { departure in
            let turn = departure.turn ?? self.turn(departure.key.topic, from: way)
            let number = self.unit(departure.key, turn: turn) ?? self.enter(departure, turn, now: now)
            let before = self.units[number]!.pending[way] ?? 0
            for (index, token) in departure.held {
                self.units[number]!.pendingHeld[way, default: []].append((before + index, token))
                self.hold(Token(way: way, number: token), number, nil)
            }
            self.units[number]!.pending[way] = before + departure.count
            self.units[number]!.bytes += departure.bytes
            if way == .aside { self.units[number]!.splitOff += departure.count }
            return number
        }
    }

    /// As those have it whose turn it is, too. Higher than those that are there, if there is none: turns are numbered upwards.
    private func turnInLog(of topic: String, _ turn: Int) -> Int {
        (self.numbers[topic] ?? []).compactMap { self.units[$0] }.first { $0.turn == turn }?.turnInLog ?? turn
    }

    private mutating func enter(_ departure: Departure, _ turn: Int, now: Int64) -> UInt64 {
        // The log may know the number already, without any event.
        let known = self.takenBack.removeValue(forKey: departure.key)
        let number = known?.number ?? self.nextNumber
        if known == nil { self.nextNumber += 1 }
        let wait = self.waits[departure.key.topic]?[turn]
        let failure = wait ?? departure.failure
        var unit = SetAsideUnit(
            number: number, key: departure.key, partitionCount: departure.partitionCount,
            code: (wait == nil ? departure.code : nil) ?? (failure.code.isError ? "\(failure.code)" : SetAside.moved),
            reason: failure.reason, since: known?.since ?? now, oldestAcceptedAt: departure.acceptedAt)
        unit.turn = turn
        unit.turnInLog = self.turnInLog(of: departure.key.topic, turn)
        self.units[number] = unit
        self.numbers[departure.key.topic, default: []].append(number)
        self.changed(departure.key.topic)
        if known == nil, departure.code == nil { self.notes.append(.entered(departure.key, failure)) }
        return number
    }

    /// The first `count` events that a stage had on their way are durable in the log.
    ///
    /// - Parameter end: one past them, as the log says.
    mutating func stored(_ number: UInt64, count: Int, end: UInt64, from way: DeliveryWay, now: UInt64) {
        guard var unit = self.units[number] else { return }
        unit.isInLog = true
        unit.end = max(unit.end, end)
        unit.pending[way] = max(0, (unit.pending[way] ?? 0) - count)
        let held = unit.pendingHeld[way] ?? []
        let placed = held.prefix { $0.index < count }
        if !held.isEmpty { unit.pendingHeld[way] = held.dropFirst(placed.count).map { ($0.index - count, $0.token) } }
        for (index, token) in placed { self.place(Token(way: way, number: token), at: end - UInt64(count - index), &unit) }
        self.nextDue = 0
        if unit.phase == .waiting(until: 0) { unit.phase = .waiting(until: now + UInt64(self.configuration.holdDelay)) }
        self.units[number] = unit
        self.settleAhead(number)
    }

    // MARK: What producers still hold

    /// An event that a producer held is in the log now; perhaps the producer has reported it meanwhile.
    private mutating func place(_ token: Token, at position: UInt64, _ unit: inout SetAsideUnit) {
        guard let held = self.held[token] else { return }
        if held.isDelivered {
            self.held[token] = nil
            unit.ahead.insert(position)
        } else {
            self.held[token]?.position = position
        }
    }

    private mutating func hold(_ token: Token, _ unit: UInt64, _ position: UInt64?) {
        self.held[token] = Held(unit: unit, position: position)
        self.units[unit]!.held += 1
    }

    /// The drain gives a unit up while its producer holds this event of it.
    mutating func keepHeld(_ token: UInt64, unit: UInt64, position: UInt64) {
        guard self.units[unit] != nil else { return }
        self.hold(Token(way: .aside, number: token), unit, position)
    }

    /// A producer reported an event that it held, or let go of it.
    mutating func reported(_ token: UInt64, by way: DeliveryWay, isDelivered: Bool) {
        let token = Token(way: way, number: token)
        // Its unit stays while it is held.
        guard let held = self.held[token], !held.isDelivered else { return }
        self.held[token] = nil
        self.units[held.unit]!.held -= 1
        self.nextDue = 0
        // Only of a unit that an operator has emptied nothing is left then.
        guard isDelivered else { return self.endIfEmpty(held.unit) }
        if let position = held.position {
            // Below its settled end it was removed by hand, or moved.
            if position >= self.units[held.unit]!.settled { self.units[held.unit]!.ahead.insert(position) }
            self.settleAhead(held.unit)
        } else {
            self.held[token] = Held(unit: held.unit, isDelivered: true)
        }
    }

    mutating func settleAhead(_ number: UInt64) {
        guard var unit = self.units[number] else { return }
        let before = unit.settled
        while unit.ahead.remove(unit.settled) != nil { unit.settled += 1 }
        if let lost = unit.lost, lost.contains(unit.settled) { unit.settled = lost.upperBound }
        self.units[number] = unit
        if unit.settled != before { self.moved.insert(number) }
        self.endIfEmpty(number)
    }

    mutating func endIfEmpty(_ number: UInt64) {
        guard let unit = self.units[number], unit.events == 0, unit.held == 0 else { return }
        self.drop(unit)
        self.moved.remove(number)
        if unit.isInLog { self.gone.append(number) }
        self.toDrop.append(number)
        self.notes.append(.left(unit.key, events: unit.delivered, takenOut: unit.takenOut, since: unit.since))
    }

    /// A unit is over.
    mutating func drop(_ unit: SetAsideUnit) {
        let topic = unit.key.topic
        self.units[unit.number] = nil
        self.numbers[topic]?.removeAll { $0 == unit.number }
        if self.numbers[topic]?.isEmpty == true {
            (self.numbers[topic], self.partitionCounts[topic]) = (nil, nil)
            self.forgetTurns(of: topic)
            self.wentDirect(.aside, of: topic)
        }
        if !self.hasUnits(of: topic, turn: unit.turn) { self.left.append(SetAsideTurn(topic: topic, place: unit.turn)) }
        self.nextDue = 0  // The whole topic's may have waited for it.
        self.changed(topic)
    }

    // MARK: The ends of the stages

    /// A stage's run has ended: what it had on its way comes again from its cursor, and its producers hold nothing any more.
    mutating func end(_ way: DeliveryWay, now: UInt64) {
        self.nextDue = 0
        self.wentDirect(way)
        for (token, held) in self.held where token.way == way {
            self.held[token] = nil
            if token.isLeaving { self.units[held.unit]?.leaving -= 1 } else if !held.isDelivered { self.units[held.unit]?.held -= 1 }
        }
        for number in Array(self.units.keys) {
            self.units[number]!.pending[way] = nil
            self.units[number]!.pendingHeld[way] = nil
            if way == .aside, !self.units[number]!.isWaiting {
                if self.units[number]!.phase == .closing { self.changed(self.units[number]!.key.topic) }
                self.units[number]!.phase = .waiting(until: now)
                self.units[number]!.pass += 1
            }
            self.endIfEmpty(number)
        }
        if way == .aside { (self.toRead, self.toDrop, self.recalled) = ([], [], []) }
    }
}
