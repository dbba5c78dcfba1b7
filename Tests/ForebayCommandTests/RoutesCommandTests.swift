import ForebayConfig
import ForebayCore
import ForebayRuntime
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

/// `routes ls` and `routes forget`, against the admin API and on the folder of a node that is down.
@Suite struct RoutesCommandTests {
    private static let held =
        #"{"route":"old","stage":"forward","state":"removed","cursor":2,"lag_events":1500,"set_aside_events":6,"dead_letters":1,"#
        + #""spool_bytes":3145728,"set_aside_bytes":300,"dead_letter_bytes":200,"freed_bytes":2097152}"#
    private static let orders =
        #"{"route":"orders","stage":"forward","state":"configured","cursor":7,"lag_events":3,"set_aside_events":0,"dead_letters":0,"#
        + #""spool_bytes":4096,"set_aside_bytes":0,"dead_letter_bytes":0,"freed_bytes":0}"#

    @Test func listed() async throws {
        let server = ScriptedServer { _, _ in ScriptedAnswer(status: 200, body: #"{"routes":[\#(Self.held),\#(Self.orders)]}"#) }
        defer { server.stop() }
        let result = try await BuiltProgram.run("routes", "ls", "--url", server.url)
        #expect(result.code == 0)
        let lines = result.out.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0] == "ROUTE   STAGE    STATE       BEHIND  ASIDE  DEAD  IN SPOOL  SET ASIDE  DEAD LETTERS")
        #expect(lines[1] == "old     forward  removed      1,500      6     1   3.0 MiB      300 B         200 B")
        #expect(lines[2] == "orders  forward  configured       3      0     0   4.0 KiB        0 B           0 B")
        #expect(result.out.contains("'forebay routes forget old --dry-run --url \(server.url)'"))
        #expect(server.requests.map(\.target) == ["/admin/v1/routes"])
    }

    @Test("which deliveries give up their oldest events, and how many they gave up, where there are such")
    func required() async throws {
        func row(_ stage: String, _ required: String) -> String {
            Self.orders.replacing(#""stage":"forward""#, with: #""stage":"\#(stage)","required":\#(required),"released_events":1200"#)
        }
        let body = #"{"routes":[\#(row("forward", "true")),\#(row("mirror", "false")),\#(Self.held)]}"#
        let server = ScriptedServer { _, _ in ScriptedAnswer(status: 200, body: body) }
        defer { server.stop() }
        let lines = try await BuiltProgram.run("routes", "ls", "--url", server.url).out.split(separator: "\n")
        #expect(lines[0].hasSuffix("DEAD LETTERS  REQUIRED  GIVEN UP"))
        #expect(
            lines[1].hasSuffix("  yes          1,200") && lines[2].hasSuffix("  no           1,200")
                && lines[3].hasSuffix("  -                -"))
    }

    @Test func givenUp() async throws {
        let server = ScriptedServer { request, _ in
            request.target.contains("orders")
                ? ScriptedAnswer(status: 409, body: #"{"code":"route_configured","detail":"The route 'orders' is configured."}"#)
                : ScriptedAnswer(status: 200, body: #"{"dry_run":false,"forgotten":[\#(Self.held)]}"#)
        }
        defer { server.stop() }
        let dry = try await BuiltProgram.run("routes", "forget", "old", "--dry-run", "--url", server.url)
        #expect(dry.code == 0 && dry.out.contains("1,500 events of the backlog, 6 set aside and 1 dead letters would be given up; 2.0 MiB"))
        let done = try await BuiltProgram.run("routes", "forget", "old/forward", "--url", server.url)
        #expect(done.code == 0 && done.out.contains("are given up; 2.0 MiB are freed at once"))
        let refused = try await BuiltProgram.run("routes", "forget", "orders", "--url", server.url)
        #expect(refused.code == 1 && refused.error.contains("The route 'orders' is configured."))
        #expect(
            server.requests.map(\.target) == [
                "/admin/v1/routes/old?dry_run=true", "/admin/v1/routes/old/forward", "/admin/v1/routes/orders",
            ])
        #expect(server.requests.allSatisfy { $0.method == "DELETE" })
    }

    @Test func ofANodeThatIsDown() async throws {
        let folder = try TemporaryFolder()
        func file(_ name: String, _ routes: [String]) throws -> String {
            try folder.write(
                name,
                """
                version: 1
                node: { data_dir: "\(folder.path)/data" }
                clusters: { main: { properties: { bootstrap.servers: k } } }
                routes: { \(routes.map { "\($0): { topics: [\($0)], forward: { to: main } }" }.joined(separator: ", ")) }
                buffer: { spool: { segment: 1MiB, max_size: 64MiB } }
                """)
        }
        let (before, after) = (try file("before.yaml", ["a", "b"]), try file("after.yaml", ["a"]))
        let configuration = try ConfigurationLoader.load(ConfigurationSources(files: [before], environment: [:], hostName: "h"))
            .configuration
        let storage = try NodeStorage.open(configuration, metrics: MetricsRegistry())
        for (route, count) in [("a", 3), ("b", 4)] {
            _ = try await storage.spool.cursor("forward/\(route)", route: RouteID(name: route))
            for _ in 0..<count {
                _ = try await storage.spool.commit([Submission(batches: [Self.batch(route)], ack: AckToken { _ in })])
            }
        }
        await storage.close()
        let data = folder.path + "/data"

        let unknown = try await BuiltProgram.run("routes", "ls", "--dir", data, "--json")
        #expect(unknown.code == 0 && unknown.out.contains(#""state": null"#))
        let listed = try await BuiltProgram.run("routes", "ls", "--dir", data, "--config", after)
        let rows = listed.out.split(separator: "\n").map { $0.split(separator: " ", omittingEmptySubsequences: true).map(String.init) }
        #expect(rows[1].prefix(4) == ["a", "forward", "configured", "3"] && rows[2].prefix(4) == ["b", "forward", "removed", "4"])

        #expect(try await BuiltProgram.run("routes", "forget", "b", "--dir", data).code == 64, "which routes are there?")
        #expect(try await BuiltProgram.run("routes", "forget", "b", "--config", after).code == 64, "a node that runs knows")
        #expect(try await BuiltProgram.run("routes", "forget", "b", "--dir", folder.path, "--config", after).code == 1, "no data_dir")
        let refused = try await BuiltProgram.run("routes", "forget", "a", "--dir", data, "--config", after)
        #expect(refused.code == 1 && refused.error.contains("is configured"))
        let dry = try await BuiltProgram.run("routes", "forget", "b", "--dir", data, "--config", after, "--dry-run")
        #expect(dry.code == 0 && dry.out.contains("4 events of the backlog"))
        #expect(try await BuiltProgram.run("routes", "forget", "b", "--dir", data, "--config", after, "--json").code == 0)
        let left = try await BuiltProgram.run("routes", "ls", "--dir", data, "--config", after)
        #expect(left.out.split(separator: "\n").count == 2)
        #expect(try await BuiltProgram.run("routes", "forget", "b", "--dir", data, "--config", after).code == 1, "it is gone")
        #expect(try await BuiltProgram.run("spool", "verify", data).code == 0)
    }

    private static func batch(_ route: String) -> Batch {
        var builder = BatchBuilder()
        Array(route.utf8).withUnsafeBytes { builder.append(EventFields(topic: $0, value: $0, timestamp: 1)) }
        return builder.finish(route: RouteID(name: route), acceptedAt: 1)!
    }
}
