import ForebayCore
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

/// What is had back beside what nobody used, and of dead letters.
extension HadBackTests {
    @Test("dead letters: both are listed, and counted")
    func deadLetters() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        func open() throws -> DeadLetters {
            let (threads, metrics) = (fixture.threads, fixture.metrics)
            let budget = try SpoolBudget(capacity: 64 << 20, directory: NSTemporaryDirectory())
            return try DeadLetters(route: "a", directory: fixture.directory, threads: threads) { folder throws(ForebayError) in
                try Spool.open(
                    SpoolConfiguration(directory: folder, kind: .deadLetters, segmentSize: 64 << 10) { fatalError("\($0)") },
                    budget: budget, threads: threads, metrics: SpoolMetrics(metrics))
            }
        }
        func letters(_ names: [String]) -> [DeadLetter] {
            names.map { name in
                DeadLetter(
                    topic: "t", code: "MSG_SIZE_TOO_LARGE", reason: "", eventID: name, offset: Offset(lane: .spool(.none), number: 0),
                    record: batch(routeA, [name + String(repeating: "d", count: 20_000)]).withUnsafeBytes { Array($0) })
            }
        }
        var log = try open()
        var names: [String] = []
        for number in 0..<5 {
            names.append("old\(number)")
            _ = try await log.append(letters([names.last!]))
        }
        await log.close()
        let path = try #require(try fixture.segmentFiles().last)
        let bytes = try Data(contentsOf: URL(filePath: path))
        try FileManager.default.removeItem(atPath: path)
        log = try open()
        let kept = log.count
        let new = try await log.append(letters(["new0", "new1"]))
        #expect(log.count == kept + 2)
        await log.close()
        log = try open()
        #expect(log.count == kept + 2, "not the numbers that were left out")
        #expect(try await log.list(after: new[0] - 1, limit: 1).map(\.eventID) == ["new0"])
        await log.close()
        try bytes.write(to: URL(filePath: path))
        log = try open()
        let listed = try await log.list(after: nil, limit: 100).map(\.eventID)
        #expect(listed == names + ["new0", "new1"] && log.count == 7)
        #expect(try DeadLetters.list(directory: fixture.directory, after: nil, limit: 100).map(\.eventID) == listed)
        #expect(log.damage == SpoolDamage())
        await log.close()
    }

    @Test("a segment that was never used, and that the one behind it does not know of, cuts nothing off")
    func neverUsed() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try fixture.open()
        _ = try await self.open(spool)
        var known = try await self.append(spool, "0-", 2, padding: 12_000)
        await spool.close()
        // Made by a call that failed, when the one before it had two events; that one went on.
        let path = try fixture.segmentFiles()[0]
        let found = try SegmentHeader.read(from: SystemDisk().open(path, [])).outcome.get()
        var header = SegmentHeader(log: found.log, origin: found.origin, number: 2, base: 1, salt: 9, madeAt: 1)
        (header.previousNumber, header.previousEnd) = (1, 1)
        let stray = try Slab.blocks(of: header)
        spool = try fixture.open()
        _ = try await self.open(spool)
        known += try await self.append(spool, "1-", 2)
        await spool.close()
        // Segment 2 holds the last two: as if it had been given the number 3.
        let files = try fixture.segmentFiles()
        #expect(files.count == 2)
        try fixture.renumber(files[1], to: 3)
        try stray.write(to: URL(filePath: files[1]))
        spool = try fixture.open()
        for cursor in try await self.open(spool) {
            #expect(try self.waiting(spool, cursor) == known.filter { $0.route == cursor.route })
        }
        #expect(spool.missing.isEmpty && spool.alarms.isEmpty)
        await spool.close()
    }
}

extension Slab {
    /// The blocks of a segment's header.
    fileprivate static func blocks(of header: SegmentHeader) throws -> Data {
        let slab = Slab(capacity: header.dataStart, alignment: SpoolFormat.block)
        header.encode(to: UnsafeMutableRawBufferPointer(start: slab.base, count: header.dataStart))
        return Data(bytes: slab.base, count: header.dataStart)
    }
}

extension SpoolFixture {
    /// Gives a segment another number.
    fileprivate func renumber(_ path: String, to number: UInt64) throws {
        var header = try SegmentHeader.read(from: SystemDisk().open(path, [])).outcome.get()
        header.number = number
        var bytes = try Data(contentsOf: URL(filePath: path))
        bytes.replaceSubrange(0..<header.dataStart, with: try Slab.blocks(of: header))
        try bytes.write(to: URL(filePath: SegmentFile.path(of: number, in: self.segmentsFolder)))
        try FileManager.default.removeItem(atPath: path)
    }
}
