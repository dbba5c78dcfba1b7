import Foundation
import Glibc
import Synchronization

/// A real Kafka of one broker on loopback, from the distribution that `KAFKA_HOME` names. Gone when the process ends.
package final class KafkaCluster: Sendable {
    /// The folder of a Kafka distribution; none: tests that need it are skipped, by name.
    package static var home: String? {
        guard let home = ProcessInfo.processInfo.environment["KAFKA_HOME"], !home.isEmpty else { return nil }
        return home
    }

    package static var isAvailable: Bool { self.home != nil && KafkaConsumer.isAvailable }

    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    package let bootstrap: String
    /// With `acl`: a listener where clients log in by SASL PLAIN as `forebay` / `forebay-secret`.
    package let saslBootstrap: String
    private let home: String
    private let folder: URL
    private let broker = Mutex<Process?>(nil)

    /// Makes the cluster and waits until it serves; some seconds.
    ///
    /// - Parameters:
    ///   - acl: adds the SASL listener and checks ACLs there; everything is allowed until an ACL is made.
    ///   - settings: of the broker, beside what the cluster itself needs.
    package init(acl: Bool = false, settings: [String: String] = [:]) async throws {
        guard let home = Self.home else { throw Failure(description: "KAFKA_HOME is not set") }
        let ports = try FreePorts.find(3)
        self.home = home
        self.bootstrap = "127.0.0.1:\(ports[0])"
        self.saslBootstrap = "127.0.0.1:\(ports[2])"
        self.folder = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-kafka-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
        let properties = Self.properties(ports: ports, folder: self.folder.path, acl: acl).merging(settings) { $1 }
        let text = properties.map { "\($0)=\($1)\n" }.sorted().joined()
        try text.write(to: self.folder.appendingPathComponent("server.properties"), atomically: true, encoding: .utf8)
        let id = "MkU3OEVBNTcwNTJENDM2Qg"
        try await self.tool("storage", ["format", "-t", id, "-c", self.folder.path + "/server.properties"])
        try await self.start()
    }

    deinit {
        self.signal(SIGKILL)
        // A leftover in the temporary folder harms nobody.
        try? FileManager.default.removeItem(at: self.folder)
    }

    /// One for all tests of a process that neither stop nor freeze it.
    package static func shared() async throws -> KafkaCluster { try await sharedCluster.value }

    // MARK: The broker

    /// Starts the broker again after ``kill()`` or ``stop()``: same data, same ports.
    package func start() async throws {
        let log = self.folder.appendingPathComponent("log")
        if !FileManager.default.fileExists(atPath: log.path) { try Data().write(to: log) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: self.script("server-start"))
        process.arguments = [self.folder.path + "/server.properties"]
        process.environment = ProcessInfo.processInfo.environment.merging(self.environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        let output = try FileHandle(forWritingTo: log)
        output.seekToEndOfFile()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        self.broker.withLock { $0 = process }
        KillAtExit.add(process)
        try await until("the broker serves", within: 90) {
            guard process.isRunning else {
                throw Failure(description: "the broker ended: \(try String(contentsOf: log, encoding: .utf8).suffix(2000))")
            }
            // Not up yet: asked again.
            let list = try? await Command.run("/usr/bin/kcat", ["-L", "-b", self.bootstrap, "-m", "2"], limit: 10)
            return list?.contains(" 1 brokers:") ?? false
        }
    }

    package func stop() async throws {
        self.signal(SIGTERM)
        try await self.awaitEnd()
    }

    package func kill() async throws {
        self.signal(SIGKILL)
        try await self.awaitEnd()
    }

    package func freeze() { self.signal(SIGSTOP) }
    package func thaw() { self.signal(SIGCONT) }

    private func signal(_ number: Int32) {
        self.broker.withLock { $0?.signal(number) }
    }

    private func awaitEnd() async throws {
        guard let process = self.broker.withLock({ $0 }) else { return }
        try await until("the broker ends", within: 60) { !process.isRunning }
        self.broker.withLock { $0 = nil }
    }

    // MARK: Tools

    package func create(topic: String, partitions: Int, settings: [String: String] = [:]) async throws {
        var arguments = ["--bootstrap-server", self.bootstrap, "--create", "--topic", topic, "--partitions", "\(partitions)"]
        for (name, value) in settings { arguments += ["--config", "\(name)=\(value)"] }
        try await self.tool("topics", arguments)
    }

    /// Runs `bin/kafka-NAME.sh`.
    ///
    /// - Returns: what it prints.
    @discardableResult
    package func tool(_ name: String, _ arguments: [String]) async throws -> String {
        try await Command.run(self.script(name), arguments, environment: self.environment)
    }

    private func script(_ name: String) -> String { "\(self.home)/bin/kafka-\(name).sh" }

    private var environment: [String: String] {
        [
            "KAFKA_HEAP_OPTS": "-Xms128m -Xmx512m", "KAFKA_JVM_PERFORMANCE_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto",
            "LOG_DIR": self.folder.path,
        ]
    }

    private static func properties(ports: [Int], folder: String, acl: Bool) -> [String: String] {
        var properties = [
            "process.roles": "broker,controller", "node.id": "1", "controller.quorum.voters": "1@127.0.0.1:\(ports[1])",
            "controller.listener.names": "CONTROLLER", "inter.broker.listener.name": "PLAINTEXT",
            "listeners": "PLAINTEXT://127.0.0.1:\(ports[0]),CONTROLLER://127.0.0.1:\(ports[1])",
            "advertised.listeners": "PLAINTEXT://127.0.0.1:\(ports[0])",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT",
            "log.dirs": folder + "/data", "offsets.topic.replication.factor": "1", "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1", "offsets.topic.num.partitions": "1", "transaction.state.log.num.partitions": "1",
            "auto.create.topics.enable": "false", "log.cleaner.dedupe.buffer.size": "16777216",
        ]
        guard acl else { return properties }
        properties["listeners"]! += ",SASL_PLAINTEXT://127.0.0.1:\(ports[2])"
        properties["advertised.listeners"]! += ",SASL_PLAINTEXT://127.0.0.1:\(ports[2])"
        properties["sasl.enabled.mechanisms"] = "PLAIN"
        properties["listener.name.sasl_plaintext.plain.sasl.jaas.config"] =
            "org.apache.kafka.common.security.plain.PlainLoginModule required user_forebay=\"forebay-secret\";"
        properties["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
        properties["super.users"] = "User:ANONYMOUS"
        properties["allow.everyone.if.no.acl.found"] = "true"
        return properties
    }
}

private let sharedCluster = Task { try await KafkaCluster() }

/// Ends child processes with this one, however it ends but by SIGKILL.
private enum KillAtExit {
    private static let processes = Mutex<[Process]>([])
    private static let registered: Void = {
        atexit { KillAtExit.processes.withLock { for process in $0 { process.signal(SIGKILL) } } }
    }()

    static func add(_ process: Process) {
        self.registered
        self.processes.withLock { $0.append(process) }
    }
}

extension Process {
    /// Not to one that has ended: its number is soon another's, or that of a thread of ours, and then this process gets the signal.
    fileprivate func signal(_ number: Int32) {
        if self.isRunning { kill(self.processIdentifier, number) }
    }
}
