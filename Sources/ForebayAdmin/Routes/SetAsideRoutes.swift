import ForebayCore
import ForebayHTTP
import ForebayTelemetry

extension AdminRoutes {
    /// Units of a route in one answer, unless asked for fewer or more.
    static let setAsideDefault = 1000
    static let setAsideLimit = 5000

    /// `GET`: a list. `DELETE`: what is meant is removed.
    func setAsideOrRemoval(_ request: AdminRequest) async -> HTTPResponse {
        guard request.method == .delete else { return self.setAside(request) }
        if request.value("limit") != nil { return .badParameter("limit", "left out with DELETE") }
        return await self.mend(.remove, request)
    }

    /// `POST …/move`: what is meant goes to another topic.
    func move(_ request: AdminRequest) async -> HTTPResponse {
        guard let topic = request.value("to") else { return .badParameter("to", "the topic where they are to go") }
        return await self.mend(.move(topic), request)
    }

    private func mend(_ action: AsideSelection.Action, _ request: AdminRequest) async -> HTTPResponse {
        let selection: AsideSelection
        do throws(LetterSelection.Fault) {
            selection = try AsideSelection(request.query)
        } catch {
            return .badParameter(error.parameter, error.wanted)
        }
        return await Self.answer { () throws(ForebayError) in try await self.node.mend(action, selection) }
    }

    /// What is set aside of each delivery, or of the one asked for: its units by name, cut at `limit`, and how much it is in all.
    func setAside(_ request: AdminRequest) -> HTTPResponse {
        if let name = request.query.first(where: { !["route", "limit"].contains($0.name) })?.name {
            return .badParameter(name, "left out with GET, which takes route and limit")
        }
        guard let limit = request.limit(or: Self.setAsideDefault, atMost: Self.setAsideLimit) else {
            return .badLimit(atMost: Self.setAsideLimit)
        }
        let route = request.value("route")
        guard let routes = self.node.setAside(of: route.map { DeliveryName(name: $0) }, limit: limit) else {
            return .unknownRoute(route ?? "")
        }
        var json = JSONWriter(reserving: 2048)
        json.object {
            $0.array("routes") { json in
                for route in routes { json.object { Self.write(route, to: &$0) } }
            }
        }
        return .json(json)
    }

    private static func write(_ route: SetAsideRouteView, to json: inout JSONWriter) {
        json.field("route", route.name.route)
        json.field("stage", route.name.stage.rawValue)
        json.field("units_total", route.totals.units)
        json.field("events", route.totals.events)
        json.field("bytes", route.totals.bytes)
        json.array("units") { json in
            for unit in route.units { json.object { Self.write(unit, to: &$0) } }
        }
    }

    private static func write(_ unit: SetAsideUnitView, to json: inout JSONWriter) {
        json.field("unit", unit.unit)
        json.field("topic", unit.topic)
        json.field("partition", unit.partition)
        json.field("state", unit.state.rawValue)
        json.field("code", unit.code)
        json.field("reason", unit.reason)
        json.field("advice", unit.advice)
        json.field("since", Timestamp.rfc3339(unit.since))
        json.field("events", unit.events)
        json.field("bytes", unit.bytes)
        json.field("oldest_event_age_seconds", unit.oldestEventAgeSeconds)
    }
}
