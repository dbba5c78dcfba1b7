import ForebayKafka

/// What a client's properties bound.
struct ProducerBounds {
    /// Each event goes as a batch of its own.
    let isSingle: Bool
    let batchMessages: Int
    let batchSize: Int
    /// In ms.
    let requestTimeout: UInt64
    /// Batches of a partition.
    let inFlight: Int

    init(_ kind: KafkaProducer.Kind, _ properties: KafkaProperties) {
        func number(_ names: String..., otherwise: Int) -> Int {
            names.lazy.compactMap { properties[$0] }.compactMap { Int($0) }.first ?? otherwise
        }
        self.isSingle = kind == .single
        self.batchMessages = self.isSingle ? 1 : number("batch.num.messages", otherwise: 10_000)
        self.batchSize = if case .small(let size) = kind { size } else { number("batch.size", otherwise: 1_000_000) }
        self.requestTimeout = UInt64(number("socket.timeout.ms", otherwise: 10_000))
        self.inFlight = self.isSingle ? 1 : number("max.in.flight", "max.in.flight.requests.per.connection", otherwise: 5)
    }
}
