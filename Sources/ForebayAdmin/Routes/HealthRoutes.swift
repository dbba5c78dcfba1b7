import ForebayHTTP
import ForebayTelemetry

extension AdminRoutes {
    /// The process and its loops move. Asks nothing that another process could break.
    func livez(_ request: AdminRequest) -> HTTPResponse {
        let now = LoopPulse.now
        return Self.probe(request, self.pulses.map { $0.check(at: now) }, code: "not_live")
    }

    func readyz(_ request: AdminRequest) -> HTTPResponse {
        Self.probe(request, self.node.health().readiness, code: "not_ready")
    }

    func startupz(_ request: AdminRequest) -> HTTPResponse {
        Self.probe(request, self.node.health().startup, code: "not_started")
    }

    /// 200 `ok`, or 503 with the checks that failed. `?verbose` tells every check.
    private static func probe(_ request: AdminRequest, _ checks: [NodeHealth.Check], code: String) -> HTTPResponse {
        let failed = checks.filter { !$0.isPassed }
        guard failed.isEmpty else {
            return ProblemDetails(
                status: 503, code: code, detail: failed.map { "\($0.name): \($0.detail)" }.joined(separator: "; "),
                errors: failed.map { .init(pointer: $0.name, code: "check_failed", detail: $0.detail) }
            ).response(to: nil)
        }
        guard request.value("verbose") != nil else { return HTTPResponse(status: 200, contentType: "text/plain", text: "ok\n") }
        var json = JSONWriter()
        json.object {
            $0.field("ok", true)
            $0.array("checks") { json in
                for check in checks {
                    json.object {
                        $0.field("name", check.name)
                        $0.field("ok", check.isPassed)
                        $0.field("detail", check.detail)
                    }
                }
            }
        }
        return .json(json)
    }
}

extension HTTPResponse {
    static func json(_ json: JSONWriter) -> HTTPResponse {
        HTTPResponse(status: 200, contentType: "application/json", headers: [("Cache-Control", "no-store")], body: json.bytes)
    }
}
