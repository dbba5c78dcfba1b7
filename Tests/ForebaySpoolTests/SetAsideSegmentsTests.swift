import ForebayCore
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebaySpool

@Suite("Set aside: segments")
struct SetAsideSegmentsTests {
    private let large = String(repeating: "x", count: 20_000)

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

        log.settle(2, through: 20, oldestAcceptedAt: nil)
        #expect(try fixture.segmentFiles().count == before, "the cursor is not synced yet")
        await log.syncCursors()
        // The headers stay to say that they went rightly.
        #expect(try fixture.segmentFiles().count == before)
        #expect(try fixture.segmentFiles().count { try Data(contentsOf: URL(filePath: $0)).count > 12_288 } == 2)
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

        log.end(1)
        log.end(2)
        await log.syncCursors()
        #expect(try fixture.segmentFiles().count == 1, "only the one that is written to")
        await log.close()
        let empty = try fixture.open()
        #expect(empty.units.isEmpty && empty.nextNumber == 3)
        #expect(try fixture.segmentFiles().count == 1)
        await empty.close()
    }

    @Test("what was in a segment that is gone is told of at no place in a file")
    func gone() async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let log = try fixture.open()
        try await log.append(new: [unit(1)], [aside(1, ["first"])])
        for round in 0..<9 { try await log.append(new: [], [aside(1, ["\(round)" + large])]) }
        await log.close()
        try FileManager.default.removeItem(atPath: try fixture.segmentFiles()[1])
        let again = try fixture.open()
        let missing = again.missing
        #expect(
            missing.count == 1 && missing.allSatisfy { $0.position == 0 && $0.unit == 1 && $0.reason == "a segment is gone" }, "\(missing)"
        )
        await again.close()
    }

    @Test("positions go on where they were, also when every segment of the unit is gone", arguments: [false, true])
    func positionsGoOn(isClean: Bool) async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let log = try fixture.open()
        try await log.append(new: [unit(1), unit(2)], [aside(1, ["a", "b"])])
        for _ in 0..<8 { try await log.append(new: [], [aside(2, [large])]) }
        log.settle(1, through: 2, oldestAcceptedAt: nil)
        log.settle(2, through: 8, oldestAcceptedAt: nil)
        await log.syncCursors()
        #expect(try fixture.segmentFiles().count == 1)
        let copy = try fixture.crashed()
        await log.close()
        let again = try isClean ? fixture.open() : copy.open()
        #expect(again.unit(1)!.settled == 2 && again.unit(1)!.end == 2)
        try await again.append(new: [], [aside(1, ["c"])])
        #expect(again.unit(1)!.end == 3)
        #expect(try again.scan([1: 2]).all()[1]!.map(\.0) == [2])
        await again.close()
    }

    @Test("what holds a segment is the synced place, not the written one")
    func syncedPlace() {
        var state = UnitTableState()
        for number in [1, 2] as [UInt64] { state.entries[number] = state.place(for: unit(number)) }
        var routes = RouteTable()
        routes.raise(RouteID(rawValue: 1), to: 5)
        routes.raise(RouteID(rawValue: 2), to: 7)
        var generator = SystemRandomNumberGenerator()
        let log = SpoolID.random(using: &generator)
        let header = SegmentHeader(log: log, origin: log, number: 1, base: 0, salt: 1, madeAt: 0)
        let segment = SegmentInfo(header: header, path: "", end: 12, dataEnd: 12_288, size: 12_288, routes: routes)
        func needs() -> Bool { state.needs(segment) }
        func forget(_ present: [SegmentInfo] = []) -> [UInt64] { state.forget(present: present) }
        func write(_ number: UInt64, _ change: (inout UnitTableState.Entry) -> Void) -> [UnitTableState.Entry] {
            change(&state.entries[number]!)
            return [state.entries[number]!]
        }
        let settled = write(1) { $0.unit.settled = 5 }
        let ended = write(2) { $0.isEnded = true }
        #expect(needs())
        state.synced(settled)
        #expect(needs())
        #expect(forget().isEmpty, "its end is not synced")
        state.synced(ended)
        #expect(!needs())
        #expect(forget([segment]).isEmpty && state.entries[2]?.lastSeenIn == 1)
        var husk = segment
        husk.routes = RouteTable()
        #expect(forget([husk]) == [2] && state.ended.isEmpty && state.entries[2] == nil)
        // What nobody knows any more is kept.
        #expect(needs())
        #expect(state.place(for: unit(3))?.pair == 1 && state.pairs.count == 2, "its pair is used again, and not before")
    }

    @Test("the place of an ended unit is used again only when its frames are gone")
    func placesAreUsedAgain() async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let log = try fixture.open()
        try await log.append(new: [unit(1), unit(2)], [aside(1, ["keeps the segment"]), aside(2, ["gone"])])
        log.end(2)
        await log.syncCursors()
        try await log.append(new: [unit(3)], [aside(3, [large])])
        #expect(try Data(contentsOf: URL(filePath: fixture.tablePath)).count == 3 * 8192)
        let copy = try fixture.crashed().open()
        #expect(copy.units.map(\.number) == [1, 3])
        await copy.close()
        // Behind a roll the first segment is not needed any more.
        for _ in 0..<4 { try await log.append(new: [], [aside(3, [large])]) }
        log.end(1)
        log.settle(3, through: 1, oldestAcceptedAt: nil)
        await log.syncCursors()
        log.settle(3, through: 4, oldestAcceptedAt: nil)
        await log.syncCursors()
        try await log.append(new: [unit(4), unit(5)], [aside(4, ["y"]), aside(5, ["z"])])
        #expect(try Data(contentsOf: URL(filePath: fixture.tablePath)).count == 3 * 8192)
        let again = try fixture.crashed().open()
        #expect(again.units == log.units && again.units.map(\.number) == [3, 4, 5])
        #expect(again.nextNumber == 6)
        await again.close()
        await log.close()
    }

    @Test("a scan reads no further than to what is left of its units")
    func readsNoFurther() async throws {
        let fixture = SetAsideFixture(segmentSize: 4 << 20)
        let disk = FaultDisk()
        let log = try fixture.open(on: disk)
        try await log.append(new: [unit(1), unit(2)], [aside(1, ["first"]), aside(1, ["last"])])
        for _ in 0..<60 { try await log.append(new: [], [aside(2, [self.large])]) }
        let reads = Mutex(0)
        disk.fail { call, path in
            if call == .read, path.contains(".segment") { reads.withLock { $0 += 1 } }
            return nil
        }
        #expect(try log.scan([1: 0]).values(of: 1) == ["first", "last"])
        #expect(reads.withLock { $0 } == 1)
        #expect(try log.scan([1: 1, 2: 30]).values(of: 1) == ["last"])
        #expect(reads.withLock { $0 } > 2, "of the other one there is more")
        await log.close()
    }

    @Test("a place whose slots can't be read is used again, and the table does not grow for it")
    func damagedPlaces() async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        var log = try fixture.open()
        for number in 1...3 as ClosedRange<UInt64> { try await log.append(new: [unit(number)], [aside(number, ["\(number)"])]) }
        await log.close()
        for damaged in [8192..<16_384, 0..<24_576] {
            try fixture.change(fixture.tablePath) { $0.replaceSubrange(damaged, with: Data(count: damaged.count)) }
            log = try fixture.open()
            #expect(log.units.map(\.number) == [1, 2, 3], "their frames are there")
            #expect(try Data(contentsOf: URL(filePath: fixture.tablePath)).count == 3 * 8192, "\(damaged)")
            await log.close()
        }
        log = try fixture.open()
        try await log.append(new: [unit(4)], [aside(4, ["4"])])
        #expect(try Data(contentsOf: URL(filePath: fixture.tablePath)).count == 4 * 8192)
        #expect(try log.scan([1: 0, 2: 0, 3: 0, 4: 0]).all().mapValues { $0.map(\.1) } == [1: ["1"], 2: ["2"], 3: ["3"], 4: ["4"]])
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
        log.settle(1, through: end, oldestAcceptedAt: nil)
        #expect(try await fill()?.code == .spoolFull, "no sync was waited for, but room was found")
        let more = log.unit(1)!.end
        #expect(more > end + 10)
        // Every segment but the first is full of one unit: all of them settled, in whatever order they go.
        log.end(1)
        try await log.append(new: [unit(4)], [aside(4, [large])])
        #expect(try log.scan([2: 0, 4: 0]).all().mapValues { $0.map(\.1) } == [2: ["waits"], 4: [large]])
        #expect(log.missing.isEmpty)
        #expect(try SpoolInspection(directory: fixture.directory).verify().problems.isEmpty)
        await log.close()
    }

    @Test("what is settled goes when the next segment begins, if behind that one there is no room for another, and not before")
    func goesWhenRoomIsShort() async throws {
        let size = 256 << 10
        var used = 0
        // The first round tells what two segments take; then there are so many bytes less than room for a third.
        for missing in [nil, 0, 1, 4096] as [Int?] {
            let fixture = SetAsideFixture(segmentSize: size)
            let budget = try SpoolBudget(capacity: missing.map { used + size - $0 } ?? 1 << 30, directory: NSTemporaryDirectory())
            let log = try fixture.open(budget: budget)
            try await log.append(new: [unit(1)], [aside(1, [self.large])])
            let first = try fixture.segmentFiles()
            var count: UInt64 = 1
            repeat {
                log.settle(1, through: count, oldestAcceptedAt: nil)
                await log.syncCursors()
                try await log.append(new: [], [aside(1, [self.large])])
                count += 1
            } while try fixture.segmentFiles() == first && count < 100
            let goes = missing ?? 0 > 0
            #expect(try fixture.segmentFiles().map { $0 == first[0] } == (goes ? [false] : [true, false]), "\(missing ?? -1)")
            if missing == nil { used = budget.usedBytes }
            await log.close()
        }
    }

    @Test("when the budget has room for one segment alone, a settled one makes way for the next")
    func oneSegment() async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10, capacity: 100 << 10)
        let log = try fixture.open()
        try await log.append(new: [unit(1)], [])
        for round in 0..<12 as Range<UInt64> {
            try await log.append(new: [], [aside(1, [large])])
            log.settle(1, through: round + 1, oldestAcceptedAt: nil)
        }
        #expect(try fixture.segmentFiles().count == 1)
        try await log.append(new: [], [aside(1, [large]), aside(1, ["second"])])
        #expect(log.unit(1)!.end == 14)
        await log.close()
    }
}
