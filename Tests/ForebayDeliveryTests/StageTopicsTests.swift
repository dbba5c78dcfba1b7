import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// What a stage asks of many new topics, and sends to those that take no old times.
@Suite("Forward stage: topics")
struct StageTopicsTests {
    @Test("of many new topics those that the cluster doesn't have are not asked for by name, and one that it has need not wait for them")
    func manyNew() throws {
        try StageWorld.run {
            $0.configuration.topicsPerRequest = 10
        } _: { world in
            world.cluster.topics = ["there": 1, "t5": 1]
            world.give((0..<500).map { EventFactory.Sample("t\($0)", value: "v") } + [EventFactory.Sample("there", value: "v")])
            try await world.until("it is delivered", within: 500) { world.cluster.sent.contains { $0.topic == "there" } }
            try await world.settled(501)
            let calls = world.cluster.takeCalls().filter { $0.hasPrefix("forward/\(world.route): ") }
            #expect(calls.filter { $0.contains("metadata of all") }.count == 2, "a topic may be just being created")
            let producer = try world.producer
            #expect(Set(producer.open.compactMap { $0 }) == ["there", "t5"])
            #expect(Set(world.cluster.sent.map(\.topic)) == ["there", "t5"] && world.setAside.unitCount == 499)
            #expect(world.told("the cluster does not answer; events wait").isEmpty)
        }
    }

    @Test("a run does all that the one before it did, whether that was cancelled in the midst of it or drained")
    func runsAlike() throws {
        try StageWorld.run { world in
            world.cluster.limit = { KafkaTopicLimit(topic: $0, bytes: 1_000_000, error: .none) }
            world.cluster.refusal = { $0.value == "refused" ? .invalidRecord : .none }
            for run in 0..<4 {
                let (good, bad) = ("good-\(run)", "bad-\(run)")
                (world.cluster.topics[good], world.cluster.topics[bad]) = (1, 1)
                world.cluster.errors[bad] = .topicAuthorizationFailed
                let end = world.give(
                    [(good, "1"), (bad, "2"), (good, "refused"), (good, "3")].map { EventFactory.Sample($0.0, value: $0.1) })
                try await world.settled(end)
                await world.pass(10)
                #expect(world.setAside.topics.filter { $0.hasPrefix("bad-") }.count == run + 1, "run \(run)")
                #expect(world.letters.letters.count == run + 1, "run \(run)")
                #expect(world.cluster.takeCalls().contains("forward/\(world.route): limits \(good)"), "run \(run)")
                #expect(Set(world.cluster.takeSent().filter { $0.topic == good }.compactMap(\.value)) == ["1", "refused", "3"])
                for fact in ["in_flight", "in_flight_bytes", "setting_aside"] {
                    #expect(world.fact(fact) == .number(0), "\(fact) in run \(run)")
                }
                #expect(world.fact("target_up") == .flag(true) && world.fact("dead_letters") == .number(1))
                if run % 2 == 0 { world.give(1, "never") }
                if run > 0 { await world.stage.drain() }
                await world.stop()
                world.start()
                if run % 2 == 0 { try await world.settled(end + 1) }
            }
        }
    }

    @Test("a run that ends lets go at once: of its producers, of the budget, of who waits for it to be drained")
    func ends() throws {
        let budget = DeliveryBudget(total: 1 << 20)
        try StageWorld.run {
            ($0.hasDrain, $0.budget) = (false, budget)
        } _: { world in
            world.cluster.topics = ["t": 1]
            world.cluster.delivers = false
            world.give(3)
            await world.pass(50)
            #expect(!world.cluster.sent.isEmpty && budget.used > 0)
            let draining = Task(executorPreference: world.process.tasks) { await world.stage.drain() }
            await world.pass(10)
            let began = world.now
            await world.stop()
            await draining.value
            await world.stage.drain()
            #expect(world.now - began < 100 && world.cluster.calls.contains { $0.what == "forward/\(world.route): closed" })
            let other = budget.join {}
            #expect(budget.used == 0 && other.take(1) && other.take((1 << 20) - 1), "nobody else has a part in it")
        }
    }

    @Test("many new topics that the cluster has are asked for in portions, and its listing, which may be long, once")
    func manyNewThere() throws {
        try StageWorld.run {
            $0.configuration.topicsPerRequest = 10
        } _: { world in
            for number in 0..<200 { world.cluster.topics["t\(number)"] = 1 }
            try await world.settled(world.give((0..<200).map { EventFactory.Sample("t\($0)", value: "v") }))
            #expect(world.cluster.sent.count == 200 && world.setAside.isEmpty)
            #expect(world.cluster.takeCalls().filter { $0.contains("metadata of all") }.count == 1)
        }
    }

    @Test("topics that are new are asked for by a producer's successor, also where it was made while the one before waited for a listing")
    func successorAsks() throws {
        try StageWorld.run {
            $0.configuration.topicsPerRequest = 10
            $0.configuration.openedTopics = 30
            $0.configuration.idleTopics = 2
            $0.configuration.renewalInterval = 5000
        } _: { world in
            for number in 0..<100 { world.cluster.topics["t\(number)"] = 1 }
            for number in 0..<35 { try await world.settled(world.give(1, "t\(number)")) }
            _ = world.cluster.takeCalls()
            world.cluster.delay = 6000
            try await world.settled(world.give((40..<65).map { EventFactory.Sample("t\($0)", value: "v") }))
            let calls = world.cluster.takeCalls().filter { $0.hasPrefix("forward/\(world.route): ") }
            let opened = calls.firstIndex { $0.hasSuffix("opened as bulk with metrics") }
            let listed = calls.firstIndex { $0.contains("metadata of all") }
            #expect(try #require(listed) < #require(opened))
        }
    }

    @Test("a cluster that does not tell its topics is asked for all new ones by name; where no more may be set aside, too")
    func manyNewByName() throws {
        for isFull in [false, true] {
            try StageWorld.run {
                $0.configuration.topicsPerRequest = 10
                if isFull { $0.configuration.setAsideTopics = 0 }
            } _: { world in
                world.cluster.tellsAll = isFull
                for number in 0..<40 { world.cluster.topics["t\(number)"] = 1 }
                world.cluster.hidden = isFull ? [] : ["none"]
                try await world.settled(world.give((0..<40).map { EventFactory.Sample("t\($0)", value: "v") }))
                #expect(world.cluster.sent.count == 40 && world.cluster.takeCalls().filter { $0.contains("metadata of 1") }.count >= 1)
            }
        }
    }

    @Test("events older than their topic takes go out with the time of delivery, their own in a header behind those they came with")
    func redates() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            let hour: Int64 = 3_600_000
            world.cluster.limit = { KafkaTopicLimit(topic: $0, bytes: nil, times: KafkaTimeLimits(before: hour), error: .none) }
            world.cluster.refusal = { $0.timestamp < world.wall - hour ? .invalidTimestamp : .none }
            let old = world.wall - 3 * hour
            world.give([EventFactory.Sample("t", value: "a", timestamp: old)], acceptedAt: old)
            let end = world.give([EventFactory.Sample("t", value: "b", timestamp: world.wall)])
            try await world.settled(end)
            #expect(world.letters.letters.isEmpty && world.setAside.isEmpty)
            let sent = world.cluster.sent
            #expect(sent.filter { $0.value == "a" }.map { $0.timestamp == old } == [true, true, false])
            let delivered = try #require(sent.last { $0.value == "a" })
            #expect(world.wall - delivered.timestamp < 1000)
            let text = String(decoding: delivered.headers, as: UTF8.self)
            #expect(text.contains("forebay-accepted-at") && text.hasSuffix("\(old)"))
            #expect(sent.last { $0.value == "b" }.map { $0.headers.isEmpty && $0.timestamp > old } == true)
            #expect(world.told("events waited for longer than their topic allows; they are sent with the time of delivery").count == 1)
        }
    }

    @Test("a topic that waits and is not set aside, since it is missing or takes no time of ours, is shown for as long as it does")
    func shownNoLonger() throws {
        for refusesTimes in [true, false] {
            try StageWorld.run {
                $0.configuration.setAsideTopics = 0
            } _: { world in
                func held() -> String { if case .text(let text)? = world.fact("backing_off") { text } else { "" } }
                world.cluster.topics = refusesTimes ? ["t": 1, "bad": 1] : ["bad": 1]
                world.cluster.errors = ["bad": .topicAuthorizationFailed]
                world.cluster.refusal = { $0.topic == "t" ? .invalidTimestamp : .none }
                let end = world.give(["t", "bad"].map { EventFactory.Sample($0, value: "v", timestamp: world.wall) })
                try await world.until("both are shown") { held().contains("t: ") && held().contains("bad: ") }
                #expect(world.fact("times_refused") == (refusesTimes ? .text("t") : nil))
                world.cluster.topics["t"] = 1
                world.cluster.refusal = { _ in .none }
                try await world.until("one goes on") { world.fact("delivered") == .number(1) }
                await world.pass(200)
                #expect(world.fact("times_refused") == nil && !held().contains("t: ") && held().contains("bad: "))
                world.cluster.errors = [:]
                try await world.settled(end)
                await world.pass(200)
                #expect(world.fact("backing_off") == nil)
            }
        }
    }

    @Test("a header of ours makes no event too large: it goes out with the time of delivery and without", arguments: [true, false])
    func redatesWithoutRoom(isByBroker: Bool) throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            let hour: Int64 = 3_600_000, old = world.wall - 3 * hour
            world.cluster.limit = { KafkaTopicLimit(topic: $0, bytes: nil, times: KafkaTimeLimits(before: hour), error: .none) }
            let tooLarge: (ScriptedCluster.Sent) -> KafkaErrorCode = {
                $0.value == "c" || $0.value == "b" && !$0.headers.isEmpty ? .messageTooLarge : .none
            }
            world.cluster.refusal = {
                if $0.timestamp < world.wall - hour { return .invalidTimestamp }
                return isByBroker ? tooLarge($0) : .none
            }
            // It is librdkafka's own limit, too.
            if !isByBroker { world.cluster.acceptance = { $0.timestamp < world.wall - hour ? .none : tooLarge($0) } }
            for value in ["a", "b", "c", "d"] { world.give([EventFactory.Sample("t", value: value, timestamp: old)], acceptedAt: old) }
            try await world.settled(4)
            #expect(world.letters.letters.map(\.offset.number) == [2] && world.setAside.isEmpty)
            let delivered = world.cluster.sent.filter { world.wall - $0.timestamp < 1000 }
            #expect(delivered.last { $0.value == "b" }.map(\.headers.isEmpty) == true)
            #expect(delivered.last { $0.value == "d" }.map(\.headers.isEmpty) == false)
        }
    }
}
