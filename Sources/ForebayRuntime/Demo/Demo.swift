package import ForebayConfig
import ForebayCore
import ForebayKafka
import Glibc

/// Everything in one process, with nothing to set up: an embedded Kafka (librdkafka's mock cluster), a spool in a temporary folder, sample
/// traffic.
package final class Demo {
    package let configuration: ForebayConfiguration
    package let bootstrap: String
    private let cluster: KafkaMockCluster
    private let folder: String

    /// The topic of the sample traffic and of the first `curl`.
    package static let topic = "orders"
    private static let partitions: Int32 = 3

    /// - Parameter overrides: `--set` arguments, over the demo's own configuration.
    package init(overrides: [String], hostName: String) throws {
        self.cluster = try KafkaMockCluster()
        self.cluster.create(topic: Self.topic, partitions: Self.partitions)
        self.bootstrap = self.cluster.bootstrap
        self.folder = try Self.temporaryFolder()
        let text = Self.text(bootstrap: self.bootstrap, folder: self.folder)
        do {
            self.configuration = try ConfigurationLoader.load(
                ConfigurationSources(
                    files: ["demo"], overrides: overrides, environment: [:], hostName: hostName, readFile: { _ in Array(text.utf8) },
                    checkProperties: KafkaPropertyJudge.check)
            ).configuration
        } catch {
            // Of an object that was never made no `deinit` runs.
            Self.remove(self.folder)
            throw error
        }
    }

    deinit {
        // What the demo spooled is of no use without its Kafka. A folder that stays is harmless.
        Self.remove(self.folder)
    }

    private static func text(bootstrap: String, folder: String) -> String {
        """
        version: 1
        node: { name: demo, data_dir: "\(folder)" }
        log: { level: warning }
        clusters:
          embedded: { properties: { bootstrap.servers: "\(bootstrap)" }, producer: { linger.ms: 0 } }
        buffer: { spool: { max_size: 1GiB, segment: 16MiB } }
        routes:
          default: { topics: ["*"], forward: { to: embedded } }
        topics:
          \(self.topic): { key: $.order_id }

        """
    }

    private static func temporaryFolder() throws(ForebayError) -> String {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/forebay-demo-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw ForebayError(
                .systemCall, recovery: .stop, "can't make a temporary folder in \(parent): \(String(cString: strerror(errno)))")
        }
        return template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    private static func remove(_ path: String) {
        if unlink(path) == 0 { return }
        // What can't be read or removed stays in the temporary folder: nothing depends on it.
        for name in (try? FolderEntries.names(of: path)) ?? [] { self.remove("\(path)/\(name)") }
        rmdir(path)
    }
}
