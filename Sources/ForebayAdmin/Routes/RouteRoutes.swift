import ForebayCore
import ForebayHTTP
package import ForebayTelemetry

extension AdminRoutes {
    /// Under it each route is a resource, and each stage of one.
    static let routeFolder = "/admin/v1/routes/"

    /// What each route holds on disk, also those that are not configured any more.
    func routes(_ request: AdminRequest) async -> HTTPResponse {
        do throws(ForebayError) {
            guard let routes = try await self.node.routes() else { return Self.refusal(ForgetOutcome.starting, "") }
            return .json(Self.document(of: routes))
        } catch {
            return .failed(error)
        }
    }

    /// `DELETE …/{route}[/{stage}]`: gives up what a removed route holds; with `dry_run=true` says what that is.
    func forget(_ request: AdminRequest) async -> HTTPResponse {
        let names = request.path.dropFirst(Self.routeFolder.count).split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard let route = names.first, names.count <= 2, names.allSatisfy({ !$0.isEmpty }) else {
            return ProblemDetails(status: 404, code: "not_found", detail: "Name a route, and a stage of it if you like.").response(to: nil)
        }
        let isDryRun: Bool
        switch request.value("dry_run") {
        case nil, "false"?: isDryRun = false
        case "true"?, ""?: isDryRun = true
        default: return .badParameter("dry_run", "true or false")
        }
        do throws(ForebayError) {
            let outcome = try await self.node.forget(route: route, stage: names.count == 2 ? names[1] : nil, isDryRun: isDryRun)
            guard case .forgotten(let held) = outcome else {
                return Self.refusal(outcome, route, stage: names.count == 2 ? names[1] : nil)
            }
            return .json(Self.document(of: held, forgotten: isDryRun))
        } catch {
            return .failed(error)
        }
    }

    private static func refusal(_ outcome: ForgetOutcome, _ route: String, stage: String? = nil) -> HTTPResponse {
        .refused(outcome.refusal(of: route, stage: stage) ?? Refusal(500, "internal", ""))
    }

    /// What `GET` answers; also what is told of a node that is down.
    package static func document(of routes: [RouteHolding]) -> JSONWriter {
        var json = JSONWriter(reserving: 1024)
        json.object { Self.write(routes, "routes", to: &$0) }
        return json
    }

    /// What `DELETE` answers.
    package static func document(of routes: [RouteHolding], forgotten isDryRun: Bool) -> JSONWriter {
        var json = JSONWriter(reserving: 1024)
        json.object {
            $0.field("dry_run", isDryRun)
            Self.write(routes, "forgotten", to: &$0)
        }
        return json
    }

    private static func write(_ routes: [RouteHolding], _ key: String, to json: inout JSONWriter) {
        json.array(key) { json in
            for route in routes {
                json.object {
                    $0.field("route", route.name.route)
                    $0.field("stage", route.name.stage.rawValue)
                    $0.field("state", route.isConfigured.map { $0 ? "configured" : "removed" })
                    $0.field("required", route.isRequired)
                    $0.field("cursor", route.cursor)
                    $0.field("lag_events", route.lagEvents)
                    $0.field("set_aside_events", route.setAsideEvents)
                    $0.field("dead_letters", route.deadLetters)
                    $0.field("released_events", route.releasedEvents)
                    $0.field("spool_bytes", route.spoolBytes)
                    $0.field("set_aside_bytes", route.setAsideBytes)
                    $0.field("dead_letter_bytes", route.deadLetterBytes)
                    $0.field("freed_bytes", route.freedBytes)
                }
            }
        }
    }
}
