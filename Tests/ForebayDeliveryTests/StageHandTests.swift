import ForebayCore
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Synchronization
import Testing

@testable import ForebayDelivery

/// Replays, removals and moves while both stages run, in simulated time, over a log on a disk in memory.
@Suite("By hand in simulated time", .timeLimit(.minutes(1)))
struct StageHandTests {
    private static let forbidden = KafkaErrorCode.topicAuthorizationFailed

    private static func record(_ topic: String, _ value: String, id: String) -> SetAside.AppendedEvent {
        var generator = SplitMix(seed: 3)
        let batch = EventFactory.batch([.init(topic, key: "k", value: value, id: id)], spool: .random(using: &generator), first: 0)
        return SetAside.AppendedEvent(topic: topic, record: batch.withUnsafeBytes { Array($0) })
    }

    private static func values(_ world: StageWorld, _ topic: String) -> [String?] {
        world.cluster.sent.filter { $0.topic == topic }.map(\.value)
    }

    @Test("what is replayed is delivered with its id, once, over the log; newer events of its topic come behind it, others pass")
    func replayed() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1, "u": 1]
            try await world.settled(world.give(2))
            try await world.setAside.replay((0..<3).map { Self.record($0 == 1 ? "u" : "t", "r\($0)", id: "id-\($0)") })
            #expect(world.setAside.events == 3 && world.setAside.topics == ["t", "u"])
            #expect(Set(world.setAside.shown(limit: 9).map(\.code)) == ["REPLAYED"])
            #expect(world.told("set aside").isEmpty, "nothing has failed")
            let end = world.give(2)
            try await world.settled(end)
            try await world.until("nothing is set aside", within: 5000) { world.setAside.isEmpty }
            #expect(Self.values(world, "t") == ["v0", "v1", "r0", "r2", "v2", "v3"] && Self.values(world, "u") == ["r1"])
            #expect(world.cluster.sent.first { $0.value == "r2" }?.id == "id-2")
        }
    }

    @Test("replayed to a Kafka that is away, or to a topic that is missing, they wait as anything set aside")
    func replayedToNobody() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["good": 1]
            try await world.setAside.replay([Self.record("t", "r0", id: "id-0")])
            await world.pass(5000)
            let shown = try #require(world.setAside.shown(limit: 1).first)
            #expect(shown.code == "UNKNOWN_TOPIC_OR_PART" && shown.events == 1 && !shown.isDraining)
            world.cluster.topics["t"] = 1
            try await world.until("nothing is set aside", within: 40_000) { world.setAside.isEmpty }
            #expect(Self.values(world, "t") == ["r0"])
        }
    }

    @Test("without room in the log nothing is replayed, it is said, and nothing is left of it")
    func noRoom() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            world.hasRoom.withLock { $0 = false }
            await #expect(throws: ForebayError.self) { try await world.setAside.replay([Self.record("t", "r0", id: "id-0")]) }
            #expect(world.setAside.isEmpty && world.setAside.bytes == 0)
            try await world.settled(world.give(2))
            world.hasRoom.withLock { $0 = true }
            try await world.setAside.replay([Self.record("t", "r0", id: "id-0")])
            try await world.until("nothing is set aside", within: 5000) { world.setAside.isEmpty }
            #expect(Self.values(world, "t") == ["v0", "v1", "r0"])
        }
    }

    @Test("more topics than may be set aside are refused before anything is stored")
    func tooMany() throws {
        try StageWorld.run({ $0.configuration.setAsideTopics = 3 }) { world in
            let events = (0..<4).map { Self.record("t\($0)", "r", id: "i") }
            await #expect { try await world.setAside.replay(events) } throws: { ($0 as? ForebayError)?.code == "too_many_set_aside" }
            #expect(world.setAside.isEmpty)
            try await world.setAside.replay(Array(events.dropLast()))
            #expect(world.setAside.unitCount == 3)
        }
    }

    @Test("what waits is removed: nothing of it comes, newer events wait behind nothing, and the log knows it after a crash")
    func removed() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["bad": 1, "worse": 1]
            world.cluster.errors = ["bad": Self.forbidden, "worse": Self.forbidden]
            try await world.settled(
                world.give((0..<6).map { EventFactory.Sample($0 % 2 == 0 ? "bad" : "worse", key: "k", value: "v\($0)") }))
            let expected = SetAside.Taken(key: SetAsideKey("bad"), code: "TOPIC_AUTHORIZATION_FAILED", positions: 0..<3)
            #expect(world.setAside.found(.init(topic: "bad")) == [expected] && world.setAside.found(.init(topic: "no")) == [])
            #expect(try await world.setAside.remove(.init(topic: "no")) == [])
            #expect(try await world.setAside.remove(.init(topic: "bad")) == [expected])
            #expect(world.setAside.topics == ["worse"] && world.asideLog.units.map(\.topic) == ["worse"])
            try await world.settled(world.give([.init("bad", key: "k", value: "v6")]))
            #expect(world.setAside.events == 4, "it is set aside anew")
            world.cluster.errors = [:]
            try await world.until("nothing is set aside", within: 40_000) { world.setAside.isEmpty }
            #expect(Self.values(world, "bad") == ["v6"] && Self.values(world, "worse") == ["v1", "v3", "v5"])
            #expect(try await world.setAside.remove(.init()) == [])
        }
    }

    @Test("what is being drained is recalled first: what was not sent is never sent, what was may arrive, and nothing overtakes it")
    func removedWhileDrained() throws {
        for reports in [true, false] {
            try StageWorld.run { world in
                world.cluster.topics = ["t": 1]
                world.cluster.errors = ["t": Self.forbidden]
                try await world.settled(world.give(5))
                world.cluster.delivers = false
                world.cluster.errors = [:]
                try await world.until("the drain has sent some", within: 40_000) { !world.cluster.sent.isEmpty }
                let sent = world.cluster.sent
                let taken = try await world.setAside.remove(.init(topic: "t"))
                #expect(taken.map(\.positions) == [0..<5])
                #expect(world.setAside.events == 0 && world.setAside.unitCount == 1, "its producer holds some")
                let end = world.give(1)
                await world.pass(2000)
                #expect(world.cluster.sent.count == sent.count, "what is newer waits for the report")
                let producer = try #require(world.cluster.producers["setaside/\(world.route)"])
                world.cluster.delivers = true
                producer.report(sent.map(\.token), reports ? .none : .unknownTopicOrPartition)
                try await world.settled(end)
                try await world.until("nothing is set aside", within: 90_000) { world.setAside.isEmpty }
                #expect(Self.values(world, "t") == sent.map(\.value) + ["v5"])
            }
        }
    }

    @Test("moved events come to the other topic in their order, with their ids, behind what waits there and before what is newer")
    func moved() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1, "bad": 1]
            world.cluster.errors = ["t": Self.forbidden, "bad": Self.forbidden]
            let size = String(repeating: "x", count: 30_000)
            func give(_ topic: String, _ numbers: Range<Int>) -> UInt64 {
                world.give(numbers.map { EventFactory.Sample(topic, key: "k", value: "\(topic)\($0) \(size)", timestamp: 77) })
            }
            try await world.settled(give("t", 0..<2))
            try await world.settled(give("bad", 0..<90))  // Three pieces.
            let ids = (2..<92).map { EventID.text(origin: world.spool, sequence: UInt64($0)) }
            #expect(world.setAside.found(.init(topic: "bad"), movingTo: "t").map(\.events) == [90])
            let told = { world.told("goes direct again").map { $0["unit"] } }
            let (mover, executor) = (world.setAside, ThreadlessExecutor(world))
            async let moved = mover.move(.init(topic: "bad"), to: "t", executor: executor.executor)
            try await world.until("it goes on") { world.setAside.state.withLock { $0.turns.waits("t") } }
            // Newer ones, meanwhile.
            var end: UInt64 = 0
            for number in 2..<6 {
                end = give("t", number..<number + 1)
                await world.pass(1)
            }
            #expect(try await moved.taken.map(\.positions) == [0..<90])
            let line = try #require(world.told("goes direct again, and not all of it was delivered").first)
            #expect(line["unit"] == "bad" && line["events"] == "0" && line["taken_out"] == "90" && told() == [])
            try await world.settled(end)
            #expect(world.setAside.topics == ["t"])
            world.cluster.errors = [:]
            try await world.until("nothing is set aside", within: 90_000) { world.setAside.isEmpty }
            let sent = world.cluster.sent.filter { $0.topic == "t" }
            let names = sent.map { String($0.value?.prefix { $0 != " " } ?? "") }
            #expect(Array(names.prefix(92)) == ["t0", "t1"] + (0..<90).map { "bad\($0)" })
            #expect(names.dropFirst(92) == (2..<6).map { "t\($0)" }[...])
            #expect(Array(sent.map(\.id)[2..<92]) == ids && sent.allSatisfy { $0.timestamp == 77 && $0.key == "k" })
            #expect(Self.values(world, "bad").isEmpty)
            try await world.settled(give("t", 6..<7))
            #expect(world.cluster.sent.last?.producer == "forward/\(world.route)", "and all goes direct again")
        }
    }

    @Test("moving while it is drained, to a topic of which nothing is set aside, and back; nothing to move changes nothing")
    func movedWhileDrained() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1, "bad": 1]
            world.cluster.errors = ["bad": Self.forbidden]
            try await world.settled(world.give((0..<4).map { EventFactory.Sample("bad", key: "k", value: "b\($0)") }))
            let executor = ThreadlessExecutor(world)
            #expect(try await world.setAside.move(.init(topic: "no"), to: "t", executor: executor.executor).taken == [])
            #expect(world.setAside.topics == ["bad"])
            world.cluster.delivers = false
            world.cluster.errors = [:]
            try await world.until("the drain has sent some", within: 40_000) { !world.cluster.sent.isEmpty }
            world.cluster.delivers = true
            let early = world.cluster.sent.count
            #expect(try await world.setAside.move(.init(topic: "bad"), to: "t", executor: executor.executor).taken.map(\.events) == [4])
            try await world.until("all of it is there", within: 90_000) { Self.values(world, "t").count == 4 }
            #expect(Self.values(world, "t") == ["b0", "b1", "b2", "b3"])
            #expect(Self.values(world, "bad").count == early, "what was sent before may arrive there, too")
        }
    }
}

/// Of a simulated thread that may wait for the disk.
private struct ThreadlessExecutor: Sendable {
    let executor: any SerialExecutor

    init(_ world: StageWorld) { self.executor = world.process.surroundings.executors.thread(label: "hand").executor() }
}
