import ForebayConfig
import ForebayCore
import ForebayRuntime
import ForebaySpool
import ForebayTelemetry

/// The folder of a node that is down.
enum StoppedNode {
    /// Three events, the last a tombstone, and two dead letters of the route `r`.
    static func folder(values: [[UInt8]?]? = nil, letters: [DeadLetter]? = nil) async throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let text = """
            version: 1
            node: { data_dir: "\(folder.path)" }
            clusters: { main: { properties: { bootstrap.servers: k } } }
            routes: { r: { topics: ["*"], forward: { to: main } } }
            buffer: { spool: { segment: 1MiB, max_size: 64MiB } }
            """
        let path = try folder.write("f.yaml", text)
        let configuration = try ConfigurationLoader.load(ConfigurationSources(files: [path], environment: [:], hostName: "h")).configuration
        let storage = try NodeStorage.open(configuration, metrics: MetricsRegistry())
        for value in values ?? [Array(#"{"a": 1}"#.utf8), [0xFF, 0x00], nil] {
            _ = try await storage.spool.commit([Submission(batches: [Self.batch(value)], ack: AckToken { _ in })])
        }
        let letters =
            letters
            ?? ["too\nlarge", "x"].map { value in
                DeadLetter(
                    topic: "orders", code: "MSG_SIZE_TOO_LARGE", reason: "larger than\u{1B}[31m max.message.bytes",
                    eventID: "id-\(value.count)",
                    offset: Offset(lane: .partition(topic: "orders", 1), number: 17),
                    record: Self.batch(Array(value.utf8)).withUnsafeBytes { Array($0) })
            }
        _ = try await storage.deadLetters[DeliveryName(.forward, of: "r")]?.append(letters)
        await storage.close()
        return folder
    }

    static func batch(
        _ value: [UInt8]?, topic: String = "orders", headers: [(String, String?)] = [], partition: Int32? = nil
    ) -> Batch {
        var builder = BatchBuilder()
        let topic = Array(topic.utf8)
        let key = Array("k".utf8)
        topic.withUnsafeBytes { topic in
            key.withUnsafeBytes { key in
                (value ?? []).withUnsafeBytes { bytes in
                    var fields = EventFields(topic: topic, value: value == nil ? nil : bytes, timestamp: 1_700_000_000_123)
                    fields.key = key
                    fields.partition = partition
                    let encoded = headers.flatMap(Self.encoded)
                    encoded.withUnsafeBytes {
                        fields.headers = $0
                        builder.append(fields)
                    }
                }
            }
        }
        return builder.finish(route: RouteID(name: "r"), acceptedAt: 1_700_000_000_000)!
    }

    /// One header as `RecordLayout` says.
    static func encoded(_ name: String, _ value: String?) -> [UInt8] {
        func little(_ number: UInt32, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * UInt32($0))) } }
        let length = value.map { UInt32($0.utf8.count) } ?? RecordLayout.nullLength
        return little(UInt32(name.utf8.count), 2) + Array(name.utf8) + little(length, 4) + Array((value ?? "").utf8)
    }

    /// Starts it once, as far as its storage.
    static func start(_ folder: TemporaryFolder) async throws {
        let configuration = try ConfigurationLoader.load(
            ConfigurationSources(files: [folder.path + "/f.yaml"], environment: [:], hostName: "h")
        ).configuration
        let storage = try NodeStorage.open(configuration, metrics: MetricsRegistry())
        await storage.close()
    }
}
