import ForebayCore
import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// When producers are made, made anew and closed, in simulated time.
@Suite("Producers of a forward stage in simulated time", .timeLimit(.minutes(1)))
struct StageProducersTests {
    @Test("a producer whose queue is full is given more when it reports")
    func fullQueue() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            try await world.settled(world.give(1))
            world.cluster.delivers = false
            world.cluster.acceptance = { $0.token >= 3 ? .queueFull : .none }
            world.give(5)
            try await world.until("two are sent") { world.cluster.sent.count == 3 }
            await world.pass(1000)
            world.cluster.acceptance = { _ in .none }
            await world.pass(1000)
            #expect(world.cluster.sent.count == 3, "nothing tells of room")
            world.cluster.delivers = true
            try world.producer.report()
            #expect(try await world.settled(6) < 10)
        }
    }

    @Test("the small topics' producer is made anew when the smallest limit changes")
    func smallProducer() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["a": 1, "b": 1]
            world.cluster.limit = { KafkaTopicLimit(topic: $0, bytes: $0 == "a" ? 5000 : 3000, error: .none) }
            try await world.settled(world.give(1, "a"))
            try await world.settled(world.give(1, "b"))
            let name = "forward/\(world.route)/small"
            let calls = world.cluster.takeCalls().filter { $0.hasPrefix(name + ": opened") || $0 == name + ": closed" }
            #expect(calls == ["\(name): opened as small(batchSize: 4872)", "\(name): closed", "\(name): opened as small(batchSize: 2872)"])
            #expect(world.metric("forebay_delivery_rebuilds_total") == "0", "nothing failed")
        }
    }

    @Test("a producer that fails is told and counted, closed when its reports are in, and made anew after half a second")
    func failedProducer() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            try await world.settled(world.give(1))
            world.cluster.delivers = false
            world.give(2)
            try await world.until("they are sent") { world.cluster.sent.count == 3 }
            let name = "forward/\(world.route)", first = try #require(world.cluster.producers[name])
            _ = world.cluster.takeCalls()
            first.fail(fatally: KafkaFailure(.gaplessGuarantee, reason: "as the test says"))
            await world.pass(990)
            #expect(!first.isClosed, "reports may come")
            await world.pass(80)
            #expect(first.isClosed && first.kept.map(\.count) == [2] && world.metric("forebay_delivery_rebuilds_total", "forward") == "1")
            let line = try #require(world.told("producer failed, it will be made anew").first)
            #expect(line["code"] == "_GAPLESS_GUARANTEE" && line["reason"] == "as the test says" && line["producer"] == "main")
            world.cluster.delivers = true
            let took = try await world.settled(3)
            #expect((380...560).contains(took), "\(took)")
            #expect(
                world.cluster.calls.map(\.what).filter { $0.hasPrefix(name + ": ") }.prefix(2) == [
                    "\(name): closed", "\(name): opened as bulk with metrics",
                ])
            #expect(world.fact("redelivered") == .number(2) && world.metric("forebay_redelivered_events_total", "forward") == "2")
            #expect(world.fact("target_up") == .flag(true))
        }
    }

    @Test("a client that was given far more topics than it uses is made anew, at most so often")
    func outgrown() throws {
        try StageWorld.run {
            $0.configuration.openedTopics = 10
            $0.configuration.idleTopics = 2
            $0.configuration.renewalInterval = 1000
        } _: { world async throws in
            for number in 0..<60 { world.cluster.topics["t\(number)"] = 1 }
            func use(_ numbers: Range<Int>) async throws -> Int {
                for number in numbers { try await world.settled(world.give(1, "t\(number)")) }
                await world.pass(60)
                return world.cluster.takeCalls().filter { $0.hasSuffix(": opened as bulk with metrics") }.count
            }
            #expect(try await use(0..<10) == 1, "the first")
            await world.pass(2000)
            #expect(try await use(10..<11) == 1)
            #expect(try await use(11..<21) == 0, "so soon it waits")
            #expect(try await use(21..<32) == 1, "at twice as many it does not")
            #expect(world.fact("redelivered") == .number(0) && world.metric("forebay_delivery_rebuilds_total", "forward") == "0")
        }
    }

    @Test("a client all of whose topics are in use is left alone, however many there are")
    func notOutgrown() throws {
        try StageWorld.run {
            $0.configuration.openedTopics = 10
            $0.configuration.renewalInterval = 100
        } _: { world in
            for number in 0..<40 {
                world.cluster.topics["t\(number)"] = 1
                try await world.settled(world.give(1, "t\(number)"))
                await world.pass(50)
            }
            #expect(world.cluster.takeCalls().filter { $0.hasSuffix(": opened as bulk with metrics") }.count == 1)
        }
    }

    @Test("topics that are forgotten are closed at every producer that has them")
    func closesTopics() throws {
        try StageWorld.run {
            $0.configuration.idleTopics = 2
        } _: { world in
            for number in 0..<8 {
                world.cluster.topics["t\(number)"] = 1
                try await world.settled(world.give(1, "t\(number)"))
            }
            await world.pass(20)
            let closed = world.cluster.takeCalls().filter { $0.contains(": closed t") }
            #expect(
                closed.first == "forward/\(world.route): closed t0" && (4...7).contains(closed.count) && Set(closed).count == closed.count)
            let open = world.cluster.producers["forward/\(world.route)"]?.open.compactMap { $0 } ?? []
            #expect(open.count == 8 - closed.count && open.contains("t7"))
        }
    }

    @Test("an index that its topic lost while others were asked for lends nobody a handle: each topic's events stand in it")
    func lostIndex() throws {
        try StageWorld.run {
            $0.configuration.idleTopics = 6
        } _: { world in
            for number in 0..<160 {
                world.cluster.topics["t\(number)"] = 1
                try await world.settled(world.give(1, "t\(number)"))
            }
            await world.pass(295_000 - Int(world.now))
            world.cluster.delivers = false
            for number in 0..<4 {
                world.cluster.topics["busy\(number)"] = 1
                world.give(1, "busy\(number)")
            }
            try await world.until("they are in flight") { world.cluster.sent.count == 164 }
            // The client knows far more than the few that are held, so each of these is asked for by itself.
            world.cluster.delay = 100
            _ = world.cluster.takeCalls()
            try await world.until("they are asked for again") { world.cluster.calls.contains { $0.what.contains(": metadata t") } }
            // More have no events now than are kept: some of those that are to be asked for are forgotten by what is new.
            world.cluster.delivers = true
            world.cluster.producers["forward/\(world.route)"]?.report()
            await world.pass(2)
            for number in 0..<12 {
                world.cluster.topics["new\(number)"] = 1
                world.give([EventFactory.Sample("new\(number)", value: "new\(number)")])
                await world.pass(number == 0 ? 1500 : 0)
            }
            try await world.settled(176)
            let new = world.cluster.sent.filter { $0.topic.hasPrefix("new") || $0.value?.hasPrefix("new") == true }
            #expect(new.count == 12 && new.allSatisfy { $0.topic == $0.value })
            let questions = world.cluster.takeCalls().filter { $0.contains("metadata") }
            #expect(questions.count < 40, "\(questions)")
        }
    }

    @Test("an index that is nobody's has no handle, and who gets it next does not find the one of who had it")
    func freedIndex() throws {
        try StageWorld.run {
            $0.configuration.idleTopics = 1
        } _: { world in
            for number in 0..<2 {
                world.cluster.topics["t\(number)"] = 1
                try await world.settled(world.give(1, "t\(number)"))
            }
            world.cluster.topics["next"] = 1
            let isOpened = await world.stage.look { stage in
                let index = stage.state.topics.all.firstIndex { $0.name == "t0" }!
                stage.state.forgetIdleTopics()
                return !stage.state.topics.holds(index) && stage.openTopic(index, .main) != nil
            }
            #expect(!isOpened)
            try await world.settled(world.give(1, "next"))
            #expect(world.cluster.sent.map(\.topic) == ["t0", "t1", "next"])
        }
    }

    @Test("a producer that can't be opened ends the run with its reason, to be begun again, whatever it was")
    func cannotOpen() throws {
        try StageWorld.run { world in
            await world.stop()
            world.cluster.openFailure = ForebayError(.configurationInvalid, recovery: .stop, "as the test says")
            world.start()
            let error = try #require(await world.ended() as? ForebayError)
            #expect(error.code == .configurationInvalid && error.recovery == .rewindAndRestart && error.message == "as the test says")
            world.cluster.openFailure = nil
            world.cluster.topics = ["t": 1]
            world.start()
            try await world.settled(world.give(1))
        }
    }
}
