import ForebayCore
import ForebayHTTP
import ForebayNet
import ForebayTelemetry

@testable import ForebayIngest

/// The ingest stage between a fake server and a fake buffer, which is the test itself: it takes submissions and settles them.
final class IngestHarness: Sendable {
    /// Not the closure itself: a trailing one would be taken for it.
    struct TimeOfDay: Sendable {
        var now: @Sendable () -> Int64 = { WallClock.milliseconds }
    }

    static let spool = SpoolID(characters: "0123456789ABCDEF")

    let loop: EventLoop
    let server = FakeServer()
    let registry = MetricsRegistry()
    let metrics: IngestMetrics
    let room = Wake()
    let port: LinkPort<Submission>
    let waiters: DeliveryWaiters
    let configuration: IngestConfiguration
    let storage: IngestStorage
    let topics: UnsettledTopics
    let clock: TimeOfDay

    init(
        bound: Int = 64 << 20, waiters: Int = 1000, storage: IngestStorage = IngestStorage(),
        settled: [String: UnsettledTopics.Settled] = [:], clock: TimeOfDay = TimeOfDay(),
        _ change: (inout IngestConfiguration) -> Void = { _ in }
    ) throws {
        var configuration = IngestConfiguration(routes: [
            .init(name: "orders", topics: ["orders", "payments.*"]), .init(name: "clicks", topics: ["clicks"]),
        ])
        // So long that a slow machine is never taken for a slow buffer; a test that is about time sets its own.
        configuration.patience = 600_000
        configuration.heldPatience = 600_000
        configuration.commitPatience = 600_000
        configuration.defaultWait = 600_000
        configuration.maximumWait = 600_000
        change(&configuration)
        self.configuration = configuration
        self.storage = storage
        self.clock = clock
        self.topics = UnsettledTopics(configuration.routes, settled: settled)
        self.loop = try EventLoop(label: "ingest-test")
        self.metrics = IngestMetrics(registry: self.registry)
        self.waiters = DeliveryWaiters(limit: waiters)
        let room = self.room
        self.port = LinkPort(name: "ingest", bound: bound, room: { room.call() })
    }

    func stage() throws -> IngestStage {
        try IngestStage(
            loop: self.loop, configuration: self.configuration, port: self.port, room: self.room, server: self.server,
            waiters: self.waiters,
            topics: self.topics, metrics: self.metrics, storage: self.storage, clock: self.clock.now)
    }

    /// Sends requests in one turn of the loop, and returns when that turn has ended.
    @discardableResult
    func send(_ requests: FakeRequest...) async -> [RequestID] {
        let server = self.server
        let ids = try! await self.loop.perform { requests.map { server.send($0) } }
        await self.turn()
        return ids
    }

    func isDraining(_ stage: IngestStage) async -> Bool {
        try! await self.loop.perform { stage.assumeIsolated { $0.state.phase == .draining } }
    }

    /// A turn of the loop has gone by.
    func turn() async {
        try! await self.loop.perform {}
    }

    /// Sends a request and waits for its answer; somebody else settles.
    func answer(to request: FakeRequest) async -> SeenAnswer {
        await self.server.untilAnswered(await self.send(request)[0])
    }

    /// Runs a test with one running stage, and ends all of it.
    static func with(
        _ harness: IngestHarness, _ body: (IngestHarness, FakeBuffer) async throws -> Void
    ) async throws {
        let buffer = FakeBuffer(harness.port)
        let stage = try harness.stage()
        let run = Task { try await stage.run() }
        await harness.server.untilHandled(1)
        try await body(harness, buffer)
        run.cancel()
        _ = await run.result
        await harness.loop.stop()
    }
}

/// Takes submissions out of the link, numbers and settles them, as the buffer would.
final class FakeBuffer {
    private let port: LinkPort<Submission>
    private(set) var link: Link<Submission>
    private(set) var next: UInt64 = 1
    /// What was made durable, in order.
    private(set) var stored: [(sequence: UInt64, route: RouteID, event: SeenEvent)] = []

    init(_ port: LinkPort<Submission>) {
        self.port = port
        self.link = port.connect()
    }

    func disconnect() { self.port.disconnect(self.link) }
    func connect() { self.link = self.port.connect() }

    func take() -> [Submission] { self.link.takeWaiting(upTo: .max) }

    /// Gives sequences to the batches, and tells so.
    func number(_ submission: Submission) -> [UInt64] {
        let firsts = submission.batches.map { batch in
            defer { self.next += UInt64(batch.count) }
            var sequence = self.next
            batch.forEachEvent { event, _ in
                self.stored.append((sequence, batch.route, SeenEvent(event)))
                sequence += 1
            }
            return self.next
        }
        submission.ack.numbered(firsts)
        return firsts
    }

    func settle(_ submission: Submission, _ firsts: [UInt64]) {
        submission.ack.resolve(.durable(DurableReceipt(origin: IngestHarness.spool, firstSequences: firsts)))
    }

    /// Makes all that waits durable.
    @discardableResult
    func storeAll() -> Int {
        let submissions = self.take()
        for submission in submissions { self.settle(submission, self.number(submission)) }
        return submissions.count
    }
}

extension SpoolID {
    init(characters text: StaticString) {
        self.init(characters: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
}
