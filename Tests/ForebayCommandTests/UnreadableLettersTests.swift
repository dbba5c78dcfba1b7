import ForebayCore
import ForebaySpool
import ForebayTestKit
import Foundation
import Testing

/// Dead letters that damage of the disk has made unreadable: what is listed, and what a dry run says, is what `rm` takes.
@Suite struct UnreadableLettersTests {
    /// A folder with two letters, of which some bytes are changed in the one with this value.
    private func folder(damaging value: String?) async throws -> TemporaryFolder {
        let folder = try await StoppedNode.folder()
        guard let value else { return folder }
        let segments = URL(filePath: folder.path + "/deadletters/r/segments")
        for file in try FileManager.default.contentsOfDirectory(at: segments, includingPropertiesForKeys: nil) {
            var bytes = try Data(contentsOf: file)
            guard let place = bytes.range(of: Data(value.utf8))?.lowerBound else { continue }
            bytes[place] ^= 0x55
            try bytes.write(to: file)
        }
        return folder
    }

    private func removed(_ words: [String], _ folder: TemporaryFolder) async throws -> (code: Int32, rows: [[String]]) {
        let result = try await BuiltProgram.run(["deadletters", "rm", "r"] + words + ["--dir", folder.path])
        return (result.code, result.out.split(separator: "\n").dropFirst(2).map { $0.split(separator: " ").map(String.init) })
    }

    @Test func ofANodeThatIsDown() async throws {
        // Both stand in one frame, which can't be read any more.
        let folder = try await self.folder(damaging: "too\nlarge")
        let listed = try await BuiltProgram.run("deadletters", "ls", "--dir", folder.path)
        #expect(listed.code == 0 && listed.out.isEmpty)
        #expect(
            listed.error
                == "route r has 2 dead letters that can't be read: the disk has damaged them; rm takes them, too, with --all or by number\n"
        )
        let document = try await BuiltProgram.run("deadletters", "ls", "--route", "r", "--dir", folder.path, "--json")
        let object = try #require(JSONSerialization.jsonObject(with: Data(document.out.utf8)) as? [String: Any])
        let unreadable = try #require((object["unreadable"] as? [[String: Any]])?.first)
        #expect(unreadable["route"] as? String == "r" && unreadable["count"] as? Int == 2)

        #expect(try await self.removed(["1-7", "0-1", "--dry-run"], folder).rows == [["r", "UNREADABLE", "2"]])
        #expect(try await self.removed(["1", "--dry-run"], folder).rows == [["r", "UNREADABLE", "1"]])
        #expect(try await self.removed(["2", "--dry-run"], folder).code == 1)
        #expect(try await self.removed(["--topic", "orders", "--dry-run"], folder).rows == [], "nobody knows their topic")
        #expect(try await self.removed(["--all", "--dry-run"], folder).rows == [["r", "UNREADABLE", "2"]])
        #expect(try await self.removed(["--all"], folder).rows == [["r", "UNREADABLE", "2"]])
        let none = try await BuiltProgram.run("deadletters", "ls", "--dir", folder.path)
        #expect(none.error == "no dead letters\n")
    }

    @Test func oneThatIsWholeHasNone() async throws {
        let folder = try await self.folder(damaging: nil)
        let listed = try await BuiltProgram.run("deadletters", "ls", "--dir", folder.path)
        #expect(listed.error.isEmpty && listed.out.split(separator: "\n").count == 3)
        let cut = try await BuiltProgram.run("deadletters", "ls", "--limit", "1", "--dir", folder.path)
        #expect(cut.error == "route r has more than these 1; see --limit\n", "how many of the rest can be read nobody knows")
        #expect(try await self.removed(["--all", "--dry-run"], folder).rows == [["r", "orders", "MSG_SIZE_TOO_LARGE", "2"]])
    }

    @Test func ofARunningNode() async throws {
        let entry = #"{"sequence":0,"topic":"t","code":"C","reason":"r","id":"i","at":"2026-11-21T13:00:00.000Z"}"#
        for (later, told) in [
            (2, "route a has 1 dead letter that can't be read: the disk has damaged it; rm takes it, too, with --all or by number\n"),
            (1, ""),
        ] {
            // How many there are is asked before they are listed, and where some are missing once more.
            let server = ScriptedServer { request, count in
                request.target.contains("?")
                    ? ScriptedAnswer(status: 200, body: #"{"route":"a","dead_letters":[\#(entry)],"next":null}"#)
                    : ScriptedAnswer(status: 200, body: #"{"routes":[{"route":"a","dead_letters":\#(count == 0 ? 2 : later)}]}"#)
            }
            defer { server.stop() }
            let listed = try await BuiltProgram.run("deadletters", "ls", "--url", server.url)
            #expect(listed.out.split(separator: "\n").count == 2 && listed.error == told)
        }
    }

    @Test func theMirrorIsNamedWhereItHasSome() async throws {
        for (letters, hint) in [(0, ""), (3, "; those of the mirror are named by a/mirror")] {
            let server = ScriptedServer { request, _ in
                if request.method == "GET" {
                    let mirror = #"{"route":"a","stage":"mirror","dead_letters":\#(letters)}"#
                    return ScriptedAnswer(
                        status: 200, body: #"{"routes":[{"route":"a","stage":"forward","dead_letters":0},\#(mirror)]}"#)
                }
                let nothing = #"{"dry_run":false,"replayed":0,"letters":[],"kept":[],"as_of":1,"more":false,"next":[]}"#
                return ScriptedAnswer(status: 200, body: nothing)
            }
            defer { server.stop() }
            let result = try await BuiltProgram.run("deadletters", "replay", "a", "99", "--url", server.url)
            #expect(result.code == 1 && result.error == "no dead letter is meant by that\(hint)\n")
        }
    }
}
