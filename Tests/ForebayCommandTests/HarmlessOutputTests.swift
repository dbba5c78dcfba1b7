import ForebayCore
import ForebayTestKit
import Foundation
import Testing

/// What steers a terminal, wherever in what is printed it comes from.
@Suite("Commands: nothing steers the terminal") struct HarmlessOutputTests {
    /// ESC, C1 (CSI, NEL), DEL, marks of direction and isolation, the line separator.
    private static let evil = "\u{1b}[31m\u{9b}2J\u{85}\u{7f}\u{202e}\u{2066}\u{200f}\u{2028}"

    private static func isHarmless(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control: scalar == "\n"
            case .format, .lineSeparator, .paragraphSeparator: false
            default: true
            }
        }
    }

    @Test("dead letters of a folder: in route, topic, code, reason and id")
    func folder() async throws {
        // Its topic stands in the record.
        let topic = "t" + Self.evil
        let letter = DeadLetter(
            topic: topic, code: "c" + Self.evil, reason: "r" + Self.evil, eventID: "i" + Self.evil,
            offset: Offset(lane: .partition(topic: "orders", 1), number: 17),
            record: StoppedNode.batch(Array("v".utf8), topic: topic).withUnsafeBytes { Array($0) })
        let folder = try await StoppedNode.folder(letters: [letter])
        let logs = folder.path + "/deadletters/"
        try FileManager.default.moveItem(atPath: logs + "r", toPath: logs + "q" + Self.evil)
        let listed = try await BuiltProgram.run("deadletters", "ls", "--dir", folder.path)
        let lines = listed.out.split(separator: "\n").map(String.init)
        let row = try #require(lines.count == 2 ? lines[1] : nil)
        #expect(lines[0].hasPrefix("ROUTE") && Self.isHarmless(listed.out) && Self.isHarmless(listed.error))
        // Each is there, escaped.
        #expect(row.components(separatedBy: #"\u001b[31m\u009b2J\u0085\u007f\u202e\u2066\u200f\u2028"#).count == 6, "\(row)")
        let json = try await BuiltProgram.run("deadletters", "ls", "--dir", folder.path, "--json")
        #expect(Self.isHarmless(json.out))
        let object = try #require(JSONSerialization.jsonObject(with: Data(json.out.utf8)) as? [String: Any])
        #expect((object["dead_letters"] as? [[String: Any]])?.first?["reason"] as? String == "r" + Self.evil)
        let unknown = try await BuiltProgram.run("deadletters", "ls", "--route", "x" + Self.evil, "--dir", folder.path)
        #expect(unknown.code == 1 && unknown.error.contains("x\\u001b[31m") && Self.isHarmless(unknown.error))
    }

    @Test("dead letters of a server: in every member of its answers, and in its refusal")
    func server() async throws {
        let evil = #"\u001b[31m\u009b2J\u0085\u007f\u202e\u2066\u200f\u2028"#
        let letter = ["sequence", "at", "topic", "code", "id", "reason", "key", "value"].map { #""\#($0)":"\#($0)\#(evil)""# }
        let server = ScriptedServer { request, _ in
            if request.target == "/admin/v1/deadletters" {
                return ScriptedAnswer(status: 200, body: #"{"routes":[{"route":"r\#(evil)","dead_letters":1}]}"#)
            }
            if request.target.contains("route=x") {
                return ScriptedAnswer(status: 404, body: #"{"code":"unknown\#(evil)","detail":"no route\#(evil)","title":"t\#(evil)"}"#)
            }
            return ScriptedAnswer(status: 200, body: #"{"route":"r","dead_letters":[{\#(letter.joined(separator: ","))}],"next":null}"#)
        }
        defer { server.stop() }
        let listed = try await BuiltProgram.run("deadletters", "ls", "--url", server.url)
        #expect(listed.code == 0 && Self.isHarmless(listed.out + listed.error), "\(listed)")
        // The route, and the six members that are shown.
        #expect(listed.out.components(separatedBy: "\\u009b2J").count == 8, "\(listed.out)")
        for form in ["--json", "--limit=1"] {
            let result = try await BuiltProgram.run("deadletters", "ls", "--url", server.url, form)
            #expect(Self.isHarmless(result.out + result.error), "\(result)")
        }
        let refused = try await BuiltProgram.run("deadletters", "ls", "--url", server.url, "--route", "x")
        #expect(refused.code == 1 && refused.error.contains("no route") && Self.isHarmless(refused.out + refused.error), "\(refused)")
    }

    @Test("what is wrong with a configuration: in keys, names of routes, topics and clusters, values, paths, and the file's own name")
    func configuration() async throws {
        let evil = #"\e[31m\x9b2J\N\x7f\u202e\u2066\u200f\L"#
        let folder = try TemporaryFolder()
        let text = """
            version: 1
            "key\(evil)": 1
            limits: { "body\(evil)": 1, body: "8\(evil)" }
            listeners: { ingest: { address: "host\(evil)" } }
            clusters:
              main: { properties: { bootstrap.servers: k, "linger.ms\(evil)": 1, compression.type: "z\(evil)", ssl.ca.location: "/no\(evil)" } }
              "cluster\(evil)": { properties: { bootstrap.servers: k, sasl.password_file: "/nowhere\(evil)" } }
            routes:
              "route\(evil)": { topics: ["topic\(evil)"], forward: { to: "other\(evil)" } }
              r: { topics: ["*", "*"], forward: { to: main }, formerly: ["was\(evil)"] }
            topics: { "t\(evil)": { key: "$.\(evil)", rename: "n\(evil)" } }
            node: { name: "${NO\(evil)}", data_dir: "${file:/no\(evil)}" }

            """
        let path = try folder.write("f\(Self.evil).yaml", text)
        let result = try await BuiltProgram.run(
            "validate", "--config", path, "--set", "limits.x\(Self.evil)=1", "--set", "limits.header=1\(Self.evil)",
            environment: ["FOREBAY_LIMITS_\(Self.evil)": "1"])
        #expect(result.code != 0 && Self.isHarmless(result.out + result.error), "\(result.error)")
        for part in ["key", "body", "host", "linger.ms", "cluster", "route", "topic", "was", "limits.x"] {
            #expect(result.error.contains(part), "\(part) is told of: \(result.error)")
        }
        // Of a file that is none, of one that is not to be found, and as warnings of what works.
        let broken = try folder.write("g\(Self.evil).yaml", "version: 1\n\"a\(evil)\": [\n")
        let missing = folder.path + "/nowhere\(Self.evil).yaml"
        for path in [broken, missing] {
            let result = try await BuiltProgram.run("validate", "--config", path)
            #expect(result.code != 0 && !result.error.isEmpty && Self.isHarmless(result.out + result.error), "\(result.error)")
        }
        let works = try folder.write(
            "h\(Self.evil).yaml",
            """
            version: 1
            node: { name: "n\(evil)", data_dir: "/tmp/nowhere\(evil)" }
            buffer: { spool: { max_size: 1024TiB } }
            clusters: { main: { properties: { bootstrap.servers: "127.0.0.1:1" } } }
            routes: { r.x: { topics: ["*"], forward: { to: main } } }

            """)
        for words in [["validate"], ["config", "print"], ["config", "print", "--show-origin"], ["config", "print", "--json"]] {
            let result = try await BuiltProgram.run(words + ["--config", works])
            #expect(Self.isHarmless(result.out + result.error), "\(words): \(result)")
        }
    }
}
