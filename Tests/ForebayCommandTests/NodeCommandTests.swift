import ForebayConfig
import ForebayCore
import ForebayHTTP
import ForebayKafka
import ForebayRuntime
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

/// What commands say of a node, and give to it, over its starts and stops.
@Suite struct NodeCommandTests {
    private static func configuration(_ folder: TemporaryFolder, bootstrap: String = "127.0.0.1:1") throws -> ForebayConfiguration {
        let text = """
            version: 1
            node: { data_dir: "\(folder.path)/data" }
            listeners: { ingest: { address: "127.0.0.1:0" }, admin: { address: "127.0.0.1:0" } }
            clusters: { main: { properties: { bootstrap.servers: "\(bootstrap)" } } }
            routes: { r: { topics: ["*"], forward: { to: main } } }
            buffer: { spool: { segment: 1MiB, max_size: 64MiB } }
            shutdown: { timeout: 2s }

            """
        let path = try folder.write("node.yaml", text)
        return try ConfigurationLoader.load(ConfigurationSources(files: [path], environment: [:], hostName: "h")).configuration
    }

    private static func post(_ node: Node, _ target: String, _ body: String, type: String? = nil) throws -> Int {
        var client = HTTPClient(try HTTPAddress(url: "http://\(node.ingestAddress)"))
        let headers = type.map { [("Content-Type", $0)] } ?? []
        return try client.send(HTTPClientRequest(method: "POST", target: target, headers: headers, body: Array(body.utf8))).status
    }

    @Test("a node that drained and was stopped is sound with 0 events, and goes on in the same spool, as often as that happens")
    func drained() async throws {
        let cluster = try KafkaMockCluster()
        cluster.create(topic: "events", partitions: 1)
        let folder = try TemporaryFolder()
        let configuration = try Self.configuration(folder, bootstrap: cluster.bootstrap)
        var spools: [String] = []
        for round in 0..<3 {
            let node = try await Node.start(configuration)
            spools.append(node.storage.spool.id.description)
            // In the second round nothing is stored: only what was there before may tell the third which spool it is.
            for number in 0..<(round == 1 ? 0 : 4) {
                #expect(try Self.post(node, "/v1/topics/events?ack=kafka", "\(round)-\(number)") == 200)
            }
            #expect(await eventually { node.lag == 0 })
            #expect(await node.stop())
            let verified = try await BuiltProgram.run("spool", "verify", folder.path + "/data")
            #expect(verified.code == 0 && verified.out.hasPrefix("sound: "), "\(verified)")
            let document = try await BuiltProgram.run("spool", "verify", folder.path + "/data", "--json")
            let object = try #require(JSONSerialization.jsonObject(with: Data(document.out.utf8)) as? [String: Any])
            #expect(object["sound"] as? Bool == true && (object["problems"] as? [Any])?.isEmpty == true)
            let waiting = try await BuiltProgram.run("routes", "ls", "--dir", folder.path + "/data", "--json")
            #expect(waiting.out.replacing(" ", with: "").contains(#""lag_events":0"#), "\(waiting.out)")
        }
        #expect(Set(spools).count == 1)
    }

    @Test("a dead letter's envelope, posted back as the page says, is stored as the event that it was, to the byte")
    func postedBack() async throws {
        let values: [[UInt8]?] = [
            Array(#"{"a": 1.50}"#.utf8), Array("{\"a\":\n1}".utf8), Array(" 1 ".utf8), Array("text".utf8), Array("\u{202e}".utf8),
            Array("null".utf8), Array("\"\u{7f}\u{9b}\"".utf8), [0xFF, 0x00], [], nil,
        ]
        let headers: [(String, String?)] = [("h", "v\""), ("h", nil), ("é", "\u{7f}\u{202e}\n"), ("empty", "")]
        let records = values.map { value in
            StoppedNode.batch(value, headers: headers, partition: 7).withUnsafeBytes { Array($0) }
        }
        let letters = records.enumerated().map { number, record in
            DeadLetter(
                topic: "orders", code: "C", reason: "r", eventID: "id-\(number)",
                offset: Offset(lane: .partition(topic: "orders", 1), number: 17), record: record)
        }
        let source = try await StoppedNode.folder(letters: letters)
        let listed = try await BuiltProgram.run("deadletters", "ls", "--dir", source.path, "--json")
        let object = try #require(JSONSerialization.jsonObject(with: Data(listed.out.utf8)) as? [String: Any])
        let numbers = try #require(object["dead_letters"] as? [[String: Any]]).compactMap { $0["sequence"] as? Int }
        let folder = try TemporaryFolder()
        let configuration = try Self.configuration(folder)
        let node = try await Node.start(configuration)
        for number in numbers {
            let shown = try await BuiltProgram.run("deadletters", "show", "r", "\(number)", "--dir", source.path, "--envelope")
            #expect(try Self.post(node, "/v1/events", shown.out, type: "application/vnd.forebay.v1+json") == 202, "\(shown.out)")
        }
        await node.stop()

        let storage = try NodeStorage.open(configuration, metrics: MetricsRegistry())
        let reader = storage.spool.reader(of: try await storage.spool.cursor("forward/r", route: RouteID(name: "r")))
        var stored: [(value: [UInt8]?, key: [UInt8]?, headers: [UInt8], id: String, timestamp: Int64, partition: Int32?, topic: String)] =
            []
        while !reader.isCaughtUp {
            for batch in try reader.read(upTo: 1 << 20) {
                batch.forEachEvent { event, _ in
                    stored.append(
                        (
                            event.value.map(Array.init), event.key.map(Array.init), Array(event.headers),
                            String(decoding: event.id, as: UTF8.self),
                            event.timestamp, event.partition, String(decoding: event.topic, as: UTF8.self)
                        ))
                }
            }
        }
        await storage.close()
        #expect(stored.map(\.value) == values && stored.map(\.id) == values.indices.map { "id-\($0)" })
        let encoded = headers.flatMap(StoppedNode.encoded)
        #expect(stored.allSatisfy { $0.key == Array("k".utf8) && $0.headers == encoded && $0.topic == "orders" })
        #expect(stored.allSatisfy { $0.timestamp == 1_700_000_000_123 && $0.partition == 7 })
    }
}
