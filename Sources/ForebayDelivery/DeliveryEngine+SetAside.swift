import ForebayCore
import ForebayKafka
import ForebayTelemetry

/// What a stage exchanges with ``SetAside``: all within a turn, so that neither stage ever acts on what the other has changed.
extension DeliveryEngine {
    /// Tells what left, was reported, refused or found, and takes what the other stage changed.
    func exchangeSetAside(now: UInt64) {
        self.state.boundSettledOutstanding(now: now)
        self.beginAppends()
        if !self.state.actions.refusals.isEmpty || !self.state.actions.unreported.isEmpty {
            let (refusals, unreported) = (self.state.actions.refusals, self.state.actions.unreported)
            (self.state.actions.refusals, self.state.actions.unreported) = ([], [])
            let done = refusals.flatMap { self.state.done(of: $0.key) }
            self.setAside.failed(refusals, unreported: unreported, done: done, now: now)
            self.tellReleasedLetters()
        }
        if !self.state.actions.lateReports.isEmpty {
            let reports = self.state.actions.lateReports
            self.state.actions.lateReports = []
            self.setAside.reported(reports, by: self.way)
        }
        if self.way == .aside {
            self.letGoOfRecalled()
            let found = self.state.actions.found
            self.state.actions.found = []
            if !found.isEmpty { self.setAside.found(found, now: now) }
            for (topic, probe) in self.setAside.due(now: now) { self.state.ask(topic, probe: probe) }
        }
        self.seeChanges()
        self.beginAppends()
    }

    /// What is let go of is no dead letter now.
    func tellReleasedLetters() {
        guard !self.state.actions.releasedLetters.isEmpty else { return }
        self.setAside.arrived(self.state.actions.releasedLetters, isSettled: false)
        self.state.actions.releasedLetters = []
    }

    private func beginAppends() {
        guard !self.state.actions.settingAside.isEmpty else { return }
        let groups = self.state.takeSettingAside()
        let units = self.setAside.beginAppend(groups.map(\.request), from: self.way)
        for (group, unit) in zip(groups, units) {
            self.sideLogs.setAside(
                SetAsideQueue.Part(unit: unit.number, topic: group.request.key.topic, code: unit.code, flights: group.flights[...]))
        }
    }

    func seeChanges() {
        for (topic, now) in self.setAside.takeChanges(for: self.way) { self.state.see(topic, now, at: self.loop.nowMilliseconds) }
    }

    /// Whether a batch is still to be delivered, where, if it was set aside as a partition, and what of it was settled before.
    func admission(of batch: Batch) -> (isAccepted: Bool, partition: Int32?, settled: Set<UInt64>) {
        self.way == .direct ? (self.cursor.source.counts(batch.lane), nil, []) : self.setAside.admission(of: batch)
    }

    /// The run is over: what it had not settled comes again from its cursor.
    func endSetAside() {
        self.sideLogs.end()
        self.setAside.end(self.way, now: self.loop.nowMilliseconds)
    }

    // MARK: Tasks

    /// Turns when the other stage, or the log, has something new.
    func followChanges() async {
        for await _ in self.current.wakeups.changes.stream { self.turn() }
    }

    /// Appends what leaves to the set-aside log. Only when it is durable may the cursor pass it.
    func appendToSetAside() async {
        for await _ in self.current.wakeups.appends.stream {
            while !self.sideLogs.queue.isEmpty {
                let group = self.takeGroup()
                do throws(ForebayError) {
                    let batches = group.flatMap { part in self.batches(of: part.flights, part.unit).map { (part.unit, $0) } }
                    let now = self.loop.nowMilliseconds
                    let stored = try await self.setAside.append(batches)
                    self.setAside.stored(stored, from: self.way, now: now)
                    self.appended(group)
                    self.hasRoom(for: .setAside)
                } catch {
                    self.appendFailed(error, asksAgain: self.refused(group, error))
                    // Before anything is waited for: what was let go of is not to be followed by what comes behind it.
                    self.turn()
                    // Cancelled: it is looked at below.
                    if self.way == .direct { try? await self.surroundings.time.sleep(milliseconds: 1000) }
                }
                if Task.isCancelled { return }
                self.turn()
            }
        }
    }

    private func appendFailed(_ error: ForebayError, asksAgain: Bool) {
        guard self.way == .direct else {
            self.reporter.logger.warning(
                "events of a partition can't be set aside apart; their topic waits", ["route": self.route, "error": "\(error)"])
            return self.letGo()
        }
        self.reporter.logger.error("events can't be set aside; the cursor waits", ["route": self.route, "error": "\(error)"])
        if asksAgain { self.requeueSetAside() }
    }

    /// What can't be set aside need not be: its topic may be there again.
    private func requeueSetAside() {
        let now = self.loop.nowMilliseconds
        self.exchangeSetAside(now: now)
        let (units, delivered) = self.setAside.requeue(self.sideLogs.queue.units, from: self.way)
        guard !units.isEmpty else { return }
        let back = self.sideLogs.requeue(units)
        for flight in back where delivered.contains(flight) {
            self.reporter.setAside { self.state.window.offset(of: UInt32(truncatingIfNeeded: flight)) }
            self.state.settleDelivered(flight)
        }
        let topics = self.state.requeueAtTopics(back.filter { !delivered.contains($0) })
        self.seeChanges()
        for topic in topics { self.state.placeRequeued(topic, now: now) }
    }

    /// What the drain can't set aside apart stands in the log already: it is tried again later, and what else is set aside goes on.
    private func letGo() {
        let now = self.loop.nowMilliseconds
        self.exchangeSetAside(now: now)
        let parts = self.sideLogs.takeAll()
        var bytes: [UInt64: Int] = [:]
        for part in parts {
            bytes[part.unit, default: 0] += part.flights.reduce(0) {
                $0 + Int(self.state.window[UInt32(truncatingIfNeeded: $1)].bytes)
            }
        }
        let delivered = self.setAside.letGo(bytes)
        self.setAside.arrived(parts.flatMap(\.flights), isSettled: false)
        for (code, parts) in Dictionary(grouping: parts, by: \.code) {
            let failure = KafkaFailure(
                KafkaErrorCode(name: code) ?? .leaderNotAvailable,
                reason: "a partition of it takes nothing, and there is no room to set its events aside apart")
            self.state.withdraw(settingAside: parts.flatMap(\.flights), delivered: delivered, failure, now: now)
        }
    }

    private func takeGroup() -> [SetAsideQueue.Part] {
        self.sideLogs.takeGroup(self.settings) { Int(self.state.window[UInt32(truncatingIfNeeded: $0)].bytes) }
    }

    private func appended(_ group: [SetAsideQueue.Part]) {
        if self.way == .aside { self.setAside.arrived(group.flatMap(\.flights), isSettled: true) }
        for part in group {
            self.reporter.metrics.setAside(UInt64(part.flights.count), of: part.topic, code: part.code)
            for flight in part.flights {
                self.reporter.setAside { self.state.window.offset(of: UInt32(truncatingIfNeeded: flight)) }
                self.state.setAside(flight)
            }
        }
    }

    /// The events as they came, with their ids written out: a batch for each run of events that were accepted about together.
    private func batches(of flights: ArraySlice<UInt64>, _ unit: UInt64) -> [Batch] {
        var batches: [Batch] = []
        var rest = flights
        while let first = rest.first {
            let acceptedAt = self.acceptedAt(first)
            // The log keeps one time of acceptance for a batch, by which the drain tells our times from the producers'.
            let run = rest.prefix { flight in
                let (difference, isBeyond) = self.acceptedAt(flight).subtractingReportingOverflow(acceptedAt)
                return !isBeyond && difference.magnitude <= 1000
            }
            if let batch = self.batch(of: run, unit) { batches.append(batch) }
            rest = rest.dropFirst(run.count)
        }
        return batches
    }

    private func acceptedAt(_ flight: UInt64) -> Int64 {
        self.state.window.acceptedAt(UInt32(truncatingIfNeeded: flight))
    }

    private func batch(of flights: ArraySlice<UInt64>, _ unit: UInt64) -> Batch? {
        guard let first = flights.first else { return nil }
        var builder = BatchBuilder()
        withUnsafeTemporaryAllocation(byteCount: EventID.length, alignment: 8) { id in
            for number in flights {
                let flight = UInt32(truncatingIfNeeded: number)
                let event = self.state.window.event(of: flight)
                guard event.id.isEmpty, let origin = self.state.window.origin(of: flight) else {
                    builder.append(record: event.record)
                    continue
                }
                EventID.write(origin: origin, sequence: self.state.window.sequence(of: flight), to: id.baseAddress!)
                var fields = EventFields(topic: event.topic, value: event.value, timestamp: event.timestamp)
                (fields.key, fields.partition, fields.headers) = (event.key, event.partition, event.headers)
                fields.id = UnsafeRawBufferPointer(id)
                builder.append(fields)
            }
        }
        return builder.finish(route: RouteID(rawValue: unit), acceptedAt: self.acceptedAt(first))
    }
}
