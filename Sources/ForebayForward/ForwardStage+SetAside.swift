import ForebayCore
import ForebayKafka
import ForebayNet
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
        let leaving = self.state.leaving
        self.state.leaving = []
        let units = try self.setAside.depart(leaving.map(\.departure), from: self.role)
        for (event, unit) in zip(leaving, units) { self.parting.append((event.flight, unit)) }
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
            do { try await Task.sleep(for: .milliseconds(interval)) } catch { return }
            self.state.checkStalls(now: self.loop.nowMilliseconds)
            self.turn()
        }
    }

    /// Appends what leaves to the set-aside log. Only when it is durable may the cursor pass it.
    func keepWhatLeaves() async {
        for await _ in self.departures.stream {
            while !self.parting.isEmpty {
                let taken = self.nextGroup()
                do throws(ForebayError) {
                    try await self.setAside.append(self.batches(of: taken), from: self.role, now: self.loop.nowMilliseconds)
                    self.kept(taken)
                } catch {
                    self.logger.error("events can't be set aside; the cursor waits", ["route": self.route, "error": "\(error)"])
                    // Cancelled: the loop above ends.
                    try? await Task.sleep(for: .seconds(1))
                }
                if Task.isCancelled { return }
                self.turn()
            }
        }
    }

    private func nextGroup() -> ArraySlice<(flight: UInt64, unit: UInt64)> {
        var bytes = 0
        let count = self.parting.prefix { event in
            bytes += Int(self.state.flights[UInt32(truncatingIfNeeded: event.flight)].bytes)
            return bytes <= self.configuration.setAsideGroup
        }.count
        return self.parting.prefix(max(1, count))
    }

    private func kept(_ taken: ArraySlice<(flight: UInt64, unit: UInt64)>) {
        for (flight, _) in taken {
            if !self.waiters.isEmpty { self.waiters.setAside(self.state.offset(of: UInt32(truncatingIfNeeded: flight)).number) }
            self.state.setAside(flight)
        }
        self.metrics.setAsideTotal.increment(by: UInt64(taken.count))
        self.parting.removeFirst(taken.count)
    }

    /// A batch for each unit, in the order of its first event: the events as they came, with their ids written out.
    private func batches(of taken: ArraySlice<(flight: UInt64, unit: UInt64)>) -> [(unit: UInt64, batch: Batch)] {
        var order: [UInt64] = []
        var flights: [UInt64: [UInt32]] = [:]
        for (flight, unit) in taken {
            if flights[unit] == nil { order.append(unit) }
            flights[unit, default: []].append(UInt32(truncatingIfNeeded: flight))
        }
        return order.compactMap { unit in
            flights[unit].flatMap { self.batch(of: $0, unit) }.map { (unit, $0) }
        }
    }

    private func batch(of flights: [UInt32], _ unit: UInt64) -> Batch? {
        var builder = BatchBuilder(initialCapacity: flights.reduce(0) { $0 + Int(self.state.flights[$1].bytes) + EventID.length })
        var acceptedAt = Int64.max
        withUnsafeTemporaryAllocation(byteCount: EventID.length, alignment: 8) { id in
            for flight in flights {
                let event = self.state.event(of: flight)
                let offset = self.state.offset(of: flight)
                acceptedAt = min(acceptedAt, self.state.batches[self.state.flights[flight].batch].batch.acceptedAt)
                if event.id.isEmpty, case .spool(let spool) = offset.lane {
                    EventID.write(spool: spool, sequence: offset.number, to: id.baseAddress!)
                    var fields = EventFields(topic: event.topic, value: event.value, timestamp: event.timestamp)
                    (fields.key, fields.partition, fields.headers) = (event.key, event.partition, event.headers)
                    fields.id = UnsafeRawBufferPointer(id)
                    builder.append(fields)
                } else {
                    builder.append(record: event.record)
                }
            }
        }
        return builder.finish(route: RouteID(rawValue: unit), acceptedAt: acceptedAt)
    }
}
