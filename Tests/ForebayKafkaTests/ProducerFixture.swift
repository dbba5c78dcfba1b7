import ForebayCore
import ForebayKafka
import ForebayNet
import ForebayTelemetry
import ForebayTestKit

/// Holds a producer on a loop, as a stage does.
actor ProducerFixture {
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }
    let reports = Happenings<KafkaReport>()
    let fatal = Happenings<KafkaFailure>()
    let failures = Happenings<KafkaFailure>()
    private var producer: (any KafkaProducing)?
    private var topics: [String: KafkaTopic] = [:]
    /// Values live here until the producer is gone.
    private var values: [UnsafeMutableRawBufferPointer] = []

    init(loop: EventLoop) { self.loop = loop }

    init() throws { self.loop = try EventLoop(label: "test") }

    func start(
        _ bootstrap: String, of producers: (any KafkaProducerSource)? = nil, kind: KafkaProducer.Kind = .bulk,
        properties: [String: String] = [:], registry: MetricsRegistry? = nil
    ) throws {
        let all = KafkaProperties(client: ["bootstrap.servers": bootstrap].merging(properties) { $1 })
        self.producer = try (producers ?? KafkaProducers(loop: self.loop)).open(
            name: "test", kind: kind, properties: all, metrics: registry
        ) { [weak self] in self?.assumeIsolated { $0.poll() } }
    }

    func metadata(of name: String, timeout: Int32 = 5000) async throws -> KafkaMetadata {
        try await self.producer!.metadata(of: self.topic(name), timeout: timeout).get()
    }

    func metadataOfAllTopics() async throws -> KafkaMetadata { try await self.producer!.metadataOfAllTopics(timeout: 5000).get() }

    /// Sends, asks for metadata and limits, and closes before any of it can be answered.
    ///
    /// - Returns: the codes that the questions ended with.
    func askAndClose(_ topic: String) async -> [KafkaErrorCode] {
        for token in 0..<100 { _ = self.send(topic, partition: 0, key: nil, value: "v", id: "i", token: UInt64(token)) }
        let metadata = Task { () -> KafkaErrorCode in
            do {
                _ = try await self.metadata(of: topic)
                return .none
            } catch {
                return (error as? KafkaFailure)?.code ?? .none
            }
        }
        let limits = Task { await self.limits(of: [topic])[0].error }
        let closing = Task { self.close() }  // Behind both on this actor's executor.
        await closing.value
        return [await metadata.value, await limits.value]
    }

    func limits(of names: [String]) async -> [KafkaTopicLimit] { await self.producer!.limits(of: names) }

    func send(
        _ topic: String, partition: Int32, key: String?, value: String?, id: String, timestamp: Int64 = 1_700_000_000_000,
        headers: [UInt8] = [],
        token: UInt64
    ) -> KafkaErrorCode {
        let text = Array((value ?? "").utf8)
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, text.count), alignment: 1)
        bytes.copyBytes(from: text)
        self.values.append(bytes)
        let valueView = UnsafeRawBufferPointer(start: bytes.baseAddress, count: text.count)
        return Array(id.utf8).withUnsafeBytes { id in
            Array((key ?? "").utf8).withUnsafeBytes { key0 in
                headers.withUnsafeBytes { headers in
                    var record = KafkaRecord(
                        partition: partition, timestamp: timestamp, key: key == nil ? nil : key0, value: value == nil ? nil : valueView,
                        id: id,
                        headers: headers, token: token)
                    return self.producer!.send(&record, to: self.topic(topic))
                }
            }
        }
    }

    func close() {
        self.producer?.close(keeping: [])
        self.producer = nil
        self.topics = [:]
    }

    private func topic(_ name: String) -> KafkaTopic {
        if let topic = self.topics[name] { return topic }
        self.topics[name] = self.producer!.open(topic: name)!
        return self.topics[name]!
    }

    private func poll() {
        self.producer?.poll { signal in
            switch signal {
            case .reports(let reports): for report in reports { self.reports.add(report) }
            case .fatal(let failure): self.fatal.add(failure)
            case .failure(let failure): self.failures.add(failure)
            case .throttled: break
            }
        }
    }
}
