import ForebayKafka

/// Out of the log: which units are tried when, what was read of them, and what of it is settled.
extension SetAsideState {
    /// The topics whose units are to be tried now, and whether one event is to go alone first: the last try failed at a delivery, so that
    /// the topic's being there says little.
    mutating func due(now: UInt64) -> [String: Bool] {
        guard now >= self.nextDue else { return [:] }
        let looked = self.units.due(now: now)
        let due = looked.due.filter { self.canBeTried(self.units[$0.number]!) }
        let room = self.configuration.drainedUnits - looked.tried
        var next = looked.next
        if due.count > room { next = now + 20 }  // As soon as others are done.
        self.nextDue = next == .max ? next : max(next, now + self.lookInterval)
        var topics: [String: Bool] = [:]
        for (_, number) in due.sorted(by: { $0 < $1 }).prefix(max(0, room)) {
            let unit = self.units[number]!
            self.units[number]!.phase = .asking
            topics[unit.key.topic] = topics[unit.key.topic, default: false] || unit.needsProbe
        }
        return topics
    }

    /// Whether nothing but its time was in the way of a unit that waits.
    private func canBeTried(_ unit: SetAsideUnit) -> Bool {
        self.unreported.sent(of: unit.number) == 0 && self.unreported.appended(of: unit.number) == 0 && unit.end > unit.settled
            && !unit.isTaken && self.isTurn(of: unit) && !self.units.isBehindPartitions(unit)
    }

    /// A look costs as much as there are units, and of thousands one is nearly always due; ms.
    private var lookInterval: UInt64 { UInt64(self.units.count / 500) }

    /// Whether any unit waits for a time.
    var waitsForTime: Bool { self.nextDue != .max }

    /// The cluster knows a topic.
    mutating func found(_ found: DeliveryActions.Found, now: UInt64) {
        let topic = found.topic
        if self.units.learn(partitions: found.partitionCount, of: topic) { self.nextDue = 0 }
        for number in self.units.numbers(of: topic) {
            guard let unit = self.units[number], unit.phase == .asking else { continue }
            if self.units.isBehindPartitions(unit) {
                self.units[number]!.phase = .waiting(until: now)
                continue
            }
            if let partition = unit.key.partition, !found.leaderless.isEmpty {
                // Whose keys are spread anew needs all of them.
                guard !found.leaderless.contains(partition), !self.units.isNarrowed(topic, to: found.partitionCount, turn: unit.turn) else {
                    self.retry(number, KafkaFailure(.leaderNotAvailable), byDelivery: false, now: now)
                    continue
                }
            }
            self.units[number]!.phase = .draining
            self.units[number]!.pass += 1
            self.units[number]!.read = unit.settled
            self.units[number]!.readTimes = []
            self.units[number]!.lost = nil
            self.reading.start(number)
        }
    }

    /// A unit, or all of a topic, can't be delivered now.
    ///
    /// - Parameters:
    ///   - byDelivery: events were refused; the cluster knows the topic all the same.
    ///   - sparesPartitions: of a topic only what was set aside as a whole.
    mutating func failed(_ key: SetAsideKey, _ failure: KafkaFailure, byDelivery: Bool, sparesPartitions: Bool = false, now: UInt64) {
        for number in self.units.numbers(of: key.topic) {
            guard let unit = self.units[number], !unit.isWaiting, unit.key == key || key.partition == nil && !sparesPartitions else {
                continue
            }
            self.retry(number, failure, byDelivery: byDelivery, now: now)
        }
    }

    private mutating func retry(_ number: UInt64, _ failure: KafkaFailure, byDelivery: Bool, now: UInt64) {
        guard var unit = self.units[number] else { return }
        if unit.phase == .closing { self.changes.insert(unit.key.topic) }
        unit.failures += 1
        unit.needsProbe = byDelivery
        (unit.code, unit.reason) = ("\(failure.code)", failure.reason)
        self.nextDue = min(self.nextDue, now + self.lookInterval)
        unit.phase = .waiting(
            until: now
                + DeliverySettings.delay(self.configuration.backoffDelay, failures: unit.failures, limit: self.configuration.retryLimit))
        unit.pass += 1
        self.units[number] = unit
        self.reading.drop(number)
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
            if unit.key.partition != nil, let whole = self.unit(SetAsideKey(unit.key.topic), turn: unit.turn) {
                guard self.units.isBehindPartitions(self.units[whole]!) else { continue }
            }
            self.units[number]!.phase = .closing
            self.changes.insert(unit.key.topic)
        }
    }

    /// The last events of a unit can't be read any more: the log has told of it, and they are passed like settled ones.
    private mutating func skip(_ number: UInt64, to position: UInt64) {
        guard var unit = self.units[number] else { return }
        // What was handed out between two such is settled by itself, and with it what is missing before it.
        unit.lost = (unit.lost.flatMap { $0.upperBound == unit.read ? $0.lowerBound : nil } ?? unit.read)..<position
        unit.read = position
        unit.end = max(unit.end, position)
        self.units[number] = unit
        self.settleAhead(number)
    }

    /// What was read is in the log, also if the word that it was stored is still to come.
    mutating func hasRead(_ number: UInt64, pass: UInt32, through position: UInt64, acceptedAt: Int64) {
        guard let unit = self.units[number], unit.pass == pass else { return }
        self.units[number]!.read = position
        self.units[number]!.end = max(unit.end, position)
        self.units[number]!.readTimes.append((position, acceptedAt))
    }

    /// Everything of a unit below a position, which was read, is settled.
    mutating func settle(_ number: UInt64, pass: UInt32, through position: UInt64) {
        guard var unit = self.units[number], unit.pass == pass, position > unit.settled else { return }
        unit.bytes -= Int(Double(unit.bytes) * Double(position - unit.settled) / Double(unit.events))
        let before = unit.settled
        unit.settled = position
        unit.failures = 0
        unit.needsProbe = false
        while let first = unit.readTimes.first, first.end <= position { unit.readTimes.removeFirst() }
        if let next = unit.readTimes.first { unit.oldestAcceptedAt = next.acceptedAt }
        unit.dropAhead(from: before)
        self.units[number] = unit
        self.actions.moved.insert(number)
        self.settleAhead(number)
    }

    // MARK: What is done of a unit that is let go of

    /// The drain lets go of a unit: what it has settled beyond the end that it told of is not sent again, and what is on its way into
    /// another log is waited for.
    mutating func handedOver(_ done: DeliveryActions.DoneUnit) {
        guard let unit = self.units[done.number], unit.pass == done.pass, !unit.isWaiting else { return }
        for position in done.settled where position >= unit.settled { self.units[done.number]!.ahead.insert(position) }
        for (token, position) in done.appending { self.unreported.append(token, of: done.number, at: position) }
        self.settleAhead(done.number)
    }

    /// It is durable in another log; or there was no room for it, and it stands here still.
    mutating func arrived(_ token: UInt64, isSettled: Bool) {
        guard let (number, position) = self.unreported.arrived(token), let unit = self.units[number] else { return }
        self.nextDue = 0
        guard isSettled, position >= unit.settled else { return }
        self.units[unit.number]!.ahead.insert(position)
        self.settleAhead(unit.number)
    }
}

extension SetAsideUnit {
    /// What is settled ahead below the settled end need not be known any more.
    mutating func dropAhead(from before: UInt64) {
        guard !self.ahead.isEmpty else { return }
        if self.settled - before < UInt64(self.ahead.count) {
            for position in before..<self.settled { self.ahead.remove(position) }
        } else {
            let settled = self.settled
            self.ahead = self.ahead.filter { $0 >= settled }
        }
    }
}
