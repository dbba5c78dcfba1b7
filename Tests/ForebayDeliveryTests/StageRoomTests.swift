import ForebayCore
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Synchronization
import Testing

@testable import ForebayDelivery

/// What is told of what is set aside, and what becomes of it where there is no room, in simulated time.
@Suite("Set aside: room and ages", .timeLimit(.minutes(1)))
struct StageRoomTests {
    static let forbidden = KafkaErrorCode.topicAuthorizationFailed

    @Test("the age of what is set aside rises by a clock that does not jump, whatever the time of day was and is")
    func ages() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["bad": 1]
            world.cluster.errors = ["bad": Self.forbidden]
            // Accepted three days ahead of what the clock says now.
            _ = try await world.settled(world.give([EventFactory.Sample("bad", value: "v")], acceptedAt: world.wall + 3 * 86_400_000))
            let first = try #require(world.setAside.oldestAge)
            await world.pass(400_000)
            let later = try #require(world.setAside.oldestAge)
            #expect(first >= 0 && first < 5 && (399.9...400.1).contains(later - first))
            #expect(world.setAside.shown(limit: 1)[0].oldestAge == later)
            // A time in the past is older than it was seen to be.
            world.cluster.topics["worse"] = 1
            world.cluster.errors["worse"] = Self.forbidden
            _ = try await world.settled(world.give([EventFactory.Sample("worse", value: "v")], acceptedAt: world.wall - 7_200_000))
            #expect(try #require(world.setAside.oldestAge) >= 7200)
        }
    }

    @Test("the time to delivery is that of what was delivered: what is set aside counts once, when it is, and a dead letter never")
    func endToEnd() throws {
        try StageWorld.run { world in
            func counts() -> [String?] {
                ["direct", "aside"].map { world.metric("forebay_delivery_end_to_end_seconds_count", "way=\"\($0)\"") }
            }
            world.cluster.topics = ["t": 1, "dead": 1, "good": 1]
            world.cluster.refusal = { $0.topic == "t" ? .topicAuthorizationFailed : $0.topic == "dead" ? .invalidRecord : .none }
            let names = ["good", "t", "dead", "t", "good", "t"]
            try await world.settled(world.give(names.map { EventFactory.Sample($0, value: "v", partition: 0) }))
            await world.pass(20_000)
            #expect(world.cluster.sent.filter { $0.producer.hasPrefix("setaside") }.count > 3, "it is tried again and again")
            #expect(counts() == ["2", "0"] && world.letters.letters.count == 1)
            world.cluster.refusal = { _ in .none }
            try await world.until("all is delivered") { world.setAside.isEmpty }
            await world.pass(100)
            #expect(counts() == ["2", "3"])
            let sum = Double(world.metric("forebay_delivery_end_to_end_seconds_sum", "way=\"aside\"") ?? "") ?? 0
            #expect(sum > 60, "each of the three waited for more than 20 s")
        }
    }

    @Test("what wants room is shown: since when, why and what to do, and no longer than it does")
    func roomShown() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["bad": 1, "good": 1]
            world.cluster.errors = ["bad": Self.forbidden]
            world.hasRoom.withLock { $0 = false }
            let began = world.wall
            let end = world.give([("bad", 0), ("good", 1)].map { EventFactory.Sample($0.0, value: "v\($0.1)") })
            await world.pass(3500)
            #expect(world.fact("room_code") == .text("spool_full"))
            guard case .text(let reason)? = world.fact("room_reason"), case .text(let advice)? = world.fact("room_advice"),
                case .number(let since)? = world.fact("room_since")
            else { throw Unexpected(description: "\(world.stage.facts)") }
            #expect(reason.contains("can't be set aside") && reason.contains("no room") && advice.contains("df -i"))
            #expect(since - began < 1000, "since the first time, not the last")
            #expect(world.metric("forebay_delivery_waits_for_room", "stage=\"forward\"") == "1")
            world.hasRoom.withLock { $0 = true }
            _ = try await world.settled(end)
            #expect(world.fact("room_code") == nil)
            #expect(world.metric("forebay_delivery_waits_for_room", "stage=\"forward\"") == "0")
        }
    }

    @Test("a run that begins wants no room yet, whatever the one before it wanted")
    func forgotten() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["bad": 1]
            world.cluster.errors = ["bad": Self.forbidden]
            world.hasRoom.withLock { $0 = false }
            world.give(1, "bad")
            try await world.until("it can't be set aside") { world.fact("room_code") != nil }
            await world.stop()
            #expect(world.fact("room_code") != nil && world.metric("forebay_delivery_waits_for_room", "stage=\"forward\"") == "1")
            world.cluster.errors = [:]
            world.cluster.isSilent = true
            world.start()
            await world.pass(100)
            #expect(world.fact("room_code") == nil && world.metric("forebay_delivery_waits_for_room", "stage=\"forward\"") == "0")
            world.cluster.isSilent = false
            try await world.settled(1)
        }
    }

    @Test("of two logs that want room the one that has for longest is shown, and what one gets says nothing of the other")
    func twoWants() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["bad": 1, "dead": 1]
            world.cluster.errors = ["bad": Self.forbidden]
            world.cluster.refusal = { $0.topic == "dead" ? .invalidRecord : .none }
            world.letters.failures = .max
            func shown() -> [String] {
                ["room_reason", "room_advice"].map { if case .text(let text)? = world.fact($0) { text } else { "nothing" } }
            }
            func since() -> Int64 { if case .number(let time)? = world.fact("room_since") { time } else { 0 } }
            let began = world.wall
            world.give([EventFactory.Sample("dead", value: "v0")])
            await world.pass(3000)
            let first = shown(), firstSince = since()
            #expect(first[0].contains("dead letters can't be written") && first[0].contains("no room for dead letters"))
            #expect(first[1].contains("buffer.spool.max_size") && (began...began + 3000).contains(firstSince))
            world.hasRoom.withLock { $0 = false }
            let end = world.give([EventFactory.Sample("bad", value: "v1")])
            await world.pass(3000)
            #expect(shown() == first && since() == firstSince, "the older one")
            world.letters.failures = 0
            await world.pass(1500)
            #expect(shown()[0].contains("events can't be set aside") && shown()[1].contains("df -i") && since() >= began + 3000)
            #expect(world.metric("forebay_delivery_waits_for_room", "stage=\"forward\"") == "1")
            world.hasRoom.withLock { $0 = true }
            _ = try await world.settled(end)
            #expect(shown() == ["nothing", "nothing"] && world.metric("forebay_delivery_waits_for_room", "stage=\"forward\"") == "0")
            #expect(world.letters.letters.map(\.topic) == ["dead"])
        }
    }
}
