import ForebayKafka
import ForebayTestKit
import Foundation
import Testing

/// What stages rely on, of each of the producers that they can be given: one text for all, so that a simulation is no fairy tale.
@Suite("The contract of producers", .timeLimit(.minutes(2)))
struct ProducerContractTests {
    private func topic() -> String { "contract-\(UUID().uuidString)" }

    private func send(_ fixture: ProducerFixture, _ topic: String, _ tokens: Range<Int>, partitions: Int = 1, size: Int = 0) async -> Int {
        var taken = 0
        for token in tokens {
            let refusal = await fixture.send(
                topic, partition: Int32(token % partitions), key: nil, value: "v\(token)" + String(repeating: "x", count: size), id: "i",
                token: UInt64(token))
            if !refusal.isError { taken += 1 }
        }
        return taken
    }

    @Test("each event is reported once, in the order and at the offset at which it stands in its partition", arguments: ContractKind.all)
    func order(kind: ContractKind) async throws {
        let cluster = try await ContractCluster(kind), topic = self.topic()
        try await cluster.create(topic, partitions: 3)
        let fixture = try await cluster.producer(.bulk, ["batch.num.messages": "20"])
        _ = try await fixture.metadata(of: topic)

        #expect(await self.send(fixture, topic, 0..<600, partitions: 3) == 600)
        await fixture.reports.wait(forCount: 600)

        let reports = fixture.reports.all
        #expect(Set(reports.map(\.token)) == Set(0..<600) && reports.allSatisfy { !$0.error.isError && $0.mayBeStored })
        for partition in 0..<3 {
            let own = reports.filter { Int($0.partition) == partition }
            #expect(own.map(\.token) == stride(from: partition, to: 600, by: 3).map(UInt64.init) && own.map(\.offset) == Array(0..<200))
        }
        if kind == .simulated || KafkaConsumer.isAvailable {
            let expected = (0..<3).map { part in stride(from: part, to: 600, by: 3).map { "v\($0)" } }
            let values = try await cluster.values(topic)
            #expect((0..<3).map { values[Int32($0)] ?? [] } == expected)
        }
        #expect(fixture.fatal.all.isEmpty && fixture.failures.all.isEmpty)
        await cluster.close(fixture)
    }

    @Test(
        "a refused batch is fatal to a bulk producer: its own events carry the broker's code, those behind it are purged, none overtakes",
        arguments: ContractKind.faulty, [KafkaErrorCode.messageTooLarge, .invalidRecord, .clusterAuthorizationFailed])
    func gapless(kind: ContractKind, code: KafkaErrorCode) async throws {
        let cluster = try await ContractCluster(kind), topic = self.topic()
        try await cluster.create(topic, partitions: 1)
        let fixture = try await cluster.producer(.bulk, ["batch.num.messages": "5", "max.in.flight": "1"])
        _ = try await fixture.metadata(of: topic)
        try await cluster.failNext([code])

        let taken = await self.send(fixture, topic, 0..<50)  // The refusal may come while we send.
        await fixture.fatal.wait(forCount: 1)
        await fixture.reports.wait(forCount: taken)

        #expect(fixture.fatal.all.map(\.code) == [.gaplessGuarantee])
        let codes = Dictionary(grouping: fixture.reports.all, by: \.error).mapValues(\.count)
        let refused = codes[code] ?? 0
        #expect((1...5).contains(refused) && codes[.purgedInQueue] ?? 0 == taken - refused, "\(codes)")
        #expect(fixture.reports.all.allSatisfy { !$0.mayBeStored } && Set(fixture.reports.all.map(\.token)).count == taken)
        #expect(await fixture.send(topic, partition: 0, key: nil, value: "v", id: "i", token: 99) == .fatal)
        await cluster.close(fixture)
    }

    @Test(
        "what stands behind a refused batch is stored only by a partition that does not know the producer yet",
        arguments: ContractKind.judging, [false, true])
    func behindTheFirst(kind: ContractKind, isKnown: Bool) async throws {
        let cluster = try await ContractCluster(kind, ofItsOwn: true), topic = self.topic()
        try await cluster.create(topic, partitions: 2, limit: 2000)
        let fixture = try await cluster.producer(.bulk, ["batch.num.messages": "5", "socket.timeout.ms": "30000"])
        _ = try await fixture.metadata(of: topic)
        // In both cases the producer itself has its connection and its number.
        for partition in isKnown ? 0..<2 : 1..<2 {
            _ = await fixture.send(topic, partition: Int32(partition), key: nil, value: "first", id: "i", token: 100)
        }
        await fixture.reports.wait(forCount: isKnown ? 2 : 1)
        // So that two are in flight.
        try await cluster.setFrozen(true)
        _ = await fixture.send(topic, partition: 0, key: nil, value: String(repeating: "y", count: 5000), id: "i", token: 0)
        try await Task.sleep(for: .milliseconds(200))
        _ = await self.send(fixture, topic, 1..<6)
        try await Task.sleep(for: .milliseconds(200))
        try await cluster.setFrozen(false)

        await fixture.fatal.wait(forCount: 1)
        await fixture.reports.wait { $0.contains { $0.error == .messageTooLarge } }
        let values = try await cluster.values(topic)[0] ?? []
        #expect(values.first == (isKnown ? "first" : "v1") && values.count == (isKnown ? 1 : 5), "\(values)")
        await cluster.close(fixture)
    }

    @Test("a batch refused for now is sent again in its place", arguments: ContractKind.faulty)
    func retries(kind: ContractKind) async throws {
        let cluster = try await ContractCluster(kind), topic = self.topic()
        try await cluster.create(topic, partitions: 1)
        let fixture = try await cluster.producer(.bulk, ["batch.num.messages": "5"])
        _ = try await fixture.metadata(of: topic)
        _ = await self.send(fixture, topic, 0..<1)
        await fixture.reports.wait(forCount: 1)
        try await cluster.failNext([.notEnoughReplicas, .notEnoughReplicas])

        _ = await self.send(fixture, topic, 1..<60)
        await fixture.reports.wait(forCount: 60)

        #expect(fixture.reports.all.map(\.token) == Array(0..<60) && fixture.reports.all.allSatisfy { !$0.error.isError })
        #expect(fixture.reports.all.map(\.offset) == Array(0..<60) && fixture.fatal.all.isEmpty)
        await cluster.close(fixture)
    }

    @Test("a single producer loses only what was refused", arguments: ContractKind.faulty)
    func single(kind: ContractKind) async throws {
        let cluster = try await ContractCluster(kind), topic = self.topic()
        try await cluster.create(topic, partitions: 1)
        let fixture = try await cluster.producer(.single)
        _ = try await fixture.metadata(of: topic)
        try await cluster.failNext([.messageTooLarge, .invalidTimestamp])

        for token in 0..<5 {
            _ = await fixture.send(topic, partition: 0, key: nil, value: "v", id: "i", token: UInt64(token))
            await fixture.reports.wait(forCount: token + 1)
        }

        #expect(fixture.reports.all.map(\.error) == [.messageTooLarge, .invalidTimestamp, .none, .none, .none])
        #expect(fixture.reports.all.dropFirst(2).map(\.offset) == [0, 1, 2] && fixture.fatal.all.isEmpty)
        await cluster.close(fixture)
    }

    @Test("all topics are told without any of them being taken into use, or made", arguments: ContractKind.all)
    func allTopics(kind: ContractKind) async throws {
        let cluster = try await ContractCluster(kind), topics = [self.topic(), self.topic()], missing = self.topic()
        for topic in topics { try await cluster.create(topic, partitions: 2) }
        let fixture = try await cluster.producer(.bulk)
        let found = try await fixture.metadataOfAllTopics().topics
        #expect(Set(found.map(\.name)).isSuperset(of: topics) && !found.contains { $0.name == missing })
        #expect(found.filter { topics.contains($0.name) }.allSatisfy { !$0.error.isError && $0.leaders.count == 2 })
        await cluster.close(fixture)
    }

    @Test("a batch above its topic's limit is refused whole, and the topic tells the limit", arguments: ContractKind.judging)
    func size(kind: ContractKind) async throws {
        let cluster = try await ContractCluster(kind), topic = self.topic()
        try await cluster.create(topic, partitions: 1, limit: 2000)
        let bulk = try await cluster.producer(.bulk, ["linger.ms": "50"])
        _ = try await bulk.metadata(of: topic)
        let limits = await bulk.limits(of: [topic])
        #expect(limits.map(\.topic) == [topic] && limits.map(\.bytes) == [2000] && limits.map(\.error) == [.none])
        if kind != .simulated { #expect(limits[0].times.before != nil && limits[0].times.after != nil) }

        let small = try await cluster.producer(.small(batchSize: 1800))
        _ = try await small.metadata(of: topic)
        #expect(await self.send(small, topic, 0..<30, size: 200) == 30)
        await small.reports.wait(forCount: 30)
        #expect(small.reports.all.allSatisfy { !$0.error.isError })

        _ = await bulk.send(topic, partition: 0, key: nil, value: String(repeating: "y", count: 5000), id: "i", token: 0)
        await bulk.fatal.wait(forCount: 1)
        await bulk.reports.wait(forCount: 1)
        #expect(bulk.reports.all.map(\.error) == [.messageTooLarge])
        await small.close()
        await cluster.close(bulk)
    }

    @Test("metadata: partitions, one without a leader, a topic that is forbidden", arguments: ContractKind.faulty)
    func metadata(kind: ContractKind) async throws {
        let cluster = try await ContractCluster(kind), good = self.topic(), bad = self.topic()
        try await cluster.create(good, partitions: 3)
        try await cluster.create(bad, partitions: 1)
        try await cluster.setLeaderless(good, 1)
        try await cluster.forbid(bad)
        let fixture = try await cluster.producer()

        let answer = try await fixture.metadata(of: good)
        #expect(answer.brokers.sorted() == [1, 2, 3] && answer.topics.map(\.name) == [good] && answer.topics[0].error == .none)
        #expect(answer.topics[0].leaders.map { $0 == nil } == [false, true, false])
        #expect(try await fixture.metadata(of: bad).topics.map(\.error) == [.topicAuthorizationFailed])
        await cluster.close(fixture)
    }

    @Test("a topic that nobody made is missing; when it is made and when it grows, it is asked for again", arguments: ContractKind.judging)
    func comesAndGrows(kind: ContractKind) async throws {
        let cluster = try await ContractCluster(kind), topic = self.topic()
        let fixture = try await cluster.producer()
        #expect(try await fixture.metadata(of: topic).topics.map(\.error) == [.unknownTopicOrPartition])

        try await cluster.create(topic, partitions: 2)
        try await until("the topic is there") { try await fixture.metadata(of: topic).topics.first?.leaders.compactMap(\.self).count == 2 }
        #expect(await fixture.send(topic, partition: 1, key: nil, value: "v1", id: "i", token: 1) == .none)
        #expect(await fixture.send(topic, partition: 2, key: nil, value: "v2", id: "i", token: 2) == .unknownPartition)
        await fixture.reports.wait(forCount: 1)

        try await cluster.grow(topic, to: 3)
        try await until("the topic has grown") { try await fixture.metadata(of: topic).topics.first?.leaders.compactMap(\.self).count == 3 }
        #expect(await fixture.send(topic, partition: 2, key: nil, value: "v3", id: "i", token: 3) == .none)
        await fixture.reports.wait(forCount: 2)
        #expect(fixture.reports.all.map(\.token) == [1, 3] && fixture.reports.all.allSatisfy { !$0.error.isError && $0.offset == 0 })
        await cluster.close(fixture)
    }

    @Test("closed: no report comes any more, and whoever waits for an answer is told", arguments: ContractKind.faulty)
    func closing(kind: ContractKind) async throws {
        let cluster = try await ContractCluster(kind), topic = self.topic()
        try await cluster.create(topic, partitions: 1)
        let fixture = try await cluster.producer(.bulk, ["linger.ms": "500"])
        _ = try await fixture.metadata(of: topic)
        try await cluster.setAway(true)  // So that nothing is answered first.
        let told = await fixture.askAndClose(topic)
        let before = fixture.reports.count
        try await cluster.setAway(false)
        #expect(told == [.destroyed, .destroyed])

        // A successor's events come through: what the first one still does, it does by now.
        let second = try await cluster.producer()
        _ = try await second.metadata(of: topic)
        _ = await self.send(second, topic, 0..<10)
        await second.reports.wait(forCount: 10)
        #expect(fixture.reports.count == before)
        await cluster.close(second)
    }

    @Test(
        "away: questions fail in time with what means waiting, the client says so, and sends when it is back",
        arguments: ContractKind.faulty)
    func away(kind: ContractKind) async throws {
        let cluster = try await ContractCluster(kind), topic = self.topic()
        try await cluster.create(topic, partitions: 1)
        let fixture = try await cluster.producer(.bulk, ["reconnect.backoff.max.ms": "200"])
        _ = try await fixture.metadata(of: topic)
        try await cluster.setAway(true)
        _ = await self.send(fixture, topic, 0..<20)
        await fixture.failures.wait { $0.contains { $0.code == .allBrokersDown } }
        let error = await #expect(throws: KafkaFailure.self) { _ = try await fixture.metadata(of: topic, timeout: 300) }
        #expect(error.map { KafkaFate(of: $0.code) } == .wait)

        try await cluster.setAway(false)
        await fixture.reports.wait(forCount: 20)
        #expect(fixture.reports.all.map(\.token) == Array(0..<20) && fixture.reports.all.allSatisfy { !$0.error.isError })
        await cluster.close(fixture)
    }
}
