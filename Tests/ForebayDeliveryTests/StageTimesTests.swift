import ForebayCore
import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// What the stages do of themselves, and when, in simulated time.
@Suite("Forward stage in simulated time", .timeLimit(.minutes(1)))
struct StageTimesTests {
    // MARK: Delivering

    @Test("what is delivered is told: facts, counters by topic, times from acceptance to delivery; nothing is held any more")
    func delivered() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 2, "u": 1]
            await world.pass(500)
            let end = world.give(
                [
                    EventFactory.Sample("t", key: "k", value: "one", id: "mine", partition: 1, timestamp: 7),
                    EventFactory.Sample("u", value: nil, timestamp: 8),
                    EventFactory.Sample("t", value: "three", partition: 0, timestamp: 0),
                ], acceptedAt: world.wall - 2000)
            try await world.settled(end)
            await world.pass(5)
            let sent = world.cluster.takeSent().sorted { $0.token < $1.token }
            #expect(
                sent.map(\.id) == ["mine", EventID.text(origin: world.spool, sequence: 1), EventID.text(origin: world.spool, sequence: 2)])
            #expect(
                sent.map(\.value) == ["one", nil, "three"] && sent.map(\.key) == ["k", nil, nil] && sent.map(\.timestamp) == [7, 8, 1])
            #expect(sent.map(\.partition) == [1, 0, 0] && sent.allSatisfy { $0.producer == "forward/\(world.route)" })
            let counts = ["delivered": 3, "redelivered": 0, "dead": 0, "in_flight": 0, "in_flight_bytes": 0, "leaving": 0]
            for (name, count) in counts { #expect(world.fact(name) == .number(Int64(count)), "\(name)") }
            #expect(
                world.stage.facts.map(\.name) == [
                    "delivered", "redelivered", "dead", "in_flight", "in_flight_bytes", "leaving", "target_up",
                ])
            #expect(world.fact("target_up") == .flag(true) && world.setting.budget.used == 0)
            #expect(world.metric("forebay_delivery_events_total", "topic=\"t\"") == "2")
            #expect(world.metric("forebay_delivery_events_total", "topic=\"u\"") == "1")
            #expect(Int(world.metric("forebay_delivery_bytes_total", "topic=\"t\"") ?? "") ?? 0 > 20)
            #expect(world.metric("forebay_delivery_end_to_end_seconds_count") == "3")
            #expect((2.0...2.9).contains(Double(world.metric("forebay_delivery_end_to_end_seconds_sum") ?? "").map { $0 / 3 } ?? 0))
            #expect(world.metric("forebay_delivery_in_flight_events", "stage=\"forward\"") == "0")
            #expect(
                world.metric("forebay_target_up", "stage=\"forward\"") == "1" && world.metric("forebay_target_up", "way=\"aside\"") == nil)
            #expect(world.metric("forebay_redelivered_events_total", "stage=\"forward\"") == "0")
        }
    }

    @Test("what is in flight is told, in events and bytes, and held of the budget, until it is reported")
    func inFlight() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            world.cluster.delivers = false
            world.give(4)
            try await world.until("all are sent") { world.cluster.sent.count == 1 }
            try world.producer.report()
            try await world.until("the others follow the first") { world.cluster.sent.count == 4 }
            await world.pass(2)
            #expect(world.fact("in_flight") == .number(3) && world.metric("forebay_delivery_in_flight_events", "forward") == "3")
            guard case .number(let bytes)? = world.fact("in_flight_bytes") else { throw Unexpected(description: "no bytes") }
            #expect(bytes > 3 * 256 && world.setting.budget.used == Int(bytes))
            await world.stop()
            #expect(world.setting.budget.used == 0, "a run that has ended holds nothing")
            let closed = try world.producer
            #expect(closed.isClosed && closed.kept.map(\.count) == [4], "its producer may still read them")
            world.start()
            try await world.until("all are sent again") { world.cluster.sent.count == 5 }
            world.cluster.delivers = true
            try world.producer.report()
            try await world.settled(4)
            await world.pass(5)
            #expect(
                world.fact("delivered") == .number(3) && world.metric("forebay_delivery_events_total") == "4", "each run counts its own")
            #expect(world.fact("in_flight_bytes") == .number(0) && world.setting.budget.used == 0)
        }
    }

    @Test("a budget that is used up by others holds the stage up until there is room")
    func budget() throws {
        try StageWorld.run {
            $0.budget = DeliveryBudget(total: 10_000)
        } _: { world in
            world.cluster.topics = ["t": 1]
            world.cluster.delivers = false
            let other = world.setting.budget.join {}
            await world.pass(5)
            #expect(other.take(5000))
            world.give(10)
            world.give(10)
            await world.pass(100)
            #expect(world.fact("in_flight") == .number(10), "the second batch waits")
            let producer = try world.producer
            world.cluster.delivers = true
            producer.report()
            try await world.settled(20)
            #expect(world.setting.budget.used == 5000)
        }
    }

    @Test("no more is pulled than the queue may hold; when events go, more comes")
    func queueLimit() throws {
        try StageWorld.run {
            $0.configuration.queueLimit = 1
        } _: { world in
            world.cluster.isSilent = true
            for _ in 0..<5 { world.give(2) }
            await world.pass(100)
            #expect(world.fact("in_flight") == .number(2))
            world.cluster.isSilent = false
            world.cluster.topics = ["t": 1]
            try await world.settled(10)
        }
    }

    @Test("who waits for an event learns where it stands, though reports come together; who waits for none changes nothing")
    func waiters() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 2]
            let told = Happenings<[Settlement]?>()
            let ticket = world.waiters.expect(sequences: [1, 2]) { told.add($0) }
            #expect(ticket != nil)
            world.give(2)
            world.give([EventFactory.Sample("t", value: "v", partition: 1)])
            try await world.settled(3)
            #expect(told.all == [[.record(partition: 0, offset: 1), .record(partition: 1, offset: 0)]])
            world.give(1)
            try await world.settled(4)
        }
    }

    @Test("what rests is sent again when its time is over, not a moment later")
    func rests() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            try await world.settled(world.give(1))
            world.cluster.refusal = { _ in .timedOut }
            world.give(1)
            await world.pass(240)
            world.cluster.refusal = { _ in .none }
            try await world.settled(2)
            #expect(StageWorld.gaps(world.cluster.sentAt).dropFirst().map { Int($0) } == [101, 201], "a millisecond is the report's")
        }
    }

    // MARK: Questions

    @Test("a topic is asked for alone; several at once in one question; many by one question each where the client knows far more")
    func questions() throws {
        try StageWorld.run { world in
            for number in 0..<60 { world.cluster.topics["t\(number)"] = 1 }
            func give(_ numbers: Range<Int>) async throws -> [String] {
                try await world.settled(world.give(numbers.map { EventFactory.Sample("t\($0)", value: "v") }))
                return world.cluster.takeCalls().filter { $0.contains("metadata") }.map { String($0.drop { $0 != ":" }.dropFirst(2)) }
            }
            _ = try await give(0..<1)
            #expect(try await give(1..<2) == ["metadata t1 2000"])
            #expect(try await give(2..<4) == ["metadata of 4 2000"])
            #expect(try await give(4..<30) == ["metadata of 30 2000"])
            #expect(try await give(30..<32) == ["metadata of 32 2000"], "two more questions cost as much as the thirty others")
            #expect(try await give(32..<34) == ["metadata t32 2000", "metadata t33 2000"])
            #expect(try await give(34..<36) == ["metadata t34 2000", "metadata t35 2000"])
        }
    }

    @Test("a cluster that does not answer is asked again after a while, with more patience each time; an answer ends that")
    func patience() throws {
        try StageWorld.run { world in
            world.cluster.isSilent = true
            world.give(1)
            await world.pass(45_000)
            let calls = world.cluster.calls.filter { $0.what.contains("metadata") }
            #expect(calls.map { String($0.what.split(separator: " ").last!) } == ["2000", "4000", "8000", "10000", "10000", "10000"])
            let gaps = zip(calls, calls.dropFirst()).map { Int($1.at - $0.at) }
            for (gap, expected) in zip(gaps, [3000, 5000, 9000, 11_000, 11_000]) {
                #expect((expected...expected + 60).contains(gap), "\(gaps)")
            }
            #expect(world.fact("target_up") == .flag(false) && world.fact("error_code") == .text("_TIMED_OUT"))
            world.cluster.isSilent = false
            world.cluster.topics = ["t": 1, "u": 1]
            try await world.settled(1)
            #expect(world.fact("target_up") == .flag(true) && world.fact("error_code") == nil)
            let lines = world.told("the cluster answers again")
            #expect(lines.count == 1 && (40...57).contains(Int(lines[0]["seconds"]!)!))
            world.cluster.isSilent = true
            _ = world.cluster.takeCalls()
            world.give(1, "u")
            await world.pass(100)
            #expect(world.cluster.takeCalls().filter { $0.contains("metadata") } == ["forward/\(world.route): metadata u 2000"])
        }
    }

    @Test(
        "topics are opened some in a turn: after more than two milliseconds others have theirs",
        arguments: [(1_000_000, [3, 3, 3]), (2_000_000, [2, 2, 2, 2, 1]), (2_000_001, Array(repeating: 1, count: 9))] as [(UInt64, [Int])])
    func opensInTurns(nanoseconds: UInt64, counts: [Int]) throws {
        try StageWorld.run { world in
            var turns: [Int] = []
            world.cluster.onOpen = {
                turns.append(world.process.steps)
                world.process.machine.advance(nanoseconds: nanoseconds)
            }
            for number in 0..<9 { world.cluster.topics["t\(number)"] = 1 }
            try await world.settled(world.give((0..<9).map { EventFactory.Sample("t\($0)", value: "v") }))
            #expect(Dictionary(grouping: turns) { $0 }.sorted { $0.key < $1.key }.map(\.value.count) == counts)
        }
    }

    @Test("a topic that an answer leaves out is asked for again")
    func hidden() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            world.cluster.hidden = ["t"]
            world.give(1)
            await world.pass(3500)
            #expect((3...5).contains(world.cluster.takeCalls().filter { $0.contains("metadata t") }.count), "not without end at once")
            world.cluster.hidden = []
            try await world.settled(1)
        }
    }

    @Test("topics in use are asked for every five minutes, and their limits; side producers that nothing needs are closed then")
    func refresh() throws {
        try StageWorld.run {
            $0.configuration.targetInterval = 1_000_000  // Else limits are asked for to see whether the cluster is there.
        } _: { world in
            world.cluster.topics = ["t": 1]
            world.cluster.limit = { KafkaTopicLimit(topic: $0, bytes: 5000, error: .none) }
            try await world.settled(world.give(1))
            let names = ["forward/\(world.route)", "forward/\(world.route)/small"]
            #expect(Set(world.cluster.producers.keys) == Set(names))
            await world.pass(1000)
            _ = world.cluster.takeCalls()
            world.cluster.topics = ["t": 3]
            await world.pass(298_500)
            #expect(world.cluster.calls.filter { $0.what.contains("limits") || $0.what.contains("closed") }.isEmpty)
            await world.pass(1500)
            let asked = world.cluster.calls.first { $0.what.hasPrefix("\(names[0]): metadata") && $0.at > 299_600 }
            #expect(asked != nil && world.cluster.calls.first { $0.what == "\(names[1]): closed" }?.at == asked?.at)
            let calls = world.cluster.takeCalls()
            #expect(calls.contains("\(names[0]): limits t") && calls.contains("\(names[1]): closed"))
            #expect(world.cluster.producers[names[0]]?.isClosed == false)
            let end = world.give([EventFactory.Sample("t", value: "v", partition: 2)])
            try await world.settled(end)
            #expect(world.letters.letters.isEmpty && world.cluster.sent.last?.partition == 2)
        }
    }

    @Test("a silent target is asked every fifteen seconds while topics are in use, once a minute while none is")
    func watchesTarget() throws {
        try StageWorld.run { world in
            await world.pass(100)
            #expect(
                world.cluster.takeCalls().contains("forward/\(world.route): metadata of all 2000") && world.fact("target_up") == .flag(true)
            )
            await world.pass(59_000)
            #expect(world.cluster.takeCalls().isEmpty)
            await world.pass(20_000)
            #expect(world.cluster.takeCalls() == ["forward/\(world.route): limits __consumer_offsets"], "that makes no topic")

            world.cluster.topics = ["t": 1]
            try await world.settled(world.give(1))
            _ = world.cluster.takeCalls()
            await world.pass(100_000)
            let asked = world.cluster.takeCalls()
            #expect((3...7).contains(asked.count) && asked.allSatisfy { $0 == "forward/\(world.route): limits t" }, "\(asked)")
            world.cluster.limit = { KafkaTopicLimit(topic: $0, bytes: nil, error: .unknownTopicOrPartition) }
            await world.pass(100_000)
            #expect(
                world.cluster.takeCalls().allSatisfy { $0.hasSuffix(": limits t") } && world.fact("target_up") == .flag(true),
                "a topic that was deleted meanwhile is no outage, and none is made")
            world.cluster.limit = { KafkaTopicLimit(topic: $0, bytes: nil, error: .timedOut) }
            await world.pass(40_000)
            #expect(world.cluster.takeCalls().contains("forward/\(world.route): metadata of all 2000"), "the controller alone is away")
            #expect(world.fact("target_up") == .flag(true))
            world.cluster.isSilent = true
            try await world.until("it is down", within: 40_000) { world.fact("target_up") == .flag(false) }
            #expect(world.metric("forebay_target_up") == "0")
        }
    }

    // MARK: Limits

    @Test("a limit that does not come holds a topic's first events for half a second; when nobody told twice, for no time")
    func slowLimits() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1, "u": 1, "v": 1]
            let limit = world.cluster.limit
            world.cluster.limit = nil
            let end = world.give(1)
            let took = try await world.settled(end)
            #expect((500...560).contains(took), "\(took)")
            world.cluster.limit = limit
            await world.pass(50)
            world.cluster.limit = { KafkaTopicLimit(topic: $0, bytes: nil, error: .timedOut) }
            let again = try await world.settled(world.give(1, "u"))
            #expect((1000...1060).contains(again), "it may be told later: asked once more, \(again)")
            await world.pass(2000)
            #expect(world.cluster.takeCalls().filter { $0.contains("limits u") }.count == 2)
            world.cluster.limit = nil
            let third = try await world.settled(world.give(1, "v"))
            #expect(third < 60, "\(third)")
        }
    }

    @Test("a limit that may be told later is asked for once more, and waited for as long")
    func laterLimits() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            world.cluster.limit = { KafkaTopicLimit(topic: $0, bytes: nil, error: .timedOut) }
            let end = world.give(1)
            await world.pass(500)
            world.cluster.limit = nil
            let took = try await world.settled(end)
            #expect((1000...1060).contains(took), "half a second after it was asked for again: \(took)")
        }
    }

    @Test("a limit that comes late still counts")
    func lateLimits() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            world.cluster.limit = nil
            try await world.settled(world.give(1))
            #expect(await world.stage.look { $0.state.topics[0].limits.bytes } == nil)
            world.cluster.limit = { KafkaTopicLimit(topic: $0, bytes: 4000, error: .none) }
            await world.pass(50)
            #expect(await world.stage.look { $0.state.topics[0].limits.bytes } == 4000)
            try await world.settled(world.give(1))
            #expect(world.cluster.sent.map(\.producer) == ["forward/\(world.route)", "forward/\(world.route)/small"])
            #expect(world.cluster.calls.contains { $0.what == "forward/\(world.route)/small: opened as small(batchSize: 3872)" })
        }
    }

    // MARK: Ending

    @Test("a drain waits while deliveries go on, and ends when none came for its patience; what is not reported stays behind the cursor")
    func drains() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            try await world.settled(world.give(1))
            world.cluster.delivers = false
            world.give(3)
            try await world.until("they are sent") { world.cluster.sent.count == 4 }
            let producer = try world.producer
            let began = world.now
            let stage = world.stage
            let drained = Task(executorPreference: world.process.tasks) {
                await stage.drain()
                return world.now
            }
            await world.pass(1500)
            world.give(1)
            producer.report([1])
            await world.pass(2000)
            producer.report([2])
            let took = Int(await drained.value - began)
            #expect((5990...6100).contains(took), "\(took)")
            #expect(world.source.cursor.number == 3 && world.cluster.sent.count == 4, "nothing new was pulled")
        }
    }

    @Test("a drain of an idle stage, or of one that does not run, is over at once; so it is when the last report comes")
    func drainsAtOnce() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            world.cluster.delivers = false
            world.give(1)
            try await world.until("it is sent") { world.cluster.sent.count == 1 }
            let began = world.now
            let stage = world.stage
            let drained = Task(executorPreference: world.process.tasks) { await stage.drain() }
            await world.pass(300)
            try world.producer.report()
            await drained.value
            #expect((300...320).contains(world.now - began))
            await stage.drain()
            await world.stop()
            await stage.drain()
            #expect(world.now - began < 400 && world.source.cursor.number == 1)
        }
    }

    @Test("a cursor that can't be moved ends the run with that error")
    func cursorFails() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            world.source.failCommits(with: ForebayError(.spoolFull, recovery: .rewindAndRestart, "as the test says"))
            world.give(1)
            let error = try #require(await world.ended() as? ForebayError)
            #expect(error.code == .spoolFull && error.message == "as the test says")
            world.source.failCommits(with: nil)
            world.start()
            try await world.settled(1)
            await world.stop()
        }
    }
}
