import ForebayTestKit
import Foundation
import Testing

@testable import forebay

/// `forebay send` against a server that answers what each test says.
@Suite struct SendCommandTests {
    /// Accepts everything; counts lines of NDJSON, and one event otherwise.
    private static let accepting: ScriptedServer.Script = { request, index in
        let isLines = request.headers["content-type"]?.contains("ndjson") ?? false
        let count = isLines ? request.text.split(separator: "\n").count : 1
        return ScriptedAnswer(
            status: 202, body: #"{"accepted":\#(count),"durability":"durable","id":"a\#(index)","last_id":"z\#(index)"}"#)
    }

    @Test func oneValueIsOnePlainRequest() async throws {
        let server = ScriptedServer(Self.accepting)
        defer { server.stop() }
        let result = try await BuiltProgram.run("send", "orders", #"{"id":1}"#, "--key", "k 1", "--url", server.url)
        #expect(result.code == 0)
        #expect(result.out == "accepted 1 event, id z0\n")
        #expect(result.error.isEmpty)
        let request = try #require(server.requests.first)
        #expect(request.method == "POST" && request.target == "/v1/topics/orders")
        #expect(request.text == #"{"id":1}"#)
        #expect(request.headers["content-type"] == "application/octet-stream")
        #expect(request.headers["forebay-key"] == "k 1")
    }

    @Test func linesAreEnvelopesSoThatAnyTextIsSafe() async throws {
        let server = ScriptedServer(Self.accepting)
        defer { server.stop() }
        let result = try await BuiltProgram.run("send", "t", "--key", "k\"", "--url", server.url, input: "a b\r\n\n  \nz\"\u{1}\nlast")
        #expect(result.out == "accepted 3 events\n")
        let request = try #require(server.requests.first)
        #expect(request.headers["content-type"] == "application/vnd.forebay.v1+x-ndjson")
        let lines = try request.text.split(separator: "\n").map { line in
            try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String])
        }
        #expect(lines.map { $0["key"] } == ["k\"", "k\"", "k\""])
        let values = lines.map { $0["value_base64"].flatMap { Data(base64Encoded: $0) }.map { String(decoding: $0, as: UTF8.self) } }
        #expect(values == ["a b", "z\"\u{1}", "last"])
    }

    @Test func jsonLinesGoAsTheyAre() async throws {
        let server = ScriptedServer(Self.accepting)
        defer { server.stop() }
        let folder = try TemporaryFolder()
        let path = try folder.write("e.ndjson", "{\"a\": 1}\n{\"a\":2}\n")
        let result = try await BuiltProgram.run("send", "t", "--ndjson", "--file", path, "--url", server.url, "--json")
        #expect(result.out.hasPrefix(#"{"accepted": 2, "requests": 1, "retries": 0, "milliseconds": "#))
        #expect(server.requests.first?.headers["content-type"] == "application/x-ndjson")
        #expect(server.requests.first?.text == "{\"a\": 1}\n{\"a\":2}\n")
    }

    @Test func jsonLinesWithAKeyAreCheckedBeforeTheyAreWrapped() async throws {
        let server = ScriptedServer(Self.accepting)
        defer { server.stop() }
        let good = try await BuiltProgram.run("send", "t", "--ndjson", "--key", "k", "--url", server.url, input: "{\"a\":1}\n")
        #expect(good.code == 0)
        #expect(server.requests.first?.text == "{\"key\":\"k\",\"value\":{\"a\":1}}\n")
        let bad = try await BuiltProgram.run("send", "t", "--ndjson", "--key", "k", "--url", server.url, input: "1,\"topic\":\"x\"\n")
        #expect(bad.code == 1)
        #expect(bad.error == "forebay: line 1 is not JSON; nothing of its batch was sent\n")
        #expect(server.requests.count == 1)
    }

    @Test func manyLinesGoInBatchesOnOneConnection() async throws {
        let server = ScriptedServer(Self.accepting)
        defer { server.stop() }
        let input = (0..<2500).map { "{\"n\":\($0)}\n" }.joined()
        let result = try await BuiltProgram.run("send", "t", "--ndjson", "--url", server.url, input: input)
        #expect(result.out == "accepted 2,500 events\n")
        #expect(server.requests.map { $0.text.split(separator: "\n").count }.reduce(0, +) == 2500)
        #expect(server.requests.allSatisfy { $0.text.split(separator: "\n").count <= 1000 })
        #expect(Set(server.requests.map(\.connection)) == [0])
        #expect(server.requests.map(\.text).joined() == input)
    }

    @Test func theWholeInputAsOneEvent() async throws {
        let server = ScriptedServer(Self.accepting)
        defer { server.stop() }
        let result = try await BuiltProgram.run("send", "t", "--whole", "--url", server.url, input: "a\n\nb\n")
        #expect(result.code == 0)
        #expect(server.requests.map(\.text) == ["a\n\nb\n"])
    }

    @Test func waitsAndTriesAgainWhileTheNodeIsFull() async throws {
        let server = ScriptedServer { request, index in
            index < 2
                ? ScriptedAnswer(
                    status: 503, headers: ["Retry-After: 0", "Content-Type: application/problem+json"],
                    body: #"{"status":503,"code":"spool_full","detail":"The spool is full.","retryable":true}"#)
                : Self.accepting(request, index)
        }
        defer { server.stop() }
        let result = try await BuiltProgram.run("send", "t", "x", "--url", server.url, "--json")
        #expect(result.code == 0)
        #expect(result.error == "503 spool_full (The spool is full.); trying again for up to 30s\n")
        #expect(result.out.contains(#""requests": 3, "retries": 2"#))
    }

    @Test func givesUpWhenTheWaitIsLongerThanItsPatience() async throws {
        let server = ScriptedServer { _, _ in ScriptedAnswer(status: 503, headers: ["Retry-After: 3600"]) }
        defer { server.stop() }
        let result = try await BuiltProgram.run("send", "t", "x", "--url", server.url, "--timeout", "2s")
        #expect(result.code == 69)
        #expect(result.error == "forebay: 503; gave up after 2s\n")
        #expect(server.requests.count == 1)
    }

    @Test func nobodyIsThere() async throws {
        let server = ScriptedServer { _, _ in .none }
        server.stop()
        let result = try await BuiltProgram.run("send", "t", "x", "--url", server.url, "--timeout", "300ms")
        #expect(result.code == 69)
        #expect(result.error.contains("cannot connect to \(server.url): Connection refused; trying again for up to 300ms\n"))
        #expect(result.error.contains("gave up after 300ms"))
    }

    @Test func aLostAnswerIsSaidToBeOne() async throws {
        let server = ScriptedServer { request, index in index == 0 ? .none : Self.accepting(request, index) }
        defer { server.stop() }
        let result = try await BuiltProgram.run("send", "t", "x", "--url", server.url)
        #expect(result.code == 0)
        #expect(
            result.error
                == "the connection ended without an answer; the events may be stored twice; trying again for up to 30s\n")
    }

    @Test func aRefusalNamesTheLines() async throws {
        let server = ScriptedServer { request, index in
            if index == 0 { return Self.accepting(request, index) }
            return ScriptedAnswer(
                status: 422,
                body:
                    #"{"status":422,"code":"invalid_event","detail":"2 events are refused.","errors":[{"index":0,"code":"invalid_json","detail":"line 1, byte 2: a brace is missing"},{"index":2,"pointer":"/id","code":"too_large","detail":""}]}"#
            )
        }
        defer { server.stop() }
        let input = (0..<1000).map { "{\"n\":\($0)}\n" }.joined() + "\n{\n{}\n{}\n"
        let result = try await BuiltProgram.run("send", "t", "--ndjson", "--url", server.url, input: input)
        #expect(result.code == 1)
        #expect(result.out.isEmpty)
        #expect(
            result.error == """
                forebay: 422 invalid_event
                  line 1002: invalid_json byte 2: a brace is missing
                  line 1004: too_large /id
                1,000 events before were accepted

                """)
    }

    @Test func anythingElseThatAnswersIsNotTakenForANode() async throws {
        let server = ScriptedServer { _, _ in ScriptedAnswer(status: 200, body: "<html>") }
        defer { server.stop() }
        let result = try await BuiltProgram.run("send", "t", "x", "--url", server.url)
        #expect(result.code == 1)
        #expect(result.error == "forebay: the answer 200 is not Forebay's\n")
    }
}
