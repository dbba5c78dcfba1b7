import ForebayCore
import ForebayKafka
import ForebaySpool
import ForebayTestKit
import Synchronization
import Testing

@testable import ForebayForward

/// What is told of what is set aside, and what becomes of it where there is no room, in simulated time.
@Suite("Set aside: room and ages", .timeLimit(.minutes(1)))
struct StageRoomTests {
    private static let forbidden = KafkaErrorCode.topicAuthorizationFailed

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

    @Test("what can't be set aside is delivered when its topic is there again, in its order; and what is not there goes on waiting")
    func takenBack() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["bad": 1, "good": 1, "worse": 1]
            world.cluster.errors = ["bad": Self.forbidden, "worse": Self.forbidden]
            world.hasRoom.withLock { $0 = false }
            func values(_ topic: String) -> [String?] { world.cluster.sent.filter { $0.topic == topic }.map(\.value) }
            let first = world.give(
                (0..<6).map { EventFactory.Sample(["bad", "worse", "good"][$0 % 3], key: "k", value: "v\($0)") })
            await world.pass(4000)
            let end = world.give((6..<12).map { EventFactory.Sample(["bad", "worse", "good"][$0 % 3], key: "k", value: "v\($0)") })
            await world.pass(500)
            #expect(world.source.cursor.number == 0 && world.setAside.events == 0)
            world.cluster.errors = ["worse": Self.forbidden]
            await world.pass(12_000)
            #expect(values("bad") == ["v0", "v3", "v6", "v9"])
            #expect(values("good") == ["v2", "v5", "v8", "v11"])
            #expect(world.source.cursor.number == 1 && world.fact("room_code") != nil, "the other one still wants room")
            #expect(world.told("set aside").count == 2, "told once, though they are asked for again")
            world.cluster.errors = [:]
            _ = try await world.settled(end)
            #expect(values("worse") == ["v1", "v4", "v7", "v10"])
            await world.pass(7000)
            #expect(world.fact("room_code") == nil && world.setAside.isEmpty && world.asideLog.units.isEmpty && first == 6)
            // It can be set aside as ever.
            world.hasRoom.withLock { $0 = true }
            world.cluster.errors = ["bad": Self.forbidden]
            _ = try await world.settled(world.give([EventFactory.Sample("bad", value: "v12")]))
        }
    }
}
