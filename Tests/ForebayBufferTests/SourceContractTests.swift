import ForebayCore
import ForebaySpool
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayBuffer

/// A route's events out of the spool come as those of every source do.
@Suite("Contract of the spool's source", .timeLimit(.minutes(1)))
struct SourceContractTests {
    private final class World: EventSourceWorld {
        private let recentBytes: Int
        private var world: SourceWorld
        private var spoolSource: SpoolSource

        init(recentBytes: Int) async throws {
            self.recentBytes = recentBytes
            self.world = try SourceWorld(recentBytes: recentBytes, segmentSize: 64 << 10)
            self.spoolSource = try await self.world.source("own").source
        }

        var source: any EventSource { self.spoolSource }

        /// Among those of another route, and in groups of several sizes.
        func add(_ values: [String]) async throws {
            var rest = values[...]
            var count = 1
            while !rest.isEmpty {
                try await self.world.commit("other", count, size: 5000)
                try await self.world.commit("own", Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
                count = count % 7 + 1
            }
        }

        func restart() async throws -> Bool {
            self.spoolSource.close()
            self.world = try SourceWorld(recentBytes: self.recentBytes, segmentSize: 64 << 10, directory: self.world.copy())
            self.spoolSource = try await self.world.source("own").source
            return true
        }

        func end() async {
            self.spoolSource.close()
            await self.world.spool.close()
        }
    }

    @Test("from memory, from the disk, and from both", arguments: EventSourceClaim.allCases, [1 << 20, 0, 30_000])
    func holds(_ claim: EventSourceClaim, recentBytes: Int) async throws {
        let world = try await World(recentBytes: recentBytes)
        try await claim.check(world)
        await world.end()
    }
}
