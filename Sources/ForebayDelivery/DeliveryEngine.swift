package import ForebayCore
package import ForebayKafka
package import ForebayTelemetry

/// Delivers one route's events to a Kafka cluster, in order, and moves the delivery's cursor behind what is settled.
///
/// Each delivery has two: one takes the events from the spool, and sets aside what can't be delivered now; the other drains that. Their
/// producers are apart, so that what stalls one does not silence the other.
///
/// It pulls batches from its source, gives their events to librdkafka partition by partition, and takes the reports. What is sent when,
/// and what a failed report means, ``DeliveryState`` decides. It waits for Kafka as long as it takes.
package actor DeliveryEngine {
    let loop: any StageLoop
    private nonisolated let executor: any SerialExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

    let surroundings: Surroundings
    let setAside: SetAside
    let reporter: DeliveryReporter

    var state: DeliveryState
    var cursor: SourceCursor
    var producers: OpenProducers
    var target: TargetWatch
    var sideLogs: SideLogs
    var memory: InFlightMemory
    var current = EngineRun()

    var way: DeliveryWay { self.state.way }
    var settings: DeliverySettings { self.state.settings }
    var route: String { self.reporter.route }

    /// - Parameters:
    ///   - name: for logs and metrics.
    ///   - setAside: shared by the delivery's two stages.
    ///   - properties: of the target cluster, validated.
    ///   - budget: one for all routes.
    ///   - producers: those that it opens are polled on `loop`.
    ///   - loop: the delivery loop: the actor lives on it.
    package init(
        _ way: DeliveryWay, of name: DeliveryName, source: any EventSource, producers: any KafkaProducerSource, properties: KafkaProperties,
        deadLetters: any DeadLetterLog, setAside: SetAside, waiters: DeliveryWaiters, budget: DeliveryBudget,
        settings: DeliverySettings, loop: any StageLoop, metrics: MetricsRegistry, surroundings: Surroundings
    ) {
        self.setAside = setAside
        self.loop = loop
        self.executor = loop.executor()
        self.surroundings = surroundings
        self.cursor = SourceCursor(source)
        self.producers = OpenProducers(
            producers, properties: properties, name: way.child(of: name), registry: way == .direct ? metrics : nil)
        self.target = TargetWatch(isWatched: way == .direct)
        self.sideLogs = SideLogs(deadLetters: deadLetters)
        self.memory = InFlightMemory(budget)
        self.reporter = DeliveryReporter(way, of: name, properties: properties, waiters: waiters, registry: metrics)
        self.state = DeliveryState(way: way, settings: settings.adjusted(to: properties), seed: surroundings.chance.next())
    }

    /// Delivers until the task is cancelled, or the source ends and all of it is settled.
    ///
    /// Begins at the source's cursor each time. Kafka being away is no error.
    ///
    /// - Throws: ``ForebayError``: a producer that can't be started, or a cursor that can't be moved.
    package func run() async throws {
        self.begin()
        await withTaskGroup(of: Void.self) { group in
            for slot in ProducerSlot.allCases { group.addTask { await self.askForMetadata(slot) } }
            group.addTask { await self.askForLimits() }
            group.addTask { await self.writeDeadLetters() }
            group.addTask { await self.appendToSetAside() }
            group.addTask { await self.followChanges() }
            group.addTask { await self.followLanes() }
            group.addTask { await self.watchStalls() }
            group.addTask { await self.refresh() }
            group.addTask { await self.watchTarget() }
            self.current.pull(Task(preferring: self.surroundings.tasks) { await self.pull() })
            self.turn()
            for await _ in self.current.wakeups.ended.stream { break }
            self.end()  // Before the tasks are waited for: with their producers gone, none waits for an answer.
            group.cancelAll()
        }
        self.keepAhead(isFinal: true)
        self.endSetAside()
        if let failure = self.current.failure { throw failure }
        try Task.checkCancellation()
    }

    /// Pulls nothing more, and waits for the reports of what was sent, as long as the cluster gives any.
    package func drain() async {
        guard self.current.drain() else { return }
        guard !self.state.isIdle else { return }
        var delivered = self.state.totals.delivered
        let patience = self.loop.timer(every: self.settings.drainPatience) { [weak self] in
            self?.assumeIsolated { stage in
                defer { delivered = stage.state.totals.delivered }
                if stage.state.totals.delivered == delivered { stage.current.finishDrain() }
            }
        }
        await withUnsafeContinuation { self.current.wait($0) }
        patience.cancel()
    }

    package nonisolated var facts: [Fact] { self.reporter.facts }

    private func begin() {
        self.state = DeliveryState(way: self.way, settings: self.settings, seed: self.surroundings.chance.next())
        self.current.begin()
        self.memory.begin()
        self.cursor.begin()
        self.target.begin()
        self.sideLogs.begin()
        self.reporter.begin()
        let changes = self.current.wakeups.changes
        self.setAside.begin(self.way) { changes.notify() }
        if self.way == .direct { self.joinBudget() }
    }

    private func joinBudget() {
        let room = self.current.wakeups.room
        self.memory.join { room.notify() }
    }

    /// The drain has producers and a share of the memory only while there is something to drain.
    private func comeOrGo(now: UInt64) {
        guard self.way == .aside else { return }
        let isNeeded = !self.setAside.isEmpty || !self.state.isIdle
        switch self.memory.step(isNeeded: isNeeded, now: now, patience: self.settings.drainIdle) {
        case .join: self.joinBudget()
        case .left: for slot in ProducerSlot.allCases { self.state.drain(slot, now: now) }
        case nil: break
        }
    }

    private func end() {
        self.current.stop()
        for slot in ProducerSlot.allCases { self.closeProducer(slot) }
        self.current.end()
        self.memory.leave()
    }

    // MARK: Pulling

    private func pull() async {
        var room = self.current.wakeups.room.stream.makeAsyncIterator()
        var batches = self.cursor.source.batches().makeAsyncIterator()
        while !Task.isCancelled {
            while !self.state.wantsMore {
                guard await room.next(isolation: self) != nil else { return }
            }
            guard let batch = await batches.next(isolation: self) else { return self.sourceEnded() }
            guard !Task.isCancelled else { return }
            guard self.admission(of: batch).isAccepted else { continue }
            while !self.memory.take(self.settings.cost(of: batch)) {
                guard await room.next(isolation: self) != nil else { return }
            }
            guard !Task.isCancelled else { return }  // Not admitted: it is still behind the cursor.
            self.memory.add(self.settings.cost(of: batch))
            let unit = self.admission(of: batch)
            if unit.isAccepted {
                self.seeChanges()
                self.state.admit(
                    batch, partition: unit.partition, settled: unit.settled, resentBelow: self.cursor.source.resentBelow,
                    now: self.loop.nowMilliseconds)
            } else {
                self.state.window.release(self.settings.cost(of: batch))  // Its unit was given up meanwhile.
            }
            self.turn()
        }
    }

    private func sourceEnded() {
        guard !Task.isCancelled, !self.current.isDraining else { return }
        let cause = self.cursor.source.failure
        let what =
            cause == nil ? "the source of route '\(self.route)' ended" : "the events of route '\(self.route)' can't be read from the disk"
        self.fail(ForebayError(.linkFinished, recovery: .rewindAndRestart, what, cause: cause))
    }

    func fail(_ error: ForebayError) {
        self.current.fail(error)
    }

    // MARK: After anything that changes the state

    /// Does what the state asks for: producers, sending, the cursor, the tasks that wait.
    func turn() {
        guard self.current.isRunning else { return }
        let now = self.loop.nowMilliseconds
        self.comeOrGo(now: now)
        self.state.dropClosing(now: now)
        self.exchangeSetAside(now: now)
        self.closeTopics()
        self.tendProducers(now: now)
        self.send(now: now)
        self.state.window.retire()
        self.moveCursor()
        self.memory.give(self.state.window.takeReleased())
        self.wakeTasks()
        if !self.state.actions.notes.isEmpty { self.tellNotes() }
        if self.state.wantsMore { self.current.wakeups.room.notify() }
        if self.state.isIdle { self.current.finishDrain() }
        self.schedule(now: now)
        self.count()
    }

    private func wakeTasks() {
        if !self.state.actions.deadLetters.isEmpty { self.current.wakeups.deadLetters.notify() }
        if !self.sideLogs.queue.isEmpty { self.current.wakeups.appends.notify() }
        if !self.state.actions.lateReports.isEmpty { self.current.wakeups.changes.notify() }
        if !self.state.topics.limitsWanted.isEmpty { self.current.wakeups.limitsWanted.notify() }
        for slot in ProducerSlot.allCases where self.state.producers[slot].wantsMetadata || slot == .main && self.target.wantsAnswer {
            self.current.wakeups.wanted[slot.rawValue].notify()
        }
    }

    /// A timer runs only while something waits for a time.
    private func schedule(now: UInt64) {
        guard !self.current.hasTimer,
            self.state.tick(now: now) || self.state.partitions.hasReady || self.way == .aside && self.setAside.waitsForTime
        else { return }
        self.current.wait(
            for: self.loop.timer(after: 50) { [weak self] in
                self?.assumeIsolated { stage in
                    stage.current.timerFired()
                    _ = stage.state.tick(now: stage.loop.nowMilliseconds)
                    stage.turn()
                }
            })
    }
}
