import ForebayCore
import ForebayKafka

/// A client of a ``SimulatedKafka`` as librdkafka is one of Kafka: queues by partition, at most five batches of each in flight, retries in
/// their order, and with the gapless guarantee the first permanent failure is fatal.
final class SimulatedProducer: KafkaProducing {
    private enum Phase {
        case open
        /// For good: it takes nothing any more, and sends nothing again.
        case failed
        case closed
    }

    let kafka: SimulatedKafka
    let loop: any StageLoop
    let id: Int
    let bounds: ProducerBounds
    private let wake: () -> Void
    private var phase = Phase.open
    private var topics = SimulatedTopics()
    var partitions = SimulatedPartitions()
    var connections = SimulatedConnections()
    var asked: [SimulatedQuestion] = []
    private var signals = SimulatedSignals()
    private var ticks = SimulatedTicks()

    init(
        _ kafka: SimulatedKafka, loop: any StageLoop, kind: KafkaProducer.Kind, properties: KafkaProperties, wake: @escaping () -> Void
    ) {
        self.kafka = kafka
        self.loop = loop
        self.id = kafka.newNumber()
        self.bounds = ProducerBounds(kind, properties)
        self.wake = wake
    }

    var isClosed: Bool { self.phase == .closed }

    var isFatal: Bool { self.phase == .failed }

    /// - Returns: whether that is new.
    func fail() -> Bool {
        defer { self.phase = .failed }
        return !self.isFatal
    }

    deinit { precondition(self.isClosed, "a producer must be closed: its threads would read freed events") }

    // MARK: Topics

    func open(topic name: String) -> KafkaTopic? { self.topics.open(name) }

    func close(topic: KafkaTopic) { self.topics.close(topic) }

    func name(of topic: KafkaTopic) -> String? { self.topics.name(of: topic) }

    var openTopics: [String] { self.topics.open }

    // MARK: Sending

    func send(_ record: inout KafkaRecord, to topic: KafkaTopic) -> KafkaErrorCode {
        precondition(!self.isClosed, "sent to a producer that is closed")
        if self.isFatal { return .fatal }
        guard let name = self.name(of: topic) else { return .unknownTopic }
        if self.kafka.chance(self.kafka.chances.queueFull) { return .queueFull }
        if let refusal = self.partitions.refusal(of: name, record.partition) { return refusal }
        guard let headers = Self.headers(record.headers) else { return .invalidArgument }
        let size = (record.key?.count ?? 0) + (record.value?.count ?? 0) + record.id.count + headers.count + 20
        self.queue(name, record.partition).add(
            PartitionQueue.Message(
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

    func queue(_ topic: String, _ partition: Int32) -> PartitionQueue { self.partitions.queue(topic, partition, producer: self.id) }

    // MARK: Telling

    func poll(_ handle: (KafkaSignal) -> Void) {
        while !self.isClosed, let signal = self.signals.next() {
            switch signal {
            case .reports(let reports): reports.withUnsafeBufferPointer { handle(.reports($0)) }
            case .fatal(let failure): handle(.fatal(failure))
            case .failure(let failure): handle(.failure(failure))
            }
        }
    }

    func tell(_ signal: SimulatedSignals.Signal) {
        guard self.signals.add(signal) else { return }
        self.loop.timer(after: 0) {
            self.signals.woken()
            if !self.isClosed { self.wake() }
        }
    }

    // MARK: Time

    func startTicking() {
        if !self.isClosed { self.ticks.start(on: self.loop) { self.tick() } }
    }

    /// Looks at everything that may have come.
    private func tick() {
        self.ticks.ticked()
        guard !self.isClosed else { return }
        let now = self.loop.nowMilliseconds
        let moved = self.exchange(now: now)
        let answered = self.answerQuestions(now: now)
        if self.signals.became(away: self.kafka.isAway) { self.tell(.failure(KafkaFailure(.allBrokersDown))) }
        self.ticks.adapt(hasMoved: moved || answered)
        guard !self.asked.isEmpty || self.partitions.queues.contains(where: { !$0.isIdle }) else { return }
        self.ticks.goOn(on: self.loop, &self.kafka.random) { self.tick() }
    }

    // MARK: Ending

    func close(keeping payloads: [Batch]) {
        guard !self.isClosed else { return }
        self.ticks.stop()
        self.abandon()
        self.kafka.closed(self)
        let asked = self.asked
        self.asked = []
        for question in asked { question.end(KafkaFailure(.destroyed)) }
        withExtendedLifetime(payloads) {}
    }

    func abandon() {
        self.phase = .closed
        self.signals.removeAll()
        // What was written to a broker may still be read by it.
        for id in self.connections.brokers { self.leave(self.connections.cut(id).requests, at: id) }
        self.partitions.removeAll()
    }

    /// The broker reads any first few of them.
    func leave(_ requests: [SimulatedBatch], at broker: Int32) {
        let read = Int.random(in: 0...requests.count, using: &self.kafka.random)
        self.kafka.leave(Array(requests.prefix(read)), at: broker)
    }
}
