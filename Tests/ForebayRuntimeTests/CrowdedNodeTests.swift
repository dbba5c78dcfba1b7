import ForebayConfig
import ForebayHTTP
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayRuntime

/// What the listeners of a node are set to: nobody is kept out by what others hold open, or never finish.
@Suite("Node: crowded listeners", .timeLimit(.minutes(2)))
struct CrowdedNodeTests {
    /// - Parameter hosts: the clients' addresses, by their last number, in turn.
    private func crowd(_ address: String, _ count: Int, from hosts: ClosedRange<UInt8>) async throws -> [PlainConnection] {
        try await NodeFixture.blocking {
            try (0..<count).map { number in
                let connection = try PlainConnection(address, from: hosts.lowerBound + UInt8(number % hosts.count))
                // Some have begun a request, and will not go on.
                if number % 3 == 0 { try connection.send("GET /livez HT") }
                return connection
            }
        }
    }

    @Test("hundreds of idle connections to the admin and the health listener lock no probe out", arguments: [1...1, 2...201])
    func idle(hosts: ClosedRange<UInt8>) async throws {
        try await NodeFixture.run { node, _ in
            for address in [node.adminAddress, try #require(node.healthAddress)] {
                let idle = try await self.crowd(address, 600, from: hosts)
                for path in ["/livez", "/readyz", "/livez", "/startupz", "/livez"] {
                    #expect(try await NodeFixture.ask(address, path) == (200, "ok\n"), "\(address)\(path)")
                }
                withExtendedLifetime(idle) {}
            }
        }
    }

    @Test("the operators' bounds are those of the page, and shorter than the producers'")
    func operatorsBounds() throws {
        let page = try ConfigurationFile.read(#filePath.components(separatedBy: "/Tests/")[0] + "/docs/reference/admin-api.md")
        let text = String(decoding: page, as: UTF8.self).replacing("\n", with: " ")
        let configuration = try NodeFixture.configuration(in: NodeFixture.folder())
        for http in [configuration.adminHTTP, configuration.healthHTTP] {
            #expect(
                text.contains(
                    "\(http.caps.connectionsPerAddress) of one address or \(http.caps.connections) in all, and one without a request is "
                        + "closed after \(http.times.idle / 1000) s"))
            #expect(http.times.idle < configuration.ingestHTTP.times.idle && http.times.header < configuration.ingestHTTP.times.header)
        }
        #expect(!configuration.ingestHTTP.caps.quietMakeRoom, "a request may be on its way")
        #expect(configuration.ingestHTTP.times.silence == 5_000, "as the reference of the configuration says")
    }

    @Test("the producers' bounds in time are those of the page")
    func producersBounds() throws {
        let page = try ConfigurationFile.read(#filePath.components(separatedBy: "/Tests/")[0] + "/docs/reference/http-api.md")
        let lines = String(decoding: page, as: UTF8.self).components(separatedBy: "\n")
        let times = try NodeFixture.configuration(in: NodeFixture.folder()).ingestHTTP.times
        #expect(times.bodyGrace == 5_000)
        for (what, value) in [
            ("to the end of its header", "\(times.header / 1000) s"), ("from its sixth second", "\(times.minimumBodyRate) bytes a second"),
            ("`limits.request_timeout`", "\(times.request / 1000) s"), ("`limits.idle_timeout`", "\(times.idle / 1000) s"),
            ("nothing of its answer", "\(times.writeStall / 1000) s"),
        ] {
            #expect(lines.contains { $0.hasPrefix("| ") && $0.contains(what) && $0.hasSuffix("| \(value) |") }, "\(what)")
        }
    }

    @Test("producers that are turned away at the door are in the log, and in the metric that the page alerts on from the start")
    func turnedAway() async throws {
        let series = #"forebay_http_refused_total{code="too_many_connections",listener="ingest"}"#
        let page = try ConfigurationFile.read(#filePath.components(separatedBy: "/Tests/")[0] + "/docs/how-to/run-in-production.md")
        #expect(String(decoding: page, as: UTF8.self).contains(#"rate(forebay_http_refused_total{listener="ingest",code=~"too_m.*"}[5m])"#))
        let log = LogCapture()
        defer { log.close() }
        try await NodeFixture.run("limits: { connections_per_address: 2 }") { node, _ in
            #expect(try await NodeFixture.metric(series, of: node) == 0)
            #expect(try await NodeFixture.metric(series.replacing("many_connections", with: "much_in_flight"), of: node) == 0)
            let holders = try (0..<2).map { _ in try PlainConnection(node.ingestAddress, from: 77) }
            let status = try await NodeFixture.blocking { try PlainConnection(node.ingestAddress, from: 77).answer().status }
            #expect(status == 503)
            withExtendedLifetime(holders) {}
            #expect(try await NodeFixture.metric(series, of: node) == 1)
            let told = log.records(label: "http/ingest").filter { $0["address"] == "127.0.0.77" }
            #expect(told.map { $0["limit"] } == ["2"])
        }
    }

    @Test("a limit of open files that leaves fewer connections than configured is told, one that does not is not")
    func openFiles() throws {
        let caps = try NodeFixture.configuration(in: NodeFixture.folder()).ingestHTTP.caps
        let log = LogCapture()
        defer { log.close() }
        OpenFiles.tell(65_536, caps)
        OpenFiles.tell(1_111, caps)
        let told = log.records(label: "node").filter { $0["open_files"] != nil }
        let line = try #require(told.first { $0["open_files"] == "1111" })
        #expect(line["connections"] == "855" && line["limits.connections"] == "16384" && line["connections_per_address"] == "214")
        #expect(!told.contains { $0["open_files"] == "65536" })
    }

    private static let held = #"forebay_http_held_bytes{listener="ingest"}"#

    private static func post(_ bytes: Int) -> String {
        "POST /v1/topics/events HTTP/1.1\r\nHost: a\r\nContent-Length: \(bytes)\r\n\r\n"
    }

    @Test("bodies that are sent by half deny no larger upload, and nobody is cut: an address has a quarter, behind a proxy all there is")
    func halfSent() async throws {
        let (size, all) = (700_000, "limits: { in_flight: 4MiB, body: 1MiB }")
        let body = String(repeating: "b", count: size)
        try await NodeFixture.run(all) { node, _ in
            let holders = try (0..<8).map { _ in try PlainConnection(node.ingestAddress, from: 2) }
            try await withThrowingTaskGroup(of: Int.self) { group in
                for holder in holders {
                    group.addTask {
                        try await NodeFixture.blocking {
                            try holder.send(Self.post(size + 1) + body); return 0
                        }
                    }
                }
                #expect(await eventually { (try? await NodeFixture.metric(Self.held, of: node)) ?? 0 >= Double(1 << 20) })
                for host in UInt8(3)...8 {
                    let status = try await NodeFixture.blocking {
                        let client = try PlainConnection(node.ingestAddress, from: host)
                        try client.send(Self.post(960_000) + String(repeating: "c", count: 960_000))
                        return try client.answer().status
                    }
                    #expect(status == 202)
                }
                // Its share, the body that is read to its end, and what each other was read for before it came to wait.
                #expect(try await NodeFixture.metric(Self.held, of: node) ?? 0 <= Double(1 << 20 + size + 8 * 130_000))
                // In the end all are taken: none was cut to make room for another.
                for holder in holders {
                    group.addTask {
                        try await NodeFixture.blocking {
                            try holder.send("b")
                            return try holder.answer().status
                        }
                    }
                }
                #expect(try await group.reduce(into: []) { $0.append($1) }.filter { $0 != 0 } == [Int](repeating: 202, count: 8))
            }
        }
        try await NodeFixture.run("limits: { in_flight: 4MiB, body: 1MiB, connections_per_address: 0 }") { node, _ in
            let holders = try (0..<4).map { _ in try PlainConnection(node.ingestAddress, from: 2) }
            for holder in holders { try await NodeFixture.blocking { try holder.send(Self.post(size + 1) + body) } }
            #expect(await eventually { (try? await NodeFixture.metric(Self.held, of: node)) ?? 0 >= Double(4 * size) })
        }
    }

    @Test("limits.header is what a producer may send: a longer header is refused with the bound's name and value", arguments: [16, 48])
    func header(kilobytes: Int) async throws {
        try await NodeFixture.run("limits: { header: \(kilobytes)KiB }") { node, _ in
            for (size, status) in [(8_200, 202), ((kilobytes << 10) - 400, 202), (kilobytes << 10, 431)] {
                let field = [("Forebay-Header-X", String(repeating: "v", count: size))]
                let answer = try await NodeFixture.ask(node.ingestAddress, "/v1/topics/events", body: "x", headers: field)
                #expect(answer.status == status, "\(size): \(answer.text)")
                if status == 431 { #expect(answer.text.contains("limits.header") && answer.text.contains("\(kilobytes << 10)")) }
            }
        }
    }
}
