import ForebayCore
import Foundation
import Testing

@testable import ForebaySpool

extension HadBackTests {
    @Test(
        "what a removed route has in the newest segment waits for it when that is put back, also if nothing was left of it meanwhile",
        arguments: [true, false], [false, true])
    func removedMeanwhile(isKilled: Bool, isRenamed: Bool) async throws {
        let first = SpoolFixture(segmentSize: 64 << 10)
        var spool = try first.open { $0.recentBytes = 0 }
        _ = try await self.open(spool)
        _ = try await self.append(spool, "old", 5, padding: 12_000)
        await self.settle(spool)
        let known = try await self.append(spool, "lost", 3, padding: 12_000).filter { $0.route == "b" }
        let fixture = isKilled ? try first.crashed() : first
        await spool.close()
        let path = try #require(try fixture.segmentFiles().last)
        let bytes = try Data(contentsOf: URL(filePath: path))
        try FileManager.default.removeItem(atPath: path)

        func start(_ routes: [String]) async throws -> [SpoolCursor] {
            spool = try fixture.open { $0.recentBytes = 0 }
            var cursors: [SpoolCursor] = []
            for route in routes { cursors.append(try await spool.forward(route, formerly: route == "new" ? ["b"] : [])) }
            let removed = try await spool.removedCursors { routes.contains($0.route) }
            await spool.releasePassedSegments()
            return cursors + removed
        }
        for _ in 0..<2 {
            // Whoever is there passes what is lost.
            for cursor in try await start(["a", "c"]) where cursor.route != "b" {
                cursor.rest(at: spool.durableEnd, ordinal: cursor.ordinal)
            }
            await spool.tidy()
            await spool.close()
        }
        try bytes.write(to: URL(filePath: path))
        for _ in 0..<2 {
            let cursors = try await start(["a", "c"])
            #expect(cursors.map(\.route) == ["a", "c", "b"])
            for cursor in cursors.prefix(2) { cursor.rest(at: spool.durableEnd, ordinal: cursor.ordinal + spool.lag(of: cursor)) }
            await spool.tidy()
            await spool.close()
        }
        let name = isRenamed ? "new" : "b"
        let cursors = try await start(["a", name, "c"])
        #expect(cursors.map(\.route) == ["a", name, "c"])
        #expect(try self.waiting(spool, cursors[1]).map(\.value) == known.map(\.value))
        #expect(spool.lag(of: cursors[1]) == UInt64(known.count))
        await spool.close()
    }

    /// Everything is delivered to all.
    private func settle(_ spool: Spool) async {
        for cursor in spool.allCursors { cursor.move(to: spool.durableEnd, settled: spool.lag(of: cursor)) }
        await spool.tidy()
    }
}
