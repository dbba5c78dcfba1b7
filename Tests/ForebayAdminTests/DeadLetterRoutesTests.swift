import ForebayCore
import ForebayHTTP
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebayAdmin

@Suite("Admin: dead letters")
struct DeadLetterRoutesTests {
    private func letter(_ sequence: UInt64, size: Int = 10) -> DeadLetterView {
        DeadLetterView(
            sequence: sequence, topic: "t", code: "MSG_SIZE_TOO_LARGE", reason: "too large", eventID: "id-\(sequence)", at: 0, timestamp: 5,
            value: [UInt8](repeating: 0x61, count: size))
    }

    private func get(_ node: FakeNode, _ query: [(String, String)]) async -> HTTPResponse {
        await AdminRoutes(node: node, registry: MetricsRegistry()).answer(
            AdminRequest(path: "/admin/v1/deadletters", query: query.map { (name: $0.0, value: $0.1) }))
    }

    private func sequences(_ response: HTTPResponse) throws -> [Int] {
        try (response.object()["dead_letters"] as? [[String: Any]] ?? []).compactMap { $0["sequence"] as? Int }
    }

    @Test("one entry, exact")
    func exact() async {
        var entry = self.letter(7)
        entry.partition = 3
        entry.key = [0xFF, 0xFE]
        entry.value = nil
        entry.headers = [("h", Array("1\n".utf8)), ("null", nil)]
        let response = await self.get(FakeNode(letters: [entry]), [("route", "orders")])
        #expect(
            response.text
                == #"{"route":"orders","stage":"forward","dead_letters":[{"sequence":7,"topic":"t","code":"MSG_SIZE_TOO_LARGE","reason":"too large","id":"id-7","#
                + #""at":"1970-01-01T00:00:00.000Z","timestamp":5,"partition":3,"key_base64":"//4=","#
                + #""headers":[{"name":"h","value":"1\n"},{"name":"null","value":null}],"value":null}],"next":null}"#)
    }

    @Test("pages hang together: nothing is left out and nothing comes twice", arguments: [1, 7, 8, 9, 50, 100])
    func pages(limit: Int) async throws {
        let node = FakeNode(letters: (0..<60).map { self.letter($0 * 3) })
        var (found, after): ([Int], String?) = ([], nil)
        repeat {
            let response = await self.get(node, [("route", "orders"), ("limit", "\(limit)")] + (after.map { [("after", $0)] } ?? []))
            let page = try self.sequences(response)
            #expect(page.count <= limit && !page.isEmpty)
            found += page
            after = (try response.object()["next"] as? Int).map(String.init)
        } while after != nil
        #expect(found == (0..<60).map { $0 * 3 })
        #expect(node.asked.withLock { $0.allSatisfy { $0 <= 8 } }, "read in small steps")
    }

    @Test("a page of large entries ends early, and one entry is always given")
    func bytes() async throws {
        let node = FakeNode(letters: (0..<6).map { self.letter($0, size: AdminRoutes.deadLetterBytes / 2 - 100) })
        let first = await self.get(node, [("route", "orders")])
        #expect(try self.sequences(first) == [0, 1])
        #expect(try first.object()["next"] as? Int == 1)
        let huge = FakeNode(letters: [self.letter(0, size: AdminRoutes.deadLetterBytes * 2), self.letter(1)])
        #expect(try self.sequences(await self.get(huge, [("route", "orders")])) == [0])
    }

    @Test("without a route: how many each has")
    func counts() async {
        let response = await self.get(FakeNode(letters: [self.letter(0)]), [])
        #expect(
            response.text
                == #"{"routes":[{"route":"orders","stage":"forward","dead_letters":1},{"route":"orders","stage":"mirror","dead_letters":0}]}"#
        )
    }

    @Test(
        "asked wrongly",
        arguments: [
            ([("route", "nobody")], 404, "unknown_route"), ([("route", "broken")], 500, "spool_unreadable"),
            ([("route", "orders"), ("limit", "0")], 400, "bad_parameter"), ([("route", "orders"), ("limit", "501")], 400, "bad_parameter"),
            ([("route", "orders"), ("limit", "+5")], 400, "bad_parameter"), ([("route", "orders"), ("after", "x")], 400, "bad_parameter"),
            ([("route", "orders"), ("after", "")], 400, "bad_parameter"), ([("limit", "5")], 400, "bad_parameter"),
        ] as [([(String, String)], Int, String)])
    func wrong(query: [(String, String)], status: Int, code: String) async throws {
        let response = await self.get(FakeNode(), query)
        #expect(response.status == status)
        #expect(try response.object()["code"] as? String == code)
    }

    @Test("base 64 is what Foundation makes")
    func base64() {
        var generator = SplitMix(seed: 9)
        for count in 0..<100 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            #expect(Base64.encode(bytes) == Data(bytes).base64EncodedString())
        }
    }
}
