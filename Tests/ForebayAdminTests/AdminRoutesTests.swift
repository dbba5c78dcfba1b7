import ForebayCore
import ForebayHTTP
import ForebayTelemetry
import Testing

@testable import ForebayAdmin

@Suite("Admin routes")
struct AdminRoutesTests {
    private let registry = MetricsRegistry()

    private func answer(_ request: AdminRequest, node: FakeNode = FakeNode(), pulses: [LoopPulse] = []) async -> HTTPResponse {
        await AdminRoutes(node: node, registry: self.registry, pulses: pulses).answer(request)
    }

    @Test("probes: ok, or 503 with what failed", arguments: ["/livez", "/healthz", "/readyz", "/startupz"])
    func probes(path: String) async throws {
        let good = await self.answer(AdminRequest(path: path))
        #expect(good.status == 200 && good.text == "ok\n")
        let verbose = await self.answer(
            AdminRequest(path: path, query: [("verbose", "")]), pulses: [LoopPulse(label: "edge", metrics: self.registry)])
        #expect(try verbose.object()["ok"] as? Bool == true)
        #expect((try verbose.object()["checks"] as? [[String: Any]])?.isEmpty == false)

        let starting = FakeNode(health: NodeHealth(phase: .starting, buffer: .opening, isListening: false))
        let stuck = LoopPulse(label: "edge", metrics: self.registry)
        stuck.beat(at: 0)
        let bad = await self.answer(AdminRequest(path: path), node: starting, pulses: [stuck])
        #expect(bad.status == 503)
        #expect(bad.fieldText.contains("application/problem+json") && bad.fieldText.contains("Retry-After: "))
        #expect((try bad.object()["errors"] as? [[String: Any]])?.isEmpty == false)
    }

    @Test("liveness asks neither the buffer nor the stages")
    func liveness() async {
        let sick = FakeNode(health: NodeHealth(phase: .running, buffer: .failed("disk"), isListening: false, missingStages: ["all"]))
        #expect(await self.answer(AdminRequest(path: "/livez"), node: sick).status == 200)
        #expect(await self.answer(AdminRequest(path: "/readyz"), node: sick).status == 503)
    }

    @Test("a parameter that is given twice is refused, whichever it is")
    func repeatedParameters() async {
        for path in ["/admin/v1/deadletters", "/admin/v1/setaside"] {
            for query in [[("route", "x"), ("route", "w")], [("limit", "1"), ("route", "x"), ("limit", "1")]] {
                let response = await self.answer(AdminRequest(path: path, query: query.map { (name: $0.0, value: $0.1) }), node: FakeNode())
                #expect(response.status == 400 && response.text.contains("given once"), "\(path) \(query)")
            }
        }
    }

    @Test("giving up a stage that a route does not have names those that it has")
    func unknownStage() {
        let refusal = ForgetOutcome.unknownStage("mirror", known: ["forward"]).refusal(of: "r")
        #expect(
            refusal?.status == 404
                && refusal?.detail == "Nothing is left of a stage 'mirror' of route 'r'; there is something left of its forward.")
    }

    @Test("dead letters that take most of the room are named as what fills the buffer")
    func deadLettersFill() {
        func culprit(_ bytes: Int, letters: UInt64 = 11) -> Culprit? {
            Culprit.find(
                buffers: [
                    BufferStatus(
                        name: "spool", bytes: 100, capacity: 100, firstSequence: 0, durableSequence: 9, segments: 1, isAccepting: false)
                ],
                routes: [
                    RouteStatus(route: "a", stage: "forward", cluster: "main", state: "waiting", cursor: 5, lagEvents: 95),
                    RouteStatus(
                        route: "b", stage: "forward", cluster: "main", state: "idle", cursor: 9, lagEvents: 0, deadLetters: letters,
                        deadLetterBytes: bytes),
                ])
        }
        #expect(culprit(50)?.stage == "deadletters" && culprit(50)?.route == "b")
        #expect(culprit(50)?.message.contains("buffer.spool.max_size") == true)
        #expect(culprit(49)?.route == "a" && culprit(50, letters: 0)?.route == "a")
    }

    @Test("status, exact")
    func status() async {
        var status = NodeStatus(node: "n1", version: "1.2.3", startedAt: 1_785_576_600_125, uptimeSeconds: 12.5)
        status.stages = [
            StageReport(
                name: "forward/orders", state: .waiting, restarts: 3, lastError: "no brokers", since: 1_785_576_600_125,
                facts: [Fact("in_flight", .number(5)), Fact("cluster", .text("main")), Fact("blocked", .flag(true))])
        ]
        status.buffers = [
            BufferStatus(
                name: "spool", bytes: 90, capacity: 120, oldestEventAgeSeconds: 1.5, firstSequence: 5, durableSequence: 100, segments: 2,
                isAccepting: false, fullSince: 1_785_576_600_125, missing: [.init(events: 7..<9, file: "0001.seg", reason: "bad checksum")])
        ]
        status.routes = [
            RouteStatus(
                route: "orders", stage: "forward", cluster: "main", isRequired: false, releasedEvents: 40, state: "waiting", cursor: 5,
                lagEvents: 95, oldestEventAgeSeconds: 1.5,
                inFlightEvents: 4, inFlightBytes: 400, deadLetters: 1, setAside: SetAsideTotals(units: 2, events: 7, bytes: 10),
                lastError: RouteError(code: "_ALL_BROKERS_DOWN", reason: "no brokers", since: 1_785_576_600_125))
        ]
        let node = FakeNode(health: NodeHealth(phase: .running, buffer: .full, isListening: true), status: status)

        let response = await self.answer(AdminRequest(path: "/admin/v1/status"), node: node)

        #expect(response.fieldText.contains("Content-Type: application/json") && response.fieldText.contains("Cache-Control: no-store"))
        #expect(
            response.text
                == #"{"node":"n1","version":"1.2.3","started_at":"2026-08-01T09:30:00.125Z","uptime_seconds":12.5,"phase":"running","ready":false,"#
                + #""reason":"buffer: full: it accepts again when the backlog has shrunk","#
                + #""stages":[{"name":"forward/orders","state":"waiting","restarts":3,"last_error":"no brokers","since":"2026-08-01T09:30:00.125Z","#
                + #""facts":{"in_flight":5,"cluster":"main","blocked":true}}],"#
                + #""buffer":{"name":"spool","bytes":90,"capacity":120,"max_size":null,"fill":0.75,"accepting":false,"full_since":"2026-08-01T09:30:00.125Z","oldest_event_age_seconds":1.5,"#
                + #""first_sequence":5,"durable_sequence":100,"segments":2,"#
                + #""missing":[{"first":7,"end":9,"file":"0001.seg","reason":"bad checksum"}]},"#
                + #""routes":[{"route":"orders","stage":"forward","cluster":"main","required":false,"state":"waiting","cursor":5,"lag_events":95,"#
                + #""oldest_event_age_seconds":1.5,"in_flight_events":4,"in_flight_bytes":400,"dead_letters":1,"dead_letter_bytes":0,"#
                + #""set_aside_events":7,"set_aside_units":2,"released_events":40,"held_bytes":null,"last_error":{"code":"_ALL_BROKERS_DOWN","reason":"no brokers","advice":null,"since":"2026-08-01T09:30:00.125Z"}}],"#
                + #""culprit":{"route":"orders","stage":"forward","cluster":"main","lag_events":95,"state":"waiting","gives_way":true,"last_error":"_ALL_BROKERS_DOWN: no brokers","#
                + #""message":"forward of route orders to cluster main is behind by 95 events (waiting): _ALL_BROKERS_DOWN: no brokers"},"alarms":[]}"#
        )
    }

    @Test("status of a node without anything has its fields all the same")
    func emptyStatus() async throws {
        let object = try await self.answer(AdminRequest(path: "/admin/v1/status")).object()
        #expect(object["ready"] as? Bool == true)
        #expect(object.keys.contains("reason") && object.keys.contains("culprit") && object.keys.contains("alarms"))
        #expect((object["stages"] as? [Any])?.isEmpty == true && (object["routes"] as? [Any])?.isEmpty == true)
    }

    @Test("stages and buffers alone")
    func parts() async throws {
        #expect(try await self.answer(AdminRequest(path: "/admin/v1/stages")).object().keys.sorted() == ["stages"])
        #expect(try await self.answer(AdminRequest(path: "/admin/v1/buffers")).object().keys.sorted() == ["buffers", "culprit"])
    }

    @Test(
        "metrics in the text that the scraper asks for",
        arguments: [
            ("", false), ("*/*", false), ("text/plain", false), ("application/openmetrics-text", true),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", true),
            ("application/openmetrics-text;version=2.0.0", false),
            ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.9", false),
            ("application/openmetrics-text;version=1.0.0;q=0", false),
            // What Prometheus 2.42 sends.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                true
            ),
        ])
    func metrics(accept: String, isOpen: Bool) async {
        self.registry.counter("forebay_a_total", help: "A.").increment()
        let response = await self.answer(AdminRequest(path: "/metrics", accept: accept))
        #expect(response.status == 200)
        #expect(response.text.hasSuffix("# EOF\n") == isOpen)
        #expect(
            response.fieldText.contains(
                isOpen ? "application/openmetrics-text; version=1.0.0; charset=utf-8" : "text/plain; version=0.0.4; charset=utf-8"))
    }

    @Test("what is not there, not yet there, or asked wrongly is refused by name")
    func refusals() async throws {
        let cases: [(AdminRequest, Int, String)] = [
            (AdminRequest(path: "/nothing"), 404, "not_found"),
            (AdminRequest(path: "/admin/v1/statusx"), 404, "not_found"),
            (AdminRequest(path: "/openapi.json"), 501, "not_yet_supported"),
            (AdminRequest(method: .post, path: "/admin/v1/reload"), 501, "not_yet_supported"),
            (AdminRequest(method: .post, path: "/admin/v1/targets/orders/switch"), 501, "not_yet_supported"),
            (AdminRequest(method: .post, path: "/admin/v1/status"), 405, "method_not_allowed"),
            (AdminRequest(method: .delete, path: "/admin/v1/setaside/units"), 404, "not_found"),
            (AdminRequest(path: "/admin/v1/status", query: [("pretty", "1")]), 400, "unknown_parameter"),
        ]
        for (request, status, code) in cases {
            let response = await self.answer(request)
            #expect(response.status == status, "\(request.path)")
            #expect(try response.object()["code"] as? String == code)
            #expect(try response.object()["retryable"] as? Bool == false)
            #expect(response.fieldText.contains("application/problem+json"))
            if status == 405 { #expect(response.fieldText.contains("Allow: GET, HEAD, OPTIONS\r\n")) }
        }
        let options = await self.answer(AdminRequest(method: .options, path: "/admin/v1/status"))
        #expect(options.status == 204 && options.fieldText.contains("Allow: GET, HEAD, OPTIONS\r\n"))
    }

    @Test(
        "query text",
        arguments: [
            ("", []), ("a=1&b=2", ["a=1", "b=2"]), ("a", ["a="]), ("a=b=c", ["a=b=c"]), ("a=x%20y+z%2f", ["a=x y z/"]),
            ("a=%zz%4", ["a=%zz%4"]),
            ("&&a=1&", ["a=1"]), ("a=%+1", ["a=% 1"]),
        ])
    func query(text: String, pairs: [String]) {
        #expect(QueryText.pairs(text).map { "\($0.name)=\($0.value)" } == pairs)
    }
}
