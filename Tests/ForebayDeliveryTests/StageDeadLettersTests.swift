import ForebayCore
import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("Dead letters of a forward stage in simulated time", .timeLimit(.minutes(1)))
struct StageDeadLettersTests {
    @Test("dead letters say what, why and where; sixty-four at most are written at once; the cursor waits for them")
    func deadLetters() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            world.letters.failures = 2
            let told = Happenings<[Settlement]?>()
            _ = world.waiters.expect(sequences: [0, 70]) { told.add($0) }
            var samples = (0..<71).map { EventFactory.Sample("t", value: "v\($0)", partition: $0 == 70 ? 0 : 3) }
            samples[1].id = "mine"
            world.give(samples)
            await world.pass(1500)
            #expect(world.source.cursor.number == 0 && world.letters.letters.isEmpty)
            let lines = world.told("dead letters can't be written; the cursor waits")
            #expect(lines.count == 2 && lines[0]["error"]?.contains("no room") == true)
            try await world.settled(71)
            #expect(world.letters.calls.map(\.count) == [64, 6] && StageWorld.gaps(world.letters.times).prefix(2) == [1000, 1000])
            let letters = world.letters.letters
            #expect(
                letters.map(\.offset.number) == Array(0..<70) && letters.allSatisfy { $0.topic == "t" && $0.code == "_UNKNOWN_PARTITION" })
            #expect(letters[0].eventID == EventID.text(origin: world.spool, sequence: 0) && letters[1].eventID == "mine")
            #expect(letters[0].reason == "the event asks for partition 3, and the topic has 1" && !letters[0].record.isEmpty)
            #expect(told.all == [[.dead(code: "_UNKNOWN_PARTITION", letter: 0), .record(partition: 0, offset: 0)]])
            #expect(world.metric("forebay_dead_letters_total", "topic=\"t\"") == "70" && world.fact("dead_letters") == .number(70))
            let line = try #require(world.told("event refused for good, it is in the dead letters").dropFirst().first)
            #expect(
                line["topic"] == "t" && line["id"] == "mine" && line["code"] == "_UNKNOWN_PARTITION" && line["reason"] == letters[1].reason)
        }
    }

    @Test("large dead letters are written some at a time: no group is larger than what is set aside at once, but for a single one")
    func large() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            world.letters.limit = 2_000_000
            let sizes = [300_000, 300_000, 300_000, 300_000, 1_900_000, 10, 300_000, 300_000]
            world.give(sizes.map { EventFactory.Sample("t", value: String(repeating: "v", count: $0), partition: 3) })
            try await world.settled(8)
            #expect(world.letters.calls.map(\.count) == [3, 1, 1, 3] && world.letters.letters.map(\.offset.number) == Array(0..<8))
        }
    }

    @Test(
        "without room for them they are asked for again: once their topic takes them, none is one, and the cursor goes on; in their order")
    func mended() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 2, "other": 1]
            world.letters.failures = .max
            world.cluster.refusal = { $0.topic == "t" ? .invalidRecord : .none }
            let end = world.give((0..<90).map { EventFactory.Sample($0 % 3 == 2 ? "other" : "t", key: "k\($0 % 3)", value: "v\($0)") })
            await world.pass(12_000)
            #expect(world.source.cursor.number == 0 && world.letters.letters.isEmpty)
            #expect(world.cluster.takeSent().count { $0.topic == "other" } == 30)
            world.cluster.refusal = { _ in .none }
            _ = try await world.settled(end)
            #expect(world.letters.letters.isEmpty)
            try await world.until("nothing wants room") { world.fact("room_code") == nil }
            let stored = world.cluster.sent.map { Int($0.value!.dropFirst())! }
            #expect(stored.count == 60 && Set(stored).count == 60)
            for rest in 0...1 { #expect(stored.filter { $0 % 3 == rest } == stored.filter { $0 % 3 == rest }.sorted(), "by key") }
        }
    }

    @Test("the first is written at once; what comes soon after it is written together")
    func together() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            await world.pass(50)
            for number in 0..<40 {
                world.give([EventFactory.Sample("t", value: "v\(number)", partition: 3)])
                await world.pass(5)
            }
            try await world.settled(40)
            #expect(world.letters.calls.first?.count == 1 && world.letters.calls.count <= 5, "\(world.letters.calls.map(\.count))")
            #expect(world.letters.letters.map(\.offset.number) == Array(0..<40))
            #expect(StageWorld.gaps(world.letters.times).allSatisfy { $0 == 100 }, "\(StageWorld.gaps(world.letters.times)) ms")
        }
    }
}
