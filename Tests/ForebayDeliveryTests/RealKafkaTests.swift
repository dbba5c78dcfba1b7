import ForebayCore
import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// What no mock can show: brokers that judge records, freeze, die and forbid.
@Suite(
    "Forward stage on a real Kafka", .serialized, .timeLimit(.minutes(4)),
    .enabled(if: KafkaCluster.isAvailable, "needs KAFKA_HOME and kcat"))
struct RealKafkaTests {
    private static let fast = ["reconnect.backoff.max.ms": "500", "socket.timeout.ms": "3000", "request.timeout.ms": "2000"]

    private func fixture(_ bootstrap: String, _ properties: [String: String] = [:], budget: DeliveryBudget = DeliveryBudget()) throws
        -> StageFixture
    {
        try StageFixture(properties: ["bootstrap.servers": bootstrap].merging(properties) { $1 }, budget: budget)
    }

    private static func samples(_ numbers: Range<Int>, topic: String) -> [EventFactory.Sample] {
        numbers.map { EventFactory.Sample(topic, key: "key-\($0 % 50)", value: "v\($0)-0123456789012345678901234567890123456789") }
    }

    @Test("200,000 events: each once, in order, on the partition that Java's producer picks")
    func delivers() async throws {
        let cluster = try await KafkaCluster.shared()
        try await cluster.create(topic: "many", partitions: 6)
        let fixture = try self.fixture(cluster.bootstrap)
        fixture.start()
        var end: UInt64 = 0
        for part in 0..<100 { end = fixture.feed(Self.samples(part * 2000..<part * 2000 + 2000, topic: "many")) }
        await fixture.source.settled(through: end)
        let records = try await KafkaConsumer(bootstrap: cluster.bootstrap).read("many")
        let arrival = Arrival(records, expected: 0..<200_000)
        #expect(arrival.missing.isEmpty && arrival.repeats == 0 && arrival.unordered.isEmpty)
        #expect(
            records.allSatisfy { record in
                Array(record.key!.utf8).withUnsafeBytes { KafkaPartitioner.partition(of: $0, among: 6) } == record.partition
            })
        await fixture.close()
    }

    @Test("among 5,000: one too large for its topic, one with an invalid timestamp: they alone are dead, the rest in order")
    func poison() async throws {
        let cluster = try await KafkaCluster.shared()
        try await cluster.create(
            topic: "poison", partitions: 3, settings: ["max.message.bytes": "20000", "message.timestamp.before.max.ms": "3600000"])
        // Compressed, its size does not tell that it is too large: the broker has to.
        for compression in ["none", "lz4"] {
            let topic = "poison"
            let fixture = try self.fixture(cluster.bootstrap, ["compression.type": compression])
            fixture.start()
            var generator = SplitMix(seed: 7)
            let noise = String((0..<60_000).map { _ in Character(UnicodeScalar(UInt8.random(in: 33...126, using: &generator))) })
            var samples = Self.samples(0..<5000, topic: topic)
            samples[1200].value = "v1200-\(noise)"
            samples[3333].timestamp = 1_000_000_000_000

            let end = fixture.feed(samples)
            await fixture.source.settled(through: end)

            let letters = fixture.deadLetters.letters.sorted { $0.offset.number < $1.offset.number }
            #expect(letters.map(\.offset.number) == [1200, 3333], "\(letters.map(\.code))")
            #expect(letters.map(\.code) == ["MSG_SIZE_TOO_LARGE", "INVALID_TIMESTAMP"])
            // What is surely too large goes alone from the start, so only the timestamp costs a producer. Two that are refused while the
            // same producer has them cost it once.
            #expect((compression == "none" ? 1...1 : 1...2).contains(fixture.registry.total("forebay_delivery_rebuilds_total")))
            await fixture.close()
        }
        let records = try await KafkaConsumer(bootstrap: cluster.bootstrap).read("poison")
        let arrival = Arrival(records, expected: (0..<5000).filter { $0 != 1200 && $0 != 3333 })
        #expect(arrival.missing.isEmpty && arrival.unordered.isEmpty)
    }

    @Test("a topic that takes only small batches gets small batches")
    func smallTopic() async throws {
        let cluster = try await KafkaCluster.shared()
        try await cluster.create(topic: "small", partitions: 1, settings: ["max.message.bytes": "10000"])
        let fixture = try self.fixture(cluster.bootstrap)
        fixture.start()
        let end = fixture.feed(Self.samples(0..<5000, topic: "small"))
        await fixture.source.settled(through: end)
        let arrival = Arrival(try await KafkaConsumer(bootstrap: cluster.bootstrap).read("small"), expected: 0..<5000)
        #expect(arrival.missing.isEmpty && arrival.repeats == 0 && arrival.unordered.isEmpty)
        #expect(fixture.deadLetters.letters.isEmpty)
        #expect(fixture.registry.total("forebay_delivery_rebuilds_total") == 0, "no batch was ever refused")
        await fixture.close()
    }

    @Test("an event without a key for a compacted topic is dead, those with one are not")
    func compacted() async throws {
        let cluster = try await KafkaCluster.shared()
        try await cluster.create(topic: "compacted", partitions: 1, settings: ["cleanup.policy": "compact"])
        let fixture = try self.fixture(cluster.bootstrap)
        fixture.start()
        var samples = Self.samples(0..<100, topic: "compacted")
        samples[50].key = nil
        let end = fixture.feed(samples)
        await fixture.source.settled(through: end)
        #expect(fixture.deadLetters.letters.map(\.offset.number) == [50])
        #expect(fixture.deadLetters.letters.map(\.code) == ["INVALID_RECORD"])
        await fixture.close()
    }

    @Test("refused for their time by a real broker: what waited too long bears the time of delivery, a producer's own old time is dead")
    func times() async throws {
        let cluster = try await KafkaCluster.shared()
        try await cluster.create(topic: "times", partitions: 2, settings: ["message.timestamp.before.max.ms": "60000"])
        let fixture = try self.fixture(cluster.bootstrap)
        fixture.start()
        let now = WallClock.milliseconds, waited = now - 600_000
        func samples(_ numbers: Range<Int>, at time: Int64) -> [EventFactory.Sample] {
            Self.samples(numbers, topic: "times").map {
                var sample = $0
                sample.timestamp = time
                return sample
            }
        }
        fixture.feed(samples(0..<500, at: waited), acceptedAt: waited)
        fixture.feed(samples(500..<1000, at: waited), acceptedAt: now)  // The producers' own: they came just now.
        let end = fixture.feed(samples(1000..<1500, at: now), acceptedAt: now)
        await fixture.source.settled(through: end)
        #expect(fixture.deadLetters.letters.map(\.offset.number).sorted() == (500..<1000).map(UInt64.init))
        #expect(fixture.deadLetters.letters.allSatisfy { $0.reason.contains("message.timestamp.before.max.ms (60000)") })
        #expect(fixture.setAside.isEmpty)
        let records = try await KafkaConsumer(bootstrap: cluster.bootstrap).read("times")
        let arrival = Arrival(records, expected: (0..<1500).filter { !(500..<1000).contains($0) })
        #expect(arrival.missing.isEmpty && arrival.unordered.isEmpty)
        let redated = records.filter { $0.header("forebay-accepted-at") != nil }
        #expect(redated.count == 500 && redated.allSatisfy { $0.header("forebay-accepted-at") == "\(waited)" && $0.timestamp >= now })
        #expect(fixture.registry.total("forebay_delivery_rebuilds_total") <= 4)
        await fixture.close()
    }

    @Test("two routes, the topic of one is missing: it is set aside, the other flows; created, its events arrive in order")
    func missingTopic() async throws {
        let cluster = try await KafkaCluster.shared()
        try await cluster.create(topic: "present", partitions: 2)
        let budget = DeliveryBudget()
        let good = try self.fixture(cluster.bootstrap, budget: budget), bad = try self.fixture(cluster.bootstrap, budget: budget)
        good.start()
        bad.start()
        for part in 0..<10 { bad.feed(Self.samples(part * 1000..<part * 1000 + 1000, topic: "absent")) }
        var goodEnd: UInt64 = 0
        for part in 0..<50 { goodEnd = good.feed(Self.samples(part * 2000..<part * 2000 + 2000, topic: "present")) }
        await good.source.settled(through: goodEnd)
        await bad.source.settled(through: 10_000)
        #expect(bad.setAside.events == 10_000 && good.setAside.isEmpty)

        try await cluster.create(topic: "absent", partitions: 2)
        try await until("it is drained", within: 60) { bad.setAside.isEmpty }
        let arrival = Arrival(try await KafkaConsumer(bootstrap: cluster.bootstrap).read("absent"), expected: 0..<10_000)
        #expect(arrival.missing.isEmpty && arrival.repeats == 0 && arrival.unordered.isEmpty)
        await good.close()
        await bad.close()
    }

    @Test("a broker that freezes and one that is killed under load: nothing lost, order kept, nothing dead")
    func frozenAndKilled() async throws {
        let cluster = try await KafkaCluster()
        try await cluster.create(topic: "t", partitions: 3)
        let fixture = try self.fixture(cluster.bootstrap, Self.fast)
        fixture.start()
        var end = fixture.feed(Self.samples(0..<20_000, topic: "t"))
        await fixture.source.settled(through: 5000)
        cluster.freeze()
        end = fixture.feed(Self.samples(20_000..<40_000, topic: "t"))
        try await Task.sleep(for: .seconds(7))  // Beyond the client's own timeouts: requests in flight are given up.
        cluster.thaw()
        await fixture.source.settled(through: 30_000)
        try await cluster.kill()
        end = fixture.feed(Self.samples(40_000..<60_000, topic: "t"))
        try await until("the stage knows") { fixture.stage.facts.contains(Fact("target_up", .flag(false))) }
        try await cluster.start()
        await fixture.source.settled(through: end)

        let arrival = Arrival(try await KafkaConsumer(bootstrap: cluster.bootstrap).read("t"), expected: 0..<60_000)
        #expect(arrival.missing.isEmpty && arrival.unordered.isEmpty, "\(arrival.unordered.prefix(5))")
        #expect(fixture.deadLetters.letters.isEmpty)
        await fixture.close()
    }

    @Test("a topic forbidden to write, under load: its events are set aside, the other topic's flow; allowed, they arrive in order")
    func forbidden() async throws {
        let cluster = try await KafkaCluster(acl: true)
        try await cluster.create(topic: "open", partitions: 2)
        try await cluster.create(topic: "closed", partitions: 2)
        let acl = [
            "--bootstrap-server", cluster.bootstrap, "--topic", "closed", "--operation", "Write", "--deny-principal", "User:forebay",
            "--force",
        ]
        try await cluster.tool("acls", ["--add"] + acl)
        try await cluster.tool(
            "acls",
            [
                "--add", "--bootstrap-server", cluster.bootstrap, "--topic", "closed", "--operation", "Describe", "--allow-principal",
                "User:*",
            ])
        let fixture = try self.fixture(
            cluster.saslBootstrap,
            [
                "security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": "forebay",
                "sasl.password": "forebay-secret",
            ])
        fixture.start()
        let samples = (0..<2000).map { EventFactory.Sample($0 % 2 == 0 ? "open" : "closed", key: "k\($0 % 20)", value: "v\($0)") }
        await fixture.source.settled(through: fixture.feed(samples))
        try await until("the open topic's events are in Kafka", within: 60) {
            try await KafkaConsumer(bootstrap: cluster.bootstrap).read("open").count >= 1000
        }
        #expect(fixture.setAside.shown(limit: 10).map(\.key) == [SetAsideKey("closed")])

        try await cluster.tool("acls", ["--remove"] + acl)
        try await cluster.tool(
            "acls",
            ["--add", "--bootstrap-server", cluster.bootstrap, "--topic", "closed", "--operation", "Write", "--allow-principal", "User:*"])
        try await until("it is drained", within: 60) { fixture.setAside.isEmpty }

        let consumer = KafkaConsumer(bootstrap: cluster.bootstrap)
        let closed = Arrival(try await consumer.read("closed"), expected: stride(from: 1, to: 2000, by: 2))
        let open = Arrival(try await consumer.read("open"), expected: stride(from: 0, to: 2000, by: 2))
        #expect(closed.missing.isEmpty && closed.unordered.isEmpty && closed.repeats == 0)
        #expect(open.missing.isEmpty && open.unordered.isEmpty)
        #expect(fixture.deadLetters.letters.isEmpty)
        await fixture.close()
    }
}
