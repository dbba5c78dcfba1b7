import ConfigurationWorld
import ForebayConfig
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayRuntime

/// What pages print for the reader to use: configurations, and lines for a shell.
@Suite("Pages: what they print") struct PagesTests {
    private struct Block {
        let page: String
        let language: Substring
        let text: Substring
    }

    private static let root = #filePath.components(separatedBy: "/Tests/")[0]

    private static func pages() throws -> [(path: String, text: String)] {
        let found = FileManager.default.enumerator(atPath: Self.root + "/docs")?.allObjects as? [String] ?? []
        let paths = ["README.md"] + found.filter { $0.hasSuffix(".md") }.map { "docs/" + $0 }
        return try paths.sorted().map { ($0, try String(contentsOfFile: "\(Self.root)/\($0)", encoding: .utf8)) }
    }

    private static func blocks(_ language: String) throws -> [Block] {
        try Self.pages().flatMap { path, text in
            text.matches(of: /\n *```(\w+)\n((?:.*\n)*?) *```/).map { Block(page: path, language: $0.1, text: $0.2) }
        }.filter { $0.language == language }
    }

    // MARK: Configurations

    @Test("every configuration of a page loads, whole or as the part that it is; probes go to the port that the page has them answered on")
    func configurations() throws {
        let blocks = try Self.blocks("yaml")
        var ports: [String: Int] = [:]
        var probes = 0
        for block in blocks {
            let keys = block.text.matches(of: /(?m)^([a-zA-Z_]+):/).map { String($0.1) }
            if keys.allSatisfy({ $0.hasSuffix("Probe") }) {
                for match in block.text.matches(of: /path: (\S+), port: (\d+)/) {
                    probes += 1
                    #expect(
                        ["/startupz", "/readyz", "/livez"].contains(match.1) && Int(match.2) == ports[block.page],
                        "\(block.page): \(match.0)")
                }
                continue
            }
            let world = ConfigurationWorld(
                files: ["f": minimal, "g": String(block.text), "/etc/forebay/kafka-password": "secret\n"], check: KafkaPropertyJudge.check)
            let loaded = try world.load(keys.contains("version") ? ["g"] : ["f", "g"])
            #expect(loaded.warnings.isEmpty, "\(block.page)")
            // What it sets is set, and by it.
            for key in keys {
                #expect(loaded.settings.contains { $0.key.pattern.first == key && $0.origin != .builtIn }, "\(block.page): \(key)")
            }
            ports[block.page] = loaded.configuration.listeners.health?.address.port ?? ports[block.page]
        }
        #expect(blocks.count >= 4 && probes == 3)
    }

    // MARK: Shell

    /// Of a Debian as it is installed.
    private static let system: Set = [
        "[", "apt-get", "cat", "cd", "cp", "echo", "export", "install", "kill", "mkdir", "printf", "runuser", "sed", "seq", "tail",
        "useradd",
        "watch", "wc",
    ]
    /// By the package that has them.
    private static let packaged = ["kcat": "kcat", "curl": "curl", "bin/kafka-storage.sh": "openjdk-17-jre-headless"]
        .merging(["bin/kafka-server-start.sh": "openjdk-17-jre-headless"]) { $1 }
    /// Named in passing, where whoever has it may use it.
    private static let optional: Set = ["jq"]

    /// The first words of all that a block runs.
    private static func commands(_ text: Substring) -> [String] {
        var text = String(text).replacing(/<<'(\w+)'\n((?:.*\n)*?)\1\n/) { _ in "\n" }  // What stands there is no command.
        text = text.replacing("\\\n", with: " ").replacing(/'[^']*'/) { _ in "''" }.replacing(/(?m)(^|\s)#.*$/) { _ in "" }
        text = text.replacing(/\$\(\(.*?\)\)/) { _ in "1" }.replacing(/"(\\"|[^"])*"/) { _ in "\"\"" }
        // What is run for its output stands beside.
        for match in text.matches(of: /\$\(([^()]*)\)/) { text += "\n" + match.1 }
        return text.replacing(/\$\([^()]*\)/) { _ in "1" }.split { "\n|;&".contains($0) }.compactMap { line in
            var words = line.split(separator: " ").map(String.init)[...]
            while let word = words.first, word.contains("=") || ["do", "sudo"].contains(word) { words.removeFirst() }
            if words.first == "for" || words.first == "done" { return nil }
            if words.first == "runuser" || words.first == "watch" { words = words.drop { $0 != "forebay" } }
            return words.first
        }
    }

    @Test("what a shell block runs is ours, of the system, or installed by the set-up that its page begins with")
    func installed() throws {
        let setup = try String(contentsOfFile: Self.root + "/dev/setup", encoding: .utf8)
        func packages(_ list: Substring) -> [Substring] {
            setup.matches(of: /(?m)^(\w+)=\((.*)\)$/).filter { $0.1 == list || $0.1 == list + "s" }.flatMap { $0.2.split(separator: " ") }
        }
        let pages = Dictionary(uniqueKeysWithValues: try Self.pages().map { ($0.path, $0.text) })
        var checked: Set<String> = []
        for block in try Self.blocks("sh") {
            let lists = pages[block.page]?.matches(of: /dev\/setup (\w+)/).map(\.1) ?? []
            for command in Self.commands(block.text) {
                let isOurs =
                    ["forebay", "swift", ".build/release/forebay"].contains(command)
                    || ["dev/", "Tests/", "Benchmarks/"].contains {
                        command.hasPrefix($0) && FileManager.default.isExecutableFile(atPath: "\(Self.root)/\(command)")
                    }
                if isOurs || Self.system.contains(command) || Self.optional.contains(command) { continue }
                guard let package = Self.packaged[command] else {
                    Issue.record("\(block.page): \(command)? Which set-up installs it?")
                    continue
                }
                checked.insert(command)
                guard block.page.hasPrefix("docs/tutorial") else { continue }
                #expect(lists.contains { packages($0).contains { $0 == package } }, "\(block.page): \(command) is not in \(lists)")
            }
        }
        #expect(checked == Set(Self.packaged.keys))
    }

    @Test("no page ends processes by a name, which others may have")
    func killing() throws {
        for (path, text) in try Self.pages() {
            let found = text.matches(of: /\b(pgrep|pkill|killall|pidof)\b/).map { String($0.0) }
            #expect(found.isEmpty, "\(path)")
        }
    }

    @Test("what the tutorial breaks is refused as it says")
    func tutorial() async throws {
        let page = try #require(try Self.pages().first { $0.path == "docs/tutorial/first-events.md" }?.text)
        let told = try #require(page.firstMatch(of: /sed '500s(?s:.*?)```\n\n(\d+), with `errors` that name index (\d+)/))
        try await NodeFixture.run { node, _ in
            let lines = (1...600).map { #"{"customer":"c\#($0 % 7)","order":\#($0)"# + ($0 == 500 ? "" : "}") }.joined(separator: "\n")
            let answer = try await NodeFixture.ask(
                node.ingestAddress, "/v1/topics/orders", body: lines, headers: [("Content-Type", "application/x-ndjson")])
            #expect("\(answer.status)" == told.1 && answer.text.replacing(" ", with: "").contains(#""index":\#(told.2)"#), "\(answer.text)")
        }
    }
}
