import ForebayHTTP
import ForebayTelemetry

extension AdminRoutes {
    /// Units of a route in one answer, unless asked for fewer or more.
    static let setAsideDefault = 1000
    static let setAsideLimit = 5000

    /// What is set aside of each route, or of the one asked for: its units by name, cut at `limit`, and how much it is in all.
    func setAside(_ request: AdminRequest) -> HTTPResponse {
        guard let limit = request.limit(or: Self.setAsideDefault, atMost: Self.setAsideLimit) else {
            return .badLimit(atMost: Self.setAsideLimit)
        }
        let route = request.value("route")
        guard let routes = self.node.setAside(route: route, limit: limit) else { return .unknownRoute(route ?? "") }
        var json = JSONWriter(reserving: 2048)
        json.object {
            $0.array("routes") { json in
                for route in routes { json.object { Self.write(route, to: &$0) } }
            }
        }
        return .json(json)
    }

    private static func write(_ route: SetAsideRouteView, to json: inout JSONWriter) {
        json.field("route", route.route)
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
