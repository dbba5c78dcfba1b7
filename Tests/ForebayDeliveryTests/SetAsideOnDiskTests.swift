import ForebayCore
import ForebayKafka
import ForebayNet
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebayDelivery

/// What is set aside, over its log on a disk that fails as a test says.
@Suite("Set aside on disk", .timeLimit(.minutes(1)))
struct SetAsideOnDiskTests {
    @Test("units whose slots can't be written while they are drained and appended to: each event counts once, and none is left behind")
    func fullTable() async throws {
        let world = try SetAsideWorld()
        let setAside = world.setAside
        let topics = ["a", "b", "c"]
        for topic in topics { try await world.add(topic, ["1", "2"]) }
        _ = setAside.due(now: 1000)
        for topic in topics { world.find(topic) }
        let readings = setAside.takeReading().start.sorted { $0.unit < $1.unit }
        for reading in readings { setAside.hasRead(reading.unit, pass: reading.pass, through: 2, acceptedAt: 7) }
        // More is on its way into the log while the drain settles what was there, and the disk is full.
        let more = topics.map { world.beginAppend($0, ["3"]) }
        for reading in readings { setAside.settle(reading.unit, pass: reading.pass, through: 2) }
        world.disk.fail { call, path in call == .write && path.hasSuffix("/units") ? ENOSPC : nil }
        setAside.stored(try await setAside.append(more), from: .direct, now: 0)
        #expect(setAside.events == 3 && world.log.units.map(\.end) == [3, 3, 3])
        try await world.add("b", ["4"])
        world.disk.fail(nil)
        try await world.add("c", ["4"])
        for (reading, end) in zip(readings, [3, 4, 4] as [UInt64]) {
            setAside.hasRead(reading.unit, pass: reading.pass, through: end, acceptedAt: 7)
            setAside.settle(reading.unit, pass: reading.pass, through: 3)
        }
        #expect(setAside.topics == ["b", "c"] && world.log.units.map(\.number) == readings.dropFirst().map(\.unit))
        for reading in readings { setAside.settle(reading.unit, pass: reading.pass, through: 4) }
        #expect(setAside.isEmpty && world.log.units.isEmpty)
        await world.log.close()
    }

    @Test("the oldest is removed a file at a time, the units' newer events stay, and the newest file does")
    func removeOldest() async throws {
        let world = try SetAsideWorld()
        let filling = String(repeating: "f", count: 900_000)
        try await world.add("a", ["1"])
        try await world.add("b", ["1", "2"])
        for number in 0..<12 { try await world.add(number % 2 == 0 ? "a" : "b", [filling]) }
        try await world.add("c", ["1"])
        let before = world.setAside.events
        var removed: UInt64 = 0
        var rounds = 0
        while case let taken = try await world.setAside.removeOldest(), !taken.isEmpty {
            removed += taken.reduce(0) { $0 + $1.events }
            rounds += 1
            #expect(world.setAside.events == before - removed)
        }
        #expect(rounds == 2 && removed > 8 && world.setAside.topics.contains("c"), "\(rounds) files with \(removed) events of \(before)")
        let left = Dictionary(uniqueKeysWithValues: world.log.units.map { ($0.topic, $0.end - $0.settled) })
        #expect(left["c"] == 1 && left.values.reduce(0, +) == before - removed)
        let again = try await SetAsideWorld(after: world)
        #expect(again.setAside.events == before - removed && again.log.missing.isEmpty)
        await again.log.close()
    }

    @Test("every unit that can be delivered is read, however many others take their time, near to it in the log or far")
    func manyPasses() async throws {
        let world = try SetAsideWorld()
        let filling = String(repeating: "f", count: 100_000)
        for number in 0..<12 {
            try await world.add("t\(number)", ["first"])
            // Far from the next one, in a segment of its own.
            if number % 3 == 0 { for _ in 0..<50 { try await world.add("filling", [filling]) } }
        }
        #expect(world.setAside.due(now: 1000).count == 13)
        let source = SetAsideSource(world.setAside, executor: world.executor, readAheadBytes: 1 << 20, surroundings: .real)
        let read = Happenings<String>()
        let task = Task {
            for await batch in source.batches() {
                batch.forEachEvent { event, _ in read.add(String(decoding: event.topic, as: UTF8.self)) }
            }
        }
        for number in 0..<12 {
            // What was read of the others is with their brokers, and not settled.
            world.find("t\(number)")
            #expect(await eventually { read.all.contains("t\(number)") }, "unit \(number)")
        }
        // They are read on, each in its turn.
        for number in [7, 0, 11] {
            try await world.add("t\(number)", ["second"])
            #expect(await eventually { read.all.count { $0 == "t\(number)" } == 2 }, "unit \(number)")
        }
        #expect(read.all.count == 15, "nothing twice")
        source.close()
        task.cancel()
        await world.log.close()
    }

    @Test("a unit that can be delivered gets its turn beside long ones")
    func turns() async throws {
        let world = try SetAsideWorld()
        let filling = String(repeating: "f", count: 100_000)
        for _ in 0..<60 { for number in 0..<6 { try await world.add("long\(number)", [filling]) } }
        try await world.add("short", ["only"])
        _ = world.setAside.due(now: 1000)
        let source = SetAsideSource(world.setAside, executor: world.executor, readAheadBytes: 128 << 10, surroundings: .real)
        var batches = source.batches().makeAsyncIterator()
        // Those begin one after the other, each with much to read.
        for number in 0..<6 {
            world.find("long\(number)")
            for _ in 0..<5 { _ = await batches.next() }
        }
        world.find("short")
        var before = 0
        while let batch = await batches.next() {
            var isShort = false
            batch.forEachEvent { event, _ in isShort = event.topic.elementsEqual("short".utf8) }
            if isShort { break }
            before += 1
        }
        // A turn is 256 KiB of the data, or 8 MiB of others' that it passes over, of the 36 MiB that stand before it.
        #expect(before < 150, "of 330")
        source.close()
        await world.log.close()
    }

    @Test("whoever is woken finds what it is woken for, and who has ended is woken no more")
    func wakes() async throws {
        let world = try SetAsideWorld()
        let setAside = world.setAside
        let (drain, reader) = (Happenings<[UInt64]>(), Happenings<UInt64>())
        setAside.begin(.aside) { drain.add([setAside.events, UInt64(setAside.state.withLock { $0.unreported.count })]) }
        setAside.read { reader.add(setAside.events) }
        var request = SetAsideState.AppendRequest(
            key: SetAsideKey("t"), partitionCount: 1, failure: KafkaFailure(.unknownTopicOrPartition), acceptedAt: 5)
        (request.count, request.bytes, request.unreported) = (2, 2, [(0, 7)])
        let unit = setAside.beginAppend([request], from: .direct)[0].number
        var generator = SystemRandomNumberGenerator()
        let batch = EventFactory.batch(
            ["1", "2"].map { .init("t", value: $0, id: $0) }, spool: .random(using: &generator), first: 0)
        setAside.stored(try await setAside.append([(unit, batch)]), from: .direct, now: 0)
        #expect(drain.all.last == [2, 1] && reader.all.last == 2)
        #expect(!setAside.admission(of: batch).isAccepted, "what comes from the spool is none of its units'")
        setAside.reported([(token: 7, isDelivered: false)], by: .direct)
        #expect(drain.all.last == [2, 0])
        _ = setAside.due(now: 1000)
        world.find("t")
        let reading = try #require(setAside.takeReading().start.first)
        setAside.hasRead(unit, pass: reading.pass, through: 2, acceptedAt: 5)
        setAside.readAll([(unit, reading.pass, 2)])
        let count = drain.count
        setAside.end(.aside, now: 2000)
        #expect(drain.count == count && setAside.takeChanges(for: .direct).map(\.topic) == ["t"])
        await world.log.close()
    }

    @Test("of a log that is closed nothing is removed or moved, and it is said")
    func closed() async throws {
        let world = try SetAsideWorld()
        try await world.add("s", ["1", "2"])
        await world.log.close()
        await #expect { _ = try await world.setAside.remove(.init(topic: "s")) } throws: { ($0 as? ForebayError)?.code == .unavailable }
        let again = try SetAsideWorld()
        try await again.add("s", ["1", "2"])
        await again.log.close()
        let moved = try await again.setAside.move(.init(topic: "s"), to: "t", executor: again.executor)
        #expect(moved.taken.isEmpty && moved.failure?.code == .unavailable)
        let record = EventFactory.batch([.init("t", value: "r", id: "r")], spool: .none, first: 0).withUnsafeBytes { Array($0) }
        await #expect { try await again.setAside.replay([.init(topic: "t", record: record)]) } throws: {
            ($0 as? ForebayError)?.code == .unavailable
        }
    }
}
