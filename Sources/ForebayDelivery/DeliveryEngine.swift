package import ForebayCore
package import ForebayKafka
package import ForebayTelemetry
import Synchronization

/// Delivers one route's events to a Kafka cluster, in order, and moves the delivery's cursor behind what is settled.
///
/// Each delivery has two: one takes the events from the spool, and sets aside what can't be delivered now; the other drains that. Their
/// producers are apart, so that what stalls one does not silence the other.
///
/// It pulls batches from its source, gives their events to librdkafka partition by partition, and takes the reports. What is sent when,
/// and what a failed report means, ``DeliveryState`` decides. It waits for Kafka as long as it takes.
package actor DeliveryEngine {
    nonisolated let loop: any StageLoop
    private nonisolated let executor: any SerialExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }
    package nonisolated let name: DeliveryName
    /// For logs.
    nonisolated var route: String { self.name.description }
    nonisolated let way: DeliveryWay

    let surroundings: Surroundings
    let source: any EventSource
    let producerSource: any KafkaProducerSource
    let properties: KafkaProperties
    let deadLetters: any DeadLetterLog
    let setAside: SetAside
    let waiters: DeliveryWaiters
    let budget: DeliveryBudget
    let settings: DeliverySettings
    let metrics: DeliveryMetrics
    let registry: MetricsRegistry
    let advice: KafkaAdvice
    let logger: Logger
    let shown = Mutex(DeliveryFacts())

    var state: DeliveryState
    var producers = [OpenProducer?](repeating: nil, count: ProducerSlot.allCases.count)
    var share: DeliveryBudget.Share?
    /// Why the run must end.
    var failure: ForebayError?
    var ticker: (any StageTimer)?
    var pulling: Task<Void, Never>?
    /// Events on their way into the set-aside log.
    var departing: [Departing] = []
    var target = TargetWatch()
    var drained: UnsafeContinuation<Void, Never>?
    private var isRunning = false
    private var isDraining = false
    /// Since when the drain has had nothing to do, in the loop's ms.
    private var idleSince: UInt64?
    /// What this run holds of the budget.
    private(set) var heldBytes = 0
    /// When each log was last found without room, in the loop's ms.
    var roomWantedAt: [RoomWant.Log: UInt64] = [:]
    /// By how many ms the time of day was ahead of the monotonic one when it was last looked at.
    var wallAhead: Int64?
    /// Attempts to set something aside, since there was room last.
    var roomFailures = 0
    /// The oldest flight when that was last looked at, and how many were settled when what is ahead was last kept.
    var aheadSeen: UInt64 = 0, aheadKept: UInt64 = 0

    var wakeups = Wakeups()

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
        self.way = way
        self.setAside = setAside
        self.loop = loop
        self.executor = loop.executor()
        self.surroundings = surroundings
        self.name = name
        self.source = source
        self.producerSource = producers
        self.properties = properties
        self.deadLetters = deadLetters
        self.waiters = waiters
        self.budget = budget
        self.settings = settings.adjusted(to: properties)
        self.registry = metrics
        self.metrics = DeliveryMetrics(registry: metrics, of: name, way)
        self.advice = KafkaAdvice(properties: properties)
        self.logger = Logger(label: way == .direct ? name.stage.rawValue : "setaside")
        self.state = DeliveryState(way: way, settings: self.settings, seed: surroundings.chance.next())
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
            group.addTask { await self.buryTheDead() }
            group.addTask { await self.keepWhatLeaves() }
            group.addTask { await self.followChanges() }
            group.addTask { await self.followLanes() }
            group.addTask { await self.watchStalls() }
            group.addTask { await self.refresh() }
            group.addTask { await self.watchTarget() }
            self.pulling = Task(preferring: self.surroundings.tasks) { await self.pull() }
            self.turn()
            for await _ in self.wakeups.ended.stream { break }
            self.end()  // Before the tasks are waited for: with their producers gone, none waits for an answer.
            group.cancelAll()
        }
        self.keepAhead(isFinal: true)
        self.leaveSetAside()
        if let failure { throw failure }
        try Task.checkCancellation()
    }

    /// Pulls nothing more, and waits for the reports of what was sent, as long as the cluster gives any.
    package func drain() async {
        guard self.isRunning else { return }
        self.isDraining = true
        self.pulling?.cancel()
        guard !self.state.isIdle else { return }
        var delivered = self.state.totals.delivered
        let patience = self.loop.timer(every: self.settings.drainPatience) { [weak self] in
            self?.assumeIsolated { stage in
                defer { delivered = stage.state.totals.delivered }
                if stage.state.totals.delivered == delivered { stage.finishDrain() }
            }
        }
        await withUnsafeContinuation { self.drained = $0 }
        patience.cancel()
    }

    package nonisolated var facts: [Fact] { self.shown.withLock { $0.facts } }

    private func begin() {
        self.state = DeliveryState(way: self.way, settings: self.settings, seed: self.surroundings.chance.next())
        self.failure = nil
        self.isRunning = true
        self.isDraining = false
        self.heldBytes = 0
        (self.aheadSeen, self.aheadKept) = (0, 0)
        self.target.clientFailedAt = nil
        self.shown.withLock { $0.stall = nil }
        self.target.wantsAnswer = self.way == .direct
        self.forgetRoomWants()
        self.roomFailures = 0
        self.wakeups = Wakeups()
        let changes = self.wakeups.changes
        self.setAside.begin(self.way) { changes.notify() }
        if self.way == .direct { self.joinBudget() }
    }

    private func joinBudget() {
        let room = self.wakeups.room
        self.share = self.budget.join { room.notify() }
    }

    /// The drain has producers and a share of the memory only while there is something to drain.
    private func comeOrGo(now: UInt64) {
        guard self.way == .aside else { return }
        if !self.setAside.isEmpty || !self.state.isIdle {
            self.idleSince = nil
            if self.share == nil { self.joinBudget() }
        } else if let idleSince {
            guard now - idleSince >= self.settings.drainIdle else { return }
            self.share = nil
            for slot in ProducerSlot.allCases { self.state.drain(slot, now: now) }
        } else {
            self.idleSince = now
        }
    }

    private func end() {
        self.pulling?.cancel()
        self.ticker?.cancel()
        self.ticker = nil
        for slot in ProducerSlot.allCases { self.closeProducer(slot) }
        self.finishDrain()
        self.share = nil
        self.isRunning = false
    }

    private func finishDrain() {
        self.drained?.resume()
        self.drained = nil
    }

    // MARK: Pulling

    private func pull() async {
        var room = self.wakeups.room.stream.makeAsyncIterator()
        var batches = self.source.batches().makeAsyncIterator()
        while !Task.isCancelled {
            while !self.state.wantsMore {
                guard await room.next(isolation: self) != nil else { return }
            }
            guard let batch = await batches.next(isolation: self) else { return self.sourceEnded() }
            guard !Task.isCancelled else { return }
            guard self.admission(of: batch).isAccepted else { continue }
            while let share, !share.take(self.settings.cost(of: batch)) {
                guard await room.next(isolation: self) != nil else { return }
            }
            guard !Task.isCancelled else { return }  // Not admitted: it is still behind the cursor.
            self.heldBytes += self.settings.cost(of: batch)
            let unit = self.admission(of: batch)
            if unit.isAccepted {
                self.seeChanges()
                self.state.admit(
                    batch, partition: unit.partition, settled: unit.settled, resentBelow: self.source.resentBelow,
                    now: self.loop.nowMilliseconds)
            } else {
                self.state.window.release(self.settings.cost(of: batch))  // Its unit was given up meanwhile.
            }
            self.turn()
        }
    }

    private func sourceEnded() {
        guard !Task.isCancelled, !self.isDraining else { return }
        let cause = self.source.failure
        let what =
            cause == nil ? "the source of route '\(self.route)' ended" : "the events of route '\(self.route)' can't be read from the disk"
        self.fail(ForebayError(.linkFinished, recovery: .rewindAndRestart, what, cause: cause))
    }

    func fail(_ error: ForebayError) {
        if self.failure == nil { self.failure = error }
        self.wakeups.ended.notify()
    }

    // MARK: After anything that changes the state

    /// Does what the state asks for: producers, sending, the cursor, the tasks that wait.
    func turn() {
        guard self.isRunning else { return }
        let now = self.loop.nowMilliseconds
        self.comeOrGo(now: now)
        self.state.dropClosing(now: now)
        self.exchangeSetAside(now: now)
        self.closeTopics()
        self.tendProducers(now: now)
        self.send(now: now)
        self.state.window.retire()
        self.moveCursor()
        let released = self.state.window.takeReleased()
        if released > 0 {
            self.share?.give(released)
            self.heldBytes -= released
        }
        if !self.state.actions.deaths.isEmpty { self.wakeups.deaths.notify() }
        if !self.departing.isEmpty { self.wakeups.departures.notify() }
        if !self.state.actions.heldReports.isEmpty { self.wakeups.changes.notify() }
        if !self.state.topics.limitsWanted.isEmpty { self.wakeups.limitsWanted.notify() }
        for slot in ProducerSlot.allCases where self.state.producers[slot].wantsMetadata || slot == .main && self.target.wantsAnswer {
            self.wakeups.wanted[slot.rawValue].notify()
        }
        if !self.state.actions.notes.isEmpty { self.tellNotes() }
        if self.state.wantsMore { self.wakeups.room.notify() }
        if self.state.isIdle { self.finishDrain() }
        self.schedule(now: now)
        self.count()
    }

    /// A timer runs only while something waits for a time.
    private func schedule(now: UInt64) {
        guard self.ticker == nil,
            self.state.tick(now: now) || self.state.partitions.hasReady || self.way == .aside && self.setAside.waitsForTime
        else { return }
        self.ticker = self.loop.timer(after: 50) { [weak self] in
            self?.assumeIsolated { stage in
                stage.ticker = nil
                _ = stage.state.tick(now: stage.loop.nowMilliseconds)
                stage.turn()
            }
        }
    }
}
