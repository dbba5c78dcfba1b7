import ForebayCore
package import ForebayHTTP
package import ForebayNet
import ForebayTelemetry

/// Answers the admin listener. It lives on the edge loop, where its server does; the answers are made elsewhere
/// (``AdminRoutes/answer(_:)``).
///
/// It also keeps the once-a-second work that nobody else has: the loops' pulses, and log lines that wait for their reader or their fold's
/// end.
package actor AdminStage: Stage {
    /// Requests in work at once: an answer is held in memory whole, and a scraper that does not wait must not fill it.
    static let inFlightLimit = 64

    private let loop: EventLoop
    private let server: any AdminServer
    private let health: (server: any AdminServer, hasMetrics: Bool)?
    private let rule: CallerRule
    private let routes: AdminRoutes
    private let beats: [(pulse: LoopPulse, loop: EventLoop)]
    private var inFlight = 0

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    /// - Parameters:
    ///   - loop: the edge loop, on which `server` lives too.
    ///   - server: of the admin listener.
    ///   - health: of the listener for probes, and whether it gives the metrics too; none if there is no such listener.
    ///   - routes: what there is to answer, with a pulse for each of `loops`.
    ///   - loops: all event loops of the process, whose progress `/livez` tells.
    package init(
        loop: EventLoop, server: any AdminServer, health: (server: any AdminServer, hasMetrics: Bool)? = nil,
        rule: CallerRule = CallerRule(), routes: AdminRoutes, loops: [EventLoop]
    ) {
        self.loop = loop
        self.server = server
        self.health = health
        self.rule = rule
        self.beats = Array(zip(routes.pulses, loops))
        self.routes = routes
    }

    /// Answers requests until it is cancelled.
    package func run() async throws {
        let timers = await self.startBeating()
        self.server.replaceHandler(AdminHandler(stage: self, server: self.server, rule: self.rule))
        if let (server, hasMetrics) = self.health {
            server.replaceHandler(HealthHandler(stage: self, routes: self.routes, server: server, hasMetrics: hasMetrics))
        }
        // Requests drive this stage; its task only keeps it alive.
        for await _ in AsyncStream.makeStream(of: Never.self, bufferingPolicy: .bufferingNewest(1)).stream {}
        for timer in timers { timer.cancel() }
        throw CancellationError()
    }

    /// - Parameter server: which has it from its client. On its loop.
    nonisolated func request(_ id: RequestID, _ request: AdminRequest, of server: any AdminServer) {
        self.assumeIsolated { $0.take(id, request, server) }
    }

    private func take(_ id: RequestID, _ request: AdminRequest, _ server: any AdminServer) {
        if let response = self.routes.probe(request) { return server.answer(id, response) }
        guard self.inFlight < Self.inFlightLimit else {
            let problem = ProblemDetails(
                status: 503, code: "too_many_requests_in_work", detail: "The admin API has enough to answer already.")
            return server.answer(id, problem.response(to: id))
        }
        self.inFlight += 1
        Task {
            let response = await self.routes.answer(request)
            self.inFlight -= 1
            server.answer(id, response)
        }
    }

    private func startBeating() async -> [BeatTimer] {
        var timers: [BeatTimer] = []
        for (pulse, loop) in self.beats {
            let isOwn = loop === self.loop
            let start: @Sendable () -> BeatTimer = {
                BeatTimer(loop: loop, timer: pulse.start(on: loop) { if isOwn { LogSink.shared.tick() } })
            }
            // The closure can't throw, so neither can this.
            if let timer = try? await loop.perform(start) { timers.append(timer) }
        }
        return timers
    }
}

/// A timer of another loop, which only that loop may cancel.
// Safe because: the timer is made on its loop and touched on its loop only.
private final class BeatTimer: @unchecked Sendable {
    private let loop: EventLoop
    private let timer: Timer

    init(loop: EventLoop, timer: Timer) {
        self.loop = loop
        self.timer = timer
    }

    func cancel() { self.loop.execute { self.timer.cancel() } }
}

/// What the stage needs of its server; the tests give another.
package protocol AdminServer: AnyObject, Sendable {
    func answer(_ id: RequestID, _ response: HTTPResponse)
    func replaceHandler(_ handler: any HTTPHandler)
}

extension HTTPServer: AdminServer {}

/// Between the server, which calls on the loop's thread, and the stage, which lives on it.
final class AdminHandler: HTTPHandler {
    private let stage: AdminStage
    private let server: any AdminServer
    private let rule: CallerRule

    init(stage: AdminStage, server: any AdminServer, rule: CallerRule) {
        self.stage = stage
        self.server = server
        self.rule = rule
    }

    func head(_ request: borrowing HTTPRequestHead) -> HTTPVerdict {
        if let refusal = self.rule.refusal(of: request) { return .refuse(refusal) }
        return AdminRoutes.refusal(request.method, request.pathText).map { .refuse($0) }
            ?? .accept(bodyLimit: AdminRoutes.bodyLimit(request.method, request.pathText))
    }

    func request(_ id: RequestID, _ request: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer) {
        self.stage.request(id, AdminRequest(request, body), of: self.server)
    }
}
