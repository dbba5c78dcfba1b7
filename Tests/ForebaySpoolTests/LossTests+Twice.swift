import ForebayCore
import Foundation
import Testing

@testable import ForebaySpool

extension LossTests {
    @Test("two holes in one segment are counted each by itself, also of a route that has nothing between them", arguments: [false, true])
    func twiceInOneSegment(isFirst: Bool) async throws {
        let fixture = SpoolFixture(segmentSize: 256 << 10)
        var spool = try fixture.open { $0.recentBytes = 0 }
        var ahead = try await spool.forward("a")
        _ = try await spool.forward("b")
        // A segment before it, in which the route that is ahead has as many.
        if !isFirst { for _ in 0..<9 { try await spool.append("a", [String(repeating: "f", count: 30_000)]) } }
        let base = spool.durableEnd
        if !isFirst { #expect(spool.segmentCount > 1) }
        for route in ["a", "a", "b", "b", "a", "b", "a"] { try await spool.append(route, [String(repeating: "s", count: 5000)]) }
        ahead.move(to: spool.durableEnd, settled: spool.lag(of: ahead))
        await spool.syncCursors()
        let segment = try #require(spool.view.read { $0.segments.last })
        #expect(segment.base <= base)
        await spool.close()
        // Of the frames behind the first: an a and a b are lost, a b is there, an a and a b are lost, an a is there.
        var bytes = try Data(contentsOf: URL(filePath: segment.path))
        var scanner = SegmentScanner(
            file: try SystemDisk().open(segment.path, []), salt: segment.salt, position: segment.header.dataStart, limit: bytes.count)
        while case .frame(let frame, let position) = try scanner.step() {
            if [1, 2, 4, 5].contains(Int(frame.base) - Int(base)) {
                bytes.replaceSubrange(position..<position + 64, with: Data(count: 64))
            }
        }
        try bytes.write(to: URL(filePath: segment.path))
        spool = try fixture.open { $0.recentBytes = 0 }
        ahead = try await spool.forward("a")
        let behind = try await spool.forward("b")
        _ = try spool.waiting(behind)
        #expect(spool.missing.map(\.sequences) == [base + 1..<base + 3, base + 4..<base + 6])
        #expect(spool.missing.map(\.events).allSatisfy { $0 >= 1 }, "one of each was b's: \(spool.missing)")
        await spool.close()
    }
}
