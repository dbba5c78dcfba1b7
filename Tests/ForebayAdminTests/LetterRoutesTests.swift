import ForebayCore
import ForebayHTTP
import ForebayTelemetry
import Foundation
import Synchronization
import Testing

@testable import ForebayAdmin

@Suite("Admin: replaying and removing dead letters")
struct LetterRoutesTests {
    private let node = FakeNode(
        letters: (0..<6).map { number in
            DeadLetterView(
                sequence: number, topic: number % 2 == 0 ? "orders" : "bills", code: number < 4 ? "MSG_SIZE_TOO_LARGE" : "INVALID_RECORD",
                reason: "r", eventID: "id-\(number)", at: 1_785_576_600_125 - Int64(number) * 3_600_000, timestamp: 5, value: nil)
        })

    private func ask(_ action: LetterAction, _ query: [(String, String)]) async -> HTTPResponse {
        await AdminRoutes(node: self.node, registry: MetricsRegistry()).answer(
            AdminRequest(
                method: action == .replay ? .post : .delete, path: "/admin/v1/deadletters" + (action == .replay ? "/replay" : ""),
                query: query.map { (name: $0.0, value: $0.1) }))
    }

    @Test("what was done, exact, and what would be")
    func exact() async {
        for (action, isDryRun) in [(LetterAction.replay, false), (.remove, true)] {
            let response = await self.ask(action, [("all", "true"), ("dry_run", "\(isDryRun)")])
            let expected =
                #"{"dry_run":\#(isDryRun),"\#(action.done)":6,"letters":["#
                + #"{"delivery":"orders","topic":"bills","code":"MSG_SIZE_TOO_LARGE","count":2},"#
                + #"{"delivery":"orders","topic":"orders","code":"MSG_SIZE_TOO_LARGE","count":2},"#
                + #"{"delivery":"orders","topic":"bills","code":"INVALID_RECORD","count":1},"#
                + #"{"delivery":"orders","topic":"orders","code":"INVALID_RECORD","count":1}],"kept":[],"as_of":1000,"more":false,"next":[]}"#
            #expect(response.status == 200 && response.text == expected, "\(response.text)")
        }
        #expect(self.node.worked.withLock { $0 } == ["replay all", "remove all?"])
    }

    @Test(
        "each condition, and several of them, in a query or in a form",
        arguments: [
            ([("number", "1,3-4"), ("delivery", "orders")], 3), ([("id", "id-2"), ("id", "id-5")], 2), ([("topic", "bills")], 3),
            ([("topic", "bills"), ("topic", "orders"), ("code", "INVALID_RECORD")], 2), ([("older_than", "2h")], 4),
            ([("newer_than", "2h")], 3), ([("older_than", "1h"), ("newer_than", "3h")], 3), ([("all", "true"), ("delivery", "orders")], 6),
            ([("topic", "nothing")], 0), ([("all", "true"), ("topic", "bills")], 3),
            ([("all", "true"), ("as_of", "1785576600124")], 5),
        ] as [([(String, String)], Int)])
    func conditions(query: [(String, String)], count: Int) async throws {
        #expect(try await self.ask(.remove, query).object()["removed"] as? Int == count)
    }

    @Test(
        "what is no selection is refused by name, and nothing is done",
        arguments: [
            ([], "all"), ([("delivery", "orders")], "all"), ([("dry_run", "true")], "all"), ([("all", "yes")], "all"),
            ([("all", ""), ("delivery", "orders")], "all"),
            ([("all", "true"), ("id", "x")], "all"), ([("number", "1")], "delivery"),
            ([("number", "x"), ("delivery", "orders")], "number"),
            ([("number", "3-1"), ("delivery", "orders")], "number"), ([("number", "1,,2"), ("delivery", "orders")], "number"),
            ([("number", "-1"), ("delivery", "orders")], "number"),
            ([("number", "18446744073709551615"), ("delivery", "orders")], "number"),
            ([("number", "99999999999999999999"), ("delivery", "orders")], "number"), ([("older_than", "2")], "older_than"),
            ([("newer_than", "-2h")], "newer_than"), ([("as_of", "x"), ("all", "true")], "as_of"),
            ([("next", "orders"), ("all", "true")], "next"), ([("next", "orders:1"), ("all", "true")], "next"),
            ([("next", "orders:9-1"), ("all", "true")], "next"), ([("next", "orders:1-99999999999999999999"), ("all", "true")], "next"),
            ([("delivery", "")], "delivery"),
            ([("dry_run", "maybe"), ("all", "true")], "dry_run"), ([("route", "orders")], "route"),
        ] as [([(String, String)], String)])
    func refused(query: [(String, String)], parameter: String) async throws {
        let response = await self.ask(.remove, query)
        #expect(response.status == 400)
        let errors = try response.object()["errors"] as? [[String: Any]]
        #expect(errors?.first?["pointer"] as? String == parameter)
        #expect(self.node.worked.withLock { $0.isEmpty })
    }

    @Test("what the node can't do just now, or not at all, has a name, a status and words")
    func outcomes() async throws {
        let cases: [(String, Int, String)] = [
            ("broken", 500, "system_call"), ("busy", 409, "dead_letters_busy"), ("starting", 503, "starting"),
            ("old", 409, "route_not_configured"), ("full", 503, "spool_full"), ("nobody", 404, "unknown_route"),
            ("orders/mirror", 200, ""),
        ]
        for (delivery, status, code) in cases {
            let response = await self.ask(.replay, [("delivery", delivery), ("all", "true")])
            #expect(response.status == status, "\(delivery)")
            #expect(try (response.object()["code"] as? String ?? "") == code)
        }
        let full = await self.ask(.replay, [("delivery", "full"), ("all", "true")])
        #expect(full.text.contains("Only 3 were replayed: no room."))
    }

    @Test("given twice, or in a body that is no form, or with the wrong method")
    func requests() async throws {
        #expect(await self.ask(.remove, [("all", "true"), ("all", "true")]).status == 400)
        #expect(await self.ask(.replay, [("limit", "1"), ("all", "true")]).status == 400)
        let routes = AdminRoutes(node: self.node, registry: MetricsRegistry())
        let get = await routes.answer(AdminRequest(path: "/admin/v1/deadletters/replay", query: [("all", "true")]))
        #expect(get.status == 405 && get.fieldText.contains("Allow: POST, OPTIONS\r\n"))
        let list = await routes.answer(AdminRequest(path: "/admin/v1/deadletters", query: [("all", "true")]))
        #expect(list.status == 400)
        var json = AdminRequest(method: .post, path: "/admin/v1/deadletters/replay")
        json.strangeType = "application/json"
        #expect(await routes.answer(json).status == 415)
        #expect(AdminRoutes.bodyLimit(.post, "/admin/v1/deadletters/replay") == 64 << 10)
        #expect(AdminRoutes.bodyLimit(.delete, "/admin/v1/deadletters") == 64 << 10)
        #expect(AdminRoutes.bodyLimit(.get, "/admin/v1/deadletters") == 0 && AdminRoutes.bodyLimit(.post, "/admin/v1/status") == 0)
        #expect(self.node.worked.withLock { $0.isEmpty })
    }

    @Test("a selection in words, as the log has it")
    func words() throws {
        let selection = try LetterSelection([
            ("delivery", "a/b/mirror"), ("number", "1,2-9"), ("topic", "t"), ("topic", "s"), ("older_than", "120m"), ("code", "C"),
        ])
        #expect(selection.delivery == DeliveryName(.mirror, of: "a/b"))
        #expect(selection.text == "delivery=a/b/mirror number=1,2-9 topic=s,t code=C older_than=2h")
        #expect(try LetterSelection([("delivery", "a/b"), ("all", "true")]).delivery == DeliveryName(.forward, of: "a/b"))
    }
}
