import ForebayCore
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebaySpool

/// A disk that takes groups and not the table of units: full, on a file system that copies what is written over; or broken.
@Suite("Set aside: no room for the table", .timeLimit(.minutes(1)))
struct SetAsideFaultTests {
    /// From the moment on that it is told.
    private static func fill(_ disk: FaultDisk) {
        disk.fail { call, path in call == .write && path.hasSuffix("/units") ? ENOSPC : nil }
    }

    @Test("an append says that it is stored when it is, though the slots of its units can't be written")
    func appended() async throws {
        let fixture = SetAsideFixture()
        let disk = FaultDisk()
        let log = try fixture.open(on: disk)
        try await log.append(new: [unit(1), unit(2), unit(3)], [aside(1, ["1"]), aside(2, ["1", "2"]), aside(3, ["1"])])
        for (number, place) in [(1, 1), (2, 2)] as [(UInt64, UInt64)] { log.settle(number, through: place, oldestAcceptedAt: 5) }
        Self.fill(disk)
        let ends = try await log.append(new: [], [aside(1, ["2"]), aside(2, ["3"]), aside(1, ["3"])])
        #expect(ends == [1: 3, 2: 3])
        #expect(log.units.map(\.oldestAcceptedAt) == [1000, 1000, 1000], "of those that were empty, too")
        #expect(try log.scan([1: 1, 2: 2]).all().mapValues { $0.map(\.1) } == [1: ["2", "3"], 2: ["3"]])
        // A kill now: what stands on the disk is older, and all the events are there.
        let killed = try fixture.crashed().open()
        #expect(killed.units.map(\.end) == [3, 3, 1] && killed.units.map(\.settled) == [1, 2, 0])
        await killed.close()
        disk.fail(nil)
        await log.syncCursors()
        #expect(try fixture.crashed().open().units == log.units)
        await log.close()
    }

    @Test("cursors that move, and units that end, are written when there is room again; until then their segments stay")
    func writtenLater() async throws {
        let fixture = SetAsideFixture(segmentSize: 32 << 10)
        let disk = FaultDisk()
        let log = try fixture.open(syncEvery: 5, on: disk)
        let large = String(repeating: "x", count: 9_000)
        try await log.append(new: [unit(1), unit(2), unit(3)], [])
        for round in 0..<8 { try await log.append(new: [], (1...3).map { aside($0, ["\(round)" + large]) }) }
        let segments = try fixture.segmentFiles().count
        log.settle(3, through: 2, oldestAcceptedAt: nil)
        await log.syncCursors()
        Self.fill(disk)
        log.settle(1, through: 5, oldestAcceptedAt: 7)
        log.settle(1, through: 8, oldestAcceptedAt: 8)
        log.end(1)
        log.settle(2, through: 8, oldestAcceptedAt: nil)
        log.settle(3, through: 7, oldestAcceptedAt: 9)
        await log.syncCursors()
        #expect(log.units.map(\.number) == [2, 3] && log.unit(3)?.settled == 7, "as everybody sees it")
        #expect(try fixture.segmentFiles().count == segments, "on the disk they are needed")
        let killed = try fixture.crashed().open()
        #expect(killed.units.map(\.settled) == [0, 0, 2])
        #expect(try killed.scan([1: 0, 2: 0, 3: 2]).all().mapValues(\.count) == [1: 8, 2: 8, 3: 6], "sent again, not lost")
        await killed.close()

        disk.fail(nil)
        // Without anybody moving a cursor.
        #expect(await eventually { (try? fixture.segmentFiles().count) == 1 })
        #expect(log.missing.isEmpty)
        let again = try fixture.crashed().open()
        #expect(again.units == log.units && again.unit(3)?.oldestAcceptedAt == 9)
        await again.close()
        try await log.append(new: [], [aside(2, ["more"]), aside(3, ["more"])])
        #expect(try log.scan([2: 8, 3: 7]).all().mapValues(\.count) == [2: 1, 3: 2])
        await log.close()
    }

    @Test("last events that the disk can't read, and can't be told of durably, stop a start: what it does would hide them from the next")
    func untold() async throws {
        let fixture = SetAsideFixture()
        let log = try fixture.open()
        try await log.append(new: [unit(1)], [aside(1, ["1"])])
        try await log.append(new: [], [aside(1, ["2"])])
        let crashed = try fixture.crashed()
        await log.close()
        let path = try #require(try crashed.segmentFiles().last), bytes = try Data(contentsOf: URL(filePath: path))
        let bad = 8192 + 4096..<8192 + 8192, disk = FaultDisk()
        func fail(telling: Int32?) {
            disk.fail { call, place in
                if call == .read, place.hasPrefix(path), RecoveryTableTests.range(place).overlaps(bad) { return EIO }
                return call == .write && place.hasSuffix("/alarms.new") ? telling : nil
            }
        }
        for code in [EIO, ENOSPC] {
            fail(telling: code)
            #expect(throws: ForebayError.self) { try crashed.open(on: disk) }
            #expect(try Data(contentsOf: URL(filePath: path)) == bytes)
        }
        let readable = try crashed.crashed().open()
        #expect(readable.missing.isEmpty && readable.unit(1)?.end == 2)
        await readable.close()
        fail(telling: nil)
        for _ in 0..<2 {
            let told = try crashed.open(on: disk)
            #expect(told.missing.map(\.events) == [1] && told.unit(1)?.end == 1)
            await told.close()
        }
    }

    @Test("a table that can't be written for another reason ends the process: the next start makes it anew", arguments: 0..<3)
    func broken(_ place: Int) async throws {
        switch place {
        case 0: await #expect(processExitsWith: .failure) { try await SetAsideFaultTests.meetBroken(0) }
        case 1: await #expect(processExitsWith: .failure) { try await SetAsideFaultTests.meetBroken(1) }
        default: await #expect(processExitsWith: .failure) { try await SetAsideFaultTests.meetBroken(2) }
        }
    }

    private static func meetBroken(_ place: Int) async throws {
        let fixture = SetAsideFixture()
        let disk = FaultDisk()
        let log = try fixture.open(on: disk)
        try await log.append(new: [unit(1)], [aside(1, ["1", "2"])])
        log.settle(1, through: place == 0 ? 2 : 1, oldestAcceptedAt: 5)
        disk.fail { call, path in call == .write && path.hasSuffix("/units") ? EIO : nil }
        switch place {
        case 0: try await log.append(new: [], [aside(1, ["3"])])
        case 1: log.settle(1, through: 2, oldestAcceptedAt: nil)
        default: log.end(1)
        }
    }
}

@Suite("Set aside: scans", .timeLimit(.minutes(1)))
struct SetAsideScanTests {
    @Test("one call takes so many steps and no more, also where all is others' and small; the next goes on from there")
    func steps() async throws {
        let fixture = SetAsideFixture(segmentSize: 32 << 20)
        let log = try fixture.open()
        try await log.append(new: (1...91).map { unit($0, "topic\($0)") }, [])
        // With the step into the segment, and the one that finds it, just as many as a call takes to the one; one more to the other.
        for round in 0..<46 { try await log.append(new: [], (1...89).map { aside($0, ["\(round)"]) }) }
        try await log.append(new: [], [aside(90, ["last"]), aside(91, ["and one"])])
        #expect(try log.scan([90: 0]).read(upTo: 1 << 20).map(\.route.rawValue) == [90])
        let scan = log.scan([91: 0])
        #expect(try !scan.isCaughtUp && scan.read(upTo: 1 << 20).isEmpty && !scan.isCaughtUp)
        #expect(try scan.read(upTo: 1 << 20).map(\.route.rawValue) == [91])
        await log.close()
    }

    @Test("one call does bounded work, however much of others lies between; calls together find all")
    func bounded() async throws {
        let fixture = SetAsideFixture(segmentSize: 32 << 20)
        let disk = FaultDisk()
        let log = try fixture.open(on: disk)
        try await log.append(new: (1...500).map { unit($0, "topic\($0)") }, [])
        let value = String(repeating: "v", count: 2000)
        for round in 0..<40 { try await log.append(new: [], (1...500).map { aside($0, ["\(round)" + value]) }) }
        let bytes = Atomic<Int>(0)
        disk.fail { call, path in
            if call == .read, let count = path.split(separator: "+").last.flatMap({ Int($0) }) {
                bytes.wrappingAdd(count, ordering: .relaxed)
            }
            return nil
        }
        let scan = log.scan([7: 0, 400: 30])
        var found: [UInt64: [UInt64]] = [:]
        var calls = 0
        repeat {
            bytes.store(0, ordering: .relaxed)
            for batch in try scan.read(upTo: 256 << 10) { found[batch.route.rawValue, default: []].append(batch.first) }
            calls += 1
            #expect(bytes.load(ordering: .relaxed) <= 10 << 20, "call \(calls)")
        } while !scan.isCaughtUp
        #expect(calls > 3)
        #expect(found == [7: Array(0..<40), 400: Array(30..<40)])
        await log.close()
    }

    @Test("two scans that stand near to each other become one, which reads each unit's events once; others don't")
    func joined() async throws {
        let fixture = SetAsideFixture(segmentSize: 4 << 20)
        let log = try fixture.open()
        try await log.append(new: [unit(1), unit(2), unit(3)], [])
        let value = String(repeating: "v", count: 20_000)
        for round in 0..<400 { try await log.append(new: [], (1...3).map { aside($0, ["\(round)" + value]) }) }
        let (ahead, behind, far) = (log.scan([1: 0]), log.scan([2: 0]), log.scan([3: 0]))
        var found: [UInt64: [UInt64]] = [:]
        func read(_ scan: SetAsideScan, upTo bytes: Int) throws {
            for batch in try scan.read(upTo: bytes) { found[batch.route.rawValue, default: []].append(batch.first) }
        }
        try read(ahead, upTo: 300_000)
        try read(behind, upTo: 100_000)
        try read(far, upTo: 3 << 20)
        #expect(!ahead.join(behind), "it is past what the other one still has to read")
        #expect(!behind.join(far), "in another segment")
        #expect(behind.join(ahead))
        #expect(behind.position(of: 1) == ahead.position(of: 1))
        repeat { try read(behind, upTo: 256 << 10) } while !behind.isCaughtUp
        repeat { try read(far, upTo: 256 << 10) } while !far.isCaughtUp
        #expect(found == [1: Array(0..<400), 2: Array(0..<400), 3: Array(0..<400)])
        #expect(log.missing.isEmpty)
        await log.close()
    }

    @Test("a scan that has passed all sealed segments stands where the newest one begins, and takes over what begins there")
    func joinedAtTheEnd() async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let log = try fixture.open()
        try await log.append(new: [unit(1), unit(2)], [])
        let large = String(repeating: "l", count: 40_000)
        // Two events a segment: of unit 1, of unit 2, and in the newest of unit 2 alone.
        for number in [1, 1, 2, 2, 2] as [UInt64] { try await log.append(new: [], [aside(number, [large])]) }
        let first = log.scan([1: 0]), second = log.scan([2: 2])
        repeat { _ = try first.read(upTo: 1 << 20) } while !first.isCaughtUp
        #expect(first.join(second))
        try await log.append(new: [], [aside(1, ["more"])])
        var found: [UInt64: [UInt64]] = [:]
        repeat {
            for batch in try first.read(upTo: 1 << 20) { found[batch.route.rawValue, default: []].append(batch.first) }
        } while !first.isCaughtUp
        #expect(found == [1: [2], 2: [2]])
        await log.close()
    }

    @Test("a scan that let go of its memory goes on where it stood")
    func rests() async throws {
        let fixture = SetAsideFixture(segmentSize: 1 << 20)
        let log = try fixture.open()
        try await log.append(new: [unit(1), unit(2)], [])
        for round in 0..<300 {
            try await log.append(new: [], [aside(1, ["1-\(round)"]), aside(2, [String(repeating: "v", count: 9_000)])])
        }
        let scan = log.scan([1: 0, 2: 150])
        var found: [UInt64: [UInt64]] = [:]
        repeat {
            for batch in try scan.read(upTo: 20_000) { found[batch.route.rawValue, default: []].append(batch.first) }
            scan.rest()
        } while !scan.isCaughtUp
        #expect(found == [1: Array(0..<300), 2: Array(150..<300)])
        await log.close()
    }
}
