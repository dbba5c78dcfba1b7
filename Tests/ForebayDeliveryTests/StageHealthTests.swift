import ForebayCore
import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// What a stage tells of its target, and of what holds it up, in simulated time.
@Suite("What a forward stage tells, in simulated time", .timeLimit(.minutes(1)))
struct StageHealthTests {
    private static let forbidden = KafkaErrorCode.topicAuthorizationFailed

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

    // MARK: Notes

    @Test("a topic that can't be set aside any more holds its route; that is told, shown, and told to be over")
    func holds() throws {
        try StageWorld.run {
            $0.configuration.setAsideTopics = 0
        } _: { world in
            world.cluster.topics = ["bad": 1, "good": 1]
            world.cluster.errors = ["bad": Self.forbidden]
            world.give([EventFactory.Sample("good", value: "v"), EventFactory.Sample("bad", value: "v")])
            await world.pass(100)
            #expect(world.source.cursor.number == 1 && world.fact("held") == .text("bad: TOPIC_AUTHORIZATION_FAILED"))
            let line = try #require(
                world.told("topic takes no events now; too many topics are set aside to add it, so its route waits").first)
            #expect(line["topic"] == "bad" && line["code"] == "TOPIC_AUTHORIZATION_FAILED" && line["advice"]?.contains("'bad'") == true)
            #expect(line["reason"] == Self.forbidden.text)
            #expect(world.fact("bound_code") == .text("TOPIC_AUTHORIZATION_FAILED"))
            guard case .text(let reason)? = world.fact("bound_reason"), case .text(let advice)? = world.fact("bound_advice") else {
                throw Unexpected(description: "no bound is told")
            }
            #expect(reason.contains("too many topics are set aside to add bad") && advice.contains("forebay setaside ls"))
            world.cluster.errors = [:]
            try await world.settled(2)
            #expect(world.told("topic takes events again").map { $0["topic"] } == ["bad"] && world.fact("held") == nil)
            #expect(world.fact("bound_code") == nil && world.fact("bound_reason") == nil && world.fact("bound_advice") == nil)
        }
    }

    @Test("a client without DescribeConfigs is told of once, by the stage that delivers from the spool")
    func noDescribeConfigs() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1, "u": 1, "v": 1]
            world.cluster.limit = { KafkaTopicLimit(topic: $0, bytes: nil, error: .topicAuthorizationFailed) }
            for topic in ["t", "u", "v"] { try await world.settled(world.give(1, topic)) }
            let told = world.told("the settings of topics can't be read: batches may be refused as too large, and cost time until they fit")
            #expect(told.count == 1 && told[0]["topic"] == "t" && told[0]["advice"]?.contains("DescribeConfigs") == true)
        }
    }

    @Test("suspects, codes that nobody knows, and times that are refused are told; the latter are shown until they are taken")
    func notes() throws {
        try StageWorld.run {
            $0.configuration.retryLimit = 200
        } _: { world in
            world.cluster.topics = ["t": 1, "u": 1]
            try await world.settled(world.give(1))
            world.cluster.refusal = { $0.producer.hasSuffix("/single") ? .none : .invalidRecord }
            try await world.settled(world.give(1))
            let suspects = try #require(world.told("a batch was refused, its events go one at a time").first)
            #expect(suspects["topic"] == "t" && suspects["events"] == "1" && suspects["code"] == "INVALID_RECORD")

            world.cluster.refusal = { $0.producer.hasSuffix("/single") ? .none : .unknownServerError }
            try await world.settled(world.give(1))
            let unknown = try #require(world.told("delivery failed with an unknown code, its events wait").first)
            #expect(unknown["topic"] == "t" && unknown["code"] == "\(KafkaErrorCode.unknownServerError)" && unknown.level == .error)
            #expect(world.metric("forebay_delivery_unknown_errors_total", "stage=\"forward\"") == "1")

            world.cluster.refusal = { _ in .invalidTimestamp }
            try await world.settled(world.give(1, "u"))
            await world.pass(10)
            #expect(world.fact("times_refused") == .text("u") && world.letters.letters.isEmpty)
            let refused = try #require(
                world.told("the broker refuses the time at which this node accepted an event; the topic's events wait").first)
            #expect(refused["topic"] == "u" && refused["code"] == "INVALID_TIMESTAMP" && refused["advice"]?.contains("clocks") == true)
            await world.pass(1000)
            world.cluster.refusal = { _ in .none }
            try await world.until("they are taken") { world.setAside.isEmpty }
            await world.pass(100)
            #expect(world.fact("times_refused") == nil && world.told("topic takes events again").isEmpty)
        }
    }

    @Test("the first five of what holds a route, and of refused times, are shown, and the rest of a stage's facts as they are")
    func facts() {
        var facts = DeliveryFacts()
        #expect(facts.facts.allSatisfy { $0.value == .number(0) } && facts.facts.count == 6)
        facts.totals = DeliveryState.Totals(delivered: 1, redelivered: 2, dead: 3)
        (facts.inFlight, facts.inFlightBytes, facts.leaving) = (4, 5, 6)
        func numbers(_ count: Int) -> [Fact] {
            zip(["delivered", "redelivered", "dead", "in_flight", "in_flight_bytes", "leaving"], 1...).prefix(count).map {
                Fact($0, .number(Int64($1)))
            }
        }
        #expect(facts.facts == numbers(6))
        facts.isUp = false
        facts.trouble = (KafkaFailure(.resolve, reason: "no such host"), nil, 77)
        (facts.held, facts.refusedTimes) = (["a: X", "b: Y"], ["c", "d"])
        #expect(
            facts.facts.dropFirst(6) == [
                Fact("target_up", .flag(false)), Fact("error_code", .text("_RESOLVE")), Fact("error_reason", .text("no such host")),
                Fact("error_since", .number(77)), Fact("held", .text("a: X; b: Y")), Fact("times_refused", .text("c, d")),
            ])
        facts = DeliveryFacts()
        facts.trouble = (KafkaFailure(.ssl, reason: "no certificate"), "trust it", 5)
        let older = ForebayError(.spoolFull, recovery: .retry, "no room"), newer = ForebayError(.systemCall, recovery: .retry, "no file")
        facts.roomWants = [RoomWant(log: .deadLetters, error: newer, since: 9), RoomWant(log: .setAside, error: older, since: 8)]
        facts.stall = (StallWatch.Stall(topic: "t", partition: 3, movedAt: 1), "it stands still", "look at its leader", 7)
        let trouble = [
            Fact("error_code", .text("_SSL")), Fact("error_reason", .text("no certificate")), Fact("error_advice", .text("trust it")),
            Fact("error_since", .number(5)),
        ]
        let room = [
            Fact("room_code", .text("spool_full")), Fact("room_reason", .text("\(RoomWant.Log.setAside.trouble): \(older)")),
            Fact("room_advice", .text(RoomWant.Log.setAside.advice)), Fact("room_since", .number(8)),
        ]
        let stall = [
            Fact("stall_code", .text("_TIMED_OUT")), Fact("stall_reason", .text("it stands still")),
            Fact("stall_advice", .text("look at its leader")), Fact("stall_since", .number(7)),
        ]
        var shown: [Fact] = trouble + room
        #expect(Array(facts.facts.dropFirst(6)) == shown, "of a cluster that is not known to be there, no partition stands still")
        facts.isUp = true
        shown = [Fact("target_up", .flag(true))] + shown + stall
        #expect(Array(facts.facts.dropFirst(6)) == shown)
        facts.stall?.advice = nil
        #expect(Array(facts.facts.suffix(3)) == [stall[0], stall[1], stall[3]])
    }

    @Test("more than five topics that hold a route are not all shown")
    func manyHolds() throws {
        try StageWorld.run {
            $0.configuration.setAsideTopics = 0
        } _: { world in
            world.give((0..<7).map { EventFactory.Sample("bad-\($0)", value: "v") })
            for number in 0..<7 { world.cluster.errors["bad-\(number)"] = Self.forbidden }
            await world.pass(60)
            guard case .text(let held)? = world.fact("held") else { throw Unexpected(description: "nothing is held") }
            #expect(held == (0..<5).map { "bad-\($0): TOPIC_AUTHORIZATION_FAILED" }.joined(separator: "; "))
        }
    }
}
