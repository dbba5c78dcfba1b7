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
    private(set) var units: [UInt64: SetAsideUnit] = [:]
    private var numbers: [String: [UInt64]] = [:]
    private var held: [Token: Held] = [:]
    private var nextNumber: UInt64
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

    private mutating func changed(_ topic: String) {
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
        guard let held = self.held.removeValue(forKey: Token(role: role, number: token)), self.units[held.unit] != nil else { return }
        self.units[held.unit]!.held -= 1
        guard isDelivered else { return }
        self.units[held.unit]!.ahead.insert(held.position)
        self.settleAhead(held.unit)
    }

    private mutating func settleAhead(_ number: UInt64) {
        guard var unit = self.units[number] else { return }
        let before = unit.settled
        while unit.settled < unit.end, unit.ahead.remove(unit.settled) != nil { unit.settled += 1 }
        if let lost = unit.lost, lost.contains(unit.settled) { unit.settled = min(unit.end, lost.upperBound) }
        self.units[number] = unit
        if unit.settled != before { self.moved.insert(number) }
        self.endIfEmpty(number)
    }

    // MARK: Out of the log

    /// The topics whose units are to be tried now, and whether one event is to go alone first: the last try failed at a delivery, so that the
    /// topic's being there says little.
    mutating func due(now: UInt64) -> [String: Bool] {
        var topics: [String: Bool] = [:]
        for (number, unit) in self.units {
            guard case .waiting(let until) = unit.phase, until <= now, unit.held == 0, unit.end > unit.settled else { continue }
            self.units[number]!.phase = .asking
            topics[unit.key.topic, default: false] = topics[unit.key.topic, default: false] || unit.needsProbe
        }
        return topics
    }

    /// Whether any unit waits for a time.
    var waitsForTime: Bool { self.units.values.contains { $0.isWaiting && $0.held == 0 } }

    /// The cluster knows a topic.
    ///
    /// - Parameter leaderless: its partitions that have no leader.
    mutating func found(_ topic: String, leaderless: Set<Int32>, now: UInt64) {
        for number in self.numbers[topic] ?? [] {
            guard let unit = self.units[number], unit.phase == .asking else { continue }
            if let partition = unit.key.partition, leaderless.contains(partition) {
                self.retry(number, KafkaFailure(.leaderNotAvailable), byDelivery: false, now: now)
                continue
            }
            self.units[number]!.phase = .draining
            self.units[number]!.ahead = []  // Sent again with those before them.
            self.units[number]!.pass += 1
            self.units[number]!.read = unit.settled
            self.units[number]!.readTimes = []
            self.units[number]!.lost = nil
            self.toRead.append(number)
        }
    }

    /// A unit, or all of a topic, can't be delivered now.
    ///
    /// - Parameter byDelivery: events were refused; the cluster knows the topic all the same.
    mutating func failed(_ key: SetAsideKey, _ failure: KafkaFailure, byDelivery: Bool, now: UInt64) {
        for number in self.numbers[key.topic] ?? [] {
            guard let unit = self.units[number], key.partition == nil || unit.key == key, !unit.isWaiting else { continue }
            self.retry(number, failure, byDelivery: byDelivery, now: now)
        }
    }

    private mutating func retry(_ number: UInt64, _ failure: KafkaFailure, byDelivery: Bool, now: UInt64) {
        guard var unit = self.units[number] else { return }
        if unit.phase == .closing { self.changed(unit.key.topic) }
        unit.failures += 1
        unit.needsProbe = byDelivery
        (unit.code, unit.reason) = ("\(failure.code)", failure.reason)
        unit.phase = .waiting(until: now + self.configuration.delay(self.configuration.holdDelay, failures: unit.failures))
        unit.pass += 1
        self.units[number] = unit
        self.toDrop.append(number)
    }

    /// Whether a batch that was read still counts.
    func accepts(unit: UInt64, pass: UInt32) -> Bool {
        guard let unit = self.units[unit] else { return false }
        return unit.pass == pass && (unit.phase == .draining || unit.phase == .closing)
    }

    /// A pass has reached the end of the log: what is read whole is closed, so that newer events stop following it.
    mutating func readAll(_ ends: [(unit: UInt64, pass: UInt32, position: UInt64)]) {
        for (number, pass, position) in ends {
            guard let before = self.units[number], before.pass == pass else { continue }
            if position > before.read { self.skip(number, to: position) }
            guard let unit = self.units[number], unit.phase == .draining, unit.read >= unit.end else { continue }
            // What drains of the whole topic may still come behind a partition.
            guard unit.key.partition == nil || self.unit(SetAsideKey(unit.key.topic)) == nil else { continue }
            self.units[number]!.phase = .closing
            self.changed(unit.key.topic)
        }
    }

    /// The last events of a unit can't be read any more: the log has told of it, and they are passed like settled ones.
    private mutating func skip(_ number: UInt64, to position: UInt64) {
        guard var unit = self.units[number] else { return }
        unit.lost = (unit.lost?.lowerBound ?? unit.read)..<position
        unit.read = position
        self.units[number] = unit
        self.settleAhead(number)
    }

    mutating func hasRead(_ number: UInt64, pass: UInt32, through position: UInt64, acceptedAt: Int64) {
        guard self.units[number]?.pass == pass else { return }
        self.units[number]!.read = position
        self.units[number]!.readTimes.append((position, acceptedAt))
    }

    /// Everything of a unit below a position is settled.
    mutating func settle(_ number: UInt64, pass: UInt32, through position: UInt64) {
        guard var unit = self.units[number], unit.pass == pass, position > unit.settled else { return }
        unit.bytes -= Int(Double(unit.bytes) * Double(position - unit.settled) / Double(max(1, unit.events)))
        unit.settled = position
        unit.failures = 0
        unit.needsProbe = false
        while let first = unit.readTimes.first, first.end <= position { unit.readTimes.removeFirst() }
        if let next = unit.readTimes.first { unit.oldestAcceptedAt = next.acceptedAt }
        self.units[number] = unit
        self.moved.insert(number)
        self.settleAhead(number)
    }

    private mutating func endIfEmpty(_ number: UInt64) {
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
