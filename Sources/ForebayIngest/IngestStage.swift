package import ForebayCore
import ForebayHTTP
package import ForebayNet
import ForebayTelemetry

/// What a request's head says beside its fields, and which head that was.
struct JudgedHead {
    var id: RequestID
    /// See `HTTPRequestHead.number`.
    let number: UInt64
    /// Where its query begins, an empty one too. (A path with escapes is decoded to one place for all heads.)
    let place: UnsafeRawPointer?
    let target: TopicTarget?
    let waitsForKafka: Bool
}

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
    let port: LinkPort<Submission>
    let server: any RequestAnswering
    let metrics: IngestMetrics
    let waiters: DeliveryWaiters
    private let room: Wake
    let storage: IngestStorage
    let clock: @Sendable () -> Int64
    private let onOpened: @Sendable () -> Void
    let logger = Logger(label: "ingest")

    var state: IngestState
    var routes: IngestRoutes
    var decoder: BodyDecoder
    var fields: RequestFields
    var sink: EventSink
    var text = AnswerText()
    /// The head that `fields` was read from, while nothing else was read since.
    var judged: JudgedHead?
    /// The time of day in a turn of the loop, see `wallMilliseconds()`.
    var wallTime: (turn: UInt64, now: Int64) = (0, 0)

    /// What is gathered now.
    var group: PendingGroup
    var willFlush = false
    /// What the buffer had no room for yet, in order.
    var held: [(submission: Submission, group: PendingGroup)] = []
    var heldTimer: Timer?
    /// What the buffer has, in the order in which it was handed over.
    var committing: [PendingGroup] = []
    var commitTimer: Timer?
    /// Groups that are not settled: held, or with the buffer.
    var unsettled = 0
    var kafkaWaits: [RequestID: KafkaWait] = [:]
    private var patience: Timer?
    private var drained: CheckedContinuation<Void, Never>?
    private var storageKnownAt: UInt64 = 0
    private var isKnownFull = false
    private var hasFault = false
    private var isClockSet = true
    /// The storage has refused, and not stored since.
    var hasRefused = false

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
        self.loop = loop
        self.configuration = configuration
        self.port = port
        self.room = room
        self.server = server
        self.waiters = waiters
        self.metrics = metrics
        self.storage = storage
        self.clock = clock
        self.onOpened = onOpened
        let limits = configuration.limits
        self.state = IngestState(inFlightLimit: limits.inFlight, refusalPause: configuration.refusalPause)
        self.decoder = BodyDecoder(limits)
        self.fields = RequestFields(headerLimit: limits.headersPerEvent)
        self.sink = EventSink(
            gathering: Gathering(routes: routes.ids, batch: configuration.batch, clock: clock), topics: topics,
            limit: limits.eventsPerRequest,
            byteLimit: limits.records)
        self.routes = routes
        self.group = PendingGroup(number: 1, expecting: 16)
    }

    package nonisolated var facts: [Fact] {
        [
            Fact("in_flight_bytes", .number(Int64(self.metrics.inFlight.value))),
            Fact("waiting_for_kafka", .flag(!self.waiters.isEmpty)),
        ]
    }

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
        self.room.set { [weak self] in
            guard let self else { return }
            loop.execute { self.assumeIsolated { $0.offerHeld() } }
        }
        self.server.replaceHandler(IngestHandler(stage: self))
        self.onOpened()
    }

    private func end() {
        let isLast = self.state.phase == .draining
        self.perform(self.state.ended())
        self.patience?.cancel()
        self.refuseUnsent(.unavailable)
        if isLast { self.refuseCommitting() }
        self.stopWaitingForKafka()
        self.tellIfIdle()
    }

    private var isIdle: Bool { self.unsettled == 0 && self.group.isEmpty && self.kafkaWaits.isEmpty }

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
        // The answer of a buffer that would refuse, without the way to it. It changes slowly.
        if now >= self.storageKnownAt + 50 {
            self.storageKnownAt = now
            self.isKnownFull = self.storage.isFull()
            self.hasFault = self.storage.fault() != nil
            self.isClockSet = ClockRule.fault(at: self.clock()) == nil
        }
        if self.hasFault { return .unavailable }
        if !self.isClockSet { return .clockNotSet }
        return self.isKnownFull ? .spoolFull : nil
    }

    func perform(_ reading: IngestState.Reading) {
        switch reading {
        case .same: return
        case .pause:
            self.server.pauseReading()
            self.patience = self.loop.timer(after: self.configuration.patience) { [weak self] in
                self?.assumeIsolated { stage in stage.perform(stage.state.patienceEnded()) }
            }
        case .resume:
            self.patience?.cancel()
            self.patience = nil
            self.server.resumeReading()
        }
    }
}
