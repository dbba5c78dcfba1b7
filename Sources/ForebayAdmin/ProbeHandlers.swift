package import ForebayHTTP

/// Answers the probes on a listener that has something else to do: `listeners.ingest.probes`.
package final class ProbingHandler: HTTPHandler {
    private let inner: any HTTPHandler
    private let routes: AdminRoutes
    private let server: any AdminServer

    /// - Parameters:
    ///   - inner: gets all other requests.
    ///   - server: whose requests these are.
    package init(_ inner: any HTTPHandler, routes: AdminRoutes, server: any AdminServer) {
        self.inner = inner
        self.routes = routes
        self.server = server
    }

    package func head(_ request: borrowing HTTPRequestHead) -> HTTPVerdict {
        guard AdminRoutes.isProbe(request) else { return self.inner.head(request) }
        return AdminRoutes.refusal(request.method, request.pathText).map { .refuse($0) } ?? .accept(bodyLimit: 0)
    }

    package func request(_ id: RequestID, _ request: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer) {
        guard AdminRoutes.isProbe(request), let response = self.routes.probe(AdminRequest(request)) else {
            return self.inner.request(id, request, body)
        }
        self.server.answer(id, response)
    }

    package func ended(_ id: RequestID) { self.inner.ended(id) }

    package func dropped(_ id: RequestID) { self.inner.dropped(id) }
}

/// Answers the probes and nothing else, or the metrics too: `listeners.health`. It asks nobody who they are, so it tells nothing more.
final class HealthHandler: HTTPHandler {
    private let stage: AdminStage
    private let routes: AdminRoutes
    private let server: any AdminServer
    private let hasMetrics: Bool

    init(stage: AdminStage, routes: AdminRoutes, server: any AdminServer, hasMetrics: Bool) {
        self.stage = stage
        self.routes = routes
        self.server = server
        self.hasMetrics = hasMetrics
    }

    func head(_ request: borrowing HTTPRequestHead) -> HTTPVerdict {
        guard AdminRoutes.isProbe(request) || self.hasMetrics && request.pathIs("/metrics") else {
            let paths = "/livez, /readyz, /startupz" + (self.hasMetrics ? ", /metrics" : "")
            return .refuse(ProblemDetails(status: 404, code: "not_found", detail: "Here are \(paths).").response(to: request.id))
        }
        return AdminRoutes.refusal(request.method, request.pathText).map { .refuse($0) } ?? .accept(bodyLimit: 0)
    }

    func request(_ id: RequestID, _ request: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer) {
        self.stage.request(id, AdminRequest(request), of: self.server)
    }
}
