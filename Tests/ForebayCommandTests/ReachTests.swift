import ForebayConfig
import ForebayKafka
import ForebayRuntime
import ForebayTestKit
import Foundation
import Testing

/// `validate --connect`: what it finds, and that it leaves no trace.
@Suite struct ReachTests {
    private static func text(_ folder: String, ingest: String, admin: String, bootstrap: String) -> String {
        """
        version: 1
        node: { name: "reach", data_dir: "\(folder)" }
        listeners: { ingest: { address: "\(ingest)" }, admin: { address: "\(admin)" } }
        buffer: { spool: { max_size: 64MiB } }
        clusters: { main: { properties: { bootstrap.servers: "\(bootstrap)" } } }
        routes: { default: { topics: [there, "missing"], forward: { to: main } } }

        """
    }

    @Test func besideARunningNodeAndWithoutOne() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "there", partitions: 1)
        // As a cluster says it of a topic that it makes for nobody: this one would make any that it is asked for.
        cluster.failTopic("missing", with: .unknownTopicOrPartition)
        let folder = try TemporaryFolder()
        let data = folder.path + "/data"
        let before = try folder.write(
            "before.yaml", Self.text(data, ingest: "127.0.0.1:0", admin: "127.0.0.1:0", bootstrap: cluster.bootstrap))
        let fresh = try await BuiltProgram.run("validate", "--config", before, "--connect")
        #expect(fresh.code == 0, "\(fresh.out)\(fresh.error)")
        #expect(fresh.out.contains("ok       cluster main: 1 broker\n"))
        #expect(fresh.out.contains("warning  topics of cluster main: missing: not there; create them. "))
        #expect(!fresh.out.contains("may not see"))
        #expect(fresh.out.contains("; it will be made at the first start\n"))
        #expect(!FileManager.default.fileExists(atPath: data))

        let configuration = try ConfigurationLoader.load(ConfigurationSources(files: [before], environment: [:], hostName: "h"))
        let node = try await Node.start(configuration.configuration)
        let text = Self.text(data, ingest: node.ingestAddress, admin: node.adminAddress, bootstrap: cluster.bootstrap)
        let beside = try await BuiltProgram.run("validate", "--config", try folder.write("beside.yaml", text), "--connect")
        #expect(beside.code == 0, "\(beside.out)\(beside.error)")
        #expect(beside.out.contains("ok       listener ingest \(node.ingestAddress): in use by node reach, which runs\n"))
        // One that this client may not see is told from one that is not there. (On a real cluster: the scenario `missing`.)
        cluster.failTopic("there", with: .topicAuthorizationFailed)
        let denied = try await BuiltProgram.run("validate", "--config", try folder.write("beside.yaml", text), "--connect")
        #expect(denied.out.contains("warning  topics of cluster main: there: this client may not see them; grant Describe and Write. "))
        #expect(denied.out.contains("warning  topics of cluster main: missing: not there; "))
        cluster.failTopic("there", with: .none)
        // Somebody else's port is not ours.
        let other = text.replacingOccurrences(of: "\"reach\"", with: "\"another\"")
        let taken = try await BuiltProgram.run("validate", "--config", try folder.write("other.yaml", other), "--connect")
        #expect(taken.code == 69)
        #expect(taken.out.contains("failed   listener ingest \(node.ingestAddress): can't listen on "))
        await node.stop()
    }

    @Test("a mirror's topics are looked for in its cluster; two clusters that are one are told of")
    func mirrors() async throws {
        let (main, backup) = (try KafkaMockCluster(), try KafkaMockCluster())
        for topic in ["there", "missing"] { main.create(topic: topic, partitions: 1) }
        backup.create(topic: "there", partitions: 1)
        backup.failTopic("missing", with: .unknownTopicOrPartition)
        let folder = try TemporaryFolder()
        func checked(_ second: String) async throws -> String {
            let text = Self.text(folder.path + "/data", ingest: "127.0.0.1:0", admin: "127.0.0.1:0", bootstrap: main.bootstrap)
                .replacing("clusters: { ", with: "clusters: { backup: { properties: { bootstrap.servers: \"\(second)\" } }, ")
                .replacing("forward: { to: main }", with: "forward: { to: main }, mirror: { to: backup }")
            let result = try await BuiltProgram.run("validate", "--config", try folder.write("f.yaml", text), "--connect")
            #expect(result.code == 0, "\(result.out)\(result.error)")
            return result.out
        }
        let apart = try await checked(backup.bootstrap)
        #expect(apart.contains("ok       topics of cluster main: all that are named are there (2)"))
        #expect(apart.contains("warning  topics of cluster backup: missing: not there; create them. "))
        #expect(!apart.contains("are one"))
        let one = try await checked(main.bootstrap.replacing("127.0.0.1", with: "localhost"))
        #expect(one.contains("warning  delivery default/mirror: clusters main and backup are one ("), "\(one)")
        #expect(one.contains("by two names: each event of route default stands there twice"))
    }

    @Test("a file of the data folder that can't be opened ends a start, with what to do about it")
    func aFileThatCannotBeOpened() async throws {
        let folder = try TemporaryFolder()
        let data = folder.path + "/data"
        let path = try folder.write("f.yaml", Self.text(data, ingest: "127.0.0.1:0", admin: "127.0.0.1:0", bootstrap: "127.0.0.1:1"))
        // Enough to begin with, and too few for the folder.
        let run = try await BuiltProgram.run(["run", "--config", path], openFiles: 36)
        #expect(run.code == 1 && run.error.contains("forebay: open \(data)/"), "\(run)")
        #expect(
            run.error.contains("; raise the limit of open files (LimitNOFILE, ulimit -n), then start again: no route runs until then"),
            "\(run)")
    }

    @Test func aFolderThatOthersWriteIn() async throws {
        let folder = try TemporaryFolder()
        try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: folder.path)
        let path = try folder.write("f.yaml", Self.text(folder.path, ingest: "127.0.0.1:0", admin: "127.0.0.1:0", bootstrap: "127.0.0.1:1"))
        let checked = try await BuiltProgram.run("validate", "--config", path)
        #expect(checked.code == 0 && checked.error.hasPrefix("warning: every user of this machine may write in \(folder.path) (mode 777)"))
        let run = try await BuiltProgram.run("run", "--config", path)
        #expect(run.code == 1 && run.error.contains("forebay: every user of this machine may write in \(folder.path)"))
    }

    @Test func aDiskThatIsSmallerThanTheSpoolMayBe() async throws {
        let folder = try TemporaryFolder()
        let text = Self.text(folder.path, ingest: "127.0.0.1:0", admin: "127.0.0.1:0", bootstrap: "127.0.0.1:1")
            .replacingOccurrences(of: "64MiB", with: "1024TiB")
        let checked = try await BuiltProgram.run("validate", "--config", try folder.write("f.yaml", text))
        #expect(checked.code == 0)
        let shortage = "buffer.spool.max_size is 1024TiB, and the disk of \(folder.path) has room for "
        #expect(checked.error.hasPrefix("warning: " + shortage))
        // A start says so too, before anything else can go wrong: here its port is another's.
        let server = ScriptedServer { _, _ in .none }
        defer { server.stop() }
        let taken = text.replacingOccurrences(
            of: #"ingest: { address: "127.0.0.1:0" }"#, with: #"ingest: { address: "127.0.0.1:\#(server.port)" }"#)
        let run = try await BuiltProgram.run("run", "--config", try folder.write("g.yaml", taken))
        #expect(run.code == 1 && run.error.contains("can't listen on"), "\(run)")
        let warning = run.error.split(separator: "\n").first { $0.contains("the disk is smaller than max_size") }
        #expect(warning?.contains(shortage) == true && warning?.contains("\"warning\"") == true, "\(run.error)")
    }
}
