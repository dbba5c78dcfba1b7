package import ForebayCore
package import ForebayKafka
package import ForebayNet
package import ForebayTelemetry
import Synchronization

/// Delivers one route's events to the main Kafka, in order, and moves the route's cursor behind what is settled.
///
/// It pulls batches from its source, gives their events to librdkafka partition by partition, and takes the reports. What is sent when,
/// and what a failed report means, ``ForwardState`` decides. It waits for Kafka as long as it takes.
package actor ForwardStage: Stage {
    package nonisolated let loop: EventLoop
    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }
    package nonisolated let route: String

    let source: any EventSource
    let properties: KafkaProperties
    let deadLetters: any DeadLetterLog
    let waiters: DeliveryWaiters
    let budget: ForwardBudget
    let configuration: ForwardConfiguration
    let metrics: ForwardMetrics
    let registry: MetricsRegistry
    let advice: KafkaAdvice
    let logger: Logger
    let shown = Mutex(ForwardFacts())

    var state: ForwardState
    var producers = [OpenProducer?](repeating: nil, count: ProducerSlot.allCases.count)
    var share: ForwardBudget.Share?
    /// Why the run must end.
    var failure: ForebayError?
    var ticker: Timer?
    var pulling: Task<Void, Never>?
    var drained: UnsafeContinuation<Void, Never>?
    /// Producers made anew since the start of the run.
    var rebuilds = 0
    private var isDraining = false
    /// What this run holds of the budget.
    private(set) var heldBytes = 0

    // One task each waits for these, while the stage runs.
    var room = Wakeup()
    var wanted = ProducerSlot.allCases.map { _ in Wakeup() }
    var limitsWanted = Wakeup()
    var deaths = Wakeup()
    var ended = Wakeup()

    /// - Parameters:
    ///   - route: its name; for logs and metrics.
    ///   - properties: of the target cluster, validated.
    ///   - budget: one for all routes.
    ///   - loop: the delivery loop: the actor lives on it.
    package init(
        route: String, source: any EventSource, properties: KafkaProperties, deadLetters: any DeadLetterLog, waiters: DeliveryWaiters,
        budget: ForwardBudget, configuration: ForwardConfiguration, loop: EventLoop, metrics: MetricsRegistry
    ) {
        self.loop = loop
        self.route = route
        self.source = source
        self.properties = properties
        self.deadLetters = deadLetters
        self.waiters = waiters
        self.budget = budget
        self.configuration = configuration.adjusted(to: properties)
        self.registry = metrics
        self.metrics = ForwardMetrics(registry: metrics, route: route)
        self.advice = KafkaAdvice(properties: properties)
        self.logger = Logger(label: "forward")
        self.state = ForwardState(configuration: self.configuration, seed: MonotonicClock.nanoseconds)
    }

    /// Delivers until the task is cancelled, or the source ends and all of it is settled.
    ///
    /// Begins at the source's cursor each time. Kafka being away is no error.
    ///
    /// - Throws: ``ForebayError``: properties that librdkafka does not take (`stop`), or a cursor that can't be moved.
    package func run() async throws {
        self.begin()
        await withTaskGroup(of: Void.self) { group in
            for slot in ProducerSlot.allCases { group.addTask { await self.askForMetadata(slot) } }
            group.addTask { await self.askForLimits() }
            group.addTask { await self.buryTheDead() }
            group.addTask { await self.refresh() }
            self.pulling = Task { await self.pull() }
            self.turn()
            for await _ in self.ended.stream { break }
            self.end()  // Before the tasks are waited for: with their producers gone, none waits for an answer.
            group.cancelAll()
        }
        if let failure { throw failure }
        try Task.checkCancellation()
    }

    /// Pulls nothing more, and waits for the reports of what was sent, as long as the cluster gives any.
    package func drain() async {
        guard self.share != nil else { return }
        self.isDraining = true
        self.pulling?.cancel()
        guard !self.state.isIdle else { return }
        var delivered = self.state.totals.delivered
        let patience = self.loop.timer(every: self.configuration.drainPatience) { [weak self] in
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
        self.state = ForwardState(configuration: self.configuration, seed: MonotonicClock.nanoseconds)
        self.failure = nil
        self.rebuilds = 0
        self.isDraining = false
        self.heldBytes = 0
        (self.room, self.limitsWanted, self.deaths, self.ended) = (Wakeup(), Wakeup(), Wakeup(), Wakeup())
        self.wanted = ProducerSlot.allCases.map { _ in Wakeup() }
        let room = self.room
        self.share = self.budget.join { room.notify() }
    }

    private func end() {
        self.pulling?.cancel()
        self.pulling = nil
        self.ticker?.cancel()
        self.ticker = nil
        for slot in ProducerSlot.allCases { self.closeProducer(slot) }
        self.finishDrain()
        self.share = nil
    }

    private func finishDrain() {
        self.drained?.resume()
        self.drained = nil
    }

    // MARK: Pulling

    private func pull() async {
        var room = self.room.stream.makeAsyncIterator()
        var batches = self.source.batches().makeAsyncIterator()
        while !Task.isCancelled {
            while !self.state.wantsMore {
                guard await room.next(isolation: self) != nil else { return }
            }
            guard let batch = await batches.next(isolation: self) else { return self.sourceEnded() }
            while let share, !share.take(self.state.cost(of: batch)) {
                guard await room.next(isolation: self) != nil else { return }
            }
            guard !Task.isCancelled else { return }  // Not admitted: it is still behind the cursor.
            self.heldBytes += self.state.cost(of: batch)
            self.state.admit(batch, now: self.loop.nowMilliseconds)
            self.turn()
        }
    }

    private func sourceEnded() {
        guard !Task.isCancelled, !self.isDraining else { return }
        self.fail(ForebayError(.linkFinished, recovery: .rewindAndRestart, "the source of route '\(self.route)' ended"))
    }

    func fail(_ error: ForebayError) {
        if self.failure == nil { self.failure = error }
        self.ended.notify()
    }

    // MARK: After anything that changes the state

    /// Does what the state asks for: producers, sending, the cursor, the tasks that wait.
    func turn() {
        guard self.share != nil else { return }
        let now = self.loop.nowMilliseconds
        self.closeTopics()
        self.tendProducers(now: now)
        self.send(now: now)
        self.state.retire()
        self.moveCursor()
        if self.state.released > 0 {
            self.share?.give(self.state.released)
            self.heldBytes -= self.state.released
            self.state.released = 0
        }
        if !self.state.deaths.isEmpty { self.deaths.notify() }
        if self.state.limitsWanted { self.limitsWanted.notify() }
        for slot in ProducerSlot.allCases where self.state[slot].wantsMetadata { self.wanted[slot.rawValue].notify() }
        if !self.state.notes.isEmpty { self.tellNotes() }
        if self.state.wantsMore { self.room.notify() }
        if self.state.isIdle { self.finishDrain() }
        self.schedule(now: now)
        self.count()
    }

    private func moveCursor() {
        guard !self.state.commits.isEmpty else { return }
        do throws(ForebayError) {
            for end in self.state.commits { try self.source.commit(through: end) }
            self.state.commits.removeAll(keepingCapacity: true)
        } catch {
            self.fail(error)
        }
    }

    /// A timer runs only while something waits for a time.
    private func schedule(now: UInt64) {
        guard self.ticker == nil, self.state.tick(now: now) || !self.state.ready.isEmpty else { return }
        self.ticker = self.loop.timer(after: 50) { [weak self] in
            self?.assumeIsolated { stage in
                stage.ticker = nil
                _ = stage.state.tick(now: stage.loop.nowMilliseconds)
                stage.turn()
            }
        }
    }
}
