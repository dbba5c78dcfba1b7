import ForebayCore
import ForebayKafka
import ForebayTestKit

/// Something that is wrong with a cluster for a while.
struct Trouble: Sendable, CustomStringConvertible {
    enum Kind: String, Sendable, CaseIterable {
        /// No broker can be reached.
        case away
        /// One broker takes requests and answers none.
        case frozenBroker
        case brokerDown
        /// A partition has no leader.
        case noLeader
        case topicDeleted
        case topicForbidden
        /// Batches are refused, connections break, answers are lost.
        case flaky
        case slow
        /// A topic gets more partitions, for good.
        case grows
    }

    let kind: Kind
    private(set) var cluster: Int
    private(set) var line: Int
    let topic: Int
    let partition: Int32
    /// ms since the start of the process.
    let from: Int
    let length: Int

    /// - Parameter deletes: whether topics may be deleted. A partition that is made again knows nothing of a producer, so it takes its second
    ///   batch though the first was refused: Kafka's order ends there.
    init(lines: Int, usesKafka: Bool, deletes: Bool, _ chance: inout SplitMix) {
        let kind = Kind.allCases.filter { deletes || $0 != .topicDeleted }.randomElement(using: &chance)!
        self.kind = usesKafka && Int.random(in: 0..<3, using: &chance) > 0 ? kind : .away
        self.line = Int.random(in: 0..<lines, using: &chance)
        self.cluster = self.line % 2
        self.topic = Int.random(in: 0..<3, using: &chance)
        self.partition = Int32.random(in: 0..<2, using: &chance)
        self.from = Int.random(in: 0..<500, using: &chance)
        self.length = [200, 2_000, 15_000, 1_000_000].randomElement(using: &chance)!
    }

    init(_ kind: Kind, line: Int, topic: Int = 0, partition: Int32 = 0, from: Int, length: Int) {
        self.kind = kind
        self.line = line
        self.cluster = line % 2
        self.topic = topic
        self.partition = partition
        self.from = from
        self.length = length
    }

    /// The same of the cluster that mirrors deliver to.
    func atBackup(_ line: Int) -> Trouble {
        var trouble = self
        (trouble.cluster, trouble.line) = (Clusters.backup, line)
        return trouble
    }

    /// Whose events it strikes, where it strikes a topic.
    var delivery: LineDelivery { LineDelivery(self.line, self.cluster == Clusters.backup ? .mirror : .forward) }

    var description: String {
        "cluster \(self.cluster): \(self.kind.rawValue) (topic-\(self.line)-\(self.topic)/\(self.partition)) from \(self.from) ms for \(self.length) ms"
    }

    private var name: String { Clusters.topic(self.line, self.topic) }
    private var broker: Int32 { self.partition + 1 }

    func begin(_ kafka: SimulatedKafka) {
        switch self.kind {
        case .away: kafka.isAway = true
        case .frozenBroker: kafka.setBroker(self.broker, isFrozen: true)
        case .brokerDown: kafka.setBroker(self.broker, isUp: false)
        case .noLeader: kafka.setLeader(of: self.name, self.partition, to: nil)
        case .topicDeleted: kafka.delete(topic: self.name)
        case .topicForbidden: kafka.change(topic: self.name) { $0.error = .topicAuthorizationFailed }
        case .flaky:
            kafka.chances.retriable = 500
            kafka.chances.broken = 200
            kafka.chances.forgotten = 20
            kafka.chances.permanent = 20
            kafka.chances.unknown = 20
            kafka.chances.queueFull = 100
            kafka.chances.silent = 1000
        case .slow: kafka.latency = 100...3_000
        case .grows:
            if let topic = kafka.topics[self.name] { kafka.grow(topic: self.name, to: topic.partitions.count + 2) }
        }
    }

    func end(_ clusters: Clusters) {
        let kafka = clusters.kafkas[self.cluster]
        switch self.kind {
        case .away: kafka.isAway = false
        case .frozenBroker: kafka.setBroker(self.broker, isFrozen: false)
        case .brokerDown: kafka.setBroker(self.broker, isUp: true)
        case .noLeader: kafka.setLeader(of: self.name, self.partition, to: self.broker)
        case .topicDeleted: clusters.create(self.line, self.topic, on: self.cluster)
        case .topicForbidden: kafka.change(topic: self.name) { $0.error = .none }
        case .flaky: kafka.chances = SimulatedKafka.Chances()
        case .slow: kafka.latency = 1...5
        case .grows: break
        }
    }
}
