/// What a ``SimulatedProducer`` has of one partition: events that wait, batches that are in flight, and those to be sent again first.
final class PartitionQueue {
    struct Message {
        let token: UInt64
        let key: [UInt8]?
        /// Read only when its batch is made: whoever let go of it too early is seen.
        let value: UnsafeRawBufferPointer?
        let id: String
        let headers: [UInt8]
        let timestamp: Int64
        let size: Int
    }

    let topic: String
    let partition: Int32
    private(set) var waiting: [Message] = []
    /// Sent before; in the order of their sequences.
    private var retries: [SimulatedBatch] = []
    private(set) var inFlight: [SimulatedBatch] = []
    /// Names the producer to the partition; another one for each epoch.
    private var producer: Int
    private var nextSequence = 0
    /// None: nothing is sent.
    var leader: Int32?
    /// Nothing is sent before.
    private(set) var restsUntil: UInt64 = 0

    init(topic: String, partition: Int32, producer: Int) {
        (self.topic, self.partition, self.producer) = (topic, partition, producer)
    }

    var isIdle: Bool { self.waiting.isEmpty && self.retries.isEmpty && self.inFlight.isEmpty }

    func add(_ message: Message) { self.waiting.append(message) }

    func rest(until time: UInt64) { self.restsUntil = time }

    /// The sequences begin anew, as if what failed had not been there.
    func beginEpoch(as producer: Int) { (self.producer, self.nextSequence) = (producer, 0) }

    // MARK: There

    func takeRetry() -> SimulatedBatch? { self.retries.isEmpty ? nil : self.retries.removeFirst() }

    /// Makes a batch of events that wait, if there are any.
    ///
    /// - Parameters:
    ///   - count: so many, if their bytes allow; one at least.
    ///   - client: who sends it, whatever the epoch.
    func takeBatch(of count: Int, bytes: Int, client: Int) -> SimulatedBatch? {
        guard !self.waiting.isEmpty else { return nil }
        var size = 0, taken = 0
        while taken < count, taken == 0 || size + self.waiting[taken].size <= bytes {
            size += self.waiting[taken].size
            taken += 1
        }
        let messages = self.waiting.prefix(taken)
        self.waiting.removeFirst(taken)
        defer { self.nextSequence += taken }
        return SimulatedBatch(
            producer: self.producer, topic: self.topic, partition: self.partition, base: self.nextSequence,
            records: messages.map { message in
                SimulatedKafka.Record(
                    topic: self.topic, partition: self.partition, offset: -1, key: message.key, value: message.value.map(Array.init),
                    id: message.id, headers: message.headers, timestamp: message.timestamp, producer: client)
            }, tokens: messages.map(\.token), size: size + 61)
    }

    func sent(_ batch: SimulatedBatch) { self.inFlight.append(batch) }

    // MARK: Back

    /// Nothing of the partition is before it.
    func isFirst(_ batch: SimulatedBatch) -> Bool {
        self.inFlight.first === batch && self.retries.allSatisfy { $0.base > batch.base }
    }

    func landed(_ batch: SimulatedBatch) { self.inFlight.removeAll { $0 === batch } }

    /// One that has landed is to be sent again, not before a time, and to whoever leads the partition then.
    func retry(_ batch: SimulatedBatch, at time: UInt64) {
        self.retries.append(batch)
        self.retries.sort { $0.base < $1.base }
        self.restsUntil = time
        self.leader = nil  // Asked for again.
    }

    /// Gives up what is not in flight.
    func giveUp() -> (retries: [SimulatedBatch], waiting: [Message]) {
        defer { (self.retries, self.waiting) = ([], []) }
        return (self.retries, self.waiting)
    }
}
