import ForebayHTTP
import ForebayTelemetry
import Synchronization
import Testing

@testable import ForebayAdmin

@Suite("Admin: alarms")
struct AlarmRoutesTests {
    private let node: FakeNode = {
        var status = NodeStatus(node: "n", version: "1", startedAt: 0, uptimeSeconds: 1)
        status.alarms = [
            AlarmStatus(
                log: "spool", what: "events can't be read: a segment is gone", file: "segment 4", lost: 7..<9, lostEvents: 1,
                noticedAt: 1_785_576_600_125, advice: "look"),
            AlarmStatus(log: "setaside/a b", what: "gone", file: "/d/x", noticedAt: 1_785_576_600_125, advice: "look"),
        ]
        return FakeNode(status: status)
    }()

    private func ask(_ method: HTTPMethod, _ log: String? = nil) async -> HTTPResponse {
        await AdminRoutes(node: self.node, registry: MetricsRegistry()).answer(
            AdminRequest(method: method, path: "/admin/v1/alarms", query: log.map { [(name: "log", value: $0)] } ?? []))
    }

    private static let first =
        #"{"kind":"damage","log":"spool","what":"events can't be read: a segment is gone","file":"segment 4","lost_first":7,"lost_end":9,"#
        + #""lost_events":1,"uncounted":false,"topic":null,"noticed_at":"2026-08-01T09:30:00.125Z","advice":"look"}"#

    @Test("they are listed, all or of one log, and nothing is acknowledged by that")
    func list() async {
        #expect(await self.ask(.get, "spool").text == #"{"alarms":[\#(Self.first)]}"#)
        let all = await self.ask(.get)
        #expect(all.status == 200 && all.text.hasPrefix(#"{"alarms":[\#(Self.first),{"#))
        #expect(self.node.acknowledged.withLock { $0.isEmpty })
    }

    @Test("they are acknowledged, all or of one log; the answer is what that was")
    func acknowledge() async {
        #expect(await self.ask(.delete, "spool").text == #"{"acknowledged":[\#(Self.first)]}"#)
        #expect(await self.ask(.delete).status == 200)
        #expect(self.node.acknowledged.withLock { $0 } == ["spool", "-"])
    }

    @Test("a log that there is not, a disk that fails, another method, another parameter")
    func refused() async {
        for method in [HTTPMethod.get, .delete] {
            let refused = await self.ask(method, "setaside/none")
            #expect(refused.status == 404 && refused.text.contains("unknown_log"))
        }
        #expect(await self.ask(.delete, "broken").status == 500)
        #expect(await self.ask(.post).status == 405)
        let routes = AdminRoutes(node: self.node, registry: MetricsRegistry())
        #expect(await routes.answer(AdminRequest(path: "/admin/v1/alarms", query: [(name: "x", value: "1")])).status == 400)
    }
}
