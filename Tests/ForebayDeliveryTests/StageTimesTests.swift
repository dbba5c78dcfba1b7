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
            let counts = ["delivered": 3, "redelivered": 0, "dead_letters": 0, "in_flight": 0, "in_flight_bytes": 0, "setting_aside": 0]
            for (name, count) in counts { #expect(world.fact(name) == .number(Int64(count)), "\(name)") }
            #expect(
                world.stage.facts.map(\.name) == [
                    "delivered", "redelivered", "dead_letters", "in_flight", "in_flight_bytes", "setting_aside", "target_up",
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

    @Test("what backs off is sent again when its time is over, not a moment later")
    func backsOff() throws {
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
