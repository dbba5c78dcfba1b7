import ForebayAdmin
import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Testing

@testable import ForebayRuntime
@testable import ForebaySpool

/// What is told of a mirror: whose cluster it has, what its logs lost, and of one that was taken out.
extension MirrorTests {
    @Test("one that goes to the cluster of the main delivery by another name is warned of, once; one that goes elsewhere is not")
    func twins() async throws {
        defer { self.cleanUp() }
        let (main, backup) = (try KafkaMockCluster(), try KafkaMockCluster())
        let again = main.bootstrap.replacing("127.0.0.1", with: "localhost")
        func told(_ log: LogCapture) -> [String?] {
            log.records(label: "node").filter { $0.message == "a mirror goes to the cluster of its route's main delivery" }.map {
                $0["what"]
            }
        }
        for (bootstrap, isTwin) in [(again, true), (backup.bootstrap, false)] {
            let log = LogCapture()
            defer { log.close() }
            try await self.run(["twin+mirror", "b"], main: main.bootstrap, backup: bootstrap) { _, asking in
                let isKnown = await eventually {
                    guard let text = try? await asking.text("/admin/v1/stages") else { return false }
                    return text.ranges(of: #""cluster_id":""#).count == 3
                }
                #expect(isKnown)
                if isTwin { #expect(await eventually { told(log).contains { $0?.contains("route twin ") == true } }) }
            }
            let lines = told(log).filter { $0?.contains("route twin ") == true }
            #expect(lines.count == (isTwin ? 1 : 0) && lines.allSatisfy { $0?.contains("clusters main and backup are one (") == true })
        }
    }

    @Test("its logs are called like itself in alarms, and found by the names of their folders, too; what they lost nobody is to send again")
    func alarms() async throws {
        defer { self.cleanUp() }
        try await self.run(["a+mirror"]) { _, asking in
            for (log, isThere) in [
                ("setaside/a/mirror", true), ("setaside/a@mirror", true), ("deadletters/a/mirror", true), ("setaside/a", true),
                ("setaside/b/mirror", false), ("setaside/a/archive", false),
            ] {
                let text = try await asking.text("/admin/v1/alarms?log=\(log)")
                #expect((text == #"{"alarms":[]}"#) == isThere, "\(log): \(text)")
            }
        }
        let damage = SpoolDamage(missing: [MissingRange(sequences: 1..<3, segment: 4, position: 0, reason: "planted")], alarms: [])
        func advice(_ log: String) -> String { NodeAlarms.alarms(of: log, damage).map(\.advice).joined() }
        #expect(advice("setaside/a").contains("have the producers send these again"))
        for log in ["setaside/a/mirror", "setaside/a@mirror", "deadletters/a/mirror"] {
            #expect(advice(log).contains("have nobody send these again") && !advice(log).contains("producers"), "\(log)")
        }
        #expect(NodeAlarms.advice(for: "/d/setaside/a@mirror/segments/4.segment").contains("have nobody send these again"))
        #expect(NodeAlarms.advice(for: "/d/setaside/a/segments/4.segment").contains("have them sent again"))
        #expect(advice("spool").contains("have the producers send these again"))
    }

    @Test("one that was taken out has nothing set aside, is a route all the same, and what waits for it has an age; no metrics but its lag")
    func takenOut() async throws {
        defer { self.cleanUp() }
        try await self.run(["a+mirror"]) { _, _ in }
        try await self.run(["a"]) { node, asking in
            #expect(try await asking.text("/admin/v1/setaside?route=a/mirror") == #"{"routes":[]}"#)
            #expect(try await asking.text("/admin/v1/setaside?route=b/mirror").contains("unknown_route"))
            try await asking.post("a", 3)
            func mirror() async throws -> (state: String?, lag: Int?, age: Double?) {
                let row = try await asking.routes("status", "routes").first { $0["stage"] as? String == "mirror" }
                return (row?["state"] as? String, row?["lag_events"] as? Int, row?["oldest_event_age_seconds"] as? Double)
            }
            let shown = try await mirror()
            #expect(shown.state == "removed" && shown.lag == 3)
            // It is looked for on the disk, for which nobody is to wait.
            let hasAge = await eventually { (try? await mirror())?.age.map { (0..<60).contains($0) } ?? false }
            #expect(hasAge)
            #expect(try await asking.text("/admin/v1/buffers").contains(#""oldest_event_age_seconds":null"#) == false)
            let metrics = try await asking.text("/metrics").split(separator: "\n").filter { $0.contains(#"stage="mirror""#) }
            #expect(
                Set(metrics.map { String($0.prefix { $0 != "{" }) }) == ["forebay_delivery_lag_events", "forebay_set_aside_events"],
                "\(metrics)")
        }
    }
}
