import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

@Suite("Spool")
struct SpoolTests {
    @Test("numbers events by frame, so that each submission finds its own again")
    func numbersEvents() async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        let receipts = try await spool.commit([
            submission([(routeA, ["a0", "a1"]), (routeB, ["b0"])]), submission([(routeB, ["b1"]), (routeA, ["a2"])]),
        ])

        #expect(receipts.map(\.firstSequences) == [[0, 3], [4, 2]])
        #expect(try spool.events().map(\.1) == ["a0", "a1", "a2", "b0", "b1"])
        #expect(try spool.events(route: routeB).map(\.0) == [3, 4])
        #expect(try spool.events(route: routeA, from: 1).map(\.1) == ["a1", "a2"])
        await spool.close()
    }

    @Test("goes on with the next sequence after a clean stop")
    func reopens() async throws {
        let fixture = SpoolFixture()
        var spool: Spool? = try fixture.open()
        _ = try await spool!.commit([submission([(routeA, ["x", "y"])])])
        let id = spool!.id
        await spool!.close()
        spool = nil
        let again = try fixture.open()
        #expect(again.id == id)
        #expect(again.durableEnd == 2)
        let receipts = try await again.commit([submission([(routeA, ["z"])])])
        #expect(receipts[0].firstSequences == [2])
        #expect(try again.events().map(\.1) == ["x", "y", "z"])
        #expect(again.missing.isEmpty)
        await again.close()
    }

    @Test("keeps every acknowledged group over a kill at any instant")
    func survivesAKill() async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        for round in 0..<5 {
            _ = try await spool.commit([submission([(routeA, ["\(round)"]), (routeB, ["\(round)"])])])
            let copy = try fixture.crashed()
            let after = try copy.open()
            #expect(after.durableEnd == UInt64(2 * (round + 1)))
            #expect(after.missing.isEmpty)
            let expected = (0...round).flatMap { ["\($0)", "\($0)"] }
            #expect(try after.events().map(\.1) == expected)
            _ = try await after.commit([submission([(routeA, ["new"])])])
            #expect(try after.events().map(\.1) == expected + ["new"])
            await after.close()
        }
        await spool.close()
    }

    @Test("rolls over segments, larger groups get larger ones, and a big batch is cut into frames")
    func rolls() async throws {
        let fixture = SpoolFixture(segmentSize: 256 << 10)
        let spool = try fixture.open()
        var expected: [String] = []
        var generator = SplitMix(seed: 1)
        for round in 0..<60 {
            let size = round % 20 == 19 ? 3000 : 40
            let values = (0..<size).map { "\(round)-\($0)-" + String(repeating: "v", count: Int.random(in: 0...800, using: &generator)) }
            expected += values
            _ = try await spool.commit([submission([(routeA, values)])])
        }
        #expect(spool.segmentCount > 3)
        #expect(try spool.events().map(\.1) == expected)
        for start in stride(from: 0, to: expected.count, by: 997) {
            #expect(try spool.events(from: UInt64(start)).first?.1 == expected[start])
        }
        let copy = try fixture.crashed()
        let after = try copy.open()
        #expect(try after.events().map(\.1) == expected)
        await after.close()
        await spool.close()
        #expect(try spool.events().count == expected.count)
    }

    @Test("a second owner is refused and told who has it")
    func locks() async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        let refusal = #expect(throws: ForebayError.self) { try fixture.open() }
        #expect(refusal?.code == .spoolLocked)
        #expect(refusal?.message.contains("process \(getpid())") == true)
        await spool.close()
    }

    @Test("who has it can't be written into the lock: it is locked all the same", arguments: [EIO, ENOSPC, EROFS])
    func locksWithoutNumber(_ number: Int32) async throws {
        let fixture = SpoolFixture()
        let disk = FaultDisk()
        for isThere in [false, true] {
            disk.fail { call, path in [.write, .truncate].contains(call) && path.hasSuffix("/lock") ? number : nil }
            let spool = try fixture.open(on: disk)
            let refusal = #expect(throws: ForebayError.self) { try fixture.open() }
            #expect(refusal?.code == .spoolLocked, "\(isThere)")
            try await spool.append("a", ["x"])
            await spool.close()
        }
    }

    @Test("refuses a format version it does not know, by name")
    func refusesVersions() async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        _ = try await spool.commit([submission([(routeA, ["x"])])])
        await spool.close()
        let file = try fixture.crashed()
        let path = try file.segmentFiles()[0]
        var bytes = try Data(contentsOf: URL(filePath: path))
        for copy in [0, SpoolFormat.block] {
            bytes[copy + 12] = 9
            bytes.withUnsafeMutableBytes { buffer in
                let crc = SpoolFormat.crc(UnsafeRawBufferPointer(buffer).part(copy + 12, SegmentHeader.checked - 12))
                buffer.baseAddress!.put(crc, at: copy + 8)
            }
        }
        try bytes.write(to: URL(filePath: path))
        let refusal = #expect(throws: ForebayError.self) { try file.open() }
        #expect(refusal?.message.contains("format version 9") == true)
    }

    @Test("a cursor moves forward only, survives a kill, and holds its segments")
    func cursors() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open()
        let cursor = try await spool.cursor("forward/a", route: routeA)
        await spool.releasePassedSegments()
        for round in 0..<20 { _ = try await spool.commit([submission([(routeA, [String(repeating: "\(round % 10)", count: 30_000)])])]) }
        #expect(spool.lag(of: cursor) == 20)
        let segments = spool.segmentCount
        cursor.move(to: 15, settled: 15)
        cursor.move(to: 3, settled: 3)
        #expect(cursor.sequence == 15)
        #expect(spool.lag(of: cursor) == 5)

        let copy = try fixture.crashed()
        let after = try copy.open()
        let again = try await after.cursor("forward/a", route: routeA)
        #expect(again.sequence == 15)
        #expect(after.lag(of: again) == 5)
        await after.close()

        await spool.close()  // Syncs the cursor; then the passed segments may go.
        #expect(spool.segmentCount < segments)
        #expect(spool.start <= 15)
        let later = try fixture.crashed()
        let reopened = try later.open()
        #expect(try reopened.events(from: 15).count == 5)
        await reopened.close()
    }

    @Test("a new cursor stands at the oldest event")
    func newCursor() async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        _ = try await spool.commit([submission([(routeA, ["x", "y"])])])
        let cursor = try await spool.cursor("mirror/a", route: routeA)
        #expect(cursor.sequence == 0)
        #expect(spool.lag(of: cursor) == 2)
        await spool.close()
    }

    @Test("refuses a group when there is no room, stores nothing of it, and says so before")
    func fills() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10, capacity: 512 << 10)
        let spool = try fixture.open()
        let cursor = try await spool.cursor("forward/a", route: routeA)
        await spool.releasePassedSegments()
        var stored = 0
        var refusal: ForebayError?
        while refusal == nil {
            do throws(ForebayError) {
                _ = try await spool.commit([submission([(routeA, [String(repeating: "x", count: 5_000)])])])
                stored += 1
            } catch {
                refusal = error
            }
        }
        #expect(refusal?.code == .spoolFull)
        #expect(spool.isFull)
        #expect(try spool.events().count == stored)
        cursor.move(to: spool.durableEnd, settled: UInt64(stored))
        await spool.close()
        let copy = try fixture.crashed()
        let again = try copy.open()
        _ = try await again.cursor("forward/a", route: routeA)
        #expect(!again.isFull)
        _ = try await again.commit([submission([(routeA, ["room"])])])
        await again.close()
    }
}

struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { self.state = seed }
    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var z = self.state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
