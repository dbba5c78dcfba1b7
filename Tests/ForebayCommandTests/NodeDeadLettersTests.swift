import ForebayTestKit
import Foundation
import Testing

/// `deadletters` against the admin API, by a server that pages as it does.
@Suite struct NodeDeadLettersTests {
    private static let script: ScriptedServer.Script = { request, _ in
        let parts = request.target.split(separator: "?")
        guard parts.count == 2 else {
            return ScriptedAnswer(status: 200, body: #"{"routes":[{"route":"a b","dead_letters":3},{"route":"none","dead_letters":0}]}"#)
        }
        let after = request.target.firstMatch(of: /after=([0-9]+)/).flatMap { Int($0.1) } ?? -1
        let limit = min(2, request.target.firstMatch(of: /limit=([0-9]+)/).flatMap { Int($0.1) } ?? 0)
        let numbers = (0..<3).filter { $0 > after }.prefix(limit)
        let entries = numbers.map {
            #"{"sequence":\#($0),"topic":"t","code":"C","reason":"r","id":"i","at":"2026-11-21T13:00:00.000Z","timestamp":0,"partition":null,"key":null,"headers":[],"value_base64":"/wA="}"#
        }
        let next = numbers.last.map { $0 < 2 ? "\($0)" : "null" } ?? "null"
        return ScriptedAnswer(status: 200, body: #"{"route":"a b","dead_letters":[\#(entries.joined(separator: ","))],"next":\#(next)}"#)
    }

    @Test func readsAllPages() async throws {
        let server = ScriptedServer(Self.script)
        defer { server.stop() }
        let result = try await BuiltProgram.run("deadletters", "ls", "--url", server.url, "--json")
        let object = try #require(JSONSerialization.jsonObject(with: Data(result.out.utf8)) as? [String: Any])
        let letters = try #require(object["dead_letters"] as? [[String: Any]])
        #expect(letters.map { $0["sequence"] as? Int } == [0, 1, 2])
        #expect(letters.allSatisfy { $0["size"] as? Int == 2 && $0["value_base64"] == nil })
        #expect(
            server.requests.map(\.target) == [
                "/admin/v1/deadletters", "/admin/v1/deadletters?route=a%20b&limit=101",
                "/admin/v1/deadletters?route=a%20b&limit=99&after=1",
            ])
    }

    @Test func saysWhatWasCut() async throws {
        let server = ScriptedServer(Self.script)
        defer { server.stop() }
        let cut = try await BuiltProgram.run("deadletters", "ls", "--url", server.url, "--limit", "2")
        #expect(cut.out.split(separator: "\n").count == 3)
        #expect(cut.error == "route a b has more than these 2; see --limit\n")
        let all = try await BuiltProgram.run("deadletters", "ls", "--url", server.url, "--limit", "3")
        #expect(all.out.split(separator: "\n").count == 4 && all.error.isEmpty)
        let document = try await BuiltProgram.run("deadletters", "ls", "--url", server.url, "--limit", "2", "--json").out
        let object = try #require(JSONSerialization.jsonObject(with: Data(document.utf8)) as? [String: Any])
        #expect(object["cut"] as? [String] == ["a b"] && (object["dead_letters"] as? [Any])?.count == 2)
    }

    @Test func anAnswerThatNeverEnds() async throws {
        // Names a next page for ever.
        let server = ScriptedServer { request, count in
            request.target.contains("?")
                ? ScriptedAnswer(status: 200, body: #"{"dead_letters":[],"next":\#(count)}"#)
                : ScriptedAnswer(status: 200, body: #"{"routes":[{"route":"r","dead_letters":3}]}"#)
        }
        defer { server.stop() }
        let result = try await BuiltProgram.run("deadletters", "ls", "--url", server.url)
        #expect(result.code == 0 && result.error.hasPrefix("route r has 3 dead letters that can't be read: "))
        #expect(server.requests.count == 3)
    }

    @Test func showsOne() async throws {
        let server = ScriptedServer(Self.script)
        defer { server.stop() }
        let result = try await BuiltProgram.run("deadletters", "show", "a b", "2", "--url", server.url)
        #expect(result.code == 0)
        #expect(server.requests.map(\.target) == ["/admin/v1/deadletters?route=a%20b&limit=1&after=1"])
        #expect(result.out.hasSuffix("\n\n2 bytes in base 64: /wA=\n"))
        let missing = try await BuiltProgram.run("deadletters", "show", "a b", "9", "--url", server.url)
        #expect(missing.code == 1)
    }
}
