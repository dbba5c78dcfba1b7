import ForebayCore
import ForebayKafka
import ForebayTelemetry

/// What a stage exchanges with ``SetAside``: all within a turn, so that neither stage ever acts on what the other has changed.
extension ForwardStage {
    /// Tells what left, was reported, refused or found, and takes what the other stage changed.
    func exchangeSetAside(now: UInt64) {
        do throws(ForebayError) {
            self.state.boundHeld(now: now)
            try self.depart()
            if !self.state.refusals.isEmpty || !self.state.withheld.isEmpty {
                let (refusals, withheld) = (self.state.refusals, self.state.withheld)
                (self.state.refusals, self.state.withheld) = ([], [])
                try self.setAside.failed(refusals, withheld: withheld, now: now)
            }
            if !self.state.heldReports.isEmpty {
                let reports = self.state.heldReports
                self.state.heldReports = []
                try self.setAside.reported(reports, by: self.role)
            }
            if self.role == .drain {
                let found = self.state.found
                self.state.found = []
                if !found.isEmpty { try self.setAside.found(found, now: now) }
                for (topic, probe) in self.setAside.due(now: now) { self.state.ask(topic, probe: probe) }
            }
            self.seeChanges()
            try self.depart()
        } catch {
            self.fail(error)
        }
    }

    private func depart() throws(ForebayError) {
        guard !self.state.leaving.isEmpty else { return }
        let leaving = self.state.takeLeaving()
        let units = try self.setAside.depart(leaving.map(\.departure), from: self.role)
        for (group, unit) in zip(leaving, units) { self.parting.append((unit, group.flights[...])) }
    }

    func seeChanges() {
        for (topic, now) in self.setAside.takeChanges(for: self.role) { self.state.see(topic, now, at: self.loop.nowMilliseconds) }
    }

    /// Whether a batch is still to be delivered, and where, if it was set aside as a partition. What comes from the spool always is.
    func partition(ofUnitOf batch: Batch) -> (isAccepted: Bool, partition: Int32?) {
        self.role == .direct ? (true, nil) : self.setAside.admission(of: batch)
    }

    /// The run is over: what it had not settled comes again from its cursor.
    func leaveSetAside() {
        self.parting = []
        do throws(ForebayError) {
            try self.setAside.end(self.role, now: self.loop.nowMilliseconds)
        } catch {
            self.fail(error)
        }
    }

    // MARK: Tasks

    /// Turns when the other stage, or the log, has something new.
    func followChanges() async {
        for await _ in self.changes.stream { self.turn() }
    }

    /// Looks for partitions that stand still.
    func watchStalls() async {
        let interval = max(10, min(1000, self.configuration.partitionPatience / 4))
        while true {
            do { try await self.surroundings.time.sleep(milliseconds: interval) } catch { return }
            self.state.checkStalls(now: self.loop.nowMilliseconds)
            self.turn()
        }
    }

    /// Appends what leaves to the set-aside log. Only when it is durable may the cursor pass it.
    func keepWhatLeaves() async {
        for await _ in self.departures.stream {
            while !self.parting.isEmpty {
                let group = self.takeGroup()
                do throws(ForebayError) {
                    let batches = group.compactMap { unit, flights in self.batch(of: flights, unit).map { (unit, $0) } }
                    try await self.setAside.append(batches, from: self.role, now: self.loop.nowMilliseconds)
                    self.kept(group)
                } catch {
                    self.parting = group + self.parting
                    self.logger.error("events can't be set aside; the cursor waits", ["route": self.route, "error": "\(error)"])
                    // Cancelled: the loop above ends.
                    try? await self.surroundings.time.sleep(milliseconds: 1000)
                }
                if Task.isCancelled { return }
                self.turn()
            }
        }
    }

    /// What goes into the log together: bounded in bytes, each unit's events in their order.
    private func takeGroup() -> [(unit: UInt64, flights: ArraySlice<UInt64>)] {
        var group: [(unit: UInt64, flights: ArraySlice<UInt64>)] = []
        var room = self.configuration.setAsideGroup
        while room > 0, let (unit, flights) = self.parting.first {
            let count = flights.prefix { flight in
                defer { room -= Int(self.state.flights[UInt32(truncatingIfNeeded: flight)].bytes) }
                return room > 0
            }.count
            group.append((unit, flights.prefix(count)))
            if count == flights.count { self.parting.removeFirst() } else { self.parting[0].flights = flights.dropFirst(count) }
        }
        return group
    }

    private func kept(_ group: [(unit: UInt64, flights: ArraySlice<UInt64>)]) {
        for (_, flights) in group {
            for flight in flights {
                if !self.waiters.isEmpty { self.waiters.setAside(self.state.offset(of: UInt32(truncatingIfNeeded: flight)).number) }
                self.state.setAside(flight)
            }
            self.metrics.setAsideTotal.increment(by: UInt64(flights.count))
        }
    }

    /// The events as they came, with their ids written out.
    private func batch(of flights: ArraySlice<UInt64>, _ unit: UInt64) -> Batch? {
        guard let first = flights.first else { return nil }
        var builder = BatchBuilder(
            initialCapacity: flights.reduce(0) { $0 + Int(self.state.flights[UInt32(truncatingIfNeeded: $1)].bytes) + EventID.length })
        withUnsafeTemporaryAllocation(byteCount: EventID.length, alignment: 8) { id in
            for number in flights {
                let flight = UInt32(truncatingIfNeeded: number)
                let event = self.state.event(of: flight)
                let offset = self.state.offset(of: flight)
                guard event.id.isEmpty, case .spool(let spool) = offset.lane else {
                    builder.append(record: event.record)
                    continue
                }
                EventID.write(spool: spool, sequence: offset.number, to: id.baseAddress!)
                var fields = EventFields(topic: event.topic, value: event.value, timestamp: event.timestamp)
                (fields.key, fields.partition, fields.headers) = (event.key, event.partition, event.headers)
                fields.id = UnsafeRawBufferPointer(id)
                builder.append(fields)
            }
        }
        let acceptedAt = self.state.batches[self.state.flights[UInt32(truncatingIfNeeded: first)].batch].batch.acceptedAt
        return builder.finish(route: RouteID(rawValue: unit), acceptedAt: acceptedAt)
    }
}
