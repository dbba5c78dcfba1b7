package import ForebayHTTP
package import ForebayTelemetry

/// The admin API as a function from a request to its answer, over what the ``NodeView`` shows and does.
package struct AdminRoutes: Sendable {
    /// A resource: which methods and query parameters it takes, and what answers it.
    struct Route: Sendable {
        var allow = AdminRoutes.allow
        let parameters: Set<String>
        /// Those that may be given several times.
        var repeatable: Set<String> = []
        /// Methods that take parameters in a body, too, as a form.
        var formMethods: Set<String> = []
        let answer: @Sendable (AdminRoutes, AdminRequest) async -> HTTPResponse
    }

    private static let probeParameters: Set<String> = ["verbose"]

    static let allow = "GET, HEAD, OPTIONS"

    let node: any NodeView
    let registry: MetricsRegistry
    let pulses: [LoopPulse]

    package init(node: any NodeView, registry: MetricsRegistry, pulses: [LoopPulse] = []) {
        self.node = node
        self.registry = registry
        self.pulses = pulses
    }

    private static let routes: [String: Route] = [
        "/livez": Route(parameters: Self.probeParameters) { $0.livez($1) },
        "/healthz": Route(parameters: Self.probeParameters) { $0.livez($1) },
        "/readyz": Route(parameters: Self.probeParameters) { $0.readyz($1) },
        "/startupz": Route(parameters: Self.probeParameters) { $0.startupz($1) },
        "/metrics": Route(parameters: []) { $0.metrics($1) },
        "/admin/v1/status": Route(parameters: []) { routes, _ in await routes.status() },
        "/admin/v1/stages": Route(parameters: []) { routes, _ in await routes.stages() },
        "/admin/v1/buffers": Route(parameters: []) { routes, _ in await routes.buffers() },
        "/admin/v1/deadletters": Route(
            allow: Self.letterMethods, parameters: LetterSelection.parameters.union(["route", "limit", "after"]),
            repeatable: LetterSelection.repeatable, formMethods: ["DELETE"]
        ) { await $0.deadLettersOrRemoval($1) },
        "/admin/v1/deadletters/replay": Route(
            allow: "POST, OPTIONS", parameters: LetterSelection.parameters, repeatable: LetterSelection.repeatable, formMethods: ["POST"]
        ) { await $0.replay($1) },
        "/admin/v1/setaside": Route(
            allow: Self.letterMethods, parameters: AsideSelection.parameters.union(["limit"]), formMethods: ["DELETE"]
        ) { await $0.setAsideOrRemoval($1) },
        "/admin/v1/setaside/move": Route(
            allow: "POST, OPTIONS", parameters: AsideSelection.parameters.union(["to"]), formMethods: ["POST"]
        ) { await $0.move($1) },
        "/admin/v1/alarms": Route(allow: Self.alarmMethods, parameters: ["log"]) { await $0.alarms($1) },
        "/admin/v1/routes": Route(parameters: []) { await $0.routes($1) },
    ]

    private static let routeToForget = Route(allow: "DELETE, OPTIONS", parameters: ["dry_run"]) { await $0.forget($1) }

    private static func route(at path: String) -> Route? {
        self.routes[path] ?? (path.hasPrefix(self.routeFolder) ? self.routeToForget : nil)
    }

    /// Parts of the contract that a later version brings. Refused by name, so that nobody takes silence for an effect.
    private static let later = [
        "/openapi.json", "/admin/v1/targets", "/admin/v1/reload", "/admin/v1/drain", "/admin/v1/config",
    ]

    /// Why a request is refused before its body is read; none if it is not.
    package static func refusal(_ method: HTTPMethod, _ path: String) -> HTTPResponse? {
        guard let route = self.route(at: path) else {
            if Self.later.contains(where: { path == $0 || path.hasPrefix($0 + "/") }) {
                return ProblemDetails(
                    status: 501, code: "not_yet_supported", detail: "\(path) is part of the contract and not of this version.",
                    isRetryable: false
                ).response(to: nil)
            }
            return ProblemDetails(
                status: 404, code: "not_found", detail: "There is nothing at \(path). The admin API begins at /admin/v1/status."
            )
            .response(to: nil)
        }
        if method == .options { return .allowing(route.allow) }
        let isAllowed = route.allow.split(separator: ", ").contains { $0 == method.name }
        return isAllowed ? nil : ProblemDetails.methodNotAllowed(allow: route.allow).response(to: nil)
    }

    /// Bytes of a form.
    static let bodyLimit = 64 << 10

    /// How much of a body is read.
    package static func bodyLimit(_ method: HTTPMethod, _ path: String) -> Int {
        self.route(at: path).map { $0.formMethods.contains(method.name) } ?? false ? self.bodyLimit : 0
    }

    /// The answer. Not on the caller's executor: rendering thousands of series must not hold an event loop.
    @concurrent
    package func answer(_ request: AdminRequest) async -> HTTPResponse {
        if let refusal = Self.refusal(request.method, request.path) { return refusal }
        guard let route = Self.route(at: request.path) else { return Self.refusal(.get, request.path)! }
        if let refusal = Self.refusal(request, parameters: route.parameters, repeatable: route.repeatable) { return refusal }
        return await route.answer(self, request)
    }

    private static func refusal(
        _ request: AdminRequest, parameters: Set<String>, repeatable: Set<String> = []
    ) -> HTTPResponse? {
        if let type = request.strangeType {
            return ProblemDetails(
                status: 415, code: "unsupported_media_type", detail: "A body here is a form, of \(AdminRequest.form), and not of \(type)."
            ).response(to: nil)
        }
        guard let unknown = request.query.first(where: { !parameters.contains($0.name) }) else {
            let counts = Dictionary(request.query.map { ($0.name, 1) }, uniquingKeysWith: +)
            guard let repeated = request.query.first(where: { counts[$0.name, default: 0] > 1 && !repeatable.contains($0.name) }) else {
                return nil
            }
            return .badParameter(repeated.name, "given once")
        }
        return ProblemDetails(status: 400, code: "unknown_parameter", detail: "\(request.path) takes no parameter '\(unknown.name)'.")
            .response(to: nil)
    }

    // MARK: Probes

    static func isProbe(_ head: borrowing HTTPRequestHead) -> Bool {
        head.pathIs("/readyz") || head.pathIs("/livez") || head.pathIs("/startupz") || head.pathIs("/healthz")
    }

    /// The answer to a probe, at once and on the caller's thread: a probe must not stand behind requests that take long.
    ///
    /// - Returns: none for anything else.
    package func probe(_ request: AdminRequest) -> HTTPResponse? {
        let answer: (AdminRoutes) -> (AdminRequest) -> HTTPResponse
        switch request.path {
        case "/livez", "/healthz": answer = Self.livez
        case "/readyz": answer = Self.readyz
        case "/startupz": answer = Self.startupz
        default: return nil
        }
        return Self.refusal(request.method, request.path) ?? Self.refusal(request, parameters: Self.probeParameters)
            ?? answer(self)(request)
    }

    // MARK: Metrics

    private func metrics(_ request: AdminRequest) -> HTTPResponse {
        let format = Negotiation.format(accept: request.accept)
        return HTTPResponse(status: 200, contentType: format.contentType, text: self.registry.render(format))
    }
}
