import ForebayCore
import Foundation
import Testing

/// `deadletters --dir` on the folder of a node that is down.
@Suite struct FolderDeadLettersTests {
    @Test func deadLettersOfANodeThatIsDown() async throws {
        let folder = try await StoppedNode.folder()
        let listed = try await BuiltProgram.run("deadletters", "ls", "--dir", folder.path)
        #expect(listed.code == 0)
        let rows = listed.out.split(separator: "\n")
        #expect(rows.count == 3)
        #expect(rows[1].contains("MSG_SIZE_TOO_LARGE"))
        #expect(!listed.out.contains("\u{1B}"))

        let document = try await BuiltProgram.run("deadletters", "ls", "--dir", folder.path, "--json")
        let object = try #require(JSONSerialization.jsonObject(with: Data(document.out.utf8)) as? [String: Any])
        let letters = try #require(object["dead_letters"] as? [[String: Any]])
        #expect(letters.count == 2)
        #expect(letters[0]["route"] as? String == "r" && letters[0]["size"] as? Int == 10)
        let number = try #require(letters[0]["sequence"] as? Int)

        let shown = try await BuiltProgram.run("deadletters", "show", "r", "\(number)", "--dir", folder.path)
        #expect(shown.code == 0)
        #expect(shown.out.hasSuffix("\n\ntoo\nlarge\n"))
        #expect(shown.out.contains("2023-11-14T22:13:20.123Z"))
        let value = try await BuiltProgram.run("deadletters", "show", "r", "\(number)", "--dir", folder.path, "--value")
        #expect(value.out == "too\nlarge")

        let missing = try await BuiltProgram.run("deadletters", "show", "r", "99", "--dir", folder.path)
        #expect(missing.code == 1)
        #expect(missing.error == "forebay: the route r has no dead letter 99\n")
        let unknown = try await BuiltProgram.run("deadletters", "ls", "--route", "x", "--dir", folder.path)
        #expect(unknown.error == "forebay: no dead letters of a route x; there are dead letters of r\n")
    }

    /// What `--envelope` prints has all of the event, on one line that steers nothing. `NodeCommandTests.postedBack` gives it to a node.
    @Test func anEnvelopeIsTheEvent() async throws {
        let values: [[UInt8]?] = [
            Array(#"{"a": 1.50}"#.utf8), Array("{\"a\":\n1}".utf8), Array("text".utf8), Array("\u{202e}".utf8), Array("null".utf8),
            Array("\"\u{202e}\"".utf8), [0xFF, 0x00], [], nil,
        ]
        let folder = try await StoppedNode.folder(
            letters: values.map { value in
                DeadLetter(
                    topic: "orders", code: "C", reason: "r", eventID: "id-1",
                    offset: Offset(lane: .partition(topic: "orders", 1), number: 17),
                    record: StoppedNode.batch(value, headers: [("h", "v\""), ("h", nil), ("é", "\u{7f}")], partition: 7).withUnsafeBytes {
                        Array($0)
                    })
            })
        let listed = try await BuiltProgram.run("deadletters", "ls", "--dir", folder.path, "--json")
        let object = try #require(JSONSerialization.jsonObject(with: Data(listed.out.utf8)) as? [String: Any])
        let numbers = try #require(object["dead_letters"] as? [[String: Any]]).compactMap { $0["sequence"] as? Int }
        #expect(numbers.count == values.count)
        for (number, value) in zip(numbers, values) {
            let result = try await BuiltProgram.run("deadletters", "show", "r", "\(number)", "--dir", folder.path, "--envelope")
            #expect(result.code == 0)
            let bytes = Array(result.out.utf8)
            #expect(bytes.count { $0 == 10 } == 1 && bytes.last == 10)
            let envelope = try #require(JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
            #expect(envelope["topic"] as? String == "orders" && envelope["id"] as? String == "id-1" && envelope["key"] as? String == "k")
            #expect(envelope["timestamp"] as? Int == 1_700_000_000_123 && envelope["partition"] as? Int == 7)
            #expect(result.out.contains(#""headers": {"h": "v\"", "h": null, "é": "\u007f"}"#))
            if let base64 = envelope["value_base64"] as? String {
                #expect(Data(base64Encoded: base64).map(Array.init) == value)
            } else if let value {
                // That would be a tombstone.
                #expect(!(envelope["value"] is NSNull))
                #expect(result.out.contains("\"value\": " + String(decoding: value, as: UTF8.self) + ", "))
            } else {
                #expect(envelope["value"] is NSNull)
            }
        }
        let both = try await BuiltProgram.run("deadletters", "show", "r", "1", "--envelope", "--value")
        #expect(both.code == 64 && both.error.hasPrefix("forebay: --value and --envelope exclude each other\n"))
    }
}
