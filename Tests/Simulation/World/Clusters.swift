import ForebayCore
import ForebayKafka
import ForebayTestKit

/// The Kafka clusters of a round: two main ones, and the backup that mirrors deliver to. They outlive the node's processes.
final class Clusters: @unchecked Sendable {  // Safe because: one thread at a time runs the simulation.
    /// Of all mirrors.
    static let backup = 2

    let kafkas: [SimulatedKafka]
    private let plan: RoundPlan
    private var isLate = true
    /// Records of each that the model has seen.
    private var seen = [0, 0, 0]

    init(_ plan: RoundPlan) {
        self.plan = plan
        self.kafkas = (0...(plan.hasMirrors ? 2 : 1)).map { SimulatedKafka(seed: plan.seed &* 31 &+ UInt64($0)) }
        for (cluster, kafka) in self.kafkas.enumerated() {
            let rest = plan.refusedRest(cluster == Self.backup ? .mirror : .forward)
            kafka.refusal = { record in
                guard let rest, let number = Self.number(of: record), number % 50 == rest else { return .none }
                return .invalidRecord
            }
        }
        self.createAll()
    }

    static func topic(_ line: Int, _ topic: Int) -> String { "topic-\(line)-\(topic)" }

    /// What an event's value says it is.
    static func number(of record: SimulatedKafka.Record) -> Int? {
        guard let value = record.value, value.count >= 8 else { return nil }
        return value.withUnsafeBytes { Int(clamping: $0.loadUnaligned(as: UInt64.self)) }
    }

    func create(_ line: Int, _ topic: Int, on cluster: Int) {
        let (kafka, name) = (self.kafkas[cluster], Self.topic(line, topic))
        let late = cluster == Self.backup ? self.plan.lateBackupTopics : self.plan.lateTopics
        guard kafka.topics[name] == nil, !self.isLate || late[line] != topic else { return }
        kafka.create(topic: name, partitions: 2 + topic)
    }

    private func createAll() {
        for line in 0..<12 {
            for topic in 0..<3 {
                self.create(line, topic, on: line % 2)
                if self.plan.mirrors[line] != nil { self.create(line, topic, on: Self.backup) }
            }
        }
    }

    /// Before a process starts: what was wrong in the life before is over.
    func reset(isLast: Bool) {
        if isLast { self.isLate = false }
        for kafka in self.kafkas {
            kafka.abandonProducers()
            kafka.heal()
            kafka.latency = 1...5
        }
        self.createAll()
    }

    /// Tells the model what has arrived since the last call.
    func tell(_ model: Model) {
        model.catchUp?()
        for (cluster, kafka) in self.kafkas.enumerated() {
            for record in kafka.log[self.seen[cluster]...] {
                let line = record.topic.split(separator: "-").dropFirst().first.flatMap { Int($0) } ?? -1
                (record.value ?? []).withUnsafeBytes {
                    model.deliver(
                        $0, id: record.id, sequence: nil, to: LineDelivery(line, cluster == Self.backup ? .mirror : .forward),
                        place: "\(record.partition)/\(record.offset) by \(record.producer)")
                }
            }
            self.seen[cluster] = kafka.log.count
        }
    }
}

extension RoundPlan {
    func refusedRest(_ stage: DeliveryName.Stage) -> Int? { stage == .mirror ? self.backupRefusedRest : self.refusedRest }
}
