import ForebayCore
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Synchronization
import Testing

@testable import ForebayDelivery

/// What leaves for the set-aside log, how the drain brings it back, and what of it is told, in simulated time.
@Suite("Set aside in simulated time", .timeLimit(.minutes(1)))
struct StageAsideTests {
    static let forbidden = KafkaErrorCode.topicAuthorizationFailed

    static func shown(_ world: StageWorld) -> SetAside.Shown? { world.setAside.shown(limit: 1).first }

    // MARK: In

    @Test("what is forbidden is set aside and told, with advice; the cursor passes it; it comes back in its order when it may")
    func thereAndBack() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["bad": 1, "good": 1]
            world.cluster.errors = ["bad": Self.forbidden]
            let accepted = world.wall - 5000
            let end = world.give(
                (0..<6).map { EventFactory.Sample($0 % 2 == 0 ? "bad" : "good", key: "k", value: "v\($0)", timestamp: 1) },
                acceptedAt: accepted)
            let took = try await world.settled(end)
            #expect(took < 100)
            let shown = try #require(Self.shown(world))
            #expect(shown.key == SetAsideKey("bad") && shown.code == "TOPIC_AUTHORIZATION_FAILED" && shown.events == 3 && !shown.isDraining)
            #expect(shown.reason == Self.forbidden.text && shown.advice?.contains("'bad'") == true && shown.oldestAcceptedAt == accepted)
            #expect((world.wall - 100...world.wall).contains(shown.since) && shown.bytes > 3 * 10)
            #expect(world.setAside.events == 3 && world.setAside.unitCount == 1 && world.setAside.topics == ["bad"])
            #expect(world.setAside.oldestAcceptedAt == accepted && world.setAside.bytes == shown.bytes && !world.setAside.isEmpty)
            let line = try #require(world.told("set aside").first)
            #expect(line["unit"] == "bad" && line["code"] == shown.code && line["reason"] == shown.reason && line["advice"] == shown.advice)
            #expect(world.metric("forebay_set_aside_events_total", "topic=\"bad\"") == "3")
            #expect(world.metric("forebay_set_aside_events_total", "code=\"TOPIC_AUTHORIZATION_FAILED\"") == "3")

            world.give([EventFactory.Sample("bad", key: "k", value: "v6", timestamp: 1)])
            try await world.settled(7)
            await world.pass(10_000)
            world.cluster.errors = [:]
            _ = world.cluster.takeSent()
            try await world.until("nothing is set aside", within: 40_000) { world.setAside.isEmpty }
            let sent = world.cluster.takeSent()
            #expect(sent.map(\.value) == ["v0", "v2", "v4", "v6"] && sent.allSatisfy { $0.producer.hasPrefix("setaside/\(world.route)") })
            #expect(sent.map(\.id) == [0, 2, 4, 6].map { EventID.text(origin: world.spool, sequence: $0) }, "the ids that they always had")
            let left = try #require(world.told("goes direct again").first)
            #expect(
                left["unit"] == "bad" && left["events"] == "4" && left["taken_out"] == "0" && (10...45).contains(Int(left["seconds"]!)!))
            try await world.settled(world.give(1, "bad"))
            #expect(world.cluster.sent.last?.producer == "forward/\(world.route)" && world.setAside.bytes == 0)
            #expect(
                world.fact("delivered", of: world.aside) == .number(4) && world.aside.facts.contains { $0.name == "target_up" } == false)
        }
    }

    @Test("while there is no room the cursor waits, which is told each second; then all goes in at once, in its order")
    func noRoom() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["bad": 1, "good": 1]
            world.cluster.errors = ["bad": Self.forbidden]
            world.hasRoom.withLock { $0 = false }
            let told = Happenings<Bool>()
            _ = world.waiters.expect(sequences: [1]) { told.add($0 == nil) }
            let end = world.give([("good", 0), ("bad", 1), ("bad", 2), ("good", 3)].map { EventFactory.Sample($0.0, value: "v\($0.1)") })
            await world.pass(2500)
            #expect(world.source.cursor.number == 1 && world.fact("setting_aside") == .number(2) && world.fact("in_flight") == .number(3))
            let lines = world.told("events can't be set aside; the cursor waits")
            #expect(lines.count == 3 && lines[0]["error"]?.contains("no room") == true && told.count == 0)
            world.hasRoom.withLock { $0 = true }
            let took = try await world.settled(end)
            await world.pass(5)
            #expect((400...600).contains(took) && world.fact("setting_aside") == .number(0) && told.all == [true])
            #expect(world.setAside.events == 2 && StageWorld.gaps(world.openings).suffix(3) == [1000, 1000, 1000])
        }
    }

    @Test("what is settled beyond a cursor that stands still is kept while the run goes on, and at its end: a kill ends none")
    func keptAhead() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["waits": 1, "t": 1]
            world.cluster.hidden = ["waits"]
            world.give(1, "waits")
            world.give(3)
            try await world.until("it is kept", within: 5000) { world.source.ahead?.kept.ranges == [1..<4] }
            #expect(world.source.ahead?.isFinal == false && world.source.cursor.number == 0)
            world.give(2)
            try await world.until("and what is settled after that", within: 5000) { world.source.ahead?.kept.ranges == [1..<6] }
            await world.stop()
            #expect(world.source.ahead?.isFinal == true && world.source.ahead?.kept.ranges == [1..<6])
            world.cluster.hidden = []
            world.start()
            try await world.settled(6)
        }
    }

    @Test("groups are bounded in bytes and units; events accepted more than a second apart keep their own times")
    func groups() throws {
        let cases = [(1 << 20, 500, 1001), (1 << 20, 500, 1000), (200, 500, 1001), (1, 500, 1001), (1 << 20, 1, 1001)]
        for (bytes, units, later) in cases {
            try StageWorld.run {
                $0.configuration.setAsideGroup = bytes
                $0.configuration.setAsideGroupUnits = units
                $0.hasDrain = false
            } _: { world in
                world.cluster.topics = ["a": 1, "b": 1]
                world.cluster.errors = ["a": Self.forbidden, "b": Self.forbidden]
                let start = world.wall
                world.give((0..<10).map { EventFactory.Sample($0 % 3 == 0 ? "b" : "a", value: "v\($0)") }, acceptedAt: start)
                let end = world.give((10..<14).map { EventFactory.Sample("a", value: "v\($0)") }, acceptedAt: start + Int64(later))
                try await world.settled(end)
                #expect(world.setAside.events == 14 && world.setAside.unitCount == 2)
                let scan = world.setAside.scan([1: 0, 2: 0])
                var events: [String: [String]] = [:], times: Set<Int64> = []
                while case let batches = try scan.read(upTo: 1 << 20), !batches.isEmpty {
                    for batch in batches {
                        times.insert(batch.acceptedAt)
                        batch.withUnsafeBytes { bytes in
                            var offset = 0
                            for _ in 0..<batch.count {
                                let event = Event(at: UnsafeRawBufferPointer(rebasing: bytes[offset...]))!
                                events[String(decoding: event.topic, as: UTF8.self), default: []].append(
                                    String(decoding: event.value!, as: UTF8.self))
                                offset += event.record.count
                            }
                        }
                    }
                }
                #expect(
                    events["a"] == [1, 2, 4, 5, 7, 8, 10, 11, 12, 13].map { "v\($0)" } && events["b"] == [0, 3, 6, 9].map { "v\($0)" })
                #expect(times == (later > 1000 ? [start, start + 1001] : [start]), "\(bytes), \(units), \(later)")
            }
        }
    }

    @Test("what goes into the log together is bounded to the byte, and to the unit; no group is empty")
    func groupBounds() throws {
        let size = EventFactory.batch([EventFactory.Sample("a", value: "value")], spool: .none, first: 0).byteCount
        let cases: [(bytes: Int, units: Int, topics: [String], groups: Int)] = [
            (2 * size, 500, ["a"], 3), (2 * size + 1, 500, ["a"], 2), (2 * size - 1, 500, ["a"], 3), (1, 500, ["a"], 6),
            (6 * size, 500, ["a"], 1),
            (1 << 20, 500, ["a", "b", "c"], 1), (1 << 20, 1, ["a", "b", "c"], 3), (1 << 20, 2, ["a", "b", "c"], 2),
            (2 * size, 500, ["a", "b", "c"], 3),
            (2 * size + 1, 500, ["a", "b", "c"], 2),
        ]
        for (bytes, units, topics, groups) in cases {
            try StageWorld.run {
                $0.configuration.setAsideGroup = bytes
                $0.configuration.setAsideGroupUnits = units
                $0.hasDrain = false
            } _: { world in
                for topic in topics { world.cluster.errors[topic] = Self.forbidden }
                try await world.settled(world.give((0..<6).map { EventFactory.Sample(topics[$0 % topics.count], value: "value") }))
                let made = world.registry.render().split(separator: "\n").first { $0.hasPrefix("forebay_spool_group_events_count") }
                #expect(made?.split(separator: " ").last == "\(groups)", "\(bytes) B of \(size), \(units) units, \(topics)")
            }
        }
    }

    @Test("what was set aside before a start is told, and shown as it was; only its bytes are an estimate")
    func before() throws {
        try StageWorld.run {
            $0.hasDrain = false
        } _: { world in
            world.cluster.topics = ["good": 1]
            world.cluster.errors = ["a": Self.forbidden, "b": Self.forbidden]
            world.give((0..<6).map { EventFactory.Sample($0 < 4 ? "a" : "b", value: "v\($0)") }, acceptedAt: world.wall - 9000)
            try await world.settled(6)
            #expect(world.told("events are set aside from before the start").isEmpty)
            let again = SetAside(
                route: world.route, log: world.asideLog, properties: KafkaProperties(client: [:]),
                configuration: world.setting.configuration,
                surroundings: world.process.surroundings)
            let line = try #require(world.told("events are set aside from before the start").first)
            #expect(line["units"] == "2" && line["events"] == "6")
            let (before, now) = (world.setAside.shown(limit: 9), again.shown(limit: 9))
            #expect(
                now.map(\.key) == before.map(\.key) && now.map(\.code) == before.map(\.code) && now.map(\.reason) == before.map(\.reason))
            #expect(now.map(\.since) == before.map(\.since) && now.map(\.events) == [4, 2])
            #expect(now.map(\.oldestAcceptedAt) == before.map(\.oldestAcceptedAt) && now.map(\.isDraining) == [false, false])
            #expect(now[0].bytes == 2 * now[1].bytes && again.bytes == 3 * now[1].bytes && now[1].bytes > 20)
            #expect(abs(again.bytes - world.asideLog.frameBytes) <= 2, "all that the log has")
        }
    }

    @Test("units are shown by topic, the whole one first, then its partitions, so many at most")
    func shownInOrder() throws {
        try StageWorld.run {
            $0.hasDrain = false
        } _: { world in
            let keys = [SetAsideKey("b"), SetAsideKey("a", 10), SetAsideKey("a"), SetAsideKey("a", 0)]
            let units = world.setAside.beginAppend(
                zip(keys, [5, 3, 9, 4]).map {
                    SetAsideState.AppendRequest(key: $0, partitionCount: 0, failure: KafkaFailure(.timedOut), acceptedAt: $1)
                }, from: .direct)
            #expect(world.setAside.oldestAcceptedAt == 3)
            #expect(units.map(\.number) == [1, 2, 3, 4] && units.map(\.code) == ["_TIMED_OUT", "_TIMED_OUT", "_TIMED_OUT", "_TIMED_OUT"])
            #expect(world.setAside.shown(limit: 9).map(\.key.description) == ["a", "a/0", "a/10", "b"])
            #expect(world.setAside.shown(limit: 2).map(\.key.description) == ["a", "a/0"] && world.setAside.shown(limit: 0).isEmpty)
            #expect(world.setAside.unitCount == 4 && world.setAside.topics == ["a", "b"] && world.setAside.events == 0)
        }
    }
}
