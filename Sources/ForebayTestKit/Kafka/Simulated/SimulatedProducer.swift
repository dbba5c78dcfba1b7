import ForebayCore
import ForebayKafka

/// A client of a ``SimulatedKafka`` as librdkafka is one of Kafka: queues by partition, at most five batches of each in flight, retries in
/// their order, and with the gapless guarantee the first permanent failure is fatal.
final class SimulatedProducer: KafkaProducing {
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

    /// One partition.
    final class Queue {
        let topic: String
        let partition: Int32
        var waiting: [Message] = []
        /// Sent before, and to be sent again first.
        var retries: [SimulatedBatch] = []
        var inFlight: [SimulatedBatch] = []
        /// Names the producer to the partition; another one for each epoch.
        var producer: Int
        var nextSequence = 0
        var leader: Int32?
        /// Nothing is sent before.
        var restsUntil: UInt64 = 0

        init(topic: String, partition: Int32, producer: Int) {
            (self.topic, self.partition, self.producer) = (topic, partition, producer)
        }

        var isIdle: Bool { self.waiting.isEmpty && self.retries.isEmpty && self.inFlight.isEmpty }
    }

    /// To one broker: requests and answers each in their order.
    struct Connection {
        var requests: [(batch: SimulatedBatch, due: UInt64)] = []
        var answers: [(batch: SimulatedBatch, answer: Result<Int64, KafkaFailure>, due: UInt64)] = []
        /// Since when nothing has been answered.
        var waitsSince: UInt64 = 0
    }

    enum Told {
        case reports([KafkaReport])
        case fatal(KafkaFailure)
        case failure(KafkaFailure)
    }

    let kafka: SimulatedKafka
    let loop: any StageLoop
    let kind: KafkaProducer.Kind
    let id: Int
    private let wake: () -> Void
    let batchMessages: Int
    let batchSize: Int
    let requestTimeout: UInt64
    let maximumInFlight: Int

    private var names: [String?] = []
    var known: [String: KafkaMetadata.Topic] = [:]
    /// In the order in which they were first used: what a seed decides must not depend on a table's order.
    var queues: [Queue] = []
    private var places: [String: Int] = [:]
    var connections: [Int32: Connection] = [:]
    var asked: [SimulatedQuestion] = []
    /// The broker that it sent something to last.
    var sentTo: Int32?
    private var told: [Told] = []
    private var isWaking = false
    private var ticker: (any StageTimer)?
    private var pace = 1
    private var toldAway = false
    var isFatal = false
    private(set) var isClosed = false

    init(
        _ kafka: SimulatedKafka, loop: any StageLoop, kind: KafkaProducer.Kind, properties: KafkaProperties, wake: @escaping () -> Void
    ) {
        func number(_ names: String..., otherwise: Int) -> Int {
            names.lazy.compactMap { properties[$0] }.compactMap { Int($0) }.first ?? otherwise
        }
        self.kafka = kafka
        self.loop = loop
        self.kind = kind
        self.wake = wake
        self.id = kafka.newNumber()
        self.batchMessages = kind == .single ? 1 : number("batch.num.messages", otherwise: 10_000)
        self.batchSize = if case .small(let size) = kind { size } else { number("batch.size", otherwise: 1_000_000) }
        self.requestTimeout = UInt64(number("socket.timeout.ms", otherwise: 10_000))
        self.maximumInFlight = number("max.in.flight", "max.in.flight.requests.per.connection", otherwise: 5)
    }

    deinit { precondition(self.isClosed, "a producer must be closed: its threads would read freed events") }

    // MARK: Topics

    func open(topic name: String) -> KafkaTopic? {
        self.names.append(name)
        return KafkaTopic(rawValue: UInt(self.names.count))
    }

    func close(topic: KafkaTopic) { self.names[Int(topic.rawValue) - 1] = nil }

    func name(of topic: KafkaTopic) -> String? { self.names[Int(topic.rawValue) - 1] }

    var openTopics: [String] { self.names.compactMap { $0 } }

    // MARK: Sending

    func send(_ record: inout KafkaRecord, to topic: KafkaTopic) -> KafkaErrorCode {
        precondition(!self.isClosed, "sent to a producer that is closed")
        if self.isFatal { return .fatal }
        guard let name = self.name(of: topic) else { return .unknownTopic }
        if self.kafka.chance(self.kafka.chances.queueFull) { return .queueFull }
        if let known = self.known[name] {
            if known.error == .unknownTopicOrPartition { return .unknownTopic }
            guard record.partition < known.leaders.count else { return .unknownPartition }
        }
        guard let headers = Self.headers(record.headers) else { return .invalidArgument }
        let size = (record.key?.count ?? 0) + (record.value?.count ?? 0) + record.id.count + headers.count + 20
        self.queue(name, record.partition).waiting.append(
            Message(
                token: record.token, key: record.key.map(Array.init), value: record.value, id: String(decoding: record.id, as: UTF8.self),
                headers: headers, timestamp: record.timestamp, size: size))
        self.startTicking()
        return .none
    }

    /// None if a length doesn't fit.
    private static func headers(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
        var rest = bytes[...]
        while !rest.isEmpty {
            guard rest.count >= 6 else { return nil }
            let nameLength = Int(UnsafeRawBufferPointer(rebasing: rest).loadUnaligned(as: UInt16.self))
            guard rest.count >= 6 + nameLength else { return nil }
            let length = UnsafeRawBufferPointer(rebasing: rest).loadUnaligned(fromByteOffset: 2 + nameLength, as: UInt32.self)
            rest = rest.dropFirst(6 + nameLength)
            guard length != .max else { continue }
            guard rest.count >= Int(length) else { return nil }
            rest = rest.dropFirst(Int(length))
        }
        return Array(bytes)
    }

    func queue(_ topic: String, _ partition: Int32) -> Queue {
        let place = "\(topic)/\(partition)"
        if let index = self.places[place] { return self.queues[index] }
        let queue = Queue(topic: topic, partition: partition, producer: self.id)
        let leaders = self.known[topic]?.leaders ?? []
        queue.leader = Int(partition) < leaders.count ? leaders[Int(partition)] : nil
        self.places[place] = self.queues.count
        self.queues.append(queue)
        return queue
    }

    // MARK: Telling

    func poll(_ handle: (KafkaSignal) -> Void) {
        while !self.isClosed, !self.told.isEmpty {
            switch self.told.removeFirst() {
            case .reports(let reports): reports.withUnsafeBufferPointer { handle(.reports($0)) }
            case .fatal(let failure): handle(.fatal(failure))
            case .failure(let failure): handle(.failure(failure))
            }
        }
    }

    func tell(_ what: Told) {
        if case .reports(let reports) = what, reports.isEmpty { return }
        self.told.append(what)
        guard !self.isWaking else { return }
        self.isWaking = true
        self.loop.timer(after: 0) {
            self.isWaking = false
            if !self.isClosed { self.wake() }
        }
    }

    // MARK: Time

    func startTicking() {
        self.pace = 1
        guard self.ticker == nil, !self.isClosed else { return }
        self.ticker = self.loop.timer(after: 1) { self.tick() }
    }

    /// Looks at everything that may have come; the longer nothing does, the less often.
    private func tick() {
        self.ticker = nil
        guard !self.isClosed else { return }
        let now = self.loop.nowMilliseconds
        let moved = self.exchange(now: now)
        let answered = self.answerQuestions(now: now)
        self.tellAway()
        self.pace = moved || answered ? 1 : min(20, self.pace * 2)
        guard !self.asked.isEmpty || self.queues.contains(where: { !$0.isIdle }) else { return }
        let pace = self.pace
        self.ticker = self.loop.timer(after: Int.random(in: 1...pace, using: &self.kafka.random)) { self.tick() }
    }

    private func tellAway() {
        if self.kafka.isAway, !self.toldAway { self.tell(.failure(KafkaFailure(.allBrokersDown))) }
        self.toldAway = self.kafka.isAway
    }

    // MARK: Ending

    func close(keeping payloads: [Batch]) {
        guard !self.isClosed else { return }
        self.ticker?.cancel()
        self.ticker = nil
        self.abandon()
        self.kafka.closed(self)
        let asked = self.asked
        self.asked = []
        for question in asked { question.end(KafkaFailure(.destroyed)) }
        withExtendedLifetime(payloads) {}
    }

    func abandon() {
        self.isClosed = true
        self.told = []
        // What was written to a broker may still be read by it.
        for (id, connection) in self.connections.sorted(by: { $0.key < $1.key }) {
            let read = Int.random(in: 0...connection.requests.count, using: &self.kafka.random)
            self.kafka.leave(connection.requests.prefix(read).map(\.batch), at: id)
        }
        self.connections = [:]
        self.queues = []
    }
}
