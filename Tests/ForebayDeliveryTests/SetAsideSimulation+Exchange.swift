import ForebayCore
import ForebayKafka
import ForebayTestKit

@testable import ForebayDelivery

/// What the states exchange, as the stages do it, and the log that both have.
extension SetAsideSimulation {
    mutating func exchange(_ way: DeliveryWay) throws {
        self.states[way]!.boundSettledOutstanding(now: self.now)
        try self.beginAppend(way)
        for unit in self.states[way]!.actions.refusals.flatMap({ self.states[way]!.done(of: $0.key) }) { self.shared.handedOver(unit) }
        for refusal in self.states[way]!.actions.refusals {
            self.shared.failed(
                refusal.key, refusal.failure, byDelivery: refusal.byDelivery, sparesPartitions: refusal.sparesPartitions, now: self.now)
        }
        for token in self.states[way]!.actions.releasedLetters { self.shared.arrived(token, isSettled: false) }
        self.states[way]!.actions.releasedLetters = []
        for (token, offset) in self.states[way]!.actions.unreported {
            if case .unit(let unit, _) = offset.lane { self.shared.keepUnreported(token, unit: unit, position: offset.number) }
        }
        for report in self.states[way]!.actions.lateReports { self.shared.reported(report.token, by: way, isDelivered: report.isDelivered) }
        (self.states[way]!.actions.refusals, self.states[way]!.actions.unreported, self.states[way]!.actions.lateReports) = ([], [], [])
        if way == .aside {
            self.letGoOfRecalled()
            for found in self.states[way]!.actions.found { self.shared.found(found, now: self.now) }
            self.states[way]!.actions.found = []
            for (topic, probe) in self.shared.due(now: self.now) { self.states[way]!.ask(topic, probe: probe) }
        }
        self.see(way)
        try self.beginAppend(way)
        self.drainEffects()
    }

    mutating func see(_ way: DeliveryWay) {
        for (topic, now) in self.shared.takeChanges(for: way) {
            self.states[way]!.see(topic, self.plant == .newerGoDirect && way == .direct ? nil : now, at: self.now)
        }
    }

    mutating func beginAppend(_ way: DeliveryWay) throws {
        let groups = self.states[way]!.takeSettingAside()
        guard !groups.isEmpty else { return }
        let isNew = !groups.allSatisfy { self.shared.hasUnit(of: $0.request.key) }
        guard !isNew || !self.cluster.isAway || self.now - self.awaySince < UInt64(self.configuration.partitionPatience) else {
            throw Broken(description: "\(groups[0].request.key) was set aside while the whole cluster is away")
        }
        let requests = groups.map { group in
            var told = group.request
            if self.plant == .drainUnreported { told.unreported = [] }
            return told
        }
        let numbers = self.shared.beginAppend(requests, from: way, now: 0)
        for (group, unit) in zip(groups, numbers) {
            for flight in group.flights {
                let number = Self.number(of: self.states[way]!.window.event(of: UInt32(truncatingIfNeeded: flight)))
                self.appending[way]!.append((flight, unit, number))
                if self.plant == .cursorBeforeSync { self.states[way]!.setAside(flight) }
            }
        }
    }

    /// The log's sync: a prefix of what is on its way becomes durable.
    mutating func store(_ way: DeliveryWay) throws {
        if self.lacksRoom, way == .aside { return try self.letGo() }
        let taken = self.appending[way]!.prefix(self.number(1...50))
        for (flight, unit, event) in taken {
            self.units[unit, default: Unit()].events.append(event)
            self.hand.removed.remove(event)  // It came again from the spool.
            self.everAside.insert(event)
            self.shared.stored(unit, count: 1, from: way, now: self.now)
            if way == .aside { self.shared.arrived(flight, isSettled: true) }
            self.states[way]!.setAside(flight)
        }
        self.appending[way]!.removeFirst(taken.count)
        self.unitsSeen = max(self.unitsSeen, self.units.count)
        self.drainEffects()
    }

    /// The reader: hands some of each unit that drains to the drain's state.
    mutating func read() {
        for number in self.shared.reading.start {
            guard let unit = self.shared.units[number] else { continue }
            self.units[number]!.position = unit.settled
            self.units[number]!.pass = unit.pass
            self.units[number]!.isRead = true
        }
        for number in self.shared.reading.drop { self.units[number]?.isRead = false }
        for number in self.shared.reading.start { self.units[number]?.isRead = self.shared.units[number] != nil }
        self.shared.reading = ReadRequests()
        for (number, unit) in self.units.sorted(by: { $0.key < $1.key }) where unit.isRead {
            guard self.states[.aside]!.wantsMore, self.shared.accepts(unit: number, pass: unit.pass) else { continue }
            let events = Array(unit.events[Int(unit.position)...].prefix(self.number(1...30)))
            guard !events.isEmpty else {
                self.shared.readAll([(number, unit.pass, unit.position)])
                continue
            }
            let batch = self.batch(events, .unit(number, pass: unit.pass), unit.position)
            self.units[number]!.position = batch.end
            self.shared.hasRead(number, pass: unit.pass, through: batch.end, acceptedAt: 0)
            self.see(.aside)
            self.states[.aside]!.admit(
                batch, partition: self.shared.units[number]!.key.partition, settled: self.shared.units[number]!.ahead, now: self.now)
        }
        self.drainEffects()
    }

    mutating func drainEffects() {
        for number in self.shared.actions.gone { self.units[number] = nil }
        self.beginTurns()
        self.shared.actions = SetAsideActions()
    }
}
