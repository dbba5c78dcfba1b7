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
        try log.settle(1, through: 2, oldestAcceptedAt: 1234)
        try log.settle(1, through: 1, oldestAcceptedAt: 1)  // Not backwards.
        try log.end(2)
        try log.settle(2, through: 1, oldestAcceptedAt: nil)  // A report that comes late.
        #expect(log.units.map(\.number) == [1] && log.unit(1)!.settled == 2)
        #expect(try log.scan([1: 0, 2: 0]).all()[2] == nil)

        let copy = try fixture.crashed()
        #expect(try SetAsideLog.list(directory: copy.directory) == log.units)
        let again = try copy.open()
        #expect(again.units == log.units && again.nextNumber == 3)
        #expect(again.unit(1)!.oldestAcceptedAt == 1234)
        #expect(try again.scan([1: 2, 2: 0]).all().mapValues { $0.map(\.1) } == [1: ["c"]])
        try again.settle(1, through: 3, oldestAcceptedAt: nil)
        try await again.append(new: [], [aside(1, ["d"])])
        #expect(again.unit(1)!.end == 4 && again.unit(1)!.oldestAcceptedAt == 1000)
        await again.close()
        await log.close()
    }

    @Test("segments go in any order while another unit waits, and that one still reads whole")
    func anyOrder() async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let log = try fixture.open()
        try await log.append(new: [unit(1), unit(2)], [aside(1, ["first"])])
        for round in 0..<20 { try await log.append(new: [], [aside(2, ["\(round)" + large])]) }
        try await log.append(new: [], [aside(1, ["last"])])
        let before = try fixture.segmentFiles().count
        #expect(before > 5)
        let scan = log.scan([1: 0, 2: 0])
        #expect(try scan.read(upTo: 1).map(\.route.rawValue) == [1])

        try log.settle(2, through: 20, oldestAcceptedAt: nil)
        #expect(try fixture.segmentFiles().count == before, "the cursor is not synced yet")
        await log.tidy()
        #expect(try fixture.segmentFiles().count == 2)
        #expect(try log.scan([1: 0, 2: 20]).all().mapValues { $0.map(\.1) } == [1: ["first", "last"]])
        // The one under way still has the file it stood in, and passes the hole.
        let rest = try scan.all()
        #expect(rest[1]!.map(\.1) == ["last"])
        #expect(log.missing.isEmpty)
        let problems = try SpoolInspection(directory: fixture.directory).verify().problems
        #expect(problems.isEmpty)

        try await log.append(new: [], [aside(2, ["after"])])
        #expect(log.unit(2)!.end == 21)
        let again = try fixture.crashed().open()
        #expect(again.units == log.units)
        #expect(try again.scan([1: 0, 2: 20]).all().mapValues { $0.map(\.1) } == [1: ["first", "last"], 2: ["after"]])
        #expect(again.missing.isEmpty)
        await again.close()

        try log.end(1)
        try log.end(2)
        await log.tidy()
        #expect(try fixture.segmentFiles().count == 1, "only the one that is written to")
        await log.close()
        let empty = try fixture.open()
        #expect(empty.units.isEmpty && empty.nextNumber == 3)
        #expect(try fixture.segmentFiles().count == 1)
        await empty.close()
    }

    @Test("the place of an ended unit is used again only when its frames are gone")
    func placesAreUsedAgain() async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let log = try fixture.open()
        try await log.append(new: [unit(1), unit(2)], [aside(1, ["keeps the segment"]), aside(2, ["gone"])])
        try log.end(2)
        await log.tidy()
        try await log.append(new: [unit(3)], [aside(3, [large])])
        #expect(try Data(contentsOf: URL(filePath: fixture.tablePath)).count == 3 * 8192)
        let copy = try fixture.crashed().open()
        #expect(copy.units.map(\.number) == [1, 3])
        await copy.close()
        // Behind a roll the first segment is not needed any more.
        for _ in 0..<4 { try await log.append(new: [], [aside(3, [large])]) }
        try log.end(1)
        try log.settle(3, through: 1, oldestAcceptedAt: nil)
        await log.tidy()
        try log.settle(3, through: 4, oldestAcceptedAt: nil)
        await log.tidy()
        try await log.append(new: [unit(4), unit(5)], [aside(4, ["y"]), aside(5, ["z"])])
        #expect(try Data(contentsOf: URL(filePath: fixture.tablePath)).count == 3 * 8192)
        let again = try fixture.crashed().open()
        #expect(again.units == log.units && again.units.map(\.number) == [3, 4, 5])
        #expect(again.nextNumber == 6)
        await again.close()
        await log.close()
    }

    @Test("a full log takes more as soon as what fills it is settled", arguments: [false, true])
    func fills(hasCrashed: Bool) async throws {
        var fixture = SetAsideFixture(segmentSize: 64 << 10, capacity: 512 << 10)
        var log = try fixture.open()
        try await log.append(new: [unit(1), unit(2)], [aside(2, ["waits"])])
        if hasCrashed {
            fixture = try fixture.crashed()
            await log.close()
            log = try fixture.open()
        }
        func fill() async throws -> ForebayError? {
            for _ in 0..<1000 {
                do throws(ForebayError) {
                    try await log.append(new: [unit(3)], [aside(1, [large])])
                } catch {
                    return error
                }
            }
            return nil
        }
        #expect(try await fill()?.code == .spoolFull)
        let end = log.unit(1)!.end
        #expect(try log.scan([1: 0]).values(of: 1).count == Int(end), "nothing of the refused one is stored")
        try log.settle(1, through: end, oldestAcceptedAt: nil)
        #expect(try await fill()?.code == .spoolFull, "no sync was waited for, but room was found")
        let more = log.unit(1)!.end
        #expect(more > end + 10)
        // Every segment but the first is full of one unit: all of them settled, in whatever order they go.
        try log.end(1)
        try await log.append(new: [unit(4)], [aside(4, [large])])
        #expect(try log.scan([2: 0, 4: 0]).all().mapValues { $0.map(\.1) } == [2: ["waits"], 4: [large]])
        #expect(log.missing.isEmpty)
        #expect(try SpoolInspection(directory: fixture.directory).verify().problems.isEmpty)
        await log.close()
    }

    @Test("when the budget has room for one segment alone, a settled one makes way for the next")
    func oneSegment() async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10, capacity: 100 << 10)
        let log = try fixture.open()
        try await log.append(new: [unit(1)], [])
        for round in 0..<12 as Range<UInt64> {
            try await log.append(new: [], [aside(1, [large])])
            try log.settle(1, through: round + 1, oldestAcceptedAt: nil)
        }
        #expect(try fixture.segmentFiles().count == 1)
        try await log.append(new: [], [aside(1, [large]), aside(1, ["second"])])
        #expect(log.unit(1)!.end == 14)
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
                try log.settle(number, through: batch.end, oldestAcceptedAt: nil)
            }
            if batches.isEmpty { await Task.yield() }
        }
        try await writing.value
        #expect(log.missing.isEmpty)
        for number in [1, 2, 3] as [UInt64] { try log.end(number) }
        await log.tidy()
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
        for number in numbers { try log.settle(number, through: 1, oldestAcceptedAt: 2000) }
        await log.tidy()
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
