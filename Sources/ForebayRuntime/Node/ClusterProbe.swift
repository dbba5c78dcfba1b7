import ForebayCore
import ForebayKafka
import ForebayNet

/// Asks a cluster for its brokers and topics, once.
actor ClusterProbe {
    private let loop: EventLoop
    private var lastFailure: KafkaFailure?
    private var producer: KafkaProducer?

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    init(loop: EventLoop) {
        self.loop = loop
    }

    /// - Returns: what the cluster says of itself, or why no broker answered: the client's own error where it gave one, which says more
    ///   than "timed out".
    func ask(_ properties: KafkaProperties) async -> Result<KafkaMetadata, ForebayError> {
        self.lastFailure = nil
        do {
            let producer = try KafkaProducer(on: self.loop, name: "probe", kind: .single, properties: properties) { [weak self] in
                self?.assumeIsolated { $0.takeEvents() }
            }
            self.producer = producer
            defer {
                self.producer = nil
                producer.close()
            }
            return .success(try await producer.metadataOfAllTopics(timeout: 5000))
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
            case .reports: break
            }
        }
    }
}
