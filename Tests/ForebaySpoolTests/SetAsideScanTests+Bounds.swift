import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

/// How much one call reads, to the byte, and where a scan stands then.
extension SetAsideScanTests {
    @Test("a call ends with the batch that fills what was asked for, and not before")
    func filled() async throws {
        let fixture = SetAsideFixture()
        let log = try fixture.open()
        try await log.append(new: [unit(1)], [])
        for value in ["a", "b", "c"] { try await log.append(new: [], [aside(1, [value])]) }
        let size = try #require(try log.scan([1: 0]).read(upTo: 1).first).byteCount
        for (bytes, count) in [(1, 1), (size, 1), (size + 1, 2), (2 * size, 2), (2 * size + 1, 3), (9 * size, 3)] {
            #expect(try log.scan([1: 0]).read(upTo: bytes).count == count, "\(bytes) of \(size)")
        }
        await log.close()
    }

    @Test("what rots while the log is open is told of where the next event stands, and what stands behind it is read")
    func rotten() async throws {
        let fixture = SetAsideFixture()
        let log = try fixture.open()
        try await log.append(new: [unit(1), unit(2)], [])
        for (number, value) in [(1, "a"), (2, "b"), (1, "c"), (1, "d")] as [(UInt64, String)] {
            try await log.append(new: [], [aside(number, [value])])
        }
        // The third group's header.
        try fixture.change(fixture.segmentFiles()[0]) { $0[4 * 4096 + 30] ^= 1 }
        let found = try log.scan([1: 0, 2: 0]).all()
        #expect(found[1]?.map(\.0) == [0, 2] && found[1]?.map(\.1) == ["a", "d"] && found[2]?.map(\.1) == ["b"])
        #expect(log.missing.map { "\($0.unit ?? 0) \($0.sequences) \($0.reason) \($0.isGone)" } == ["1 1..<2 frames are missing false"])
        await log.close()
    }

    @Test("a call that has passed over 8 MiB ends, however little of it was wanted")
    func passedOver() async throws {
        let fixture = SetAsideFixture(segmentSize: 32 << 20)
        let log = try fixture.open()
        try await log.append(new: (1...75).map { unit($0, "topic\($0)") }, [])
        // They are read through, about a MiB at a time: before one that is less than as much as a call takes, before the other more.
        let value = String(repeating: "v", count: 20_000)
        for _ in 0..<5 { try await log.append(new: [], (1...73).map { aside($0, [value]) }) }
        try await log.append(new: [], [aside(74, [value])])
        for _ in 0..<2 { try await log.append(new: [], (1...73).map { aside($0, [value]) }) }
        try await log.append(new: [], [aside(75, [value])])
        #expect(try log.scan([74: 0]).read(upTo: 1).map(\.route.rawValue) == [74])
        let scan = log.scan([75: 0])
        #expect(try scan.read(upTo: 1).isEmpty && !scan.isCaughtUp)
        #expect(try scan.read(upTo: 1).map(\.route.rawValue) == [75])
        await log.close()
    }

    @Test("a call ends behind each part of which the device has not given all: those who drain other logs get their turn")
    func deadZone() async throws {
        let fixture = SetAsideFixture(segmentSize: 32 << 20), disk = FaultDisk()
        let log = try fixture.open(on: disk)
        try await log.append(new: [unit(1)], [])
        let value = String(repeating: "v", count: 20_000)
        for _ in 0..<10 { try await log.append(new: [], (0..<20).map { _ in aside(1, [value]) }) }
        let failed = Happenings<String>()
        disk.fail { call, path in
            guard call == .read, path.contains("/segments/") else { return nil }
            if path.hasSuffix("+4096") { failed.add(path) }
            return EIO
        }
        let scan = log.scan([1: 0])
        var calls = 0
        while !scan.isCaughtUp {
            let before = failed.count
            #expect(try scan.read(upTo: 1 << 30).isEmpty)
            #expect(failed.count - before <= SegmentWindow.size / 4096 + 1)
            calls += 1
        }
        #expect(failed.count > 900 && calls >= 4 && log.missing.map(\.sequences) == [0..<200])
        disk.fail(nil)
        await log.close()
    }

    @Test("one that has passed all sealed segments takes nothing over that begins before the newest")
    func notJoinedBehind() async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let log = try fixture.open()
        try await log.append(new: [unit(1), unit(2)], [])
        let large = String(repeating: "l", count: 40_000)
        // Two events a segment: of unit 1, of unit 2, and in the newest of unit 2 alone.
        for number in [1, 1, 2, 2, 2, 2, 2] as [UInt64] { try await log.append(new: [], [aside(number, [large])]) }
        let first = log.scan([1: 0])
        repeat { _ = try first.read(upTo: 1 << 20) } while !first.isCaughtUp
        for position in [0, 1, 2, 3] as [UInt64] {
            #expect(!first.join(log.scan([2: position])), "from \(position)")
            #expect(!log.scan([2: position]).join(first))
        }
        #expect(!log.scan([1: 0]).join(log.scan([2: 0])), "nor does one that has not begun, in another segment")
        #expect(!log.scan([1: 2]).join(log.scan([1: 0])), "or one that has nothing left")
        #expect(first.join(log.scan([2: 4])))
        #expect(try first.all()[2]?.map(\.0) == [4])
        await log.close()
    }

    @Test("what was read ahead is let go of, and read again when it is asked for")
    func readAgain() async throws {
        let fixture = SetAsideFixture(), disk = FaultDisk()
        let log = try fixture.open(on: disk)
        try await log.append(new: [unit(1)], [])
        for value in ["a", "b", "c"] { try await log.append(new: [], [aside(1, [value])]) }
        let reads = Atomic(0)
        disk.fail { call, path in
            if call == .read, path.contains(".segment") { reads.add(1, ordering: .relaxed) }
            return nil
        }
        let scan = log.scan([1: 0])
        for (isResting, count) in [(false, 1), (false, 1), (true, 2)] {
            if isResting { scan.rest() }
            #expect(try scan.read(upTo: 1).count == 1)
            #expect(reads.load(ordering: .relaxed) == count)
        }
        await log.close()
    }

    @Test("one that joins another, or drops a unit, reads what is left and no further")
    func readsWhatIsLeft() async throws {
        let fixture = SetAsideFixture(segmentSize: 4 << 20), disk = FaultDisk()
        let log = try fixture.open(on: disk)
        try await log.append(new: (1...3).map { unit($0) }, (1...3).map { aside($0, ["a"]) })
        try await log.append(new: [], [aside(1, ["b"]), aside(2, ["b"])])
        let large = String(repeating: "l", count: 40_000)
        for _ in 0..<40 { try await log.append(new: [], [aside(3, [large])]) }
        let reads = Atomic(0)
        disk.fail { call, path in
            if call == .read, path.contains(".segment") { reads.add(1, ordering: .relaxed) }
            return nil
        }
        let one = log.scan([1: 0]), other = log.scan([2: 0])
        #expect(try one.read(upTo: 1).map(\.first) == [0])
        #expect(try other.read(upTo: 1).map(\.first) == [0])
        #expect(one.join(other))
        #expect(try one.all().mapValues { $0.map(\.1) } == [1: ["b"], 2: ["b"]] && reads.load(ordering: .relaxed) == 2)
        let dropping = log.scan([1: 0, 3: 0])
        #expect(try dropping.read(upTo: 1).map(\.first) == [0])
        dropping.drop(3)
        #expect(try dropping.all().mapValues { $0.map(\.1) } == [1: ["b"]] && reads.load(ordering: .relaxed) == 3)
        await log.close()
    }

    @Test("one that has not begun takes another over that stands up to a MiB behind it, and none further")
    func joinedWithinAWindow() async throws {
        let fixture = SetAsideFixture(segmentSize: 4 << 20)
        let log = try fixture.open()
        try await log.append(new: [unit(1), unit(2)], [aside(1, ["first"])])
        // The first one's group ends at 12,288; each of these takes 4096 bytes, one fills up what is left to a MiB.
        let large = String(repeating: "l", count: (1 << 20) - 12_288 - 200)
        try await log.append(new: [], [aside(2, [large])])
        for _ in 0..<2 { try await log.append(new: [], [aside(2, ["small"])]) }
        let other = log.scan([2: 0])
        #expect(try other.read(upTo: 1).map(\.first) == [0])
        #expect(log.scan([1: 0]).join(other), "just a MiB")
        #expect(try other.read(upTo: 1).map(\.first) == [1])
        #expect(!log.scan([1: 0]).join(other))
        await log.close()
    }
}
