import Foundation
import Glibc
import Testing

/// `spool`, `alarms` and `routes` on the folder of a node that is down.
@Suite struct FolderCommandTests {
    @Test func alarmsStayUntilTheyAreAcknowledged() async throws {
        let folder = try await StoppedNode.folder()
        let segments = folder.path + "/spool/segments"
        for name in try FileManager.default.contentsOfDirectory(atPath: segments) {
            try FileManager.default.removeItem(atPath: segments + "/" + name)
        }
        // Nothing was told of yet; the next start would.
        #expect(try await BuiltProgram.run("alarms", "ls", "--dir", folder.path).out == "")
        let before = try await BuiltProgram.run("spool", "verify", folder.path)
        #expect(before.code == 1 && before.out.contains("the newest segment is gone") && before.out.contains("events 0 to 2 are missing"))
        try await StoppedNode.start(folder)
        for _ in 0..<2 {
            let listed = try await BuiltProgram.run("alarms", "ls", "--dir", folder.path)
            #expect(listed.code == 0 && listed.out.contains("LOG    LOST  FROM  TO") && listed.out.contains("the log ends below a mark"))
            #expect(try await BuiltProgram.run("spool", "verify", folder.path).code == 1)
            try await StoppedNode.start(folder)
        }
        let json = try await BuiltProgram.run("alarms", "ls", "--dir", folder.path, "--log", "spool", "--json")
        let object = try #require(JSONSerialization.jsonObject(with: Data(json.out.utf8)) as? [String: Any])
        let alarms = try #require(object["alarms"] as? [[String: Any]])
        #expect(alarms.compactMap { $0["lost_events"] as? Int } == [3])
        // A mirror's log, by either name.
        for log in ["setaside/r/mirror", "setaside/r@mirror"] {
            let none = try await BuiltProgram.run("alarms", "ls", "--dir", folder.path, "--log", log)
            #expect(none.code == 1 && none.error.contains("there is no log \(log) in"))
        }
        try FileManager.default.createDirectory(atPath: folder.path + "/setaside/r@mirror/segments", withIntermediateDirectories: true)
        for log in ["setaside/r/mirror", "setaside/r@mirror"] {
            #expect(try await BuiltProgram.run("alarms", "ls", "--dir", folder.path, "--log", log).code == 0, "\(log)")
        }
        try FileManager.default.removeItem(atPath: folder.path + "/setaside/r@mirror")
        let other = try await BuiltProgram.run("alarms", "acknowledge", "--dir", folder.path, "--log", "setaside/none")
        #expect(other.code == 1 && other.error.contains("there is no log setaside/none"))
        let seen = try await BuiltProgram.run("alarms", "acknowledge", "--dir", folder.path)
        #expect(seen.code == 0 && seen.out.contains("the log ends below a mark"))
        let again = try await BuiltProgram.run("alarms", "acknowledge", "--dir", folder.path)
        #expect(again.code == 0 && again.out == "" && again.error.contains("nothing to acknowledge"))
        try await StoppedNode.start(folder)
        #expect(try await BuiltProgram.run("alarms", "ls", "--dir", folder.path).out == "")
        #expect(try await BuiltProgram.run("spool", "verify", folder.path).code == 0)
        #expect(try await BuiltProgram.run("alarms", "ls", "--dir", folder.path + "/spool").code == 1, "no data_dir")
    }

    /// The service could not open afterwards what root has written.
    @Test func rootWritesNothingIntoTheFolderOfAnothersNode() async throws {
        let folder = try await StoppedNode.folder()
        let isRoot = geteuid() == 0
        // Whoever is not root can't give it away, and is no danger either.
        if isRoot {
            for path in try FileManager.default.subpathsOfDirectory(atPath: folder.path) + ["."] {
                chown("\(folder.path)/\(path)", 65_534, 65_534)
            }
        }
        func owners() throws -> Set<UInt32> {
            Set(
                try (FileManager.default.subpathsOfDirectory(atPath: folder.path) + ["."]).map {
                    var status = stat()
                    lstat("\(folder.path)/\($0)", &status)
                    return status.st_uid
                })
        }
        let before = try owners()
        for command in [
            ["alarms", "acknowledge", "--dir", folder.path],
            ["routes", "forget", "gone", "--dir", folder.path, "--config", folder.path + "/f.yaml"],
        ] {
            let result = try await BuiltProgram.run(command)
            if isRoot {
                let user = String(cString: getpwuid(65_534)!.pointee.pw_name)
                #expect(result.code == 77 && result.error.contains("is of the user \(user)"), "\(result)")
                #expect(result.error.contains("runuser -u \(user) -- ") && result.error.contains(command.joined(separator: " ")))
            } else {
                #expect(result.code != 77)
            }
        }
        for command in [
            ["alarms", "ls", "--dir", folder.path], ["routes", "ls", "--dir", folder.path], ["spool", "verify", folder.path],
            ["routes", "forget", "gone", "--dry-run", "--dir", folder.path, "--config", folder.path + "/f.yaml"],
        ] { #expect(try await BuiltProgram.run(command).code != 77, "\(command)") }
        #expect(try owners() == before)
    }

    @Test func listsVerifiesAndDumps() async throws {
        let folder = try await StoppedNode.folder()
        let listed = try await BuiltProgram.run("spool", "ls", folder.path)
        #expect(listed.code == 0)
        #expect(listed.out.contains("SEGMENT  EVENTS  FROM"))
        let document = try await BuiltProgram.run("spool", "ls", folder.path + "/spool", "--json")
        let object = try #require(JSONSerialization.jsonObject(with: Data(document.out.utf8)) as? [String: Any])
        let segments = try #require(object["segments"] as? [[String: Any]])
        #expect(segments.last?["end"] as? Int == (segments.first?["base"] as? Int).map { $0 + 3 })

        let sound = try await BuiltProgram.run("spool", "verify", folder.path)
        #expect(sound.code == 0)
        #expect(sound.out.hasPrefix("sound: "))
        #expect(sound.out.contains(" 5 events, "), "with the dead letters")

        let dump = try await BuiltProgram.run("spool", "dump", folder.path)
        let lines = try dump.out.split(separator: "\n").map { line in
            try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        }
        #expect(lines.map { $0["topic"] as? String } == ["orders", "orders", "orders"])
        #expect(lines.map { $0["route"] as? String } == ["r", "r", "r"])
        #expect((lines[0]["value"] as? [String: Int]) == ["a": 1])
        #expect(lines[1]["value_base64"] as? String == "/wA=")
        #expect(lines[2]["value"] is NSNull)
        #expect(lines.allSatisfy { ($0["id"] as? String)?.count == 30 })
        #expect(try await BuiltProgram.run("spool", "dump", folder.path, "--limit", "1").out.split(separator: "\n").count == 1)
        let first = try #require(lines[1]["sequence"] as? Int)
        #expect(try await BuiltProgram.run("spool", "dump", folder.path, "--from", "\(first)").out.split(separator: "\n").count == 2)
    }

    @Test func damageIsNamedAndIsAFailure() async throws {
        let folder = try await StoppedNode.folder()
        let segments = folder.path + "/spool/segments"
        let name = try #require(FileManager.default.contentsOfDirectory(atPath: segments).filter { $0.hasSuffix(".segment") }.min())
        var bytes = try Data(contentsOf: URL(fileURLWithPath: "\(segments)/\(name)"))
        let place = try #require(bytes.range(of: Data(#"{"a": 1}"#.utf8))).lowerBound
        bytes[place] ^= 1
        try bytes.write(to: URL(fileURLWithPath: "\(segments)/\(name)"))
        let result = try await BuiltProgram.run("spool", "verify", folder.path)
        #expect(result.code == 1)
        #expect(result.out.contains("\(name) at "))
        #expect(result.out.contains("the checksum of a frame is wrong: event 0 is missing"))
        #expect(result.out.contains("damaged: "))
        let document = try await BuiltProgram.run("spool", "verify", folder.path, "--json")
        let object = try #require(JSONSerialization.jsonObject(with: Data(document.out.utf8)) as? [String: Any])
        #expect(object["sound"] as? Bool == false)
        #expect((object["problems"] as? [[String: Any]])?.first?["missing_count"] as? Int == 1)
    }

    @Test func aFolderWithoutASpool() async throws {
        let folder = try TemporaryFolder()
        let result = try await BuiltProgram.run("spool", "ls", folder.path)
        #expect(result.code == 1)
        #expect(result.error.hasPrefix("forebay: "))
        #expect(result.error.split(separator: "\n").count == 1)
    }

    @Test func noneAtAll() async throws {
        let folder = try TemporaryFolder()
        let data = folder.path + "/forebay-data"
        try FileManager.default.createDirectory(atPath: data + "/spool/segments", withIntermediateDirectories: true)
        for (words, none) in [(["deadletters", "ls"], "no dead letters"), (["setaside", "ls"], "nothing is set aside")] {
            let result = try await BuiltProgram.run(words + ["--dir", data])
            #expect(result.code == 0 && result.out.isEmpty)
            #expect(result.error == none + "\n")
            // Never "none" of a folder that is none: the parent, a file, nothing at all.
            let parent = try await BuiltProgram.run(words + ["--dir", folder.path])
            #expect(parent.code == 1)
            #expect(
                parent.error
                    == "forebay: \(folder.path) is not the data_dir of a node: there is no spool in it; did you mean \(data)?\n")
            for inside in [data + "/spool", data + "/spool/"] {
                let child = try await BuiltProgram.run(words + ["--dir", inside])
                #expect(child.code == 1 && child.error.hasSuffix("; did you mean \(data)?\n"), "\(child.error)")
            }
            let other = try await BuiltProgram.run(words + ["--dir", "/usr"])
            #expect(other.code == 1 && other.error == "forebay: /usr is not the data_dir of a node: there is no spool in it\n")
            let nowhere = try await BuiltProgram.run(words + ["--dir", "/nowhere"])
            #expect(nowhere.code == 1 && nowhere.error == "forebay: cannot read /nowhere: No such file or directory\n")
        }
    }

    /// What could steer a terminal stands in the events themselves.
    @Test func dumpsAreHarmless() async throws {
        let evil = "\u{1b}[31m\u{9b}\u{202e}\u{7f}"
        let folder = try await StoppedNode.folder(values: [
            Array("\"\(evil)\"".utf8), Array("{\"\u{202e}\u{9b}\":1}".utf8), Array(evil.utf8),
        ])
        let dump = try await BuiltProgram.run("spool", "dump", folder.path)
        #expect(dump.out.unicodeScalars.allSatisfy { $0 == "\n" || (0x20..<0x7F).contains($0.value) })
        #expect(dump.out.contains(#"{"\u202e\u009b":1}"#))
    }

    @Test(arguments: [
        ["spool", "dump", "/", "--limit", "0"], ["deadletters", "ls", "--limit", "0"], ["setaside", "ls", "--limit", "0"],
        ["deadletters", "ls", "--limit", "-1"],
    ])
    func aLimitThatShowsNothing(_ arguments: [String]) async throws {
        let result = try await BuiltProgram.run(arguments)
        #expect(result.code == 64 && result.out.isEmpty && result.error.hasPrefix("forebay: --limit takes a number"))
    }
}
