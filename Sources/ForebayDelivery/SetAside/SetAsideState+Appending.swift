import ForebayKafka

/// Into the log: events that a stage, or an operator, sets aside, and what producers still have of them.
extension SetAsideState {
    /// Events of one unit that leave a stage for the log.
    struct AppendRequest {
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
        var unreported: [(index: Int, token: UInt64)] = []

        init(key: SetAsideKey, partitionCount: Int32, failure: KafkaFailure, acceptedAt: Int64) {
            self.key = key
            self.partitionCount = partitionCount
            self.failure = failure
            self.acceptedAt = acceptedAt
        }
    }

    /// Events leave a stage; nobody may take their units for empty from now on.
    ///
    /// - Returns: the number of each request's unit.
    mutating func beginAppend(_ requests: [AppendRequest], from way: DeliveryWay, now: Int64) -> [UInt64] {
        requests.map { request in
            let turn = request.turn ?? self.turn(request.key.topic, from: way)
            let number = self.unit(request.key, turn: turn) ?? self.enter(request, turn, now: now)
            let before = self.units[number]!.pending[way] ?? 0
            for (index, token) in request.unreported {
                self.units[number]!.pendingUnreported[way, default: []].append((before + index, token))
                self.unreported.add(UnreportedEvents.Token(way: way, number: token), of: number, at: nil)
            }
            self.units[number]!.pending[way] = before + request.count
            self.units[number]!.bytes += request.bytes
            if way == .aside { self.units[number]!.splitOff += request.count }
            return number
        }
    }

    /// Newer events come in the last turn; what the drain can't deliver stays in the one that it is at.
    private func turn(_ topic: String, from way: DeliveryWay) -> Int {
        let last = self.turns.last(of: topic)
        guard way == .aside else { return last }
        return self.units.units(of: topic).filter(self.isTurn).map(\.turn).min() ?? last
    }

    /// As those have it whose turn it is, too. Higher than those that are there, if there is none: turns are numbered upwards.
    private func turnInLog(of topic: String, _ turn: Int) -> Int {
        self.units.units(of: topic).first { $0.turn == turn }?.turnInLog ?? turn
    }

    private mutating func enter(_ request: AppendRequest, _ turn: Int, now: Int64) -> UInt64 {
        let known = self.requeued.removeValue(forKey: request.key)
        let number = self.units.takeNumber()
        let wait = self.turns.wait(of: request.key.topic, turn)
        let failure = wait ?? request.failure
        var unit = SetAsideUnit(
            number: number, key: request.key, partitionCount: request.partitionCount,
            code: (wait == nil ? request.code : nil) ?? (failure.code.isError ? "\(failure.code)" : SetAside.moved),
            reason: failure.reason, since: known?.since ?? now, oldestAcceptedAt: request.acceptedAt)
        unit.turn = turn
        unit.turnInLog = self.turnInLog(of: request.key.topic, turn)
        self.units.add(unit)
        self.changes.insert(request.key.topic)
        if known == nil, request.code == nil { self.actions.notes.append(.entered(request.key, failure)) }
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
        let unreported = unit.pendingUnreported[way] ?? []
        let placed = unreported.prefix { $0.index < count }
        if !unreported.isEmpty { unit.pendingUnreported[way] = unreported.dropFirst(placed.count).map { ($0.index - count, $0.token) } }
        for (index, token) in placed {
            let position = end - UInt64(count - index)
            if self.unreported.place(UnreportedEvents.Token(way: way, number: token), at: position) { unit.ahead.insert(position) }
        }
        self.nextDue = 0
        if unit.phase == .waiting(until: 0) { unit.phase = .waiting(until: now + UInt64(self.configuration.backoffDelay)) }
        self.units[number] = unit
        self.settleAhead(number)
    }

    // MARK: What producers still have

    /// The drain gives a unit up while its producer has this event of it.
    mutating func keepUnreported(_ token: UInt64, unit: UInt64, position: UInt64) {
        guard self.units[unit] != nil else { return }
        self.unreported.add(UnreportedEvents.Token(way: .aside, number: token), of: unit, at: position)
    }

    /// A producer reported an event that it had, or let go of it.
    mutating func reported(_ token: UInt64, by way: DeliveryWay, isDelivered: Bool) {
        // Its unit stays while it is not reported.
        guard
            let (number, position) = self.unreported.report(UnreportedEvents.Token(way: way, number: token), isDelivered: isDelivered)
        else { return }
        self.nextDue = 0
        // Only of a unit that an operator has emptied nothing is left then.
        guard isDelivered else { return self.endIfEmpty(number) }
        guard let position else { return }  // Not in the log yet.
        // Below its settled end it was removed by hand, or moved.
        if position >= self.units[number]!.settled { self.units[number]!.ahead.insert(position) }
        self.settleAhead(number)
    }
}
