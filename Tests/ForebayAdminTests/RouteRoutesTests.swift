import ForebayCore
import ForebayHTTP
import ForebayTelemetry
import Synchronization
import Testing

@testable import ForebayAdmin

@Suite("Admin: routes and what they hold")
struct RouteRoutesTests {
    private static let held = [
        RouteHolding(
            name: DeliveryName(.forward, of: "orders"), isConfigured: true, isRequired: true, releasedEvents: 0, cursor: 7, lagEvents: 3,
            spoolBytes: 4096),
        RouteHolding(
            name: DeliveryName(.forward, of: "old"), isConfigured: false, isRequired: false, releasedEvents: 17, cursor: 2, lagEvents: 5,
            setAsideEvents: 6, deadLetters: 1,
            spoolBytes: 8192,
            setAsideBytes: 300, deadLetterBytes: 200, freedBytes: 4596),
        RouteHolding(name: DeliveryName(.mirror, of: "a b%41"), isConfigured: false, setAsideEvents: 1),
    ]
    private static let old =
        #"{"route":"old","stage":"forward","state":"removed","required":false,"cursor":2,"lag_events":5,"set_aside_events":6,"#
        + #""dead_letters":1,"released_events":17,"spool_bytes":8192,"set_aside_bytes":300,"dead_letter_bytes":200,"freed_bytes":4596}"#

    private let node = FakeNode(held: Self.held)

    private func ask(_ method: HTTPMethod, _ path: String, _ query: [(String, String)] = []) async -> HTTPResponse {
        await AdminRoutes(node: self.node, registry: MetricsRegistry()).answer(
            AdminRequest(method: method, path: path, query: query.map { (name: $0.0, value: $0.1) }))
    }

    @Test("all of them, exact")
    func exact() async {
        let orders =
            #"{"route":"orders","stage":"forward","state":"configured","required":true,"cursor":7,"lag_events":3,"set_aside_events":0,"#
            + #""dead_letters":0,"released_events":0,"spool_bytes":4096,"set_aside_bytes":0,"dead_letter_bytes":0,"freed_bytes":0}"#
        let text = await self.ask(.get, "/admin/v1/routes").text
        #expect(text.hasPrefix(#"{"routes":[\#(orders),\#(Self.old),{"route":"a b%41","stage":"mirror","#))
        #expect(text.contains(#""state":"removed","required":null,"cursor":null,"#))
    }

    @Test("one is given up, or a stage of it; a dry run only asks")
    func givenUp() async {
        #expect(
            await self.ask(.delete, "/admin/v1/routes/old", [("dry_run", "true")]).text == #"{"dry_run":true,"forgotten":[\#(Self.old)]}"#)
        #expect(await self.ask(.delete, "/admin/v1/routes/old").text == #"{"dry_run":false,"forgotten":[\#(Self.old)]}"#)
        // As the server gives it: a path is decoded there, once.
        #expect(await self.ask(.delete, "/admin/v1/routes/a b%41/mirror", [("dry_run", "false")]).status == 200)
        #expect(self.node.forgotten.withLock { $0 } == ["old/?", "old/", "a b%41/mirror"])
    }

    @Test(
        "refused, and nothing is given up",
        arguments: [
            ("orders", 409, "route_configured"), ("orders/forward", 409, "route_configured"), ("nobody", 404, "unknown_route"),
            ("old/mirror", 404, "unknown_route"), ("busy", 409, "route_busy"), ("broken", 500, "system_call"), ("", 404, "not_found"),
            ("old/", 404, "not_found"), ("/old", 404, "not_found"), ("old/forward/x", 404, "not_found"),
        ] as [(String, Int, String)])
    func refused(name: String, status: Int, code: String) async throws {
        let answer = await self.ask(.delete, "/admin/v1/routes/\(name)")
        #expect(answer.status == status)
        #expect(try answer.object()["code"] as? String == code)
        #expect(self.node.forgotten.withLock { $0.isEmpty })
    }

    @Test("a mirror that is configured is to be taken out, not its route")
    func configuredMirror() {
        let outcome = ForgetOutcome.configured(removed: [])
        #expect(
            outcome.refusal(of: "best", stage: "mirror")?.detail
                == "The mirror of route 'best' is configured: what it holds will be delivered. Take routes.best.mirror out of the "
                + "configuration first, and restart.")
        for stage in [nil, "forward"] {
            #expect(outcome.refusal(of: "best", stage: stage)?.detail.contains("The route 'best' is configured") == true)
        }
        #expect(LetterOutcome.reason(DeliveryName(.mirror, of: "best")).hasPrefix("The mirror of route 'best' is not configured"))
        #expect(LetterOutcome.reason(DeliveryName(.forward, of: "best")).hasPrefix("The route 'best' is not configured"))
    }

    @Test("a node that is still opening its disk")
    func opening() async throws {
        let routes = AdminRoutes(node: FakeNode(), registry: MetricsRegistry())
        for (method, path) in [(HTTPMethod.get, "/admin/v1/routes"), (.delete, "/admin/v1/routes/old")] {
            let answer = await routes.answer(AdminRequest(method: method, path: path))
            #expect(answer.status == 503)
            #expect(try answer.object()["code"] as? String == "starting")
        }
    }

    @Test("methods and parameters")
    func methods() async {
        #expect(await self.ask(.get, "/admin/v1/routes/old").status == 405)
        #expect(await self.ask(.get, "/admin/v1/routes/old").fieldText.contains("DELETE, OPTIONS"))
        #expect(await self.ask(.delete, "/admin/v1/routes").status == 405)
        #expect(await self.ask(.delete, "/admin/v1/status").status == 405)
        #expect(await self.ask(.delete, "/admin/v1/routes/old", [("dry_run", "maybe")]).status == 400)
        #expect(await self.ask(.delete, "/admin/v1/routes/old", [("force", "true")]).status == 400)
        #expect(await self.ask(.get, "/admin/v1/routes", [("route", "old")]).status == 400)
        #expect(await self.ask(.options, "/admin/v1/routes/old").status < 300)
        #expect(self.node.forgotten.withLock { $0.isEmpty })
    }

    @Test("a removed route and alarms in status")
    func status() async throws {
        var status = NodeStatus(node: "n", version: "1", startedAt: 0, uptimeSeconds: 1)
        status.routes = [
            RouteStatus(route: "old", stage: "forward", cluster: nil, state: "removed", cursor: 2, lagEvents: 5, heldBytes: 8692)
        ]
        status.buffers = [
            BufferStatus(
                name: "spool", bytes: 90, capacity: 100, maxSize: 100, firstSequence: 2, durableSequence: 9, segments: 1, isAccepting: true)
        ]
        status.alarms = [
            AlarmStatus(
                log: "setaside/old", what: "events of set-aside unit 3 can't be read: a segment is gone", file: "segment 4", lost: 7..<9,
                lostEvents: 1, topic: "t", noticedAt: 1_785_576_600_125, advice: "look at the disk"),
            AlarmStatus(
                kind: .notRemoved, log: "spool", what: "it is gone", file: "/d/spool/mark", noticedAt: 1_785_576_600_125,
                advice: "nothing is lost"),
        ]
        let answer = await AdminRoutes(node: FakeNode(status: status), registry: MetricsRegistry()).answer(
            AdminRequest(path: "/admin/v1/status"))
        let text = answer.text
        #expect(text.contains(#""cluster":null,"required":true,"state":"removed""#) && text.contains(#""held_bytes":8692"#))
        #expect(
            text.contains(
                #""alarms":[{"kind":"damage","log":"setaside/old","what":"events of set-aside unit 3 can't be read: a segment is gone","file":"segment 4","#
                    + #""lost_first":7,"lost_end":9,"lost_events":1,"uncounted":false,"#
                    + #""topic":"t","noticed_at":"2026-08-01T09:30:00.125Z","advice":"look at the disk"},"#
                    + #"{"kind":"not_removed","log":"spool","what":"it is gone","file":"/d/spool/mark","lost_first":null,"lost_end":null,"#
                    + #""lost_events":null,"uncounted":false,"topic":null,"#
            ))
        let culprit = try #require(try answer.object()["culprit"] as? [String: Any])
        #expect(culprit["route"] as? String == "old")
        #expect((culprit["message"] as? String)?.contains("forebay routes forget old") == true)
    }
}
