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
        // Of an earlier version, which has no details of what is set aside.
        let server = ScriptedServer { request, _ in
            request.target == "/admin/v1/status" ? ScriptedAnswer(status: 200, body: Self.status) : ScriptedAnswer(status: 404, body: "")
        }
        defer { server.stop() }
        let result = try await BuiltProgram.run("status", "--url", server.url)
        #expect(result.code == 0)
        #expect(server.requests.first?.target == "/admin/v1/status")
        #expect(
            result.out == """
                edge-1  forebay 0.1.0, up 2 h 2 m, running, not ready (buffer: full)

                new events are refused with 503: the disk is full
                    why    the spool has 1.5 GiB of 2.0 GiB that it may take, and the disk gives no more
                    do     make room on the disk of data_dir, or mend what holds the backlog; never delete files of the spool

                events 5 to 7 are lost to damage of the disk
                    why    1.segment: checksum
                    do     look at the disk; 'forebay spool verify' with the data_dir tells more, and producers may send them again

                forward of route default to cluster main is waiting: 1,234,567 events wait
                    why    not known yet; the log has what the cluster said
                    do     nothing here: it is tried again by itself, and the events are on disk

                1,500 events of 3 topics or partitions are set aside
                    do     'forebay setaside ls --url \(server.url)' says why, and what to do

                2 dead letters: Kafka refused these events for good
                    do     'forebay deadletters ls --url \(server.url)' lists them, with the reasons; 'forebay deadletters replay' sends them once more, 'rm' removes them

                ROUTE    STAGE    CLUSTER  STATE       BEHIND  OLDEST  IN FLIGHT  ASIDE  DEAD
                default  forward  main     waiting  1,234,567       -          0  1,500     2

                BUFFER  ACCEPTING  FULL     SIZE       OF   OLDEST     EVENTS  SEGMENTS
                spool   no         75 %  1.5 GiB  2.0 GiB  2 m 5 s  1,234,567        12

                STAGE            STATE    SINCE                     RESTARTS  LAST ERROR
                ingest           running  2026-11-21T13:00:00.000Z         0
                forward/default  waiting  2026-11-21T13:01:00.000Z     1,234  broker\\u001b[31m gone

                """)
    }

    @Test(arguments: [
        "1e400", "-1e400", "9223372036854775807", "-9223372036854775808", "18446744073709551616", "-1", "0.5", "null", "\"x\"",
    ])
    func numbersOfAnySize(_ number: String) async throws {
        var body = Self.status
        for name in [
            "fill", "bytes", "capacity", "first_sequence", "durable_sequence", "uptime_seconds", "lag_events", "first", "end",
            "dead_letters", "max_size", "held_bytes", "lost_first", "lost_end",
        ] {
            body = body.replacing(try Regex("\"\(name)\":[-0-9.]+"), with: "\"\(name)\":\(number)")
        }
        body = body.replacingOccurrences(
            of: "\"routes\":[{", with: "\"routes\":[{\"set_aside_events\":\(number),\"dead_letters\":\(number)},{")
        let server = ScriptedServer { [body] _, _ in ScriptedAnswer(status: 200, body: body) }
        defer { server.stop() }
        for command in [["status"], ["setaside", "ls"], ["deadletters", "ls"], ["deadletters", "show", "r", "1"]] {
            let result = try await BuiltProgram.run(command + ["--url", server.url])
            #expect([0, 1].contains(result.code), "\(command): \(result.error)")
        }
    }

    @Test func nothingSteersTheTerminal() async throws {
        let evil = "\u{9b}31m\u{7f}\u{202e}\u{2028}\u{85}\u{200f}"
        let body = Self.status.replacingOccurrences(of: "edge-1", with: evil)
        let server = ScriptedServer { _, _ in ScriptedAnswer(status: 200, body: body) }
        defer { server.stop() }
        for arguments in [["status"], ["status", "--json"], ["deadletters", "ls"], ["setaside", "ls", "--json"]] {
            let result = try await BuiltProgram.run(arguments + ["--url", server.url])
            #expect(!(result.out + result.error).unicodeScalars.contains { evil.unicodeScalars.contains($0) && $0.value > 0x7E })
        }
        let json = try await BuiltProgram.run("status", "--url", server.url, "--json").out
        let node = try #require(JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])["node"] as? String
        #expect(node == evil)
        // Nor what stands on the command line, or in an answer that is an error.
        let problem = ScriptedServer { _, _ in ScriptedAnswer(status: 400, body: "{\"code\":\"\(evil)\",\"detail\":\"\(evil)\"}") }
        defer { problem.stop() }
        for arguments in [["status", "--url", problem.url], ["send", "t", "v", "--url", problem.url], ["status", "\(evil)"]] {
            let result = try await BuiltProgram.run(arguments)
            #expect(result.code != 0 && !result.error.isEmpty)
            #expect(!result.error.unicodeScalars.contains { evil.unicodeScalars.contains($0) && $0.value > 0x7E })
        }
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
