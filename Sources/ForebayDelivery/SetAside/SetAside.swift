package import ForebayCore
package import ForebayKafka
package import ForebaySpool
import ForebayTelemetry
import Synchronization

/// What of one route can't be delivered now: its log on disk, and who may do what with it. Shared by the route's two stages.
package final class SetAside: Sendable {
    /// One unit as it is shown.
    package struct Shown: Sendable, Equatable {
        package let key: SetAsideKey
        /// `waiting` for its next try, or `draining`.
        package let isDraining: Bool
        package let code: String
        package let reason: String
        /// What to do about it.
        package let advice: String?
        /// ms since 1970.
        package let since: Int64
        package let events: UInt64
        package let bytes: Int
        /// When the first of them was accepted, ms since 1970.
        package let oldestAcceptedAt: Int64
        /// How long it has waited, in seconds.
        package let oldestAge: Double
    }

    /// What is to be done once the state is let go of.
    private struct Effects {
        var moved: [SetAsideUnit] = []
        var gone: [UInt64] = []
        var notes: [SetAsideState.Note] = []
        var left: [SetAsideTurn] = []
        var wakes: [DeliveryWay] = []
        var hasReading = false
    }

    package let route: String
    private let log: SetAsideLog
    let time: any TimeSource
    private let advice: KafkaAdvice
    private let logger = Logger(label: "setaside")
    /// No stage drains it: nothing goes direct when it is empty.
    private let isQuiet: Bool
    let state: Mutex<SetAsideState>
    private let stages = Mutex<[DeliveryWay: @Sendable () -> Void]>([:])
    private let reader = Wake()
    /// Whose turn it is next, when one is over here.
    let followers = Mutex<[SetAsideTurn: [@Sendable () -> Void]]>([:])

    package init(
        route: String, log: SetAsideLog, properties: KafkaProperties, configuration: DeliverySettings, surroundings: Surroundings,
        isQuiet: Bool = false
    ) {
        self.route = route
        self.isQuiet = isQuiet
        self.log = log
        self.time = surroundings.time
        self.advice = KafkaAdvice(properties: properties)
        let found = log.units
        let events = found.reduce(0) { $0 + $1.end - $1.settled }
        // Only files know their sizes: of what was there before, the bytes are an estimate.
        let eventBytes = Double(log.frameBytes) / Double(max(1, events))
        let units = found.map { unit in
            var known = SetAsideUnit(
                number: unit.number, key: SetAsideKey(unit.topic, unit.partition), partitionCount: unit.partitionCount, code: unit.code,
                reason: unit.reason, since: unit.since, oldestAcceptedAt: unit.oldestAcceptedAt)
            (known.settled, known.end, known.isInLog) = (unit.settled, unit.end, true)
            known.turnInLog = unit.turn
            known.settledBefore = unit.settled
            known.oldestSeenAt = surroundings.time.monotonicNanoseconds
            known.bytes = Int(Double(known.events) * eventBytes)
            return known
        }
        self.state = Mutex(SetAsideState(configuration: configuration, units: units, nextNumber: log.nextNumber))
        if events > 0, !isQuiet {
            self.logger.warning(
                "events are set aside from before the start", ["route": route, "units": "\(units.count)", "events": "\(events)"])
        }
        self.change { _ in }
    }

    // MARK: What is shown

    package var isEmpty: Bool { self.state.withLock { $0.isEmpty } }
    /// Those in the log.
    package var events: UInt64 { self.state.withLock { $0.units.values.reduce(0) { $0 + $1.durable } } }
    package var bytes: Int { self.state.withLock { $0.units.values.reduce(0) { $0 + $1.durableBytes } } }
    /// Those of which something is set aside.
    package var topics: Set<String> { self.state.withLock { Set($0.units.values.map(\.key.topic)) } }
    package var unitCount: Int { self.state.withLock { $0.units.count } }
    package var oldestAcceptedAt: Int64? { self.state.withLock { $0.units.values.map(\.oldestAcceptedAt).min() } }

    /// The unit that has the oldest event, and when that was accepted.
    package var oldestUnit: (key: SetAsideKey, acceptedAt: Int64)? {
        self.state.withLock { $0.units.values.min { $0.oldestAcceptedAt < $1.oldestAcceptedAt }.map { ($0.key, $0.oldestAcceptedAt) } }
    }

    /// How long the oldest of all has waited, in seconds; none: nothing does.
    package var oldestAge: Double? {
        let units = self.state.withLock { $0.units.values.map(Self.waiting) }
        return units.map { $0.seconds(at: self.time) }.max()
    }

    private static func waiting(_ unit: SetAsideUnit) -> WaitingSince {
        WaitingSince(acceptedAt: unit.oldestAcceptedAt, seenAt: unit.oldestSeenAt ?? .max)
    }

    /// The units by name, at most `limit`.
    package func shown(limit: Int) -> [Shown] {
        let units = self.state.withLock { Array($0.units.values) }
        let sorted = units.sorted {
            ($0.key.topic, $0.key.partition ?? .min, $0.number) < ($1.key.topic, $1.key.partition ?? .min, $1.number)
        }
        return sorted.prefix(limit).map { unit in
            Shown(
                key: unit.key, isDraining: unit.phase == .draining || unit.phase == .closing, code: unit.code, reason: unit.reason,
                advice: KafkaErrorCode(name: unit.code).flatMap { self.advice.text(for: KafkaFailure($0), topic: unit.key.topic) },
                since: unit.since, events: unit.durable,
                bytes: unit.durableBytes, oldestAcceptedAt: unit.oldestAcceptedAt, oldestAge: Self.waiting(unit).seconds(at: self.time))
        }
    }

    // MARK: For both stages

    /// A stage's run begins.
    ///
    /// - Parameter wake: called when there may be something new for it, on any thread.
    func begin(_ way: DeliveryWay, wake: @escaping @Sendable () -> Void) {
        self.stages.withLock { $0[way] = wake }
        self.state.withLock { $0.begin(way) }
    }

    func end(_ way: DeliveryWay, now: UInt64) {
        self.stages.withLock { $0[way] = nil }
        self.change { $0.end(way, now: now) }
    }

    func takeChanges(for way: DeliveryWay) -> [(topic: String, now: SetAsideTopic?)] {
        self.state.withLock { $0.hasChanges(for: way) ? $0.takeChanges(for: way) : [] }
    }

    /// Events leave a stage.
    ///
    /// - Returns: the number of each departure's unit, and why that is set aside.
    func depart(_ departures: [SetAsideState.Departure], from way: DeliveryWay) -> [(number: UInt64, code: String)] {
        let (now, seenAt) = (self.time.wallMilliseconds, self.time.monotonicNanoseconds)
        return self.change { state in
            state.depart(departures, from: way, now: now).map { number in
                if state.units[number]?.oldestSeenAt == nil { state.units[number]?.oldestSeenAt = seenAt }
                return (number, state.units[number]?.code ?? "")
            }
        }
    }

    /// Makes events durable in the log: only then may a cursor pass them.
    ///
    /// - Parameter batches: of a unit each, their records with their ids written out.
    /// - Returns: what ``stored(_:from:now:)`` is to be told in the same turn in which the cursor may pass them.
    /// - Throws: `spool_full`; nothing is stored then.
    func append(_ batches: [(unit: UInt64, batch: Batch)]) async throws(ForebayError) -> [Stored] {
        let new = self.state.withLock { state in Set(batches.map(\.unit)).compactMap { state.units[$0] }.filter { !$0.isInLog } }
        let ends = try await self.log.append(
            new: new.map { unit in
                SetAsideLog.Unit(
                    number: unit.number, topic: unit.key.topic, partition: unit.key.partition, partitionCount: unit.partitionCount,
                    code: unit.code, reason: unit.reason, since: unit.since, oldestAcceptedAt: unit.oldestAcceptedAt, settled: 0, end: 0,
                    turn: unit.turnInLog)
            }, batches)
        return Dictionary(batches.map { ($0.unit, $0.batch.count) }, uniquingKeysWith: +).map { unit, count in
            Stored(unit: unit, count: count, end: ends[unit] ?? 0)
        }
    }

    /// What a group that is durable has of one unit.
    struct Stored {
        fileprivate let unit: UInt64
        fileprivate let count: Int
        /// One past its last event in the log.
        fileprivate let end: UInt64
    }

    /// A group is durable.
    ///
    /// - Parameter now: when it left.
    func stored(_ group: [Stored], from way: DeliveryWay, now: UInt64) {
        self.change { state in
            for part in group { state.stored(part.unit, count: part.count, end: part.end, from: way, now: now) }
        }
        self.wake(.aside)
        self.reader.call()
    }

    /// Events that could not be appended go back to their stage, where that may be.
    func takeBack(_ units: Set<UInt64>, from way: DeliveryWay) -> (units: Set<UInt64>, delivered: Set<UInt64>) {
        self.change { $0.takeBack(units, from: way) }
    }

    var hasTakenPartitionBack: Bool { self.state.withLock { $0.hasTakenPartitionBack } }

    /// Nothing more wants room: what was taken back goes direct.
    func wentDirect() { self.change { $0.wentDirect(.direct) } }

    /// Events that could not be appended are let go of, and stay where the drain has read them.
    ///
    /// - Parameter units: those that they were on their way to, and how many bytes of each.
    /// - Returns: the tokens of those that a producer delivered after they had left.
    func letGo(_ units: [UInt64: Int]) -> Set<UInt64> { self.change { $0.letGo(units) } }

    /// Producers reported what they held, or let go of it.
    func reported(_ reports: [(token: UInt64, isDelivered: Bool)], by way: DeliveryWay) {
        self.change { state in
            for report in reports { state.reported(report.token, by: way, isDelivered: report.isDelivered) }
        }
        self.wake(.aside)
    }

    /// What its log holds, durably.
    var witness: LogWitness? { self.log.witness }

    // MARK: For the drain

    func due(now: UInt64) -> [String: Bool] { self.state.withLock { $0.due(now: now) } }

    var waitsForTime: Bool { self.state.withLock { $0.waitsForTime } }

    func found(_ topics: [DeliveryActions.Found], now: UInt64) {
        self.change { state in
            for found in topics { state.found(found, now: now) }
        }
    }

    /// The drain could not go on with some units, what its producers still hold of them, and what of them is done.
    func failed(
        _ refusals: [DeliveryActions.Refusal], withheld: [(token: UInt64, offset: Offset)], done: [DeliveryActions.DoneUnit], now: UInt64
    ) {
        self.change { state in
            for unit in done { state.handedOver(unit) }
            for refusal in refusals {
                state.failed(
                    refusal.key, refusal.failure, byDelivery: refusal.byDelivery, sparesPartitions: refusal.sparesPartitions, now: now)
            }
            for (token, offset) in withheld {
                if case .unit(let unit, _) = offset.lane { state.keepHeld(token, unit: unit, position: offset.number) }
            }
        }
    }

    /// Whether a batch that was read still counts, the partition it must go to, if it is one's, and what of the unit is settled ahead.
    func admission(of batch: Batch) -> (isAccepted: Bool, partition: Int32?, settled: Set<UInt64>) {
        guard case .unit(let number, let pass) = batch.lane else { return (false, nil, []) }
        return self.state.withLock { state in
            guard state.accepts(unit: number, pass: pass), let unit = state.units[number] else { return (false, nil, []) }
            return (true, unit.key.partition, unit.ahead)
        }
    }

    /// Events that were on their way into another log when the drain let go of their units are there, or not to come there.
    func arrived(_ tokens: [UInt64], isSettled: Bool) {
        guard self.state.withLock({ !$0.held.isEmpty }) else { return }
        self.change { state in
            for token in tokens { state.arrived(token, isSettled: isSettled) }
        }
    }

    /// Topics that the drain is to let go of, because an operator wants their units.
    func takeRecalled() -> Set<String> {
        self.state.withLock { state in
            defer { state.recalled = [] }
            return state.recalled
        }
    }

    func recalled(_ topic: String, withheld: [(token: UInt64, offset: Offset)], done: [DeliveryActions.DoneUnit]) {
        let held = withheld.compactMap { token, offset -> (token: UInt64, unit: UInt64, position: UInt64)? in
            guard case .unit(let unit, _) = offset.lane else { return nil }
            return (token, unit, offset.number)
        }
        self.change { state in
            for unit in done { state.handedOver(unit) }
            state.recalled(topic, withheld: held)
        }
    }

    func wakeDrain() { self.wake(.aside) }

    // MARK: For the reader

    /// - Parameter wake: called when there may be more to read.
    func read(wake: @escaping @Sendable () -> Void) {
        self.reader.set(wake)
    }

    /// Units not to be read any more, and those to be read, from their settled ends on.
    func takeReading() -> (drop: [UInt64], start: [(unit: UInt64, pass: UInt32, from: UInt64)]) {
        self.state.withLock { state in
            defer { (state.toDrop, state.toRead) = ([], []) }
            return (
                state.toDrop,
                state.toRead.compactMap { number in
                    guard let unit = state.units[number], unit.phase == .draining else { return nil }
                    return (number, unit.pass, unit.settled)
                }
            )
        }
    }

    func scan(_ positions: [UInt64: UInt64]) -> SetAsideScan { self.log.scan(positions) }

    func hasRead(_ number: UInt64, pass: UInt32, through position: UInt64, acceptedAt: Int64) {
        self.state.withLock { $0.hasRead(number, pass: pass, through: position, acceptedAt: acceptedAt) }
    }

    /// A pass has reached the end of the log.
    ///
    /// - Parameter ends: how far it got in each unit: further than the last batch, if what came behind that can't be read any more.
    func readAll(_ ends: [(unit: UInt64, pass: UInt32, position: UInt64)]) {
        self.change { $0.readAll(ends) }
    }

    func settle(_ number: UInt64, pass: UInt32, through position: UInt64) {
        self.change { $0.settle(number, pass: pass, through: position) }
    }

    /// How far a unit is settled; none: it is not there.
    func settled(_ number: UInt64) -> UInt64? { self.state.withLock { $0.units[number]?.settled } }

    /// What is settled is so durably on return.
    func flush() async { await self.log.syncCursors() }

    /// See ``SetAsideLog/requireOpen()``.
    func requireOpen() throws(ForebayError) { try self.log.requireOpen() }

    // MARK: Effects

    func change<Result>(_ body: (inout SetAsideState) -> Result) -> Result {
        let (result, effects) = self.state.withLock { state in
            let result = body(&state)
            if !state.moved.isEmpty {
                let now = self.time.monotonicNanoseconds
                for number in state.moved { state.units[number]?.oldestSeenAt = now }
            }
            return (result, Self.takeEffects(&state))
        }
        for unit in effects.moved where unit.isInLog {
            self.log.settle(unit.number, through: unit.settled, oldestAcceptedAt: unit.oldestAcceptedAt)
        }
        for number in effects.gone { self.log.end(number) }
        for turn in effects.left {
            for follower in self.followers.withLock({ $0.removeValue(forKey: turn) }) ?? [] { follower() }
        }
        for note in effects.notes { self.tell(note) }
        for way in effects.wakes { self.wake(way) }
        if effects.hasReading { self.reader.call() }
        return result
    }

    private static func takeEffects(_ state: inout SetAsideState) -> Effects {
        let effects = Effects(
            moved: state.moved.compactMap { state.units[$0] }, gone: state.gone, notes: state.notes, left: state.left,
            wakes: [.direct, .aside].filter { state.hasChanges(for: $0) }, hasReading: !state.toRead.isEmpty || !state.toDrop.isEmpty)
        (state.moved, state.gone, state.notes, state.left) = ([], [], [], [])
        return effects
    }

    private func wake(_ way: DeliveryWay) {
        self.stages.withLock { $0[way] }?()
    }

    private func tell(_ note: SetAsideState.Note) {
        switch note {
        case .entered(let key, let failure):
            self.logger.warning(
                "set aside",
                [
                    "route": self.route, "unit": key.description, "code": "\(failure.code)", "reason": failure.reason,
                    "advice": self.advice.text(for: failure, topic: key.topic) ?? "",
                ], folds: false)
        case .left(let key, let events, let takenOut, let since):
            guard !self.isQuiet else { return }
            // Whoever took some out says so, too.
            self.logger.info(
                takenOut == 0 ? "goes direct again" : "goes direct again, and not all of it was delivered",
                [
                    "route": self.route, "unit": key.description, "events": "\(events)", "taken_out": "\(takenOut)",
                    "seconds": "\(max(0, self.time.wallMilliseconds - since) / 1000)",
                ])
        }
    }
}
