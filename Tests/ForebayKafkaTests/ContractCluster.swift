import ForebayCore
import ForebayKafka
import ForebayNet
import ForebayTestKit
import Testing

/// What the contract of producers is held against: librdkafka on its mock cluster and on a real Kafka, and what stands for both in a
/// simulation.
enum ContractKind: String, CaseIterable, Sendable {
    case simulated, mock, real

    /// Those that can be had here.
    static var all: [ContractKind] { Self.allCases.filter { $0 != .real || KafkaCluster.isAvailable } }
    /// Those that judge records, and know their topics.
    static var judging: [ContractKind] { Self.all.filter { $0 != .mock } }
    /// Those that fail when they are told to.
    static var faulty: [ContractKind] { Self.all.filter { $0 != .real } }
}

/// A cluster of one kind, and producers to it on a loop of their own.
struct ContractCluster: Sendable {
    private enum Parts: Sendable {
        case simulated(SimulatedKafka)
        case mock(KafkaMockCluster)
        case real(KafkaCluster)
    }

    let loop: EventLoop
    private let parts: Parts

    /// - Parameter ofItsOwn: not to be shared, for it will be frozen.
    init(_ kind: ContractKind, ofItsOwn: Bool = false) async throws {
        self.loop = try EventLoop(label: "test")
        switch kind {
        case .simulated: self.parts = .simulated(SimulatedKafka(seed: 1))
        case .mock: self.parts = .mock(try KafkaMockCluster(brokers: 3))
        case .real: self.parts = .real(try await ofItsOwn ? KafkaCluster() : .shared())
        }
    }

    func producer(_ kind: KafkaProducer.Kind = .bulk, _ properties: [String: String] = [:]) async throws -> ProducerFixture {
        let fixture = ProducerFixture(loop: self.loop)
        let known = ["socket.timeout.ms": "3000"].merging(properties) { $1 }
        switch self.parts {
        case .simulated(let kafka):
            try await fixture.start("", of: SimulatedProducers(kafka, loop: self.loop), kind: kind, properties: known)
        case .mock(let cluster):
            try await fixture.start(cluster.bootstrap, kind: kind, properties: known)
        case .real(let cluster):
            try await fixture.start(cluster.bootstrap, kind: kind, properties: known)
        }
        return fixture
    }

    func create(_ topic: String, partitions: Int, limit: Int = 1_048_588) async throws {
        switch self.parts {
        case .simulated(let kafka): try await self.loop.perform { kafka.create(topic: topic, partitions: partitions, limit: limit) }
        case .mock(let cluster): cluster.create(topic: topic, partitions: Int32(partitions))
        case .real(let cluster):
            try await cluster.create(topic: topic, partitions: partitions, settings: ["max.message.bytes": "\(limit)"])
        }
    }

    func grow(_ topic: String, to partitions: Int) async throws {
        switch self.parts {
        case .simulated(let kafka): try await self.loop.perform { kafka.grow(topic: topic, to: partitions) }
        case .mock: preconditionFailure("the mock's topics don't grow")
        case .real(let cluster):
            try await cluster.tool(
                "topics", ["--bootstrap-server", cluster.bootstrap, "--alter", "--topic", topic, "--partitions", "\(partitions)"])
        }
    }

    func failNext(_ errors: [KafkaErrorCode]) async throws {
        switch self.parts {
        case .simulated(let kafka): try await self.loop.perform { kafka.nextErrors = errors }
        case .mock(let cluster): cluster.failProducing(with: errors)
        case .real: preconditionFailure("a real Kafka has no errors but its own")
        }
    }

    func setLeaderless(_ topic: String, _ partition: Int32) async throws {
        switch self.parts {
        case .simulated(let kafka): try await self.loop.perform { kafka.setLeader(of: topic, partition, to: nil) }
        case .mock(let cluster): cluster.setLeader(of: topic, partition, to: nil)
        case .real: preconditionFailure("one broker leads all")
        }
    }

    func forbid(_ topic: String) async throws {
        switch self.parts {
        case .simulated(let kafka):
            try await self.loop.perform { kafka.change(topic: topic) { $0.error = .topicAuthorizationFailed } }
        case .mock(let cluster): cluster.failTopic(topic, with: .topicAuthorizationFailed)
        case .real: preconditionFailure("the shared cluster has no ACLs")
        }
    }

    func setFrozen(_ isFrozen: Bool) async throws {
        switch self.parts {
        case .simulated(let kafka): try await self.loop.perform { for id in kafka.brokers.keys { kafka.setBroker(id, isFrozen: isFrozen) } }
        case .mock: preconditionFailure("the mock's brokers don't freeze")
        case .real(let cluster): isFrozen ? cluster.freeze() : cluster.thaw()
        }
    }

    func setAway(_ isAway: Bool) async throws {
        switch self.parts {
        case .simulated(let kafka): try await self.loop.perform { kafka.isAway = isAway }
        case .mock(let cluster): for id in 1...3 { cluster.setBroker(Int32(id), isUp: !isAway) }
        case .real: preconditionFailure("others use it too")
        }
    }

    /// What stands in a topic: values by partition, in their order.
    func values(_ topic: String) async throws -> [Int32: [String]] {
        let pairs: [(Int32, String)]
        switch self.parts {
        case .simulated(let kafka):
            pairs = try await self.loop.perform {
                kafka.records(of: topic).map { ($0.partition, String(decoding: $0.value ?? [], as: UTF8.self)) }
            }
        case .mock(let cluster): pairs = try await Self.read(topic, cluster.bootstrap)
        case .real(let cluster): pairs = try await Self.read(topic, cluster.bootstrap)
        }
        return Dictionary(grouping: pairs, by: \.0).mapValues { $0.map(\.1) }
    }

    private static func read(_ topic: String, _ bootstrap: String) async throws -> [(Int32, String)] {
        try await KafkaConsumer(bootstrap: bootstrap).read(topic).map { ($0.partition, $0.value ?? "") }
    }

    func close(_ fixture: ProducerFixture) async {
        await fixture.close()
        await self.loop.stop()
    }
}
