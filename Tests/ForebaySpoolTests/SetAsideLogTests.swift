import ForebayCore
import Foundation
import Testing

@testable import ForebaySpool

@Suite("Set aside")
struct SetAsideLogTests {
    private let large = String(repeating: "x", count: 20_000)

    @Test("nothing stands on disk before the first unit; then it is known with all that was told of it")
    func begins() async throws {
        let fixture = SetAsideFixture()
        let log = try fixture.open()
        #expect(log.units.isEmpty && log.nextNumber == 1 && log.byteCount == 0)
        #expect(try log.scan([1: 0]).read(upTo: 1000).isEmpty)
        #expect(!FileManager.default.fileExists(atPath: fixture.directory))
        #expect(try SetAsideLog.list(directory: fixture.directory).isEmpty)

        var first = SetAsideLog.Unit(
            number: 1, topic: "orders", partition: 3, partitionCount: 12, code: "LEADER_NOT_AVAILABLE",
            reason: String(repeating: "ä", count: 300) + "end", since: 7, oldestAcceptedAt: 6)
        #expect(first.reason == String(repeating: "ä", count: 256))
        try await log.append(new: [first], [aside(1, ["a", "b"])])
        first.end = 2
        first.oldestAcceptedAt = 1000
        #expect(log.units == [first] && log.nextNumber == 2 && log.byteCount > 0)
        #expect(try SetAsideLog.list(directory: fixture.directory) == [first])
        let again = try fixture.crashed().open()
        #expect(again.units == [first] && again.nextNumber == 2)
        await again.close()
        await log.close()
        #expect(try SetAsideLog.list(directory: fixture.directory) == [first])
    }

    @Test("events of interleaved units come in order, numbered by their unit, across frames, segments and starts")
    func interleaved() async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        var log = try fixture.open()
        try await log.append(new: [unit(1, "a"), unit(2, "b", partition: 4)], [])
        var expected: [UInt64: [String]] = [1: [], 2: []]
        for round in 0..<24 {
            if round == 12 {
                await log.close()
                log = try fixture.open()
            }
            let (ones, twos) = (["1-\(round)" + large, "1-\(round)'"], ["2-\(round)"])
            try await log.append(new: [], [aside(2, twos), aside(1, ones), aside(2, twos)])
            expected[1]! += ones
            expected[2]! += twos + twos
        }
        let found = try log.scan([1: 0, 2: 0]).all(upTo: 30_000)
        for number in [1, 2] as [UInt64] {
            #expect(found[number]!.map(\.0) == Array(0..<48))
            #expect(found[number]!.map(\.1) == expected[number]!)
            #expect(log.unit(number)!.end == 48)
        }
        // A position inside a frame, and one unit alone.
        let rest = try log.scan([1: 31]).all()
        #expect(rest[1]!.map(\.0) == Array(31..<48) && rest[2] == nil)
        #expect(log.missing.isEmpty)
        await log.close()
    }

    @Test("a scan goes on with what comes, and lets a unit go")
    func goesOn() async throws {
        let fixture = SetAsideFixture()
        let log = try fixture.open()
        try await log.append(new: [unit(1), unit(2)], [aside(1, ["a"]), aside(2, ["b"])])
        let scan = log.scan([1: 0, 2: 0])
        #expect(try scan.all().mapValues { $0.map(\.1) } == [1: ["a"], 2: ["b"]])
        #expect(try scan.read(upTo: 1000).isEmpty)
        scan.drop(2)
        try await log.append(new: [], [aside(2, ["b2"]), aside(1, ["a2"])])
        #expect(try scan.all().mapValues { $0.map(\.1) } == [1: ["a2"]])
        #expect(scan.position(of: 1) == 2 && scan.position(of: 2) == nil)
        await log.close()
    }

    @Test("a cursor survives a kill; an ended unit stays ended, its number is not used again")
    func cursors() async throws {
        let fixture = SetAsideFixture()
        let log = try fixture.open()
        try await log.append(new: [unit(1), unit(2)], [aside(1, ["a", "b", "c"]), aside(2, ["x"])])
        log.settle(1, through: 2, oldestAcceptedAt: 1234)
        log.settle(1, through: 1, oldestAcceptedAt: 1)  // Not backwards.
        log.end(2)
        log.settle(2, through: 1, oldestAcceptedAt: nil)  // A report that comes late.
        #expect(log.units.map(\.number) == [1] && log.unit(1)!.settled == 2)
        #expect(try log.scan([1: 0, 2: 0]).all()[2] == nil)

        let copy = try fixture.crashed()
        #expect(try SetAsideLog.list(directory: copy.directory) == log.units)
        let again = try copy.open()
        #expect(again.units == log.units && again.nextNumber == 3)
        #expect(again.unit(1)!.oldestAcceptedAt == 1234)
        #expect(try again.scan([1: 2, 2: 0]).all().mapValues { $0.map(\.1) } == [1: ["c"]])
        again.settle(1, through: 3, oldestAcceptedAt: nil)
        try await again.append(new: [], [aside(1, ["d"])])
        #expect(again.unit(1)!.end == 4 && again.unit(1)!.oldestAcceptedAt == 1000)
        await again.close()
        await log.close()
    }

    @Test("one appends, another reads, settles and ends, the keeper sweeps: each event comes once, in order, and the disk is clean")
    func atTheSameTime() async throws {
        let fixture = SetAsideFixture(segmentSize: 32 << 10)
        let log = try fixture.open(syncEvery: 1)
        try await log.append(new: [unit(1), unit(2), unit(3)], [])
        let rounds = 400 as UInt64
        let writing = Task {
            for round in 0..<rounds {
                let values = [1, 2, 3].map { "\($0)-\(round)" + String(repeating: "v", count: 1000 * Int($0)) }
                try await log.append(new: [], [aside(1, [values[0]]), aside(2, [values[1]]), aside(3, [values[2]])])
            }
        }
        let scan = log.scan([1: 0, 2: 0, 3: 0])
        var next: [UInt64: UInt64] = [1: 0, 2: 0, 3: 0]
        while next.values.contains(where: { $0 < rounds }) {
            let batches = try scan.read(upTo: 8000)
            for batch in batches {
                let number = batch.route.rawValue
                try #require(batch.first == next[number])
                batch.forEachEvent { event, position in
                    let value = String(decoding: event.value!, as: UTF8.self)
                    #expect(value.hasPrefix("\(number)-\(position)v"))
                }
                next[number] = batch.end
                log.settle(number, through: batch.end, oldestAcceptedAt: nil)
            }
            if batches.isEmpty { await Task.yield() }
        }
        try await writing.value
        #expect(log.missing.isEmpty)
        for number in [1, 2, 3] as [UInt64] { log.end(number) }
        await log.syncCursors()
        #expect(try fixture.segmentFiles().count == 1)
        await log.close()
    }

    @Test("a thousand units take one descriptor, and one pass reads them all")
    func manyUnits() async throws {
        let fixture = SetAsideFixture(segmentSize: 256 << 10)
        let log = try fixture.open()
        func descriptors() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count }
        try await log.append(new: [unit(1)], [aside(1, ["0"])])
        let before = try descriptors()
        let numbers = Array(2...1000 as ClosedRange<UInt64>)
        try await log.append(new: numbers.map { unit($0, "topic-\($0)") }, numbers.map { aside($0, ["0"]) })
        for round in 1..<4 { try await log.append(new: [], ([1] + numbers).map { aside($0, ["\(round)"]) }) }
        for number in numbers { log.settle(number, through: 1, oldestAcceptedAt: 2000) }
        await log.syncCursors()
        #expect(try descriptors() <= before + 4, "others' tests may hold some")
        let found = try log.scan(Dictionary(uniqueKeysWithValues: ([1] + numbers).map { ($0, 0) })).all()
        #expect(found.count == 1000)
        for (_, events) in found { #expect(events.map(\.1) == ["0", "1", "2", "3"]) }
        let again = try fixture.crashed().open()
        #expect(again.units == log.units && again.units.count == 1000)
        await again.close()
        await log.close()
    }
}
