import ForebayCore
import ForebayKafka
import ForebayTelemetry

/// A cluster that answers exactly as a test says, and remembers what it was asked when: for what a stage does of itself. What clusters do
/// of themselves, the simulated one knows.
final class ScriptedCluster: KafkaProducerSource, @unchecked Sendable {  // Safe because: one thread at a time runs the simulation.
    struct Sent: Equatable {
        let producer: String
        let topic: String
        let partition: Int32
        let key: String?
        let value: String?
        let id: String
        let timestamp: Int64
        let headers: [UInt8]
        let token: UInt64
    }

    /// How many partitions each topic has; others are missing.
    var topics: [String: Int] = [:]
    var errors: [String: KafkaErrorCode] = [:]
    /// Partitions that have no leader.
    var leaderless: [String: Set<Int32>] = [:]
    /// What it answers when asked for limits; none: it never answers.
    var limit: ((String) -> KafkaTopicLimit)? = { KafkaTopicLimit(topic: $0, bytes: nil, error: .topicAuthorizationFailed) }
    /// What it calls itself.
    var id: String?
    /// It answers no question.
    var isSilent = false
    /// Its brokers, those of them that answer no question, and the one that was asked last, which is asked again.
    var brokers: [Int32] = [1], frozen: Set<Int32> = [], sentTo: Int32 = 1
    /// How long its answers take, in ms.
    var delay = 0
    /// It tells all its topics.
    var tellsAll = true
    /// Whose questions for topics by name it answers.
    var answersByName: (_ producer: String) -> Bool = { _ in true }
    /// Answers leave these out.
    var hidden: Set<String> = []
    /// Events are delivered at once; otherwise when ``ScriptedProducer/report(_:_:)`` says so.
    var delivers = true
    /// What becomes of an event in place of that.
    var refusal: (Sent) -> KafkaErrorCode = { _ in .none }
    /// Whether producers take an event.
    var acceptance: (Sent) -> KafkaErrorCode = { _ in .none }
    var openFailure: ForebayError?
    /// Called for each topic that is opened.
    var onOpen: () -> Void = {}
    private(set) var sent: [Sent] = []
    /// Producers by name, the newest of each.
    private(set) var producers: [String: ScriptedProducer] = [:]
    /// When each event was sent, in ns.
    private(set) var sentAt: [UInt64] = []
    private(set) var calls: [(at: UInt64, what: String)] = []
    fileprivate var offsets: [String: Int64] = [:]
    private let loop: any StageLoop
    fileprivate let time: any TimeSource

    init(loop: any StageLoop, time: any TimeSource) { (self.loop, self.time) = (loop, time) }

    /// What was called since, without times: `forward/r: metadata t 2000`.
    func takeCalls() -> [String] {
        defer { self.calls = [] }
        return self.calls.map(\.what)
    }

    func takeSent() -> [Sent] {
        defer { self.sent = [] }
        return self.sent
    }

    fileprivate func called(_ what: String) { self.calls.append((self.loop.nowMilliseconds, what)) }

    fileprivate func take(_ event: Sent) {
        self.sent.append(event)
        self.sentAt.append(self.time.monotonicNanoseconds)
    }

    func open(
        name: String, kind: KafkaProducer.Kind, properties: KafkaProperties, metrics: MetricsRegistry?, wake: @escaping () -> Void
    ) throws(ForebayError) -> any KafkaProducing {
        self.called("\(name): opened as \(kind)\(metrics == nil ? "" : " with metrics")")
        if let openFailure { throw openFailure }
        let producer = ScriptedProducer(self, name: name, loop: self.loop, wake: wake)
        self.producers[name] = producer
        return producer
    }
}

final class ScriptedProducer: KafkaProducing, @unchecked Sendable {  // Safe because: as its cluster.
    private enum Told {
        case reports([KafkaReport])
        case fatal(KafkaFailure)
        case failure(KafkaFailure)
        case throttled(Int)
    }

    let name: String
    private let cluster: ScriptedCluster
    private let loop: any StageLoop
    private let wake: () -> Void
    private(set) var open: [String?] = []
    private(set) var isClosed = false
    private(set) var kept: [Batch] = []
    private var told: [Told] = []
    /// Sent and not reported.
    private(set) var inFlight: [ScriptedCluster.Sent] = []

    init(_ cluster: ScriptedCluster, name: String, loop: any StageLoop, wake: @escaping () -> Void) {
        (self.cluster, self.name, self.loop, self.wake) = (cluster, name, loop, wake)
    }

    func open(topic name: String) -> KafkaTopic? {
        self.open.append(name)
        self.cluster.onOpen()
        return KafkaTopic(rawValue: UInt(self.open.count))
    }

    func close(topic: KafkaTopic) {
        self.cluster.called("\(self.name): closed \(self.open[Int(topic.rawValue) - 1]!)")
        self.open[Int(topic.rawValue) - 1] = nil
    }

    func send(_ record: inout KafkaRecord, to topic: KafkaTopic) -> KafkaErrorCode {
        func text(_ bytes: UnsafeRawBufferPointer?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }
        let event = ScriptedCluster.Sent(
            producer: self.name, topic: self.open[Int(topic.rawValue) - 1]!, partition: record.partition, key: text(record.key),
            value: text(record.value), id: text(record.id)!, timestamp: record.timestamp,
            headers: Array(record.headers), token: record.token)
        let answer = self.cluster.acceptance(event)
        guard !answer.isError else { return answer }
        self.cluster.take(event)
        self.inFlight.append(event)
        if self.cluster.delivers { self.report([record.token], self.cluster.refusal(event)) }
        return .none
    }

    // MARK: Telling

    func report(_ tokens: [UInt64]? = nil, _ code: KafkaErrorCode = .none) {
        let tokens = tokens ?? self.inFlight.map(\.token)
        let events = tokens.map { token in self.inFlight.first { $0.token == token }! }
        self.inFlight.removeAll { tokens.contains($0.token) }
        self.tell(
            .reports(
                events.map { event in
                    let place = "\(event.topic)/\(event.partition)", offset = self.cluster.offsets[place, default: 0]
                    if !code.isError { self.cluster.offsets[place] = offset + 1 }
                    return KafkaReport(token: event.token, offset: offset, partition: event.partition, error: code, mayBeStored: false)
                }))
    }

    func fail(fatally failure: KafkaFailure) { self.tell(.fatal(failure)) }

    func throttle(_ milliseconds: Int) { self.tell(.throttled(milliseconds)) }

    func fail(_ failure: KafkaFailure) { self.tell(.failure(failure)) }

    private func tell(_ what: Told) {
        self.told.append(what)
        self.loop.timer(after: 1) { if !self.isClosed { self.wake() } }
    }

    func poll(_ handle: (KafkaSignal) -> Void) {
        while !self.isClosed, !self.told.isEmpty {
            switch self.told.removeFirst() {
            case .reports(let reports): reports.withUnsafeBufferPointer { handle(.reports($0)) }
            case .fatal(let failure): handle(.fatal(failure))
            case .failure(let failure): handle(.failure(failure))
            case .throttled(let milliseconds): handle(.throttled(milliseconds: milliseconds, broker: "k:1/1"))
            }
        }
    }

    // MARK: Questions

    nonisolated(nonsending) func metadata(of topic: KafkaTopic?, timeout: Int32) async -> Result<KafkaMetadata, KafkaFailure> {
        let names = topic.map { [self.open[Int($0.rawValue) - 1]!] } ?? self.open.compactMap { $0 }
        self.cluster.called("\(self.name): metadata \(topic == nil ? "of \(names.count)" : names[0]) \(timeout)")
        return await self.answer(names, timeout, isSilent: !self.cluster.answersByName(self.name))
    }

    nonisolated(nonsending) func metadataOfAllTopics(timeout: Int32) async -> Result<KafkaMetadata, KafkaFailure> {
        self.cluster.called("\(self.name): metadata of all \(timeout)")
        guard self.cluster.tellsAll else { return .failure(KafkaFailure(.timedOut)) }
        return await self.answer(self.cluster.topics.keys.sorted(), timeout)
    }

    nonisolated(nonsending) private func answer(
        _ names: [String], _ timeout: Int32, isSilent: Bool = false
    ) async -> Result<KafkaMetadata, KafkaFailure> {
        if self.cluster.isSilent || isSilent || self.cluster.frozen.contains(self.cluster.sentTo) {
            // Cancelled: closed, and nobody waits.
            try? await self.cluster.time.sleep(milliseconds: Int(timeout))
            return .failure(KafkaFailure(self.isClosed ? .destroyed : .timedOut))
        }
        if self.cluster.delay > 0 { try? await self.cluster.time.sleep(milliseconds: self.cluster.delay) }  // Never cancelled.
        let answers = names.filter { !self.cluster.hidden.contains($0) }.map { name in
            let error = self.cluster.errors[name] ?? (self.cluster.topics[name] == nil ? .unknownTopicOrPartition : .none)
            return KafkaMetadata.Topic(
                name: name, error: error,
                leaders: (0..<Int32(error.isError ? 0 : self.cluster.topics[name] ?? 0)).map { partition in
                    self.cluster.leaderless[name]?.contains(partition) == true ? nil : 1
                })
        }
        return .success(KafkaMetadata(brokers: self.cluster.brokers, topics: answers, cluster: self.cluster.id))
    }

    nonisolated(nonsending) func limits(of topics: [String], by broker: Int32?) async -> [KafkaTopicLimit] {
        self.cluster.called("\(self.name): limits \(topics.joined(separator: ","))" + (broker.map { " by \($0)" } ?? ""))
        if let broker { self.cluster.sentTo = broker }
        if self.cluster.isSilent || broker.map(self.cluster.frozen.contains) == true {
            // Cancelled: closed, and nobody waits.
            try? await self.cluster.time.sleep(milliseconds: 1500)
            return topics.map { KafkaTopicLimit(topic: $0, bytes: nil, error: self.isClosed ? .destroyed : .timedOut) }
        }
        while self.cluster.limit == nil, !self.isClosed {
            // Cancelled: closed soon.
            try? await self.cluster.time.sleep(milliseconds: 10)
        }
        return topics.map { self.cluster.limit?($0) ?? KafkaTopicLimit(topic: $0, bytes: nil, error: .destroyed) }
    }

    func close(keeping payloads: [Batch]) {
        self.cluster.called("\(self.name): closed")
        (self.isClosed, self.kept) = (true, payloads)
    }
}
