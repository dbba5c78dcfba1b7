import ForebayCore
import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// What a stage tells of its target, and of what holds it up, in simulated time.
@Suite("What a forward stage tells, in simulated time", .timeLimit(.minutes(1)))
struct StageHealthTests {
    static let forbidden = KafkaErrorCode.topicAuthorizationFailed

    // MARK: The target's health

    @Test("what the client says of the cluster is told once for each cause, with what to do, and that it is over")
    func health() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            try await world.settled(world.give(1))
            let producer = try world.producer
            producer.fail(KafkaFailure(.authentication, reason: "wrong password"))
            await world.pass(5)
            #expect(world.fact("error_code") == nil && world.fact("target_up") == .flag(true), "one broker is not the cluster")
            world.cluster.isSilent = true
            let began = world.wall
            producer.fail(KafkaFailure(.allBrokersDown))
            await world.pass(5)
            #expect(world.fact("target_up") == .flag(false) && world.fact("error_code") == .text("_AUTHENTICATION"))
            #expect(world.fact("error_reason") == .text("wrong password") && world.metric("forebay_target_up") == "0")
            guard case .text(let advice)? = world.fact("error_advice"), case .number(let since)? = world.fact("error_since") else {
                throw Unexpected(description: "\(world.stage.facts)")
            }
            #expect(advice.contains("sasl.username") && (began...began + 5).contains(since))
            let line = try #require(world.told("the cluster refuses this client's login; events wait").first)
            #expect(line["code"] == "_AUTHENTICATION" && line["reason"] == "wrong password" && line["advice"] == advice)
            let asked = world.cluster.calls.last
            #expect(asked?.what == "forward/\(world.route): metadata of all 2000", "its return is looked for at once")
            let lines = world.told("the cluster refuses this client's login; events wait").count
            producer.fail(KafkaFailure(.allBrokersDown))
            await world.pass(5)
            #expect(world.told("the cluster refuses this client's login; events wait").count == lines, "nothing new")
            world.cluster.isSilent = false
            try await world.until("it is up") { world.fact("target_up") == .flag(true) }
            #expect(!world.stage.facts.contains { $0.name.hasPrefix("error_") } && world.told("the cluster answers again").count == 1)
        }
    }

    @Test("the clock set back while the cluster is away, not while it is there: producers are made anew, for librdkafka waits by it")
    func clockSetBack() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1, "bad": 1]
            world.cluster.errors = ["bad": .topicAuthorizationFailed]
            try await world.settled(world.give(1))
            func opened() -> Int { world.cluster.takeCalls().count { $0.contains("opened as") } }
            await world.pass(1500)
            let told = "the clock was set back while the cluster, or a broker of it, is away; its producers are made anew"
            // Without anything set aside, and while that is tried.
            for isAside in [false, true] {
                if isAside {
                    try await world.settled(world.give(1, "bad"))
                    try await world.until("it is tried") { opened() > 0 }
                }
                _ = opened()
                world.process.machine.wallOffset -= 3_600_000
                await world.pass(5000)
                #expect(opened() == 0 && world.told(told).isEmpty)
            }
            world.cluster.isSilent = true
            let producer = try world.producer
            producer.fail(KafkaFailure(.allBrokersDown))
            await world.pass(5000)
            for (step, isMadeAnew) in [(3_600_000, false), (-1000, false), (-3_600_000, true), (-86_400_000, true)] as [(Int64, Bool)] {
                _ = opened()
                world.process.machine.wallOffset += step
                await world.pass(10_000)
                #expect((opened() > 0) == isMadeAnew, "\(step)")
            }
        }
    }

    @Test(
        "the clock set back while one broker is away and the others answer: its client waits, too; long after that there is nothing to mend"
    )
    func clockSetBackBesideOneBroker() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            try await world.settled(world.give(1))
            func opened() -> Int { world.cluster.takeCalls().count { $0.contains("opened as") } }
            let producer = try world.producer
            producer.fail(KafkaFailure(.transport))
            await world.pass(5000)
            #expect(world.fact("target_up") == .flag(true))
            for (wait, isMadeAnew) in [(0, true), (400_000, false)] {
                await world.pass(wait)
                _ = opened()
                world.process.machine.wallOffset -= 3_600_000
                await world.pass(10_000)
                #expect((opened() > 0) == isMadeAnew, "\(wait)")
            }
        }
    }

    @Test("a partition that stands still and is not set aside for long is told of until it moves; while the cluster is away, that is")
    func standsStill() throws {
        try StageWorld.run {
            $0.configuration.partitionPatience = 3_600_000
        } _: { world in
            world.cluster.topics = ["t": 1]
            try await world.settled(world.give(1))
            world.cluster.delivers = false
            world.give(1)
            await world.pass(25_000)
            #expect(world.fact("stall_code") == nil)
            // At the first look from half a minute on: there is one a second.
            for _ in 0..<100 where world.fact("stall_code") == nil { await world.pass(100) }
            #expect(world.fact("stall_code") == .text("_TIMED_OUT"))
            guard case .text(let reason)? = world.fact("stall_reason"), case .number(let since)? = world.fact("stall_since") else {
                throw Unexpected(description: "no reason")
            }
            #expect(reason.hasPrefix("partition 0 of topic t takes nothing, though the cluster answers") && reason.hasSuffix("(3600 s)"))
            let ago = world.process.surroundings.time.wallMilliseconds - since
            #expect((30_000...31_100).contains(ago), "\(ago)")
            let producer = try world.producer
            world.cluster.isSilent = true
            producer.fail(KafkaFailure(.allBrokersDown))
            await world.pass(100)
            #expect(world.fact("stall_code") == nil && world.fact("error_code") == .text("_ALL_BROKERS_DOWN"))
            world.cluster.isSilent = false
            producer.report()
            try await world.settled(2)
            // A question that was asked meanwhile may still go unanswered.
            try await world.until("the cluster is there") { world.fact("target_up") == .flag(true) && world.fact("error_code") == nil }
            await world.pass(10_000)
            #expect(world.fact("stall_code") == nil && world.fact("error_code") == nil)
        }
    }

    @Test("a run that begins has seen no partition stand still")
    func standsStillNoMore() throws {
        try StageWorld.run {
            $0.configuration.partitionPatience = 3_600_000
        } _: { world in
            world.cluster.topics = ["t": 1]
            world.cluster.delivers = false
            world.give(1)
            try await world.until("it is told") { world.fact("stall_code") != nil }
            await world.stop()
            world.start()
            await world.pass(100)
            #expect(world.fact("stall_code") == nil && world.cluster.sent.count == 2)
        }
    }

    @Test("that it tells all its topics is an answer, whatever comes of the questions that follow")
    func answersWithAll() throws {
        try StageWorld.run {
            $0.configuration.topicsPerRequest = 2
        } _: { world in
            for number in 0..<5 { world.cluster.topics["t\(number)"] = 1 }
            world.cluster.answersByName = { _ in false }
            world.give((0..<5).map { EventFactory.Sample("t\($0)", value: "v") })
            await world.pass(500)
            #expect(world.cluster.calls.contains { $0.what.contains("metadata of all") } && world.fact("target_up") == .flag(true))
            world.cluster.answersByName = { _ in true }
            try await world.settled(5)
        }
    }

    @Test("a side producer without an answer says nothing of the cluster")
    func sideProducers() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            try await world.settled(world.give(1))
            world.cluster.answersByName = { !$0.hasSuffix("/single") }
            world.cluster.refusal = { $0.producer.hasSuffix("/single") ? .none : .invalidRecord }
            world.give(1)
            await world.pass(4000)
            #expect(world.cluster.calls.contains { $0.what.contains("/single: metadata t") } && world.source.cursor.number == 1)
            #expect(world.fact("target_up") == .flag(true) && world.fact("error_code") == nil)
            #expect(world.told("the cluster does not answer; events wait").isEmpty && world.told("the cluster answers again").isEmpty)
            world.cluster.answersByName = { _ in true }
            try await world.settled(2)
        }
    }

    @Test("what is settled beyond an event that holds the cursor is told to the source; and a run that was cancelled says so")
    func settledAhead() throws {
        try StageWorld.run {
            $0.configuration.setAsideTopics = 0
        } _: { world in
            world.cluster.topics = ["bad": 1, "good": 1]
            world.cluster.errors = ["bad": Self.forbidden]
            world.give(1, "bad")
            world.give(5, "good")
            await world.pass(200)
            #expect(world.source.cursor.number == 0 && world.source.settledAhead == 5)
            try await world.until("it is kept", within: 3000) { world.source.ahead != nil }
            let kept = try #require(world.source.ahead)
            #expect(kept.kept.ranges == [1..<6] && !kept.isFinal)
            world.cluster.errors = [:]
            try await world.settled(6)
            await world.pass(10)
            #expect(world.source.settledAhead == 0)
            await world.stop()
            let error = await world.ended()
            #expect(error is CancellationError, "\(String(describing: error))")
            #expect(world.source.ahead?.isFinal == true && world.source.ahead?.kept.ranges == [])
        }
    }

    @Test("what is kept of events that were set aside stands on the log that has them")
    func witnesses() throws {
        try StageWorld.run {
            $0.configuration.setAsideTopics = 1
        } _: { world in
            world.cluster.topics = ["aside": 1, "held": 1]
            world.cluster.errors = ["aside": Self.forbidden, "held": Self.forbidden]
            world.give([("aside", "1"), ("held", "2"), ("aside", "3")].map { EventFactory.Sample($0.0, value: $0.1) })
            try await world.until("it is kept", within: 5000) { world.source.ahead?.kept.ranges == [2..<3] }
            let witness = try #require(world.setAside.witness)
            #expect(witness.end == 2 && world.source.ahead?.kept.witnesses.contains(witness) == true)
            world.cluster.errors = [:]
            try await world.settled(3)
        }
    }

    @Test("a delivery is an answer, too; and the drain's view of the cluster is its own")
    func answers() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            world.cluster.delivers = false
            world.give(1)
            try await world.until("it is sent") { world.cluster.sent.count == 1 }
            let producer = try world.producer
            world.cluster.isSilent = true
            producer.fail(KafkaFailure(.allBrokersDown))
            await world.pass(3)
            #expect(world.fact("target_up") == .flag(false))
            #expect(world.fact("error_reason") == .text(KafkaErrorCode.allBrokersDown.text))
            producer.report()
            await world.pass(3)
            #expect(world.fact("target_up") == .flag(true) && world.told("the cluster answers again").count == 1)
        }
    }
}
