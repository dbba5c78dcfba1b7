package import ForebayCore
import ForebayHTTP
package import ForebayNet
import ForebayTelemetry

/// Takes events in over HTTP, and answers when the buffer has made them durable.
///
/// It lives on the edge loop, as the server does: a request's callback is already inside the actor. What completes in one turn of the loop
/// becomes one submission, and its answers come back as one.
///
///     head -> judged -> whole request -> decoded into batches -> end of turn: offered to the buffer -> settled -> answered
///                                                                  `- no room: held, and offered again
package actor IngestStage: Stage {
    nonisolated let loop: EventLoop
    let configuration: IngestConfiguration
    private nonisolated let told: IngestFacts
    let answers: RequestAnswers

    var state: IngestState
    private var door: IngestDoor
    var storage: StorageReadiness
    var reader: PostReader
    var open: OpenGroup
    var submitted: SubmittedGroups
    var waits: KafkaWaits
    /// Waits until all is answered.
    private var drained: CheckedContinuation<Void, Never>?

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    /// - Parameters:
    ///   - loop: the edge loop, on which `server` lives too.
    ///   - port: to the buffer; its room signal is `room.call`.
    ///   - waiters: of those who wait for Kafka, told by the delivering stages.
    ///   - topics: those with unsettled events; made of the same routes.
    ///   - storage: what the buffer stands on.
    ///   - clock: the time of day, in milliseconds since 1970.
    ///   - onOpened: called on the loop when requests are taken from now on.
    /// - Throws: `configurationInvalid`, for routes and topics that can't be.
    package init(
        loop: EventLoop, configuration: IngestConfiguration, port: LinkPort<Submission>, room: Wake, server: any RequestAnswering,
        waiters: DeliveryWaiters, topics: UnsettledTopics, metrics: IngestMetrics, storage: IngestStorage = IngestStorage(),
        clock: @escaping @Sendable () -> Int64 = { WallClock.milliseconds }, onOpened: @escaping @Sendable () -> Void = {}
    ) throws(ForebayError) {
        let routes = try IngestRoutes(configuration)
        let limits = configuration.limits
        self.loop = loop
        self.configuration = configuration
        self.told = IngestFacts(metrics, waiters)
        self.answers = RequestAnswers(server, metrics)
        self.state = IngestState(inFlightLimit: limits.inFlight, refusalPause: configuration.refusalPause)
        self.door = IngestDoor(server, onOpened: onOpened)
        self.storage = StorageReadiness(storage, clock: clock)
        self.reader = PostReader(routes, limits)
        self.open = OpenGroup(
            EventSink(
                gathering: Gathering(routes: routes.ids, batch: configuration.batch, clock: clock), topics: topics,
                limit: limits.eventsPerRequest, byteLimit: limits.records),
            clock: clock)
        self.submitted = SubmittedGroups(port, room: room, topics: topics, counted: metrics.submissions)
        self.waits = KafkaWaits(waiters)
    }

    package nonisolated var facts: [Fact] { self.told.all }

    // MARK: Life

    /// Takes requests until it is cancelled; whatever then has not reached the buffer is refused, and what has is still answered: unless
    /// the node ends, and the buffer had all the time that there was.
    package func run() async throws {
        self.begin()
        defer { self.end() }
        // Requests drive this stage; its task only keeps it alive.
        for await _ in AsyncStream.makeStream(of: Never.self, bufferingPolicy: .bufferingNewest(1)).stream {}
        throw CancellationError()
    }

    /// Refuses new requests and answers those that were taken. Those that wait for Kafka get their 202: they are durable, and Kafka may
    /// be away.
    package func drain() async {
        self.perform(self.state.draining())
        self.endTurn()
        self.stopWaitingForKafka()
        guard !self.isIdle else { return }
        await withCheckedContinuation { self.drained = $0 }
    }

    private func begin() {
        self.loop.preconditionOnLoop()
        self.state.opened()
        let loop = self.loop
        self.submitted.begin { [weak self] in
            guard let self else { return }
            loop.execute { self.assumeIsolated { $0.offerHeld() } }
        }
        self.door.open(to: IngestHandler(stage: self))
    }

    private func end() {
        let isLast = self.state.phase == .draining
        self.perform(self.state.ended())
        self.door.close()
        self.refuseUnsent(.unavailable)
        if isLast { self.refuseCommitting() }
        self.stopWaitingForKafka()
        self.tellIfIdle()
    }

    private var isIdle: Bool { self.submitted.isEmpty && self.open.isEmpty && self.waits.isEmpty }

    func tellIfIdle() {
        guard let drained, self.isIdle else { return }
        self.drained = nil
        drained.resume()
    }

    // MARK: Admission

    /// Whether a request is taken now; else why not.
    func admission() -> ProblemCode? {
        let now = self.loop.nowMilliseconds
        if let code = self.state.admission(now: now) { return code }
        return self.storage.refusal(now: now)
    }

    /// A request was taken; it holds so many bytes until it is answered.
    func took(_ bytes: Int) {
        self.perform(self.state.took(bytes))
        self.told.tell(inFlight: self.state.inFlight)
    }

    /// It was answered.
    func released(_ bytes: Int) {
        self.perform(self.state.released(bytes))
        self.told.tell(inFlight: self.state.inFlight)
    }

    private func perform(_ reading: IngestState.Reading) {
        switch reading {
        case .same: return
        case .pause:
            self.door.pause(
                self.loop.timer(after: self.configuration.patience) { [weak self] in
                    self?.assumeIsolated { stage in stage.perform(stage.state.patienceEnded()) }
                })
        case .resume: self.door.resume()
        }
    }
}
