import ForebayTestKit
import Foundation
import Testing

@Suite struct StatusCommandTests {
    private static let status = #"""
        {"node":"edge-1","version":"0.1.0","started_at":"2026-11-21T13:00:00.000Z","uptime_seconds":7325.5,"phase":"running","ready":false,
         "reason":"buffer: full","stages":[{"name":"ingest","state":"running","restarts":0,"last_error":null,"since":"2026-11-21T13:00:00.000Z","facts":{}},
         {"name":"forward/default","state":"waiting","restarts":1234,"last_error":"broker\u001b[31m gone","since":"2026-11-21T13:01:00.000Z","facts":{"x":1}}],
         "buffer":{"name":"spool","bytes":1610612736,"capacity":2147483648,"fill":0.75,"accepting":false,"oldest_event_age_seconds":125.0,
          "first_sequence":1000,"durable_sequence":1235567,"segments":12,"missing":[{"first":5,"end":8,"file":"1.segment","reason":"checksum"}]},
         "routes":[{"route":"default","stage":"forward","cluster":"main","state":"waiting","cursor":1000,"lag_events":1234567,
          "oldest_event_age_seconds":null,"in_flight_events":0,"in_flight_bytes":0,"dead_letters":2,"set_aside_events":1500,"set_aside_units":3,"last_error":null}],
         "culprit":{"route":"default","stage":"forward","cluster":"main","lag_events":1234567,"state":"waiting","last_error":null,
          "message":"forward of route default to cluster main is behind by 1234567 events (waiting)"}}
        """#

    @Test func aScreen() async throws {
        let server = ScriptedServer { _, _ in ScriptedAnswer(status: 200, body: Self.status) }
        defer { server.stop() }
        let result = try await BuiltProgram.run("status", "--url", server.url)
        #expect(result.code == 0)
        #expect(server.requests.first?.target == "/admin/v1/status")
        #expect(
            result.out == """
                edge-1  forebay 0.1.0, up 2 h 2 m, running, not ready (buffer: full)

                STAGE            STATE    SINCE                     RESTARTS  LAST ERROR
                ingest           running  2026-11-21T13:00:00.000Z         0
                forward/default  waiting  2026-11-21T13:01:00.000Z     1,234  broker [31m gone

                BUFFER  ACCEPTING  FULL     SIZE       OF   OLDEST     EVENTS  SEGMENTS
                spool   no         75 %  1.5 GiB  2.0 GiB  2 m 5 s  1,234,567        12

                ROUTE    STAGE    CLUSTER  STATE       BEHIND  OLDEST  IN FLIGHT  ASIDE  DEAD  LAST ERROR
                default  forward  main     waiting  1,234,567       -          0  1,500     2

                filling up: forward of route default to cluster main is behind by 1234567 events (waiting)
                lost to damage: events 5 to 7 in 1.segment, checksum
                1,500 events of 3 topics or partitions are set aside; 'forebay setaside ls' says why
                2 dead letters; 'forebay deadletters ls' lists them

                """)
    }

    @Test func jsonIsTheNodesOwn() async throws {
        let server = ScriptedServer { _, _ in ScriptedAnswer(status: 200, body: Self.status) }
        defer { server.stop() }
        #expect(try await BuiltProgram.run("status", "--url", server.url, "--json").out == Self.status + "\n")
    }

    @Test func nobodyIsThere() async throws {
        let server = ScriptedServer { _, _ in .none }
        server.stop()
        let result = try await BuiltProgram.run("status", "--url", server.url)
        #expect(result.code == 69)
        #expect(result.error == "forebay: cannot connect to \(server.url): Connection refused\n")
    }

    @Test(arguments: [
        (404, "", 1, "404"), (200, "hello", 1, "the answer is not JSON; is this the admin listener?"),
        (503, #"{"code":"starting","detail":"The node is starting."}"#, 69, "503 starting (The node is starting.)"),
    ])
    func otherAnswers(_ status: Int, _ body: String, _ code: Int32, _ message: String) async throws {
        let server = ScriptedServer { _, _ in ScriptedAnswer(status: status, body: body) }
        defer { server.stop() }
        let result = try await BuiltProgram.run("status", "--url", server.url)
        #expect(result.code == code)
        #expect(result.error == "forebay: \(server.url)/admin/v1/status: \(message)\n")
    }
}
