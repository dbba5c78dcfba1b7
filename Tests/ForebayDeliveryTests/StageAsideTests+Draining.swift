import ForebayCore
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Synchronization
import Testing

@testable import ForebayDelivery

/// Out of the set-aside log.
extension StageAsideTests {
    @Test("a unit of many more bytes than one read takes is drained whole, though nobody signals meanwhile")
    func large() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["bad": 1]
            world.cluster.errors = ["bad": Self.forbidden]
            let value = String(repeating: "x", count: 40_000)
            try await world.settled(world.give((0..<40).map { EventFactory.Sample("bad", key: "k", value: "\($0) \(value)") }))
            world.cluster.errors = [:]
            try await world.until("it is drained") { world.setAside.isEmpty }
            #expect(world.cluster.sent.map { Int($0.value!.prefix { $0 != " " }) } == Array(0..<40))
        }
    }

    @Test("a source of the drain that is closed ends its run, to be begun anew")
    func closedSource() throws {
        try StageWorld.run { world in
            await world.pass(10)
            world.drainSource.close()
            let error = try #require(await world.drainEnded() as? ForebayError)
            #expect(error.code == .linkFinished && error.recovery == .rewindAndRestart)
        }
    }

    @Test(
        "partitions are looked at each second, or four times in a shorter patience",
        arguments: [(10_000, 11_000), (2000, 2500), (400, 500)])
    func looks(patience: Int, found: Int) throws {
        try StageWorld.run {
            $0.configuration.partitionPatience = patience
            $0.configuration.metadataRetry = 50
        } _: { world in
            world.cluster.topics = ["t": 1]
            world.cluster.delivers = false
            let began = world.wall
            await world.pass(50)  // So that none of these times is over just when it is looked, or a little later.
            world.give(1)
            try await world.until("it is set aside", within: 20_000) { !world.setAside.isEmpty }
            let took = Int(try #require(Self.shown(world)).since - began)
            #expect((found..<found + 50).contains(took), "\(took)")
        }
    }

    @Test("a unit is tried after the delays of its failures, up to the limit")
    func retries() throws {
        try StageWorld.run {
            $0.configuration.retryLimit = 1000
        } _: { world in
            world.cluster.topics = ["bad": 1]
            world.cluster.errors = ["bad": Self.forbidden]
            try await world.settled(world.give(1, "bad"))
            await world.pass(6000)
            let asked = world.cluster.calls.filter { $0.what == "setaside/\(world.route): metadata bad 2000" }.map(\.at)
            let gaps = zip(asked, asked.dropFirst()).map { Int($1 - $0) }
            for (gap, expected) in zip(gaps, [100, 200, 400, 800, 1000, 1000]) {
                #expect((expected...expected + 110).contains(gap), "\(gaps)")
            }
            #expect(gaps.count > 5)
        }
    }

    @Test("the drain has producers and a share of the memory only while something is set aside, and for half a minute after")
    func drainComesAndGoes() throws {
        try StageWorld.run {
            $0.budget = DeliveryBudget(total: 1 << 20)
        } _: { world in
            world.cluster.topics = ["bad": 1, "good": 1]
            await world.pass(40_000)
            let name = "setaside/\(world.route)"
            #expect(world.cluster.producers[name] == nil)
            #expect(await world.aside.look { !$0.memory.hasShare })
            world.cluster.errors = ["bad": Self.forbidden]
            try await world.settled(world.give(1, "bad"))
            world.cluster.errors = [:]
            try await world.until("it is drained") { world.setAside.isEmpty }
            let drained = world.now
            #expect(await world.aside.look { $0.memory.hasShare } && world.cluster.producers[name]?.isClosed == false)
            await world.pass(29_900)
            try await world.settled(world.give(1, "good"))
            #expect(world.cluster.producers[name]?.isClosed == false)
            try await world.until("it goes", within: 5000) { world.cluster.producers[name]?.isClosed == true }
            #expect((29_990...32_000).contains(world.now - drained), "\(world.now - drained)")
            #expect(await world.aside.look { !$0.memory.hasShare && $0.state.producers.toOpen(now: .max).isEmpty })
            world.cluster.errors = ["bad": Self.forbidden]
            try await world.settled(world.give(1, "bad"))
            world.cluster.errors = [:]
            try await world.until("it is drained again") { world.setAside.isEmpty }
        }
    }

    @Test("a partition that stands still while the cluster answers is set aside after its patience; the others go on")
    func stalls() throws {
        try StageWorld.run {
            $0.configuration.partitionPatience = 3000
        } _: { world in
            world.cluster.topics = ["t": 2]
            world.cluster.delivers = false
            world.give([EventFactory.Sample("t", value: "v0", partition: 0), EventFactory.Sample("t", value: "v1", partition: 1)])
            try await world.until("both are sent") { world.cluster.sent.count == 2 }
            let began = world.now
            let producer = try world.producer
            producer.report([1])
            try await world.until("it is set aside", within: 10_000) { !world.setAside.isEmpty }
            #expect((2990...3800).contains(world.now - began), "\(world.now - began)")
            #expect(Self.shown(world)?.key == SetAsideKey("t", 0) && Self.shown(world)?.code == "_TIMED_OUT")
            try await world.settled(2)
            let drainer = "setaside/\(world.route)"
            await world.pass(3000)
            #expect(!world.cluster.sent.contains { $0.producer.hasPrefix(drainer) }, "the first producer still holds it")
            producer.report([0])
            try await world.until("it is gone") { world.setAside.isEmpty }
            #expect(!world.cluster.sent.contains { $0.producer.hasPrefix(drainer) }, "it was delivered after all")
        }
    }

    @Test("what a producer that fails still held of a unit is drained from the first that was not reported")
    func heldThenLost() throws {
        try StageWorld.run {
            $0.configuration.partitionPatience = 1000
        } _: { world in
            world.cluster.topics = ["t": 1]
            try await world.settled(world.give(1))
            world.cluster.delivers = false
            world.give(3)
            try await world.until("they are sent") { world.cluster.sent.count == 4 }
            let producer = try world.producer
            try await world.until("they are set aside", within: 10_000) { world.setAside.events == 3 }
            producer.report([1])
            await world.pass(100)
            #expect(world.setAside.events == 2)
            world.cluster.delivers = true
            producer.fail(fatally: KafkaFailure(.gaplessGuarantee))
            try await world.until("they are drained", within: 60_000) { world.setAside.isEmpty }
            let drained = world.cluster.sent.filter { $0.producer.hasPrefix("setaside/") }
            #expect(drained.map(\.value) == ["v2", "v3"])
        }
    }

    @Test("memory that is held only for what producers hold has a bound: beyond it they are made anew")
    func settledOutstandingBytes() throws {
        try StageWorld.run {
            $0.configuration.partitionPatience = 1000
            $0.configuration.settledOutstandingBytes = 10
        } _: { world in
            world.cluster.topics = ["t": 1]
            world.cluster.delivers = false
            world.give(1)
            try await world.until("it is sent") { world.cluster.sent.count == 1 }
            let producer = try world.producer
            world.cluster.delivers = true
            try await world.until("it is closed", within: 10_000) { producer.isClosed }
            try await world.until("it is drained") { world.cluster.sent.count == 2 && world.setAside.isEmpty }
            #expect(world.cluster.sent[1].producer.hasPrefix("setaside/"))
        }
    }

    @Test("runs that end give back what they had on its way; the next begins at the cursor, and the log's units are drained as before")
    func restarts() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["bad": 1]
            world.cluster.errors = ["bad": Self.forbidden]
            world.hasRoom.withLock { $0 = false }
            world.give(2, "bad")
            try await world.until("they are on their way") { world.fact("setting_aside") == .number(2) }
            #expect(!world.setAside.isEmpty)
            await world.stop()
            #expect(world.setAside.isEmpty && world.source.cursor.number == 0, "nothing of them was stored")
            world.hasRoom.withLock { $0 = true }
            world.start()
            try await world.settled(2)
            #expect(world.setAside.events == 2)
            await world.stop()
            world.start()
            world.cluster.topics["good"] = 1
            world.give(1, "bad")
            let took = try await world.settled(world.give([EventFactory.Sample("good", value: "v3", partition: 9)]))
            #expect(took < 100 && world.setAside.events == 3 && world.letters.letters.map(\.topic) == ["good"], "all its tasks run anew")
            world.cluster.errors = [:]
            try await world.until("they are drained") { world.setAside.isEmpty }
            try await world.settled(world.give(1, "bad"))
            #expect(world.cluster.sent.map(\.value) == ["v0", "v1", "v2", "v4"])
        }
    }
}
