package import ForebayCore
import ForebaySpool
import Synchronization

/// What an operator takes out of what is set aside: for names that Kafka will never take.
extension SetAside {
    /// Units that are meant.
    package struct Selection: Sendable, Equatable {
        /// None: all of the route.
        package var topic: String?
        /// None: the whole topic, with those of its partitions that are units of their own.
        package var partition: Int32?

        package init(topic: String? = nil, partition: Int32? = nil) {
            self.topic = topic
            self.partition = partition
        }
    }

    /// What was taken out of one unit.
    package struct Taken: Sendable, Equatable {
        package let key: SetAsideKey
        package let code: String
        /// By the unit's own positions; some of them may be lost.
        package let positions: Range<UInt64>
        /// So many of them were delivered already, before others: these are left as they are.
        var delivered: UInt64 = 0
        /// So many of them producers have: these are delivered all the same, unless that fails.
        package internal(set) var onTheirWay: UInt64 = 0

        package var events: UInt64 { self.positions.upperBound - self.positions.lowerBound - self.delivered }
    }

    /// How long the drain may take to let go, in ms: it does in its next turn.
    private static let patience = 10_000

    /// What is there to be removed, or moved elsewhere.
    ///
    /// - Parameter topic: where to.
    package func found(_ selection: Selection, movingTo topic: String? = nil) -> [Taken] {
        self.state.withLock { state in
            state.numbers(Self.meant(selection, topic)).compactMap { number in
                state.units[number].flatMap { Self.taken($0, through: $0.end) }
            }
        }
    }

    /// Whether no other log has older events of a topic, as far as the start knew.
    package func hasTurn(_ topic: String) -> Bool {
        self.state.withLock { state in
            state.units.units(of: topic).allSatisfy(state.isTurn)
        }
    }

    /// Removes what stands in the log of the units that are meant; durable on return. What comes to them from now on stays, and what a
    /// producer has already may still be delivered.
    package func remove(_ selection: Selection) async throws(ForebayError) -> [Taken] {
        try await self.remove(Self.meant(selection, nil))
    }

    /// Removes the oldest, so much that a file can go; durable on return.
    ///
    /// - Returns: none: no file can.
    package func removeOldest() async throws(ForebayError) -> [Taken] {
        let settled = self.state.withLock { Dictionary(uniqueKeysWithValues: $0.units.all.map { ($0.number, $0.settled) }) }
        guard let ends = self.log.oldestFile(isHeld: { settled[$0] ?? .max < $1 }) else { return [] }
        return try await self.remove(SetAsideState.Meant(numbers: Set(ends.keys)), below: ends)
    }

    /// - Parameter ends: no more of a unit than below it; none: all.
    private func remove(_ units: SetAsideState.Meant, below ends: [UInt64: UInt64] = [:]) async throws(ForebayError) -> [Taken] {
        let meant = try await self.take(units)
        let now = self.time.wallMilliseconds
        let taken = self.change { state in
            let taken = meant.compactMap { number, end in
                guard let unit = state.units[number],
                    var taken = Self.taken(unit, through: min(end, unit.end, ends[number] ?? .max))
                else { return nil as Taken? }
                taken.onTheirWay = UInt64(state.unreported.sent(of: number, below: taken.positions.upperBound))
                state.settleByHand(number, through: taken.positions.upperBound, now: now)
                return taken
            }
            state.release(meant.map(\.unit))
            return taken
        }
        await self.flush()
        try self.requireOpen()
        return taken
    }

    /// Moves what stands in the log of the units that are meant to another topic: behind what is set aside of that already, before what
    /// comes to it from now on. Each event keeps its id, key, headers, times and partition, if its producer asked for one. It is durable
    /// there before it goes here, so a crash in between repeats some and loses none.
    ///
    /// - Parameters:
    ///   - executor: of a thread that may wait for the disk.
    ///   - isOver: no further piece is begun once this says so.
    /// - Returns: what was moved, and why that is not all, if it is not.
    package func move(
        _ selection: Selection, to topic: String, executor: any SerialExecutor, isOver: @Sendable () -> Bool = { false }
    ) async throws(ForebayError) -> (taken: [Taken], failure: ForebayError?) {
        let meant = try await self.take(Self.meant(selection, topic))
        guard !meant.isEmpty else { return ([], nil) }
        let turn = self.change { $0.openTurn(of: topic) }
        let reader = MoveReader(executor: executor)
        var moved: [Taken] = []
        var failure: ForebayError?
        for (number, end) in meant {
            guard let unit = self.state.withLock({ $0.units[number] }), let all = Self.taken(unit, through: min(end, unit.end)) else {
                continue
            }
            do throws(ForebayError) {
                try await self.move(number, all, unit.ahead, to: topic, turn, reader, isOver)
            } catch {
                failure = error
            }
            let reached = self.state.withLock { $0.units[number]?.settled } ?? all.positions.upperBound
            if let part = Self.taken(unit, through: min(reached, all.positions.upperBound)) { moved.append(part) }
            if failure != nil { break }
        }
        self.change { $0.release(meant.map(\.unit)) }
        self.closeTurn(turn, of: topic)
        await self.flush()
        do throws(ForebayError) { try self.requireOpen() } catch { failure = failure ?? error }
        return (moved, failure)
    }

    private func move(
        _ number: UInt64, _ all: Taken, _ delivered: Set<UInt64>, to topic: String, _ turn: Int, _ reader: MoveReader,
        _ isOver: @Sendable () -> Bool
    ) async throws(ForebayError) {
        await reader.begin(self.scan([number: all.positions.lowerBound]), unit: number, end: all.positions.upperBound, topic, delivered)
        while let piece = try await reader.next() {
            if !piece.batches.isEmpty {
                try await self.appendByHand(
                    piece.batches.map { (topic: topic, batch: $0) }, code: Self.moved, reason: "events were moved here by command",
                    turn: turn)
            }
            // Of one that is closed nothing is read, and that is not its end.
            try self.requireOpen()
            let now = self.time.wallMilliseconds
            self.change { $0.settleByHand(number, through: piece.end, now: now) }
            if isOver(), piece.end < all.positions.upperBound {
                throw ForebayError(.unavailable, recovery: .retry, "the node is stopping; ask again when it runs")
            }
        }
    }

    private static func meant(_ selection: Selection, _ target: String?) -> SetAsideState.Meant {
        SetAsideState.Meant(topic: selection.topic, partition: selection.partition, except: target)
    }

    private static func taken(_ unit: SetAsideUnit, through end: UInt64) -> Taken? {
        guard end > unit.settled else { return nil }
        return Taken(
            key: unit.key, code: unit.code, positions: unit.settled..<end, delivered: UInt64(unit.ahead.count { $0 < end }))
    }

    /// Takes units out of the drain's hands.
    ///
    /// - Returns: those, and how far each is meant: what comes to it from now on is not, unless the drain takes it out of another one.
    private func take(_ meant: SetAsideState.Meant) async throws(ForebayError) -> [(unit: UInt64, end: UInt64)] {
        let begun = self.time.monotonicNanoseconds
        let asked = self.change { $0.take(meant) }
        while true {
            if let taken = self.change({ $0.taken(meant, asked) }) { return taken }
            self.wakeDrain()
            let isOver = self.time.monotonicNanoseconds - begun > UInt64(Self.patience) * 1_000_000
            let isCancelled: Bool
            do {
                try await self.time.sleep(milliseconds: 2)
                isCancelled = false
            } catch {
                isCancelled = true
            }
            guard !isOver, !isCancelled else {
                self.change { state in state.release(state.numbers(meant)) }
                throw ForebayError(
                    .unavailable, recovery: .retry, "what is set aside is being delivered just now, and is not let go of; try again")
            }
        }
    }

    private func closeTurn(_ turn: Int, of topic: String) {
        let (own, next) = (SetAsideTurn(topic: topic, place: turn), SetAsideTurn(topic: topic, place: turn + 1))
        self.followers.withLock { followers in followers[own, default: []].append { [weak self] in self?.change { $0.begin(next) } } }
        guard !self.state.withLock({ $0.units.holds(topic, turn: turn) }) else { return }
        for follower in self.followers.withLock({ $0.removeValue(forKey: own) }) ?? [] { follower() }
    }
}

/// Reads a unit's events and gives them another topic, on a thread that may wait for the disk.
private actor MoveReader {
    struct Piece: Sendable {
        let batches: [Batch]
        /// All below it has been read.
        let end: UInt64
    }

    private static let bytes = 1 << 20

    private let executor: any SerialExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }
    private var scan: SetAsideScan?
    private var unit: UInt64 = 0
    private var end: UInt64 = 0
    private var topic: [UInt8] = []
    private var delivered: Set<UInt64> = []

    init(executor: any SerialExecutor) { self.executor = executor }

    /// - Parameter delivered: positions that need not be moved.
    func begin(_ scan: sending SetAsideScan, unit: UInt64, end: UInt64, _ topic: String, _ delivered: Set<UInt64>) {
        (self.scan, self.unit, self.end, self.topic, self.delivered) = (scan, unit, end, Array(topic.utf8), delivered)
    }

    /// - Returns: none: all is read.
    func next() throws(ForebayError) -> Piece? {
        guard let scan = self.scan else { return nil }
        var batches: [Batch] = []
        for batch in try scan.read(upTo: Self.bytes) {
            if let renamed = self.renamed(batch) { batches.append(renamed) }
        }
        let place = scan.position(of: self.unit) ?? self.end
        // What can't be read at its end is told of, and passed.
        let isDone = place >= self.end || scan.isCaughtUp
        if isDone { self.scan = nil }
        return Piece(batches: batches, end: isDone ? self.end : place)
    }

    private func renamed(_ batch: Batch) -> Batch? {
        var builder = BatchBuilder(initialCapacity: max(1024, batch.byteCount + batch.count * self.topic.count))
        batch.forEachEvent { event, position in
            guard position < self.end, !self.delivered.contains(position) else { return }
            self.topic.withUnsafeBytes { topic in
                var fields = EventFields(topic: topic, value: event.value, timestamp: event.timestamp)
                (fields.key, fields.partition, fields.id, fields.headers) = (event.key, event.partition, event.id, event.headers)
                builder.append(fields)
            }
        }
        return builder.finish(route: RouteID(rawValue: 0), acceptedAt: batch.acceptedAt)
    }
}
