import ForebayTestKit
import Testing

/// Routes that deliver to two clusters.
extension StatusCommandTests {
    private static let idle = #""state":"idle","lag_events":0,"set_aside_events":0,"set_aside_units":0,"last_error":null"#

    @Test("what a mirror that is not required gave up is told of, and has columns of its own")
    func givenUp() async throws {
        let mirror = #"{"route":"best","stage":"mirror","cluster":"backup","required":false,"released_events":9000,\#(Self.idle)}"#
        let body = Self.node(#""required":true,"released_events":0,"# + Self.idle).replacing(
            "}],\n \"culprit\"", with: "},\(mirror)],\"culprit\"")
        #expect(
            try await Self.troubles(of: body) == """
                mirror of route best gave up 9,000 of its oldest events since the start: cluster backup does not get them
                    why    there was no room for new events, and it is not required
                    do     the log says which they are ('gave up its oldest'); the main delivery has them. If it is to keep more, raise buffer.spool.max_size
                """)
        let server = ScriptedServer { _, _ in ScriptedAnswer(status: 200, body: body) }
        defer { server.stop() }
        let rows = try await BuiltProgram.run("status", "--url", server.url).out.split(separator: "\n").map { line in
            line.split(separator: " ").map(String.init)
        }
        #expect(rows.first { $0.first == "ROUTE" }?.suffix(3) == ["REQUIRED", "GIVEN", "UP"])
        #expect(rows.first { $0.first == "best" && $0.dropFirst().first == "mirror" }?.suffix(2) == ["no", "9,000"])
        #expect(rows.first { $0.first == "default" }?.suffix(2) == ["yes", "0"])
    }

    @Test("two deliveries of a route whose clusters say that they are the same one")
    func twins() async throws {
        func stages(_ id: String) -> String {
            [("forward", "one"), ("mirror", id)].map { stage, id in
                #"{"name":"\#(stage)/default","state":"running","restarts":0,"facts":{"cluster_id":"\#(id)"}}"#
            }.joined(separator: ",")
        }
        func body(_ id: String) -> String { Self.node(Self.idle).replacing(#""stages":[]"#, with: #""stages":[\#(stages(id))]"#) }
        #expect(
            try await Self.troubles(of: body("one")).hasPrefix(
                """
                mirror of route default goes to the cluster of its main delivery: each event stands there twice
                    why    both say that they are the cluster one
                """))
        #expect(try await Self.troubles(of: body("two")) == "nothing is stuck")
    }

    @Test("while its cluster is away nobody knows whether what a unit was set aside for still holds")
    func asideAndAway() async throws {
        let aside = #"""
            {"routes":[{"route":"default","units_total":1,"events":4,"units":[
              {"unit":"orders","topic":"orders","partition":null,"state":"waiting","code":"UNKNOWN_TOPIC_OR_PART","reason":"no such topic",
               "advice":"create 'orders'","since":"2026-11-21T13:09:00.000Z","events":4,"oldest_event_age_seconds":13.0}]}]}
            """#
        let body = Self.node(#""state":"idle","lag_events":0,"set_aside_events":4,"set_aside_units":1,"last_error":null"#)
        for isAway in [true, false] {
            let stage = #"{"name":"forward/default","state":"running","restarts":0,"facts":{"target_up":\#(!isAway)}}"#
            let text = try await Self.troubles(of: body.replacing(#""stages":[]"#, with: #""stages":[\#(stage)]"#), setAside: aside)
            #expect(text.contains("why    when it was tried last: UNKNOWN_TOPIC_OR_PART") == isAway, "\(text)")
            #expect(text.contains("do     first see that the cluster answers") == isAway && text.contains("create 'orders'") != isAway)
        }
    }
}
