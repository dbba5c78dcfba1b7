import ForebayCore
import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Synchronization
import Testing

@testable import ForebayDelivery

/// What comes of a question while others are asked, or its producer is gone.
@Suite("Forward stage: answers", .timeLimit(.minutes(1)))
struct StageAnswersTests {
    private static let silent = TargetHealth.message(for: KafkaFailure(.timedOut))

    @Test("what an answer has of several topics goes at once, though it leaves another out")
    func halfAnAnswer() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["there": 1, "hidden": 1]
            world.cluster.hidden = ["hidden"]
            world.give(["hidden", "there"].map { EventFactory.Sample($0, value: "v") })
            try await world.until("what was told goes", within: 100) { world.cluster.sent.map(\.topic) == ["there"] }
            world.cluster.hidden = []
            try await world.settled(2)
        }
    }

    @Test("topics that are asked for one by one go one by one")
    func oneByOne() throws {
        try StageWorld.run { world in
            for number in 0..<40 { world.cluster.topics["t\(number)"] = 1 }
            try await world.settled(world.give((0..<38).map { EventFactory.Sample("t\($0)", value: "v") }))
            _ = world.cluster.takeSent()
            world.cluster.delay = 300
            let end = world.give((38..<40).map { EventFactory.Sample("t\($0)", value: "v") })
            let first = try await world.until("one goes") { !world.cluster.sent.isEmpty }
            #expect((300...400).contains(first) && world.cluster.sent.count == 1)
            #expect((200...400).contains(try await world.settled(end)))
        }
    }

    @Test("a producer that is closed while it is asked is asked no more, and its successor at once; that says nothing of the cluster")
    func closedMeanwhile() throws {
        for isSilent in [false, true] {
            try StageWorld.run { world in
                for number in 0..<40 { world.cluster.topics["t\(number)"] = 1 }
                try await world.settled(world.give((0..<38).map { EventFactory.Sample("t\($0)", value: "v") }))
                let producer = try world.producer
                (world.cluster.delay, world.cluster.isSilent) = (1500, isSilent)
                let end = world.give((38..<40).map { EventFactory.Sample("t\($0)", value: "v") })
                await world.pass(100)
                _ = world.cluster.takeCalls()
                producer.fail(fatally: KafkaFailure(.fatal))
                await world.pass(100)
                (world.cluster.delay, world.cluster.isSilent) = (0, false)
                let took = try await world.settled(end)
                #expect((1200...1900).contains(took), "\(took)")
                let calls = world.cluster.takeCalls().filter { $0.hasPrefix("forward/\(world.route): ") && !$0.contains("limits") }
                #expect(calls.prefix(2).map { String($0.split(separator: " ")[1]) } == ["closed", "opened"], "\(calls)")
                #expect(calls.dropFirst(2).allSatisfy { $0.hasSuffix(" 2000") }, "with as much patience as ever: \(calls)")
                #expect(world.fact("target_up") == .flag(true) && world.told(Self.silent).isEmpty)
            }
        }
    }

    @Test("that a cluster does not answer is told when the patience is over, and nothing else says that it does", arguments: [0, 1])
    func silence(events: Int) throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            world.cluster.isSilent = true
            if events > 0 { world.give(events) }
            await world.pass(1900)
            #expect(world.fact("target_up") == nil)
            await world.pass(200)
            #expect(world.fact("target_up") == .flag(false) && world.told(Self.silent).count == 1)
            await world.pass(20_000)
            #expect(world.fact("target_up") == .flag(false) && world.told("the cluster answers again").isEmpty)
            world.cluster.isSilent = false
            try await world.until("it answers", within: 12_000) { world.fact("target_up") == .flag(true) }
        }
    }

    @Test("a broker that does not answer, though it was sent to last, gives way to one that does", arguments: 1...3)
    func frozenBroker(number: Int) throws {
        try StageWorld.run { world in
            world.cluster.brokers = [1, 2, 3]
            world.cluster.topics = ["t": 1, "u": 1, "v": 1]
            try await world.settled(world.give(1, "t"))
            world.cluster.frozen = [Int32(number)]
            for topic in ["u", "v"] {
                world.cluster.sentTo = Int32(number)
                _ = world.cluster.takeCalls()
                let took = try await world.settled(world.give(1, topic))
                #expect((2000...3600).contains(took), "its patience, and perhaps that of one try: \(took)")
                let tried = world.cluster.takeCalls().filter { $0.contains(" by ") }
                #expect((1...2).contains(tried.count), "\(tried)")
            }
            #expect(world.fact("target_up") == .flag(true))
        }
    }

    @Test("where no broker answers a few are tried each time, and it is asked again after a while")
    func allFrozen() throws {
        try StageWorld.run { world in
            world.cluster.brokers = [1, 2, 3, 4, 5]
            world.cluster.topics = ["t": 1, "u": 1]
            try await world.settled(world.give(1, "t"))
            world.cluster.frozen = Set(world.cluster.brokers)
            _ = world.cluster.takeCalls()
            let end = world.give(1, "u")
            await world.pass(15_000)
            let tried = world.cluster.takeCalls().filter { $0.hasPrefix("forward/\(world.route): ") && !$0.contains("of all") }
                .filter { $0.contains(" by ") || $0.contains("metadata") }.map { String($0.split(separator: " ").last!) }
            #expect(tried == ["2000", "1", "2", "3", "4000", "4", "5", "1"], "\(tried)")
            world.cluster.frozen = [2]
            try await world.settled(end)
        }
    }

    @Test("an answer ends that none came: the next limit that is not told is waited for as long as the first")
    func limitsAfterAnswer() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["told": 1, "untold": 1]
            try await world.settled(world.give(1, "told"))
            world.cluster.limit = { KafkaTopicLimit(topic: $0, bytes: nil, error: .timedOut) }
            let end = world.give(1, "untold")
            await world.pass(500)
            world.cluster.limit = nil
            let took = try await world.settled(end)
            #expect((1000...1060).contains(took), "asked for again after a second, and waited for half a one: \(took)")
        }
    }

    @Test("each time that a limit is asked for, it is asked for once more if it may be told later")
    func limitsOnceMore() throws {
        try StageWorld.run {
            $0.configuration.targetInterval = 1_000_000  // Else it is asked for to see whether the cluster is there.
        } _: { world in
            world.cluster.topics = ["t": 1]
            world.cluster.limit = { KafkaTopicLimit(topic: $0, bytes: nil, error: .timedOut) }
            try await world.settled(world.give(1))
            for _ in 0..<2 {
                #expect(world.cluster.takeCalls().count { $0.contains("limits t") } == 2)
                await world.pass(305_000)
            }
        }
    }

    @Test("many new topics none of which is there are set aside as soon as that is told twice")
    func noneThere() throws {
        try StageWorld.run {
            $0.configuration.topicsPerRequest = 10
        } _: { world in
            let took = try await world.settled(world.give((0..<50).map { EventFactory.Sample("t\($0)", value: "v") }))
            #expect(took < 500 && world.setAside.unitCount == 50, "\(took)")
        }
    }

    @Test("the first five of the topics whose times are refused are shown")
    func manyRefusedTimes() throws {
        try StageWorld.run { world in
            for number in 0..<7 { world.cluster.topics["t\(number)"] = 1 }
            world.cluster.refusal = { _ in .invalidTimestamp }
            try await world.settled(world.give((0..<7).map { EventFactory.Sample("t\($0)", value: "v", timestamp: world.wall) }))
            await world.pass(10)
            #expect(world.fact("times_refused") == .text("t0, t1, t2, t3, t4"))
        }
    }

    @Test(
        "what is set aside is asked for after its delay, whenever that was, for the stage that stores it wakes the other",
        arguments: [0, 130, 390])
    func askedAfterDelay(pause: Int) throws {
        try StageWorld.run { world in
            await world.pass(200 + pause)
            let asked = "setaside/\(world.route): metadata"
            world.give(1, "missing")
            // The delay counts from when it left.
            try await world.until("it leaves") { world.setAside.unitCount == 1 }
            let storing = try await world.until("it is stored") { world.setAside.events == 1 }
            let took = try await world.until("it is asked for") { world.cluster.calls.contains { $0.what.hasPrefix(asked) } }
            #expect((100...200).contains(storing + took), "\(storing) and \(took)")
        }
    }

    @Test("a cluster that freezes is found to be away within a minute or so, also where nothing was ever sent to it; asking makes no topic")
    func frozenWhileIdle() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            try await world.until("it is up") { world.fact("target_up") == .flag(true) }
            _ = world.cluster.takeCalls()
            await world.pass(130_000)
            let asked = world.cluster.takeCalls()
            #expect(asked.count == 2 && asked.allSatisfy { $0 == "forward/\(world.route): limits __consumer_offsets" }, "\(asked)")
            world.cluster.isSilent = true
            await world.pass(80_000)
            #expect(world.fact("target_up") == .flag(false) && world.metric("forebay_target_up") == "0")
            world.cluster.isSilent = false
            try await world.until("it is up again") { world.fact("target_up") == .flag(true) }
        }
    }

    @Test("what the cluster calls itself is told once it has answered")
    func clusterID() throws {
        try StageWorld.run { world in
            world.cluster.id = "one"
            world.cluster.isSilent = true
            await world.pass(100)
            #expect(world.fact("cluster_id") == nil)
            world.cluster.isSilent = false
            try await world.until("it is up") { world.fact("target_up") == .flag(true) }
            #expect(world.fact("cluster_id") == .text("one"))
        }
    }
}
