import ForebayCore
import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// What the cluster is asked, and when.
extension StageTimesTests {
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
}
