import ForebayCore
import ForebayKafka
import ForebayNet

/// Asks a cluster for its brokers and topics, once. Makes none.
actor ClusterProbe {
    private let loop: EventLoop
    private var lastFailure: KafkaFailure?
    private var producer: KafkaProducer?

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    init(loop: EventLoop) {
        self.loop = loop
    }

    /// - Parameter names: topics that are asked for by name if the cluster does not show them: only then it says that this client may not
    ///   see one.
    /// - Returns: what the cluster says of itself, or why no broker answered: the client's own error where it gave one, which says more
    ///   than "timed out".
    func ask(_ properties: KafkaProperties, about names: [String]) async -> Result<KafkaMetadata, ForebayError> {
        self.lastFailure = nil
        var properties = properties
        // Else a broker that makes topics by itself would make those that are asked for.
        properties.client["allow.auto.create.topics"] = "false"
        do {
            let producer = try KafkaProducer(on: self.loop, name: "probe", kind: .single, properties: properties) { [weak self] in
                self?.assumeIsolated { $0.takeEvents() }
            }
            self.producer = producer
            defer {
                self.producer = nil
                producer.close()
            }
            let shown = try await producer.metadataOfAllTopics(timeout: 5000).get()
            var topics = shown.topics
            for name in Set(names).subtracting(topics.map(\.name)).sorted() {
                guard let topic = producer.open(topic: name) else { continue }
                topics += try await producer.metadata(of: topic, timeout: 5000).get().topics
            }
            return .success(KafkaMetadata(brokers: shown.brokers, topics: topics, cluster: shown.cluster))
        } catch let failure as KafkaFailure {
            return .failure(ForebayError(.brokerUnavailable, recovery: .retry, (self.lastFailure ?? failure).description))
        } catch {
            return .failure(ForebayError(.brokerUnavailable, recovery: .retry, "\(error)"))
        }
    }

    private func takeEvents() {
        self.producer?.poll { signal in
            switch signal {
            case .fatal(let failure), .failure(let failure): self.lastFailure = failure
            case .reports, .throttled: break
            }
        }
    }
}
