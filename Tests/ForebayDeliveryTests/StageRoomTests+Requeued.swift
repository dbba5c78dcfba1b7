import ForebayCore
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Synchronization
import Testing

@testable import ForebayDelivery

/// What there is no room for comes back.
extension StageRoomTests {
    @Test("what can't be set aside is delivered when its topic is there again, in its order; and what is not there goes on waiting")
    func requeued() throws {
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

    @Test("a partition that could not be set aside goes on when it has a leader again, in its order; the others never wait")
    func partitionRequeued() throws {
        for absence in [11_000, 17_000, 45_000] {
            try StageWorld.run { world in
                world.cluster.topics = ["t": 3]
                world.cluster.leaderless = ["t": [1]]
                world.hasRoom.withLock { $0 = false }
                func give(_ numbers: Range<Int>) -> UInt64 {
                    world.give(numbers.map { EventFactory.Sample("t", key: "k\($0 % 3)", value: "v\($0)", partition: Int32($0 % 3)) })
                }
                func values(_ partition: Int32) -> [String?] { world.cluster.sent.filter { $0.partition == partition }.map(\.value) }
                _ = give(0..<6)
                await world.pass(absence)
                let end = give(6..<12)
                await world.pass(300)
                #expect(values(1).isEmpty && world.source.cursor.number == 1 && world.fact("room_code") != nil)
                #expect(values(0) == ["v0", "v3", "v6", "v9"] && values(2) == ["v2", "v5", "v8", "v11"])
                world.cluster.leaderless = [:]
                _ = try await world.settled(end)
                #expect(values(1) == ["v1", "v4", "v7", "v10"])
                await world.pass(17_000)
                #expect(world.fact("room_code") == nil && world.setAside.isEmpty && world.asideLog.units.isEmpty)
                #expect(world.told("set aside").count == 1 && world.told("goes direct again").map { $0["unit"] } == ["t/1"])
            }
        }
    }

    @Test("what comes back comes before newer events of its key that wait until more is known of the topic")
    func requeuedBeforeNewer() throws {
        try StageWorld.run { world in
            func key(of partition: Int32) -> String {
                (0...).lazy.map { "key\($0)" }.first { key in
                    KafkaPartitioner.partition(of: UnsafeRawBufferPointer(Array(key.utf8).withUnsafeBytes { $0 }), among: 2) == partition
                }!
            }
            let (near, far) = (key(of: 0), key(of: 1))
            world.cluster.topics = ["t": 2]
            world.cluster.leaderless = ["t": [1]]
            world.hasRoom.withLock { $0 = false }
            _ = world.give([EventFactory.Sample("t", key: far, value: "v0"), EventFactory.Sample("t", key: far, value: "v1")])
            try await world.until("it can't be set aside") { world.fact("room_code") != nil }
            // More partitions, which count when what is in flight is reported.
            world.cluster.topics = ["t": 4]
            world.cluster.delivers = false
            _ = world.give([EventFactory.Sample("t", key: near, value: "n0")])
            await world.pass(4200)
            let end = world.give([EventFactory.Sample("t", key: far, value: "v2"), EventFactory.Sample("t", key: near, value: "n1")])
            world.cluster.leaderless = [:]
            await world.pass(2000)
            #expect(world.cluster.sent.map(\.value) == ["n0"] && world.setAside.isEmpty, "all of it waits in memory")
            world.cluster.delivers = true
            for producer in world.cluster.producers.values where !producer.inFlight.isEmpty { producer.report() }
            _ = try await world.settled(end)
            #expect(world.cluster.sent.filter { $0.key == far }.map(\.value) == ["v0", "v1", "v2"])
            #expect(world.cluster.sent.filter { $0.key == near }.map(\.value) == ["n0", "n1"])
        }
    }

    @Test(
        "an event that the client refuses while older ones are in flight, and that can't be a dead letter, is asked about again and holds up nobody",
        arguments: [false, true])
    func refusedBehindOutstanding(standsStill: Bool) throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1, "other": 1]
            _ = try await world.settled(world.give(1))
            world.cluster.delivers = false
            world.cluster.acceptance = { $0.value == "v2" ? .messageTooLarge : .none }
            world.letters.failures = .max
            world.give((1..<4).map { EventFactory.Sample("t", value: "v\($0)") })
            try await world.until("letters can't be written") { world.fact("room_code") != nil }
            // It is asked about again after 5 s.
            await world.pass(6000)
            world.give([EventFactory.Sample("t", value: "v4")])
            await world.pass(500)
            if standsStill { world.cluster.leaderless = ["t": [0]] }
            await world.pass(standsStill ? 12_000 : 500)
            world.cluster.delivers = true
            for producer in world.cluster.producers.values where !producer.inFlight.isEmpty { producer.report() }
            let end = world.give([EventFactory.Sample("other", value: "v5")])
            try await world.until("the other topic goes on") { world.cluster.sent.contains { $0.value == "v5" } }
            world.cluster.leaderless = [:]
            world.letters.failures = 0
            _ = try await world.settled(end)
            // What is set aside is tried again, and refused then.
            try await world.until("nothing is set aside") { world.asideLog.units.isEmpty }
            #expect(world.letters.letters.count == 1)
            #expect(Set(world.cluster.sent.map(\.value)).isSuperset(of: ["v1", "v3", "v4", "v5"]))
        }
    }

    @Test("a topic that failed at a delivery while more was in flight comes back without what was delivered meanwhile")
    func requeuedFromFlight() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            _ = try await world.settled(world.give(1))  // A new producer's first event in a partition goes alone.
            world.cluster.delivers = false
            world.hasRoom.withLock { $0 = false }
            let end = world.give(5)
            try await world.until("all are in flight") { world.cluster.sent.count == 6 }
            let producer = try #require(world.cluster.producers.values.first { !$0.inFlight.isEmpty })
            let tokens = producer.inFlight.map(\.token)
            producer.report([tokens[0]], Self.forbidden)
            await world.pass(50)
            producer.report([tokens[1], tokens[3]])
            producer.report([tokens[2], tokens[4]], Self.forbidden)
            await world.pass(1000)
            #expect(world.source.cursor.number == 1 && world.fact("room_code") != nil)
            world.cluster.delivers = true
            _ = try await world.settled(end)
            #expect(world.cluster.sent.dropFirst(6).map(\.value) == ["v1", "v3", "v5"])
            await world.pass(7000)
            #expect(world.fact("room_code") == nil && world.setAside.isEmpty)
        }
    }

    @Test("without room for a partition that stands still what else is set aside is drained, and makes some; the topic goes on with it")
    func drainWithoutRoom() throws {
        try StageWorld.run {
            $0.budget = DeliveryBudget(total: 200_000)
        } _: { world in
            world.cluster.topics = ["x": 2, "y": 1]
            world.cluster.errors = ["x": Self.forbidden, "y": Self.forbidden]
            let padding = String(repeating: " ", count: 2000)
            func give(_ topic: String, _ numbers: Range<Int>) -> UInt64 {
                world.give(
                    numbers.map { EventFactory.Sample(topic, value: "v\($0)" + padding, partition: Int32(topic == "x" ? $0 % 2 : 0)) })
            }
            func values(_ topic: String, _ partition: Int32) -> [Int] {
                var seen: Set<Int> = []
                return world.cluster.sent.filter { $0.topic == topic && $0.partition == partition }
                    .compactMap { Int($0.value!.dropFirst().prefix { $0.isNumber }) }.filter { seen.insert($0).inserted }
            }
            // Each segment has some of both, and goes when both are past it.
            for number in 0..<30 {
                _ = give("x", number * 20..<number * 20 + 20)
                _ = try await world.settled(give("y", number..<number + 1))
            }
            world.disk.room.capacity = world.disk.bytesOfFiles
            world.cluster.leaderless = ["x": [1]]
            world.cluster.errors = ["y": Self.forbidden]
            try await world.until("it finds no room") { world.fact("room_code", of: world.aside) != nil }
            await world.pass(60_000)
            #expect(world.fact("room_code", of: world.aside) != nil, "as long as it is tried")
            world.cluster.errors = [:]
            try await world.until("the other is delivered", within: 60_000) { values("y", 0) == Array(0..<30) }
            #expect(values("x", 1).isEmpty && !values("x", 0).isEmpty && world.setting.budget.used < 200_000)
            #expect(world.setAside.shown(limit: 9).map(\.key.description).contains("x"))
            world.disk.room.capacity = 1 << 28
            world.cluster.leaderless = [:]
            try await world.until("all is delivered") { world.setAside.isEmpty }
            #expect(values("x", 0) == Array(stride(from: 0, to: 600, by: 2)) && values("x", 1) == Array(stride(from: 1, to: 600, by: 2)))
            await world.pass(40_000)
            #expect(world.fact("room_code", of: world.aside) == nil && world.asideLog.units.isEmpty)
        }
    }

    @Test("what the drain lets go of for want of room is not what a partition of the topic has for itself, which goes on")
    func drainWithoutRoomSparesPartitions() {
        var driver = Driver(.aside)
        driver.state.ask("t", probe: false)
        driver.learn()
        driver.state.see("t", SetAsideTopic(whole: .aside, partitions: [1: .aside], partitionCount: 2), at: driver.now)
        driver.admit(3, unit: 2, partition: 1)
        driver.pump()
        let samples = (0..<4).map { EventFactory.Sample("t", value: "v", partition: Int32($0 % 2)) }
        driver.admit(samples, unit: 1)
        driver.pump()
        #expect(driver.state.actions.settingAside.map(\.flights) == [[4, 6]])
        _ = driver.state.takeSettingAside()
        driver.state.withdraw(settingAside: [4, 6], delivered: [], KafkaFailure(.leaderNotAvailable), now: driver.now)
        driver.verify()
        #expect(
            driver.state.actions.refusals.map(\.key) == [SetAsideKey("t")] && driver.state.actions.refusals.allSatisfy(\.sparesPartitions))
        #expect(driver.state.actions.unreported.map(\.offset.number) == [0, 2], "given to a producer already")
        #expect((3..<7).allSatisfy { driver.state.window[$0].status == .settled })
        driver.report([0, 1, 2])
        #expect(
            driver.state.totals.delivered == 3 && driver.state.window.commits.contains { $0.lane == .unit(2, pass: 1) && $0.number == 3 })
    }

    @Test("each time that room is short it is asked again as soon as the first time")
    func requeuedAgain() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["bad": 1]
            world.hasRoom.withLock { $0 = false }
            for (shortage, absence) in [12_000, 3000, 3000].enumerated() {
                world.cluster.errors = ["bad": Self.forbidden]
                if shortage > 0 { await world.pass(400_000) }  // It is seen when the topic is asked for again.
                let end = world.give([EventFactory.Sample("bad", value: "v\(shortage)")])
                world.cluster.refusal = { _ in Self.forbidden }
                try await world.until("it can't be set aside") { world.fact("room_code") != nil }
                await world.pass(absence)
                (world.cluster.errors, world.cluster.refusal) = ([:], { _ in .none })
                let took = try await world.settled(end)
                #expect(took < (shortage == 0 ? 21_000 : 6000), "shortage \(shortage): \(took)")
                await world.pass(7000)
                #expect(world.fact("room_code") == nil)
                #expect(await world.stage.look { $0.sideLogs.rooms.failures(of: .setAside) } == 0)
                #expect(world.told("goes direct again").count == shortage + 1 && world.told("set aside").count == shortage + 1)
            }
        }
    }
}
