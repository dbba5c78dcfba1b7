import ForebayCore
import ForebayHTTP
import ForebayTelemetry
import Testing

@testable import ForebayAdmin

@Suite("Admin: set aside")
struct SetAsideRoutesTests {
    private static let orders = SetAsideRouteView(
        name: DeliveryName(.forward, of: "orders"), totals: SetAsideTotals(units: 2, events: 12, bytes: 1200),
        units: [
            SetAsideUnitView(
                unit: "a", topic: "a", state: .waiting, code: "UNKNOWN_TOPIC_OR_PART", reason: "Broker: Unknown topic or partition",
                advice: "create 'a'", since: 1_785_576_600_125, events: 5, bytes: 500, oldestEventAgeSeconds: 1.5),
            SetAsideUnitView(
                unit: "b/3", topic: "b", partition: 3, state: .draining, code: "LEADER_NOT_AVAILABLE", reason: "no \"leader\"",
                since: 1_785_576_600_125, events: 7, bytes: 700, oldestEventAgeSeconds: 2),
        ])
    private static let other = SetAsideRouteView(name: DeliveryName(.forward, of: "other"), totals: SetAsideTotals(), units: [])

    private static let first =
        #"{"unit":"a","topic":"a","partition":null,"state":"waiting","code":"UNKNOWN_TOPIC_OR_PART","#
        + #""reason":"Broker: Unknown topic or partition","advice":"create 'a'","since":"2026-08-01T09:30:00.125Z","#
        + #""events":5,"bytes":500,"oldest_event_age_seconds":1.5}"#
    private static let second =
        #"{"unit":"b/3","topic":"b","partition":3,"state":"draining","code":"LEADER_NOT_AVAILABLE","#
        + #""reason":"no \"leader\"","advice":null,"since":"2026-08-01T09:30:00.125Z","#
        + #""events":7,"bytes":700,"oldest_event_age_seconds":2.0}"#

    private func get(_ query: [(String, String)]) async -> HTTPResponse {
        let node = FakeNode(aside: [Self.orders, Self.other])
        return await AdminRoutes(node: node, registry: MetricsRegistry()).answer(
            AdminRequest(path: "/admin/v1/setaside", query: query.map { (name: $0.0, value: $0.1) }))
    }

    @Test("every route, exact")
    func exact() async {
        let head = #"{"route":"orders","stage":"forward","units_total":2,"events":12,"bytes":1200,"units":["#
        let tail = #"{"route":"other","stage":"forward","units_total":0,"events":0,"bytes":0,"units":[]}"#
        #expect(await self.get([]).text == #"{"routes":[\#(head)\#(Self.first),\#(Self.second)]},\#(tail)]}"#)
    }

    @Test("one route, its list cut, its totals whole")
    func limited() async {
        let response = await self.get([("route", "orders"), ("limit", "1")])
        #expect(
            response.text
                == #"{"routes":[{"route":"orders","stage":"forward","units_total":2,"events":12,"bytes":1200,"units":[\#(Self.first)]}]}"#)
        #expect(await self.get([("limit", "5000")]).status == 200)
    }

    @Test("a node that is still opening its disk has none")
    func opening() async {
        let routes = AdminRoutes(node: FakeNode(), registry: MetricsRegistry())
        #expect(await routes.answer(AdminRequest(path: "/admin/v1/setaside")).text == #"{"routes":[]}"#)
    }

    @Test(
        "asked wrongly",
        arguments: [
            ([("route", "nobody")], 404, "unknown_route"), ([("route", "")], 404, "unknown_route"),
            ([("limit", "0")], 400, "bad_parameter"), ([("limit", "5001")], 400, "bad_parameter"),
            ([("limit", "+5")], 400, "bad_parameter"), ([("limit", "")], 400, "bad_parameter"),
            ([("limit", "99999999999999999999")], 400, "bad_parameter"), ([("after", "1")], 400, "unknown_parameter"),
        ] as [([(String, String)], Int, String)])
    func wrong(query: [(String, String)], status: Int, code: String) async throws {
        let response = await self.get(query)
        #expect(response.status == status)
        #expect(try response.object()["code"] as? String == code)
    }
}
