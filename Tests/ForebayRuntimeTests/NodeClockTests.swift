import ForebayConfig
import ForebayCore
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebayRuntime

/// A whole node whose clock can't be right.
@Suite("Node: its clock", .timeLimit(.minutes(1)))
struct NodeClockTests {
    @Test("a node that starts in 1970 takes no events, says so on the probe, in the status and once in the log, and goes on by itself")
    func clockNotSet() async throws {
        let now = Mutex<Int64>(7000)
        let log = LogCapture()
        defer { log.close() }
        let folder = NodeFixture.folder()
        defer { try? FileManager.default.removeItem(at: folder) }  // Cleaning up is a courtesy.
        let clock = NodeClock(now: { now.withLock { $0 } })
        try await NodeFixture.run(configured: NodeFixture.configuration(in: folder), clock: clock) { node in
            let ready = try await NodeFixture.ask(node.adminAddress, "/readyz")
            #expect(ready.status == 503 && ready.text.contains("clock: the clock of this node says 1970-01-01T00:00:07.000Z"))
            let status = try await NodeFixture.ask(node.adminAddress, "/admin/v1/status")
            #expect(status.text.contains(#""ready":false,"reason":"clock: the clock"#))
            let refused = try await NodeFixture.ask(node.ingestAddress, "/v1/topics/events", body: "x")
            #expect(refused.status == 503 && refused.text.contains("clock_not_set") && node.storage.spool.durableEnd == 0)
            func told(_ message: String) -> Int { log.records(label: "node").count { $0.message.contains(message) } }
            #expect(await eventually { told("no event is taken: it would get a wrong time") == 1 })
            now.withLock { $0 = WallClock.milliseconds }
            #expect(await eventually { (try? await NodeFixture.ask(node.ingestAddress, "/v1/topics/events", body: "x").status) == 202 })
            #expect(try await NodeFixture.ask(node.adminAddress, "/readyz").status == 200)
            #expect(await eventually { told("the clock is set; events are accepted again") == 1 })
            #expect(told("no event is taken: it would get a wrong time") == 1)
        }
    }
}
