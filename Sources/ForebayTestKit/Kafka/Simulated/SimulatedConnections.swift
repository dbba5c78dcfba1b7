import ForebayCore
import ForebayKafka

/// A client's connections to brokers: on each, requests and answers keep their order.
struct SimulatedConnections {
    typealias Answer = Result<Int64, KafkaFailure>

    private struct Connection {
        var requests: [(batch: SimulatedBatch, due: UInt64)] = []
        var answers: [(batch: SimulatedBatch, answer: Answer, due: UInt64)] = []
        /// Since when nothing has been answered.
        var waitsSince: UInt64 = 0

        var isIdle: Bool { self.requests.isEmpty && self.answers.isEmpty }
    }

    private var open: [Int32: Connection] = [:]
    /// The broker that something was sent to last.
    private var last: Int32?

    /// Rising.
    var brokers: [Int32] { self.open.keys.sorted() }

    /// - Parameter due: in ms: when the broker has it, unless another request is before it.
    mutating func send(_ batch: SimulatedBatch, to broker: Int32, due: UInt64, now: UInt64) {
        if self.open[broker]?.isIdle ?? true { self.open[broker, default: Connection()].waitsSince = now }
        self.open[broker]!.requests.append((batch, max(self.open[broker]!.requests.last?.due ?? 0, due)))
        self.last = broker
    }

    /// Which of these a question goes to: the one that was sent to last, as librdkafka does it, and so a frozen one too; else any.
    mutating func choose(among brokers: [Int32], _ chance: inout SplitMix) -> Int32? {
        let chosen = brokers.contains { $0 == self.last } ? self.last : brokers.randomElement(using: &chance)
        if let chosen { self.last = chosen }
        return chosen
    }

    /// A request that the broker has by now.
    mutating func takeRequest(at broker: Int32, now: UInt64) -> SimulatedBatch? {
        guard let first = self.open[broker]?.requests.first, first.due <= now else { return nil }
        return self.open[broker]!.requests.removeFirst().batch
    }

    mutating func answer(_ batch: SimulatedBatch, _ answer: Answer, of broker: Int32, due: UInt64) {
        self.open[broker]!.answers.append((batch, answer, due))
    }

    /// An answer that is there by now.
    mutating func takeAnswer(of broker: Int32, now: UInt64) -> (batch: SimulatedBatch, answer: Answer)? {
        guard let first = self.open[broker]?.answers.first, first.due <= now else { return nil }
        self.open[broker]!.answers.removeFirst()
        self.open[broker]!.waitsSince = now
        return (first.batch, first.answer)
    }

    /// How many ms a broker has answered nothing; none: nothing is under way.
    func wait(for broker: Int32, now: UInt64) -> UInt64? {
        guard let connection = self.open[broker], !connection.isIdle else { return nil }
        return now - connection.waitsSince
    }

    /// Cuts one.
    ///
    /// - Returns: what was under way: requests that the broker may still read, and batches that it has answered.
    mutating func cut(_ broker: Int32) -> (requests: [SimulatedBatch], answered: [SimulatedBatch]) {
        let connection = self.open.removeValue(forKey: broker) ?? Connection()
        return (connection.requests.map(\.batch), connection.answers.map(\.batch))
    }
}
