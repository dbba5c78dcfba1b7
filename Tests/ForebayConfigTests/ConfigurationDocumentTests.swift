import ConfigurationWorld
import Glibc
import Testing

@testable import ForebayConfig

/// What is made from the table of keys, and that what lies in the repository is what is made.
@Suite struct ConfigurationDocumentTests {
    private static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }

    private static func repository(_ path: String) throws -> String {
        String(decoding: try ConfigurationFile.read(self.root + "/" + path), as: UTF8.self)
    }

    @Test func everyKeyIsDocumentedAndItsDefaultIsOfItsType() throws {
        for entry in ForebayConfiguration.entries {
            switch entry {
            case .section(let section): #expect(section.documentation.hasSuffix("."), "\(section.pattern)")
            case .notYet(let notYet): #expect(notYet.documentation.hasSuffix("."), "\(notYet.pattern)")
            case .key(let key):
                #expect(key.documentation.hasSuffix("."), "\(key.pattern)")
                if case .standard(let text) = key.presence {
                    _ = try key.type.parse(text)
                } else {
                    #expect(key.example != nil, "\(key.pattern)")
                }
                if let example = key.example, !key.type.isList { _ = try key.type.parse(example) }
            }
        }
    }

    @Test func noTwoKeysHaveOneVariable() {
        let keys = ForebayConfiguration.entries.compactMap {
            if case .key(let key) = $0 { EnvironmentSource.variable(key.pattern) } else { nil }
        }
        #expect(Set(keys).count == keys.count)
    }

    @Test func theTemplateLoadsAndIsAllDefaults() throws {
        let written = try ConfigurationWorld(files: ["f": ConfigurationTemplate.text]).load(["f"])
        let plain = try load("")
        #expect(written.configuration.limits == plain.configuration.limits)
        #expect(written.configuration.buffer == plain.configuration.buffer)
        #expect(written.configuration.routes == plain.configuration.routes)
        #expect(written.configuration.node == plain.configuration.node)
    }

    /// Every line that begins with # and no space is a setting: without the mark the file still loads.
    @Test func theTemplateLoadsWithEverythingSwitchedOn() throws {
        let lines = ConfigurationTemplate.text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            guard let mark = line.firstIndex(of: "#"), line[..<mark].allSatisfy({ $0 == " " }) else { return String(line) }
            let after = line[line.index(after: mark)...]
            let isProse = after.isEmpty || (after.hasPrefix(" ") && !after.hasPrefix("  "))
            return isProse ? String(line) : String(line[..<mark] + after)
        }
        // The template has one cluster; a mirror is another one.
        let backup = "clusters: { backup: { properties: { bootstrap.servers: b } } }"
        let loaded = try ConfigurationWorld(files: ["f": lines.joined(separator: "\n"), "g": backup]).load(["f", "g"])
        #expect(loaded.configuration.topics["orders"]?.target == "orders.v2")
        #expect(loaded.configuration.clusters["main"]?.producer == ["compression.type": "zstd"])
        let given = loaded.settings.filter { $0.given != nil }.map { $0.key.pattern }
        for entry in ForebayConfiguration.entries {
            if case .key(let key) = entry { #expect(given.contains(key.pattern), "\(key.pattern) is not in the template") }
        }
    }

    @Test func filesInTheRepositoryAreUpToDate() throws {
        #expect(try Self.repository("Configuration/forebay.example.yaml") == ConfigurationTemplate.text, "run dev/docs")
        #expect(try Self.repository("docs/reference/configuration.md") == ConfigurationReference.text, "run dev/docs")
    }

    @Test func theMinimalFileLoads() throws {
        let text = try Self.repository("Configuration/forebay.minimal.yaml")
        #expect(ConfigurationWorld(files: ["f": text]).problems(["f"]) == [])
    }

    /// What a page prints as a configuration is one, judged by librdkafka too; a secret's file is all that it may need.
    @Test(arguments: ["docs/how-to/run-in-production.md", "docs/tutorial/first-events.md"])
    func configurationsOfPagesLoad(_ page: String) throws {
        let blocks = try Self.repository(page).split(separator: "\nversion: 1\n", omittingEmptySubsequences: false).dropFirst()
        #expect(!blocks.isEmpty)
        for block in blocks {
            let lines = block.split(separator: "\n", omittingEmptySubsequences: false).prefix { $0 != "```" && $0 != "YAML" }
            let text = "version: 1\n" + lines.joined(separator: "\n")
            let files = ["f": text, "/etc/forebay/kafka-password": "secret\n"]
            let loaded = try ConfigurationWorld(files: files, check: KafkaPropertyJudge.check).load(["f"])
            #expect(loaded.warnings.isEmpty)
        }
    }

    @Test func printsWhatWasGivenAsItWasGiven() throws {
        let text = """
            node: { name: "${NAME}" }
            topics: { pay.eu: { key: $.id } }
            limits: { events_per_request: 5 }
            """
        let loaded = try load(
            text, environment: ["NAME": "n", "FOREBAY_NODE_DATA_DIR": "/x/${y}"],
            set: ["clusters.main.properties.sasl.password_file=/pw"], files: ["/pw": "s3cret"])
        #expect(
            ConfigurationPrinter(isResolved: false, showsOrigin: true).yaml(loaded.settings) == """
                version: 1  # f:1:10
                node:
                  name: "${NAME}"  # f:6:15
                  data_dir: "/x/$${y}"  # FOREBAY_NODE_DATA_DIR
                limits:
                  events_per_request: 5  # f:8:31
                clusters:
                  main:
                    properties:
                      bootstrap.servers: "k1:9092"  # f:3:44
                      sasl.password_file: /pw  # --set
                routes:
                  default:
                    topics: ["*"]  # f:5:22
                    forward:
                      to: main  # f:5:44
                topics:
                  pay.eu:
                    key: $.id  # f:7:26

                """)
    }

    @Test func printsSecretsAsStars() throws {
        let text = "# x"
        let loaded = try load(
            text, environment: ["FOREBAY_CLUSTERS_MAIN_PRODUCER_SSL_KEY_PASSWORD": "k3y"],
            set: ["clusters.main.properties.sasl.password_file=/pw"], files: ["/pw": "s3cret"])
        for isResolved in [true, false] {
            let printer = ConfigurationPrinter(isResolved: isResolved, showsOrigin: true)
            for output in [printer.yaml(loaded.settings), printer.json(loaded.settings)] {
                #expect(!output.contains("s3cret") && !output.contains("k3y"))
                #expect(output.contains("***"))
            }
        }
        #expect(!"\(loaded.configuration)".contains("s3cret"))
    }

    @Test func whatIsPrintedLoadsToTheSame() throws {
        let text = """
            version: 1
            node: { name: "a: b # ${N} $${c}", data_dir: "\\u00fc\\n" }
            clusters: { main: { properties: { bootstrap.servers: "k1:9092,k2", linger.ms: "5", client.id: "yes" }, producer: { a.b: "" } } }
            routes: { x.y: { topics: [orders, "pay.*"], forward: { to: main } }, z: { topics: ["*"], forward: { to: main } } }
            topics: { a.b: { key: "$.x+y.z", max_event: 1KiB }, c: { rename: d } }
            listeners: { ingest: { address: "[::1]:0" } }
            """
        let environment = ["N": "${file:/x}"]
        let first = try ConfigurationWorld(files: ["f": text], environment: environment).load(["f"])
        for (isResolved, environment) in [(true, [:]), (false, environment)] {
            let printer = ConfigurationPrinter(isResolved: isResolved, showsOrigin: false)
            for output in [printer.yaml(first.settings), printer.json(first.settings)] {
                let second = try ConfigurationWorld(files: ["g": output], environment: environment).load(["g"])
                #expect(second.configuration == first.configuration)
            }
        }
    }

    /// Broken in every way a seed finds: problems, never a trap.
    @Test(arguments: 0..<4)
    func mutatedFiles(_ seed: Int) {
        var random = SystemSeeded(state: UInt64(seed) &+ 41)
        let pieces = ["{}", "[]", ": ", "\n", "  ", "${", "}", "$", "null", "~", "*", "\"", "routes", "topics", "9", "KiB", "\u{0}", "é"]
        let text = ConfigurationTemplate.text.split(separator: "\n").filter { !$0.contains("# ") }.joined(separator: "\n")
        for _ in 0..<150 {
            var characters = Array(text)
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                let at = Int.random(in: 0..<characters.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: characters.insert(contentsOf: Array(pieces.randomElement(using: &random)!), at: at)
                case 1: characters.removeSubrange(at..<min(characters.count, at + Int.random(in: 1...20, using: &random)))
                default:
                    if characters[at] == "#" {
                        characters[at] = " "
                    } else {
                        characters.swapAt(at, Int.random(in: 0..<characters.count, using: &random))
                    }
                }
            }
            let found = ConfigurationWorld(files: ["f": String(characters)]).problems(["f"])
            for problem in found { #expect(!problem.contains("\n")) }
        }
    }
}

private struct SystemSeeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state ^= self.state << 13
        self.state ^= self.state >> 7
        self.state ^= self.state << 17
        return self.state
    }
}
