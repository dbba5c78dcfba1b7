import ForebayCore
import ForebayHTTP
import ForebayTelemetry
import Synchronization
import Testing

@testable import ForebayAdmin

@Suite("Admin: removing and moving what is set aside")
struct AsideMendingTests {
    private static func unit(_ topic: String, _ partition: Int32? = nil, events: UInt64) -> SetAsideUnitView {
        SetAsideUnitView(
            unit: partition.map { "\(topic)/\($0)" } ?? topic, topic: topic, partition: partition, state: .waiting, code: "C", reason: "r",
            since: 0, events: events, bytes: 1, oldestEventAgeSeconds: 1)
    }

    private let node = FakeNode(
        aside: ["orders", "other", "full"].map { route in
            SetAsideRouteView(
                name: DeliveryName(.forward, of: route), totals: SetAsideTotals(),
                units: [Self.unit("a", events: 5), Self.unit("a", 3, events: 2), Self.unit("b", events: 9)])
        })

    private func ask(_ method: HTTPMethod, _ query: [(String, String)]) async -> HTTPResponse {
        await AdminRoutes(node: self.node, registry: MetricsRegistry()).answer(
            AdminRequest(
                method: method, path: "/admin/v1/setaside" + (method == .post ? "/move" : ""),
                query: query.map { (name: $0.0, value: $0.1) }))
    }

    @Test("what was done, exact, of a topic, a partition, a route")
    func exact() async {
        let removed = await self.ask(.delete, [("unit", "a"), ("route", "orders")])
        #expect(
            removed.text
                == #"{"dry_run":false,"removed":7,"units":[{"delivery":"orders","unit":"a","code":"C","events":5},"#
                + #"{"delivery":"orders","unit":"a/3","code":"C","events":2}]}"#)
        let moved = await self.ask(.post, [("unit", "a/3"), ("route", "orders"), ("to", "c"), ("dry_run", "")])
        #expect(
            moved.text
                == #"{"dry_run":true,"moved":2,"to":"c","undelivered":[],"units":[{"delivery":"orders","unit":"a/3","code":"C","events":2}]}"#
        )
        #expect(await self.ask(.delete, [("all", "true"), ("route", "other")]).text.contains(#""removed":16"#))
        #expect(await self.ask(.delete, [("unit", "b")]).text.contains(#""removed":27"#))
    }

    @Test(
        "what is meant wrongly, or can't be done, is refused by name",
        arguments: [
            (false, [], 400, "bad_parameter"), (false, [("route", "orders")], 400, "bad_parameter"),
            (false, [("all", "true")], 400, "bad_parameter"), (false, [("all", ""), ("route", "orders")], 400, "bad_parameter"),
            (false, [("all", "true"), ("unit", "a"), ("route", "orders")], 400, "bad_parameter"),
            (false, [("unit", "")], 400, "bad_parameter"), (false, [("unit", "a/x")], 400, "bad_parameter"),
            (false, [("unit", "a/-1")], 400, "bad_parameter"), (false, [("unit", "a/99999999999")], 400, "bad_parameter"),
            (false, [("unit", "a/3/4")], 400, "bad_parameter"), (false, [("unit", "/3")], 400, "bad_parameter"),
            (false, [("unit", "a"), ("limit", "1")], 400, "bad_parameter"),
            (false, [("unit", "a"), ("to", "b")], 400, "unknown_parameter"),
            (false, [("unit", "nothing")], 404, "nothing_set_aside"), (false, [("unit", "a"), ("route", "nobody")], 404, "unknown_route"),
            (false, [("unit", "a"), ("route", "busy")], 409, "setaside_busy"),
            (false, [("unit", "a"), ("route", "starting")], 503, "starting"),
            (false, [("unit", "a"), ("route", "broken")], 500, "system_call"),
            (true, [("unit", "a"), ("route", "full"), ("to", "c")], 503, "spool_full"), (true, [("unit", "a")], 400, "bad_parameter"),
            (true, [("unit", "a"), ("to", "a/b")], 400, "invalid_topic"),
        ] as [(Bool, [(String, String)], Int, String)])
    func refused(isMove: Bool, query: [(String, String)], status: Int, code: String) async throws {
        let response = await self.ask(isMove ? .post : .delete, query)
        #expect(response.status == status)
        #expect(try response.object()["code"] as? String == code)
        if code == "spool_full" { #expect(response.text.contains("Only 7 were moved: no room.")) }
    }

    @Test("GET lists, and takes nothing else; other methods are refused")
    func methods() async {
        let routes = AdminRoutes(node: self.node, registry: MetricsRegistry())
        #expect(await routes.answer(AdminRequest(path: "/admin/v1/setaside", query: [("unit", "a")])).status == 400)
        #expect(await routes.answer(AdminRequest(path: "/admin/v1/setaside/move", query: [])).status == 405)
        #expect(await routes.answer(AdminRequest(method: .post, path: "/admin/v1/setaside", query: [])).status == 405)
        #expect(self.node.worked.withLock { $0.isEmpty })
    }
}
