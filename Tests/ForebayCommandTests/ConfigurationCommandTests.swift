import Foundation
import Testing

@Suite struct ConfigurationCommandTests {
    private static let sample = """
        version: 1
        clusters: { main: { properties: { bootstrap.servers: "k1:9092", sasl.password: s3cret } } }
        routes: { default: { topics: ["*"], forward: { to: main } } }

        """

    @Test func initWritesAFileThatValidates() async throws {
        let folder = try TemporaryFolder()
        let written = try await BuiltProgram.run("config", "init")
        #expect(written.code == 0 && written.error.isEmpty)
        let path = try folder.write("f.yaml", written.out)
        let checked = try await BuiltProgram.run("validate", "--config", path)
        #expect(checked.code == 0)
        #expect(checked.out == "the configuration is valid: 1 cluster, 1 route, 0 topics\n")
        // A small disk is told of.
        #expect(checked.error.isEmpty || checked.error.hasPrefix("warning: buffer.spool.max_size is 50GiB"))
    }

    @Test func problemsGoToStderrWithTheirPlaces() async throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("f.yaml", Self.sample + "limits: { boddy: 1 }\nauth: {}\n")
        for command in [["validate"], ["config", "print"], ["run"]] {
            let result = try await BuiltProgram.run(command + ["--config", path])
            #expect(result.code == 78)
            #expect(result.out.isEmpty)
            #expect(
                result.error == """
                    \(path):4:11 limits.boddy: unknown key; did you mean "body"?
                    \(path):5:1 auth: not supported yet: Who may send what
                    forebay: the configuration is invalid: 2 problems

                    """)
        }
    }

    @Test func aFileThatIsNotThereIsAnInvalidConfiguration() async throws {
        let result = try await BuiltProgram.run("validate", "--config", "/nowhere/f.yaml")
        #expect(result.code == 78)
        #expect(result.error.hasPrefix("cannot read /nowhere/f.yaml: No such file or directory\n"))
    }

    @Test func stdinIsAFileToo() async throws {
        let result = try await BuiltProgram.run("validate", "--config", "-", input: Self.sample + "log: { level: loud }")
        #expect(result.code == 78)
        #expect(result.error.hasPrefix("<stdin>:4:15 log.level: expected one of debug, info, warning, error, found \"loud\"\n"))
    }

    @Test func printsWhatIsInForceAndFromWhere() async throws {
        let folder = try TemporaryFolder()
        let first = try folder.write("a.yaml", Self.sample + "limits: { body: 1MiB, event: \"${E:-1KiB}\" }\n")
        let second = try folder.write("b.yaml", "node: { name: edge }\n")
        let result = try await BuiltProgram.run(
            "config", "print", "--config", first, "--config", second, "--set", "log.level=debug", "--resolved", "--show-origin",
            environment: ["FOREBAY_LIMITS_BODY": "2MiB"])
        #expect(result.code == 0)
        let lines = result.out.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        for line in [
            "name: edge  # \(second):1:15", "body: 2MiB  # FOREBAY_LIMITS_BODY", "event: 1KiB  # \(first):4:30", "level: debug  # --set",
            "header: 16KiB  # default", "sasl.password: \"***\"  # \(first):2:80",
        ] {
            #expect(lines.contains(line), "\(line) in \(result.out)")
        }
        #expect(!result.out.contains("s3cret"))
    }

    @Test func printsJSON() async throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("a.yaml", Self.sample)
        let result = try await BuiltProgram.run("config", "print", "--config", path, "--json", "--resolved")
        let object = try #require(JSONSerialization.jsonObject(with: Data(result.out.utf8)) as? [String: Any])
        #expect((object["limits"] as? [String: Any])?["events_per_request"] as? Int == 10_000)
        #expect(((object["routes"] as? [String: Any])?["default"] as? [String: Any])?["topics"] as? [String] == ["*"])
        let both = try await BuiltProgram.run("config", "print", "--config", path, "--json", "--show-origin")
        #expect(both.code == 64)
    }

    @Test func aSecretOnTheCommandLineIsRefusedAndNotRepeated() async throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("a.yaml", Self.sample)
        let result = try await BuiltProgram.run("validate", "--config", path, "--set", "clusters.main.properties.sasl.password=hunter2")
        #expect(result.code == 78)
        #expect(!result.error.contains("hunter2"))
    }

    @Test func propertiesAreJudgedByLibrdkafkaAtTheirPlaces() async throws {
        let folder = try TemporaryFolder()
        let text = Self.sample.replacingOccurrences(of: "sasl.password: s3cret", with: "linger.mss: 5, acks: 1")
        let path = try folder.write("a.yaml", text)
        let result = try await BuiltProgram.run("validate", "--config", path)
        #expect(result.code == 78)
        let lines = result.error.split(separator: "\n")
        #expect(lines.count == 3)
        #expect(
            lines[0].hasPrefix(
                "\(path):2:77 clusters.main.properties.linger.mss: no property of librdkafka has this name; did you mean \"linger.ms\"?"))
        #expect(lines[1].hasPrefix("\(path):2:86 clusters.main.properties.acks: acks is Forebay's own"))
    }
}
