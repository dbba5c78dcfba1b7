import Foundation
import Testing

@testable import forebay

/// What every user of a shell relies on: help, versions, suggestions, exit codes, and which stream gets what.
@Suite struct UsageTests {
    @Test func withoutArgumentsItHelps() async throws {
        let result = try await BuiltProgram.run()
        #expect(result.code == 0)
        #expect(result.error.isEmpty)
        #expect(result.out.contains("forebay demo"))
        #expect(result.out.contains("Exit codes"))
    }

    @Test func theVersion() async throws {
        let result = try await BuiltProgram.run("--version")
        #expect(result.code == 0)
        #expect(result.out.wholeMatch(of: /forebay [0-9]+\.[0-9]+\.[0-9]+\n/) != nil)
    }

    /// Every command answers `--help` with examples first and exit code 0.
    @Test(arguments: UsageTests.commands(CommandTable.root, []))
    func everyCommandHasHelp(_ words: [String]) async throws {
        let result = try await BuiltProgram.run(words + ["--help"])
        #expect(result.code == 0)
        #expect(result.out.contains("Usage\n  forebay " + words.joined(separator: " ")))
        if let examples = result.out.range(of: "Examples\n"), let usage = result.out.range(of: "Usage\n") {
            #expect(examples.lowerBound < usage.lowerBound)
        }
        #expect(result.out.split(separator: "\n").allSatisfy { $0.count <= 200 })
        #expect(try await BuiltProgram.run(["help"] + words).out == result.out)
    }

    private static func commands(_ command: CommandSpecification, _ path: [String]) -> [[String]] {
        if case .notYet = command.action { return [] }
        return (path.isEmpty ? [] : [path]) + command.subcommands.flatMap { Self.commands($0, path + [$0.name]) }
    }

    @Test(arguments: [
        (["sned"], "forebay: unknown command sned; did you mean \"send\"?\nRun 'forebay --help' for help.\n"),
        (["--verson"], "forebay: unknown option --verson; did you mean \"--version\"?\nRun 'forebay --help' for help.\n"),
        (["config", "prnt"], "forebay: unknown command prnt; did you mean \"print\"?\nRun 'forebay config --help' for help.\n"),
        (["send"], "forebay: TOPIC is missing\nRun 'forebay send --help' for help.\n"),
        (["send", "a", "--keey", "x"], "forebay: unknown option --keey; did you mean \"--key\"?\nRun 'forebay send --help' for help.\n"),
        (["send", "a", "--key"], "forebay: --key needs a value: --key KEY\nRun 'forebay send --help' for help.\n"),
        (["send", "a", "--key", "x", "--key", "y"], "forebay: --key is given twice\nRun 'forebay send --help' for help.\n"),
        (["send", "a", "--json=x"], "forebay: --json takes no value\nRun 'forebay send --help' for help.\n"),
        (
            ["send", "a b"],
            "forebay: a b is not a topic's name (letters, digits, '.', '_', '-', at most 249)\nRun 'forebay send --help' for help.\n"
        ),
        (
            ["send", "a", "x", "--timeout", "5"],
            "forebay: --timeout takes a duration such as 30s, not 5\nRun 'forebay send --help' for help.\n"
        ),
        (["send", "a", "x", "--url", "https://h"], "forebay: https://h: https is not supported yet; expected http://host:port\n"),
        (["status", "extra"], "forebay: unexpected argument extra\nRun 'forebay status --help' for help.\n"),
        (["bench"], "forebay: bench is not supported yet\nRun 'forebay --help' for help.\n"),
        (["targets", "ls"], "forebay: targets is not supported yet\nRun 'forebay --help' for help.\n"),
        (
            ["deadletters", "rm", "x"],
            "forebay: say which: NUMBER, --id, --topic, --code, --older-than, --newer-than, or --all for all of them\n"
                + "Run 'forebay deadletters rm --help' for help.\n"
        ),
        (["validate"], "forebay: --config FILE is missing; 'forebay config init' writes one to start from\n"),
    ])
    func refusals(_ arguments: [String], _ message: String) async throws {
        let result = try await BuiltProgram.run(arguments)
        #expect(result.code == 64)
        #expect(result.out.isEmpty)
        #expect(result.error == message)
    }

    /// What does not exist is in no help and no page.
    @Test func whatDoesNotExistIsNotOffered() async throws {
        let help = try await BuiltProgram.run("--help").out
        for name in ["targets", "bench"] {
            #expect(!help.contains(name) && !HelpText.reference(CommandTable.root).contains("forebay \(name)"))
        }
        #expect(try await BuiltProgram.run("targest").error.contains("unknown command targest\n"))
    }

    /// Help, unit and pages name one folder.
    @Test func oneFolderEverywhere() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let pages =
            ["README.md", "Configuration/systemd/forebay.service"]
            + (try FileManager.default.subpathsOfDirectory(atPath: root.path + "/docs").filter { $0.hasSuffix(".md") }.map { "docs/" + $0 })
        for page in pages {
            let text = try String(contentsOf: root.appendingPathComponent(page), encoding: .utf8)
            for match in text.matches(of: /(--dir|spool (ls|verify|dump)|data_dir:) (?<folder>\/[^ `"}]+)/) {
                #expect(match.folder.trimmingCharacters(in: .whitespacesAndNewlines).hasPrefix("/var/lib/forebay/forebay-data"), "\(page)")
            }
        }
    }

    @Test func optionsMayStandAnywhereAndEndAtTwoDashes() throws {
        let parser = ArgumentParser(root: CommandTable.root)
        guard case .run(let command, let path, let parsed) = try parser.parse(["send", "--key=a=b", "t", "--", "--help", "-"]) else {
            Issue.record("not a run")
            return
        }
        #expect(command.name == "send" && path == ["forebay", "send"])
        #expect(parsed.positional == ["t", "--help", "-"])
        #expect(parsed.value("--key") == "a=b")
    }

    @Test func noSecretIsAnOptionsValue() {
        func options(_ command: CommandSpecification) -> [String] { command.options.map(\.name) + command.subcommands.flatMap(options) }
        let words = ["password", "token", "secret"]
        #expect(!options(CommandTable.root).contains { name in words.contains { name.contains($0) } })
    }

    @Test func theReferencePageIsUpToDate() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let page = try String(contentsOf: root.appendingPathComponent("docs/reference/cli.md"), encoding: .utf8)
        #expect(page == HelpText.reference(CommandTable.root), "run dev/docs")
    }

    @Test func theServiceUnitIsOneThatSystemdTakes() async throws {
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/systemd-analyze") else { return }
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let unit = try String(contentsOf: root.appendingPathComponent("Configuration/systemd/forebay.service"), encoding: .utf8)
        let folder = try TemporaryFolder()
        // systemd looks whether the program is there, and it is not installed here.
        let path = try folder.write("forebay.service", unit.replacingOccurrences(of: "/usr/bin/forebay", with: "/bin/true"))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/systemd-analyze")
        process.arguments = ["verify", path]
        let pipe = Pipe()
        process.standardError = pipe
        try process.run()
        let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(said.isEmpty)
    }
}
