import ForebayCore
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

/// `setaside ls` against the admin API, and on the folder of a node that is down.
@Suite struct SetAsideCommandTests {
    private static let answer = #"""
        {"routes":[{"route":"a b","units_total":4,"events":1500012,"bytes":3670016,"units":[
          {"unit":"orders/1","topic":"orders","partition":1,"state":"waiting","code":"LEADER_NOT_AVAILABLE","reason":"no\u001b[31m leader",
           "advice":"bring back the broker","since":"2026-11-21T13:00:00.000Z","events":1500000,"bytes":3145728,"oldest_event_age_seconds":125.0},
          {"unit":"orders/3","topic":"orders","partition":3,"state":"draining","code":"LEADER_NOT_AVAILABLE","reason":"no leader",
           "advice":"bring back the broker","since":"2026-11-21T13:00:00.000Z","events":7,"bytes":700,"oldest_event_age_seconds":1.5},
          {"unit":"stuck/0","topic":"stuck","partition":0,"state":"waiting","code":"_TIMED_OUT","reason":"no delivery for 10 s",
           "advice":null,"since":"2026-11-21T13:00:01.000Z","events":5,"bytes":500,"oldest_event_age_seconds":10.2}]},
         {"route":"none","units_total":0,"events":0,"bytes":0,"units":[]}]}
        """#

    @Test func aTableAndWhatToDo() async throws {
        let server = ScriptedServer { _, _ in ScriptedAnswer(status: 200, body: Self.answer) }
        defer { server.stop() }
        let result = try await BuiltProgram.run("setaside", "ls", "--url", server.url)
        #expect(result.code == 0)
        #expect(
            result.out == """
                ROUTE  UNIT      STATE        EVENTS     SIZE   OLDEST  SINCE                     CODE                  REASON
                a b    orders/1  waiting   1,500,000  3.0 MiB  2 m 5 s  2026-11-21T13:00:00.000Z  LEADER_NOT_AVAILABLE  no\\u001b[31m leader
                a b    orders/3  draining          7    700 B    1.5 s  2026-11-21T13:00:00.000Z  LEADER_NOT_AVAILABLE  no leader
                a b    stuck/0   waiting           5    500 B   10.2 s  2026-11-21T13:00:01.000Z  _TIMED_OUT            no delivery for 10 s

                bring back the broker

                """)
        #expect(result.error == "3 of 4 units of route a b are shown; see --limit\n")
        #expect(server.requests.map(\.target) == ["/admin/v1/setaside?limit=1000"])
    }

    @Test func saysOfWhatIsMovedThatNobodyDeliversIt() async throws {
        for isDry in [true, false] {
            let server = ScriptedServer { _, _ in
                let unit = #"{"delivery":"old","unit":"a","code":"C","events":2}"#
                return ScriptedAnswer(
                    status: 200, body: #"{"dry_run":\#(isDry),"moved":2,"to":"b","undelivered":["old"],"units":[\#(unit)]}"#)
            }
            defer { server.stop() }
            let words = ["setaside", "move", "a", "--to", "b", "--url", server.url] + (isDry ? ["--dry-run"] : [])
            let moved = try await BuiltProgram.run(words)
            #expect(moved.code == 0 && moved.out.hasPrefix("2 events \(isDry ? "would be" : "are") moved to b\n"))
            let told = "route old is not configured: nobody delivers what \(isDry ? "would be" : "is") moved until it is configured again"
            #expect(moved.error.hasPrefix(told), "\(moved.error)")
        }
    }

    @Test func asksForWhatIsWanted() async throws {
        let server = ScriptedServer { _, _ in ScriptedAnswer(status: 200, body: Self.answer) }
        defer { server.stop() }
        let result = try await BuiltProgram.run("setaside", "ls", "--url", server.url, "--route", "a b", "--limit", "5", "--json")
        #expect(server.requests.map(\.target) == ["/admin/v1/setaside?limit=5&route=a%20b"])
        let given = try JSONSerialization.jsonObject(with: Data(Self.answer.utf8)) as? NSDictionary
        #expect(try JSONSerialization.jsonObject(with: Data(result.out.utf8)) as? NSDictionary == given)
    }

    @Test func nothingAndUnknown() async throws {
        let server = ScriptedServer { request, _ in
            request.target.contains("route=x")
                ? ScriptedAnswer(status: 404, body: #"{"code":"unknown_route","detail":"There is no route 'x'."}"#)
                : ScriptedAnswer(status: 200, body: #"{"routes":[{"route":"r","units_total":0,"events":0,"bytes":0,"units":[]}]}"#)
        }
        defer { server.stop() }
        let nothing = try await BuiltProgram.run("setaside", "ls", "--url", server.url)
        #expect(nothing.code == 0 && nothing.out.isEmpty && nothing.error == "nothing is set aside\n")
        let unknown = try await BuiltProgram.run("setaside", "ls", "--url", server.url, "--route", "x")
        #expect(unknown.code == 1 && unknown.error.contains("There is no route 'x'."))
    }

    @Test func nobodyIsThere() async throws {
        let server = ScriptedServer { _, _ in .none }
        server.stop()
        #expect(try await BuiltProgram.run("setaside", "ls", "--url", server.url).code == 69)
    }

    @Test(arguments: [["--limit", "0"], ["--limit", "5001"], ["--limit", "x"], ["--url", "http://127.0.0.1:1", "--dir", "/"]])
    func calledWrongly(_ arguments: [String]) async throws {
        #expect(try await BuiltProgram.run(["setaside", "ls"] + arguments).code == 64)
    }

    @Test func ofANodeThatIsDown() async throws {
        let folder = try TemporaryFolder()
        let since: Int64 = 1_795_266_062_345
        try FileManager.default.createDirectory(atPath: folder.path + "/spool", withIntermediateDirectories: true)
        let log = try Self.log("\(folder.path)/setaside/r")
        let units = [
            Self.unit(1, "orders", partition: 10, since), Self.unit(2, "orders", partition: 9, since), Self.unit(3, "missing", since),
        ]
        try await log.append(new: units, [(1, Self.batch(2)), (2, Self.batch(3)), (3, Self.batch(5))])
        log.settle(3, through: 4, oldestAcceptedAt: since)
        log.settle(1, through: 2, oldestAcceptedAt: nil)
        await log.close()

        let listed = try await BuiltProgram.run("setaside", "ls", "--dir", folder.path)
        #expect(listed.code == 0 && listed.error.isEmpty)
        let rows = listed.out.split(separator: "\n").map { $0.split(separator: " ", omittingEmptySubsequences: true).map(String.init) }
        #expect(rows.dropFirst().map { $0.prefix(5) } == [["r", "missing", "waiting", "1", "-"], ["r", "orders/9", "waiting", "3", "-"]])
        #expect(rows.count == 3 && rows[1].contains("2026-11-21T13:01:02.345Z") && rows[1].contains("UNKNOWN_TOPIC_OR_PART"))

        let document = try await BuiltProgram.run("setaside", "ls", "--dir", folder.path, "--json", "--limit", "1", "--route", "r")
        let object = try #require(JSONSerialization.jsonObject(with: Data(document.out.utf8)) as? [String: Any])
        let route = try #require((object["routes"] as? [[String: Any]])?.first)
        #expect(route["route"] as? String == "r" && route["units_total"] as? Int == 2 && route["events"] as? Int == 4)
        #expect(route["bytes"] is NSNull)
        let shown = try #require(route["units"] as? [[String: Any]])
        #expect(shown.map { $0["unit"] as? String } == ["missing"])
        #expect(shown[0]["partition"] is NSNull && shown[0]["advice"] is NSNull && shown[0]["reason"] as? String == "no such topic")

        let unknown = try await BuiltProgram.run("setaside", "ls", "--dir", folder.path, "--route", "x")
        #expect(unknown.code == 1)
        #expect(unknown.error == "forebay: no events set aside of a route x; there are events set aside of r\n")
    }

    // MARK: A log

    private static func log(_ directory: String) throws -> SetAsideLog {
        let budget = try SpoolBudget(capacity: 1 << 30, directory: NSTemporaryDirectory())
        let (threads, metrics) = (SpoolThreads(), SpoolMetrics(MetricsRegistry()))
        return try SetAsideLog(directory: directory) { folder throws(ForebayError) in
            let configuration = SpoolConfiguration(directory: folder, kind: .setAside, segmentSize: 1 << 20) { error in
                fatalError("the disk broke its word: \(error)")
            }
            return try Spool.open(configuration, budget: budget, threads: threads, metrics: metrics)
        }
    }

    private static func unit(_ number: UInt64, _ topic: String, partition: Int32? = nil, _ since: Int64) -> SetAsideLog.Unit {
        SetAsideLog.Unit(
            number: number, topic: topic, partition: partition, partitionCount: 12, code: "UNKNOWN_TOPIC_OR_PART", reason: "no such topic",
            since: since, oldestAcceptedAt: since)
    }

    private static func batch(_ count: Int) -> Batch {
        var builder = BatchBuilder()
        let topic = Array("orders".utf8)
        for _ in 0..<count {
            topic.withUnsafeBytes { builder.append(EventFields(topic: $0, value: $0, timestamp: 1_700_000_000_123)) }
        }
        return builder.finish(route: RouteID(name: "r"), acceptedAt: 1_700_000_000_000)!
    }
}
