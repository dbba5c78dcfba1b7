import ForebayCore
import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// What is told of topics that hold a route.
extension StageHealthTests {
    @Test("a topic that can't be set aside any more holds its route; that is told, shown, and told to be over")
    func holds() throws {
        try StageWorld.run {
            $0.configuration.setAsideTopics = 0
        } _: { world in
            world.cluster.topics = ["bad": 1, "good": 1]
            world.cluster.errors = ["bad": Self.forbidden]
            world.give([EventFactory.Sample("good", value: "v"), EventFactory.Sample("bad", value: "v")])
            await world.pass(100)
            #expect(world.source.cursor.number == 1 && world.fact("backing_off") == .text("bad: TOPIC_AUTHORIZATION_FAILED"))
            let line = try #require(
                world.told("topic takes no events now; too many topics are set aside to add it, so its route waits").first)
            #expect(line["topic"] == "bad" && line["code"] == "TOPIC_AUTHORIZATION_FAILED" && line["advice"]?.contains("'bad'") == true)
            #expect(line["reason"] == Self.forbidden.text)
            #expect(world.fact("set_aside_limit_code") == .text("TOPIC_AUTHORIZATION_FAILED"))
            guard case .text(let reason)? = world.fact("set_aside_limit_reason"),
                case .text(let advice)? = world.fact("set_aside_limit_advice")
            else {
                throw Unexpected(description: "no bound is told")
            }
            #expect(reason.contains("too many topics are set aside to add bad") && advice.contains("forebay setaside ls"))
            world.cluster.errors = [:]
            try await world.settled(2)
            #expect(world.told("topic takes events again").map { $0["topic"] } == ["bad"] && world.fact("backing_off") == nil)
            #expect(
                world.fact("set_aside_limit_code") == nil && world.fact("set_aside_limit_reason") == nil
                    && world.fact("set_aside_limit_advice") == nil)
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
        facts.totals = DeliveryState.Totals(delivered: 1, redelivered: 2, deadLetters: 3)
        (facts.inFlight, facts.inFlightBytes, facts.settingAside) = (4, 5, 6)
        func numbers(_ count: Int) -> [Fact] {
            zip(["delivered", "redelivered", "dead_letters", "in_flight", "in_flight_bytes", "setting_aside"], 1...).prefix(count).map {
                Fact($0, .number(Int64($1)))
            }
        }
        #expect(facts.facts == numbers(6))
        facts.isUp = false
        facts.trouble = (KafkaFailure(.resolve, reason: "no such host"), nil, 77)
        (facts.backingOff, facts.refusedTimes) = (["a: X", "b: Y"], ["c", "d"])
        #expect(
            facts.facts.dropFirst(6) == [
                Fact("target_up", .flag(false)), Fact("error_code", .text("_RESOLVE")), Fact("error_reason", .text("no such host")),
                Fact("error_since", .number(77)), Fact("backing_off", .text("a: X; b: Y")), Fact("times_refused", .text("c, d")),
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
            guard case .text(let held)? = world.fact("backing_off") else { throw Unexpected(description: "nothing is held") }
            #expect(held == (0..<5).map { "bad-\($0): TOPIC_AUTHORIZATION_FAILED" }.joined(separator: "; "))
        }
    }
}
