import ForebayAdmin
import ForebayHTTP
import ForebayIngest

/// The ingest server, whose handlers answer the probes beside (`listeners.ingest.probes`).
// Safe because: what it holds is safe, and never changes.
final class ProbedServer: RequestAnswering, @unchecked Sendable {
    private let server: HTTPServer
    private let routes: AdminRoutes

    init(_ server: HTTPServer, _ routes: AdminRoutes) {
        self.server = server
        self.routes = routes
    }

    func answer(_ id: RequestID, _ response: HTTPResponse) { self.server.answer(id, response) }

    func answer(_ id: RequestID, status: Int, fields: StaticString, body: UnsafeRawBufferPointer) {
        self.server.answer(id, status: status, fields: fields, body: body)
    }

    func replaceHandler(_ handler: any HTTPHandler) {
        self.server.replaceHandler(ProbingHandler(handler, routes: self.routes, server: self.server))
    }

    func pauseReading() { self.server.pauseReading() }
    func resumeReading() { self.server.resumeReading() }
}
