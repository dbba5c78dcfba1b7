import Foundation

/// Reads topics by `kcat`, a client of its own process: what it sees is in Kafka.
package struct KafkaConsumer: Sendable {
    package struct Record: Sendable, Equatable {
        package let partition: Int32
        package let offset: Int64
        package let timestamp: Int64
        /// None: no key.
        package let key: String?
        /// None: a tombstone.
        package let value: String?
        /// `name=value` separated by commas, as kcat prints them.
        package let headers: String

        /// The first header of that name; headers here hold no comma.
        package func header(_ name: String) -> String? {
            self.headers.split(separator: ",").first { $0.hasPrefix(name + "=") }.map { String($0.dropFirst(name.count + 1)) }
        }
    }

    /// Whether Debian's `kcat` is installed.
    package static var isAvailable: Bool { FileManager.default.isExecutableFile(atPath: "/usr/bin/kcat") }

    package let bootstrap: String

    package init(bootstrap: String) {
        self.bootstrap = bootstrap
    }

    /// Everything that stands in a topic now, by partition and offset. Values and keys hold no tab or newline.
    package func read(_ topic: String) async throws -> [Record] {
        let text = try await Command.run(
            "/usr/bin/kcat",
            [
                "-C", "-b", self.bootstrap, "-t", topic, "-o", "beginning", "-e", "-q", "-X", "log_level=0",
                // Else it waits half a second for more than there is, and for its next look at a partition.
                "-X", "fetch.wait.max.ms=10", "-X", "fetch.error.backoff.ms=10",
                "-f", "%p\t%o\t%T\t%K\t%k\t%S\t%s\t%h\n",
            ])
        return text.split(separator: "\n").compactMap(Self.record).sorted { ($0.partition, $0.offset) < ($1.partition, $1.offset) }
    }

    private static func record(_ line: Substring) -> Record? {
        let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        guard fields.count == 8, let partition = Int32(fields[0]), let offset = Int64(fields[1]), let timestamp = Int64(fields[2]) else {
            return nil
        }
        return Record(
            partition: partition, offset: offset, timestamp: timestamp, key: fields[3] == "-1" ? nil : fields[4],
            value: fields[5] == "-1" ? nil : fields[6], headers: fields[7])
    }
}
